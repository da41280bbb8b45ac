//! The two keys of a launch, and their change while requests come in.
//!
//! Between [`Keyring::begin`] and [`Rotation::finish`] the new keys count beside the old ones, so that
//! whoever reads the key file at any moment finds a key that opens. A rotation that is dropped takes
//! its keys with it. What is presented is held against every key there is, in constant time, so that
//! time tells neither which one it was nor how near it came. The lock is held for that moment alone.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Who;
use crate::wire::secret::Secret;

/// The owner key and the peer key.
pub struct Keys {
    /// opens the AgentMux surface and `/api/v1/`
    pub owner: Secret,
    /// opens inject and the agent look-up, for other instances
    pub peer: Secret,
}

/// Keys with the number of their making.
struct Made {
    keys: Keys,
    generation: u64,
}

/// All keys that count now.
struct Held {
    now: Made,
    /// while a rotation is underway
    next: Option<Made>,
    /// given to the latest keys, whether they ever became `now`; never given twice
    last: u64,
}

/// The keys of an instance.
pub struct Keyring {
    held: RwLock<Held>,
}

/// Why no rotation began. No generation is spent on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// another rotation is underway
    Underway,
    /// the key that the caller came with opens nothing any more
    Retired,
}

impl Keyring {
    /// The keys of a start: generation 1.
    pub fn new(keys: Keys) -> Self {
        let now = Made { keys, generation: 1 };
        Self { held: RwLock::new(Held { now, next: None, last: 1 }) }
    }

    /// The generation of the keys that count.
    pub fn generation(&self) -> u64 {
        self.read().now.generation
    }

    /// Whether keys of this generation still open.
    pub fn counts(&self, generation: u64) -> bool {
        let held = self.read();
        held.now.generation == generation
            || held.next.as_ref().is_some_and(|next| next.generation == generation)
    }

    /// Whose key this is, and of which generation. An empty text is nobody's.
    pub(super) fn holder(&self, sent: &[u8]) -> Option<(Who, u64)> {
        let held = self.read();
        let mut found = None;
        for made in [Some(&held.now), held.next.as_ref()].into_iter().flatten() {
            // Both, whatever the first says.
            let (owner, peer) = (made.keys.owner.matches(sent), made.keys.peer.matches(sent));
            if peer {
                found = Some((Who::Peer, made.generation));
            }
            if owner {
                found = Some((Who::Owner, made.generation));
            }
        }
        found.filter(|_| !sent.is_empty())
    }

    /// Lets `keys` count beside the present ones, until the rotation is finished or dropped. `by` is the
    /// generation of the key that the caller came with: another rotation may have ended it since.
    pub fn begin(&self, keys: Keys, by: Option<u64>) -> Result<Rotation<'_>, NotBegun> {
        let mut held = self.write();
        if held.next.is_some() {
            return Err(NotBegun::Underway);
        }
        if by.is_some_and(|by| by != held.now.generation) {
            return Err(NotBegun::Retired);
        }
        held.last = held.last.saturating_add(1);
        let generation = held.last;
        held.next = Some(Made { keys, generation });
        Ok(Rotation { keyring: self, generation, is_known: false })
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rotation that is underway; there is one at a time. Dropped before anybody knows its keys, it leaves
/// the old ones as they were, and the new ones open nothing any more.
#[must_use]
pub struct Rotation<'a> {
    keyring: &'a Keyring,
    generation: u64,
    /// others know the new keys: there is no way back
    is_known: bool,
}

impl Rotation<'_> {
    /// Others know the new keys from here on: dropped, it is finished.
    pub fn known(&mut self) {
        self.is_known = true;
    }

    /// The old keys open nothing any more. The generation of the new ones.
    pub fn finish(mut self) -> u64 {
        self.is_known = true;
        self.generation
    }
}

