//! Who is at the other end: asks the kernel, and decides nothing else (design section 5, step 5).
//!
//! The socket's user first, which is one exact look-up; only then, at most
//! [`limits::PEER_SCANS_PER_SECOND`] times a second, which processes hold it. Whatever is not
//! positively known is told as unknown. A hurdle and not a boundary: a process of the same user
//! that wants to be taken for another one can hand its socket to it.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::{Peers, app::Places};
use crate::{
    admit::{PeerAddr, PeerFacts, Standing, TreeFact},
    limits,
    sys::{
        diag::{self, SocketFacts},
        proc::{self, Chain, Holds},
    },
};

/// Looks at a process that may not be looked into, before it is taken for one that stays so.
const LOOKS: u32 = 40;
/// Between two of them.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Asks about peers, for one instance.
pub struct PeerProbe {
    /// the instance's own process: everything below it belongs to its agents
    instance: u32,
    /// the user whose processes may call without a token
    uid: u32,
    scans: Mutex<Scans>,
    /// looks into agents' trees, for their tokens
    looks: Places,
}

impl PeerProbe {
    /// For the instance with this pid, run by this user.
    pub fn new(instance: u32, uid: u32) -> Self {
        Self { instance, uid, scans: Mutex::default(), looks: Places::new(limits::TREE_LOOKS) }
    }
}

impl Peers for PeerProbe {
    /// `keepers` are ours, hold no connection and may not be looked into.
    fn facts(&self, at: &PeerAddr, keepers: &dyn Fn() -> Vec<u32>, now: u64) -> PeerFacts {
        let Ok(socket) = diag::tcp_peer(at.peer, at.local) else { return PeerFacts::UNKNOWN };
        let facts = |standing, pid| PeerFacts { standing, uid: Some(socket.uid), pid };
        if socket.uid != self.uid {
            return facts(Standing::NotOurUser, None);
        }
        if !is_held(&socket) {
            return facts(Standing::Unknown, None);
        }
        if !self.may_scan(now, limits::PEER_SCANS_PER_SECOND) {
            return facts(Standing::NotAsked, None);
        }
        match self.holder(socket.inode, keepers) {
            Holder::Outside(pid) => facts(Standing::Ours, Some(pid)),
            Holder::Inside(pid) => facts(Standing::AgentProcess, Some(pid)),
            Holder::Unknown => facts(Standing::Unknown, None),
        }
    }

    /// Takes at most half of the scans, so that agents' own calls cannot use them up.
    ///
    /// Whoever carried a token off must not get by with it by hiding: an end that nobody holds any
    /// more is outside, and so is one that is not found near while no scan is left. As many looks
    /// at once as there may be are an attack too, whose connections must not all be busy.
    fn tree(&self, at: &PeerAddr, keeper: u32, now: u64) -> TreeFact {
        let socket = match diag::tcp_peer(at.peer, at.local) {
            Ok(socket) if socket.inode == 0 => return TreeFact::Outside,
            Ok(socket) if socket.uid == self.uid => socket,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_gone(at) => {
                return TreeFact::Outside;
            }
            Ok(_) | Err(_) => return TreeFact::Unknown,
        };
        let Some(_look) = self.looks.enter() else { return TreeFact::Outside };
        // What an agent's own client is, found without a walk over all processes.
        let near = below(keeper);
        if near.iter().any(|pid| proc::any_thread_holds(*pid, socket.inode) == Holds::Yes) {
            return TreeFact::Inside;
        }
        if !self.may_scan(now, limits::PEER_SCANS_PER_SECOND / 2) {
            return TreeFact::Outside;
        }
        match scan(keeper, true, socket.inode, &|| vec![keeper]) {
            Holder::Outside(_) => TreeFact::Outside,
            Holder::Inside(_) => TreeFact::Inside,
            Holder::Unknown => TreeFact::Unknown,
        }
    }
}

impl PeerProbe {
    fn holder(&self, inode: u32, keepers: &dyn Fn() -> Vec<u32>) -> Holder {
        scan(self.instance, false, inode, keepers)
    }

    fn may_scan(&self, now: u64, most: u32) -> bool {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).take(now, most)
    }
}

