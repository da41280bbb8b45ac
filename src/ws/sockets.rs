//! The connections of one instance: how many there may be, and the end of them all.
//!
//! A seat holds a place and the descriptor by which other threads wake the connection's. At the
//! instance's end every connection is woken and says 1001 before the gate closes its socket.

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
    wakes: HashMap<u64, Arc<Wake>>,
}

/// One connection's place. Dropping it gives the place back.
pub struct Seat {
    sockets: Arc<Sockets>,
    id: u64,
    wake: Arc<Wake>,
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

    /// A place; `None` where all are taken, or the end has begun.
    pub fn enter(self: &Arc<Self>) -> io::Result<Option<Seat>> {
        let mut seats = self.lock();
        if seats.wakes.len() >= self.most || self.is_stopping() {
            return Ok(None);
        }
        let wake = Arc::new(Wake::new()?);
        seats.last = seats.last.saturating_add(1);
        let id = seats.last;
        seats.wakes.insert(id, Arc::clone(&wake));
        Ok(Some(Seat { sockets: Arc::clone(self), id, wake }))
    }

    /// Places taken.
    pub fn open(&self) -> usize {
        self.lock().wakes.len()
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
        for wake in seats.wakes.values() {
            wake.wake();
        }
        let waited = self.left.wait_timeout_while(seats, within, |seats| !seats.wakes.is_empty());
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
        &self.wake
    }

    /// The instance is about to end.
    pub fn is_stopping(&self) -> bool {
        self.sockets.is_stopping()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sockets.lock().wakes.remove(&self.id);
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