impl Drop for Rotation<'_> {
    fn drop(&mut self) {
        let mut held = self.keyring.write();
        let gone = match held.next.take() {
            Some(next) if self.is_known => Some(std::mem::replace(&mut held.now, next)),
            undone => undone,
        };
        drop(held);
        // Overwritten outside of the lock.
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(owner: &str, peer: &str) -> Keys {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        Keys { owner: secret(owner), peer: secret(peer) }
    }

    fn holders(ring: &Keyring) -> [Option<(Who, u64)>; 4] {
        ["o1", "p1", "o2", "p2"].map(|key| ring.holder(key.as_bytes()))
    }

    #[test]
    fn old_and_new_keys_count_until_the_rotation_is_finished_and_then_the_new_ones_alone() {
        let ring = Keyring::new(keys("o1", "p1"));
        let old = [Some((Who::Owner, 1)), Some((Who::Peer, 1))];
        let new = [Some((Who::Owner, 2)), Some((Who::Peer, 2))];
        assert_eq!(holders(&ring), [old.clone(), [None, None]].concat()[..]);
        let rotation = ring.begin(keys("o2", "p2"), None).expect("none is underway");
        assert_eq!(holders(&ring), [old, new.clone()].concat()[..]);
        assert_eq!((ring.generation(), ring.counts(1), ring.counts(2)), (1, true, true));
        assert_eq!(rotation.finish(), 2);
        assert_eq!(holders(&ring), [[None, None], new].concat()[..]);
        assert_eq!((ring.generation(), ring.counts(1), ring.counts(2)), (2, false, true));
    }

    #[test]
    fn a_rotation_that_is_dropped_leaves_the_old_keys_and_its_generation_is_never_given_again() {
        let ring = Keyring::new(keys("o1", "p1"));
        drop(ring.begin(keys("o2", "p2"), None).expect("none is underway"));
        assert_eq!(holders(&ring), [Some((Who::Owner, 1)), Some((Who::Peer, 1)), None, None]);
        let again = ring.begin(keys("o2", "p2"), None).expect("none is underway");
        assert_eq!(ring.holder(b"o2"), Some((Who::Owner, 3)));
        assert_eq!((again.finish(), ring.generation()), (3, 3));
    }

    #[test]
    fn a_rotation_whose_keys_are_known_has_no_way_back() {
        let ring = Keyring::new(keys("o1", "p1"));
        let mut rotation = ring.begin(keys("o2", "p2"), None).expect("none is underway");
        rotation.known();
        assert_eq!(ring.holder(b"o1"), Some((Who::Owner, 1)), "not finished yet");
        drop(rotation);
        assert_eq!(holders(&ring), [None, None, Some((Who::Owner, 2)), Some((Who::Peer, 2))]);
    }

    #[test]
    fn one_rotation_is_underway_at_a_time() {
        let ring = Keyring::new(keys("o1", "p1"));
        let rotation = ring.begin(keys("o2", "p2"), None).expect("none is underway");
        assert_eq!(ring.begin(keys("o3", "p3"), None).err(), Some(NotBegun::Underway));
        assert_eq!(ring.holder(b"o3"), None);
        assert_eq!(ring.holder(b"o2"), Some((Who::Owner, 2)), "the first one goes on");
        assert_eq!(rotation.finish(), 2);
        assert!(ring.begin(keys("o3", "p3"), None).is_ok());
    }

    #[test]
    fn a_rotation_by_a_key_that_was_taken_away_does_not_begin_and_spends_no_generation() {
        let ring = Keyring::new(keys("o1", "p1"));
        let rotation = ring.begin(keys("o2", "p2"), Some(1)).expect("the key of the start");
        assert_eq!(ring.begin(keys("o3", "p3"), Some(1)).err(), Some(NotBegun::Underway));
        assert_eq!(rotation.finish(), 2);
        assert_eq!(ring.begin(keys("o3", "p3"), Some(1)).err(), Some(NotBegun::Retired));
        assert_eq!(ring.holder(b"o3"), None);
        assert_eq!(ring.begin(keys("o3", "p3"), Some(2)).expect("the key of now").finish(), 3);
    }

    #[test]
    fn an_empty_text_is_nobodys_key() {
        assert_eq!(Keyring::new(keys("", "")).holder(b""), None);
        assert_eq!(Keyring::new(keys("o1", "p1")).holder(b""), None);
    }
}