/// A connection that somebody has in hand: an orphaned or half-closed one is nobody's word.
fn is_held(socket: &SocketFacts) -> bool {
    socket.inode != 0 && matches!(socket.state, diag::ESTABLISHED | diag::CLOSE_WAIT)
}

/// Whether an end that the kernel does not find is no more: it was on this machine and in our network
/// namespace, whose loopback addresses nobody else reaches, and the kernel does find sockets here.
fn is_gone(at: &PeerAddr) -> bool {
    at.peer.ip().to_canonical().is_loopback() && matches!(diag::tcp_listener(at.local), Ok(Some(_)))
}

#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// found, and nobody below the root holds it too
    Outside(u32),
    /// found below the root
    Inside(u32),
    Unknown,
}

/// Looks for the holders of `inode`: all below `root` (with `root` itself where `inclusive`), then
/// others until one is found. `opaque` are processes below `root` that need not be readable.
fn scan(root: u32, inclusive: bool, inode: u32, opaque: &dyn Fn() -> Vec<u32>) -> Holder {
    let holds = |pid| proc::any_thread_holds(pid, inode);
    let Ok(parents) = proc::parents() else { return Holder::Unknown };
    if !parents.contains_key(&root) {
        return Holder::Unknown;
    }
    let mut tree = proc::descendants(root, &parents);
    if inclusive {
        tree.insert(root);
    }
    if let Some(found) = search(&tree, holds, opaque) {
        return found;
    }
    // A client was most likely started a moment ago: the highest pids first.
    let outside = parents.keys().rev().filter(|pid| !tree.contains(pid));
    let Some(pid) = outside.copied().find(|pid| proc::holds(*pid, inode) == Holds::Yes) else {
        return Holder::Unknown;
    };
    // The table of parents is some milliseconds old by now.
    let standing = match proc::chain(pid, root) {
        Chain::Reaches if pid != root || inclusive => Holder::Inside(pid),
        Chain::Reaches | Chain::Misses => Holder::Outside(pid),
        Chain::Broken => Holder::Unknown,
    };
    let newborn: BTreeSet<u32> = below(root).difference(&tree).copied().collect();
    search(&newborn, holds, opaque).unwrap_or(standing)
}

/// `None`: nobody in `tree` holds it. Who may not be looked into is looked at again for a moment: a keeper is not
/// known for one in its first, nor can a program be read before it has taken its keeper's place.
fn search(
    tree: &BTreeSet<u32>,
    holds: impl Fn(u32) -> Holds,
    opaque: &dyn Fn() -> Vec<u32>,
) -> Option<Holder> {
    let mut left: Vec<u32> = tree.iter().copied().collect();
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(LOOK_AGAIN);
        }
        let mut doubtful = Vec::new();
        for pid in left {
            match holds(pid) {
                Holds::Yes => return Some(Holder::Inside(pid)),
                Holds::Unreadable => doubtful.push(pid),
                Holds::No | Holds::Gone => {}
            }
        }
        let known = if doubtful.is_empty() { Vec::new() } else { opaque() };
        doubtful.retain(|pid| !known.contains(pid));
        if doubtful.is_empty() {
            return None;
        }
        left = doubtful;
    }
    Some(Holder::Unknown)
}

/// What is below `root` now, as far as the lists of children tell: quick, and not complete while
/// processes end.
fn below(root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    // Ends: a pid is opened only when it is new, and there are finitely many.
    while let Some(pid) = open.pop() {
        for child in proc::children(pid).unwrap_or_default() {
            if child != root && found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

/// When the last scans were made: exact over any second, not by calendar seconds.
#[derive(Debug, Default)]
struct Scans {
    /// at most [`limits::PEER_SCANS_PER_SECOND`] times, oldest first
    times: VecDeque<u64>,
}

impl Scans {
    /// Takes one, if fewer than `most` were taken within the last second.
    fn take(&mut self, now: u64, most: u32) -> bool {
        while self.times.front().is_some_and(|at| at.saturating_add(1_000) <= now) {
            self.times.pop_front();
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let free = self.times.len() < most;
        if free {
            self.times.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests;
