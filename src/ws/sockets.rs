//! The connections of one instance: how many there may be, and when they end.
//!
//! A seat holds a place and the descriptor by which other threads wake the connection's. At the
//! instance's end every connection is woken and says 1001 before the gate closes its socket. Where
//! keys are rotated, those that an older key opened are told by when they end (4001), and so is one
//! that is only just being opened: whoever enters late finds the rotation written down.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::sys::poll::Wake;

/// All connections.
pub struct Sockets {
    most: usize,
    stopping: AtomicBool,
    seats: Mutex<Seats>,
    left: Condvar,
    /// frames, of all connections so far, that were not understood
    ignored: AtomicU64,
}

#[derive(Default)]
struct Seats {
    last: u64,
    places: HashMap<u64, Arc<Place>>,
    /// connections of a key older than this generation end at this moment
    retired: Option<(u64, u64)>,
}

struct Place {
    wake: Arc<Wake>,
    /// of the key that opened; `None`: no key did, and no rotation ends it
    generation: Option<u64>,
    /// monotonic ms; [`u64::MAX`]: never
    retires_at: AtomicU64,
}

/// One connection's place. Dropping it gives the place back.
pub struct Seat {
    sockets: Arc<Sockets>,
    id: u64,
    place: Arc<Place>,
}

impl Sockets {
    /// At most `most` at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            stopping: AtomicBool::new(false),
            seats: Mutex::default(),
            left: Condvar::new(),
            ignored: AtomicU64::new(0),
        })
    }

    /// A place of a connection that no key opened; `None` where all are taken, or the end has begun.
    pub fn enter(self: &Arc<Self>) -> io::Result<Option<Seat>> {
        self.enter_with(None)
    }

    /// The same, of a connection that a key of this generation opened.
    pub fn enter_with(self: &Arc<Self>, generation: Option<u64>) -> io::Result<Option<Seat>> {
        let mut seats = self.lock();
        if seats.places.len() >= self.most || self.is_stopping() {
            return Ok(None);
        }
        let retired = seats.retired.filter(|(below, _)| generation.is_some_and(|own| own < *below));
        let retires_at = AtomicU64::new(retired.map_or(u64::MAX, |(_, at)| at));
        let place = Arc::new(Place { wake: Arc::new(Wake::new()?), generation, retires_at });
        seats.last = seats.last.saturating_add(1);
        let id = seats.last;
        seats.places.insert(id, Arc::clone(&place));
        Ok(Some(Seat { sockets: Arc::clone(self), id, place }))
    }

    /// Ends all connections whose key is older than generation `below` at the moment `at` (monotonic
    /// ms), or when they were to end before that. How many there are.
    pub fn retire(&self, below: u64, at: u64) -> usize {
        let mut seats = self.lock();
        seats.retired = Some((below, at));
        let old = seats.places.values().filter(|place| place.generation.is_some_and(|own| own < below));
        old.map(|place| {
            place.retires_at.fetch_min(at, Ordering::AcqRel);
            place.wake.wake();
        })
        .count()
    }

    /// Places taken.
    pub fn open(&self) -> usize {
        self.lock().places.len()
    }

    /// Frames so far that no session understood.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn count_ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets every connection say that the instance ends (1001), and waits for them up to `within`.
    pub fn stop(&self, within: Duration) {
        let seats = self.lock();
        self.stopping.store(true, Ordering::Release);
        for place in seats.places.values() {
            place.wake.wake();
        }
        let waited = self.left.wait_timeout_while(seats, within, |seats| !seats.places.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Never used twice in one instance.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// All connections, of which it is one.
    pub fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    /// Wakes the connection's thread.
    pub fn wake(&self) -> &Arc<Wake> {
        &self.place.wake
    }

    /// When the connection is to end because its key was changed; [`u64::MAX`]: never.
    pub fn retires_at(&self) -> u64 {
        self.place.retires_at.load(Ordering::Acquire)
    }

    /// The instance is about to end.
    pub fn is_stopping(&self) -> bool {
        self.sockets.is_stopping()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sockets.lock().places.remove(&self.id);
        self.sockets.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let sockets = Sockets::new(2);
        let one = sockets.enter().unwrap().unwrap();
        let two = sockets.enter().unwrap().unwrap();
        assert_ne!(one.id(), two.id());
        assert!(sockets.enter().unwrap().is_none());
        drop(one);
        assert_eq!(sockets.open(), 1);
        assert!(sockets.enter().unwrap().is_some());
    }

    #[test]
    fn a_rotation_ends_what_an_older_key_opened_and_nothing_else() {
        let sockets = Sockets::new(9);
        let enter = |generation| sockets.enter_with(generation).unwrap().unwrap();
        let (first, second, token) = (enter(Some(1)), enter(Some(2)), enter(None));
        assert_eq!(sockets.retire(2, 500), 1);
        let ends = |seats: [&Seat; 3]| seats.map(Seat::retires_at);
        assert_eq!(ends([&first, &second, &token]), [500, u64::MAX, u64::MAX]);
        // What enters behind it: with the old key it ends with the others, with the new one it stays.
        let (late, new) = (enter(Some(1)), enter(Some(2)));
        assert_eq!((late.retires_at(), new.retires_at()), (500, u64::MAX));
        // A later one ends what earlier ones left alone, and gives nobody more time.
        assert_eq!(sockets.retire(3, 900), 4);
        assert_eq!(ends([&first, &late, &second]), [500, 500, 900]);
        assert_eq!((new.retires_at(), token.retires_at()), (900, u64::MAX));
        assert_eq!(enter(Some(3)).retires_at(), u64::MAX);
    }

    #[test]
    fn a_stop_wakes_everybody_and_lets_nobody_in() {
        let sockets = Sockets::new(2);
        let seat = sockets.enter().unwrap().unwrap();
        let ends = std::thread::spawn(move || {
            let mut entries =
                [crate::sys::poll::Entry::new(std::os::fd::AsFd::as_fd(&**seat.wake()), true, false)];
            crate::sys::poll::poll(&mut entries, Some(Duration::from_secs(20))).unwrap();
            assert!(entries[0].readable() && seat.is_stopping());
        });
        sockets.stop(Duration::from_secs(20));
        assert_eq!(sockets.open(), 0);
        assert!(sockets.enter().unwrap().is_none());
        ends.join().unwrap();
    }
}
