//! Waking a thread that waits in poll(2).
//!
//! An eventfd, and a flag beside it: waking somebody who is awake already costs no system call, so that a flood
//! of output wakes once.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use super::poll::event;

/// A descriptor that becomes readable when another thread calls [`Wake::wake`].
///
/// A wake that is not taken yet costs the next one no system call. Invariant: where `pending` is
/// set, the descriptor is readable, or a thread stands between the two steps of [`Wake::wake`] or of
/// [`Wake::clear`] and makes it so that this holds again.
#[derive(Debug)]
pub struct Wake {
    event: File,
    pending: AtomicBool,
}

impl Wake {
    /// A new one, not yet woken.
    pub fn new() -> io::Result<Self> {
        Ok(Self { event: event()?, pending: AtomicBool::new(false) })
    }

    /// Wakes the waiting thread. Never blocks: a full counter means that it is awake anyway.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            let _ = (&self.event).write(&1u64.to_ne_bytes());
        }
    }

    /// Takes all wakes so far. What they were for is to be looked at after this, not before.
    pub fn clear(&self) {
        // In this order: a wake that comes between the two is one whose reason the caller is about to
        // see. The other way round it would be emptied with its flag still set, and every later one
        // would be left out.
        let _ = (&self.event).read(&mut [0; 8]);
        self.pending.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicU64},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::sys::poll::{Entry, poll};

    fn is_readable(wake: &Wake) -> bool {
        poll(&mut [Entry::new(wake.as_fd(), true, false)], Some(Duration::ZERO)).unwrap() == 1
    }

    #[test]
    fn many_wakes_are_one_until_they_are_taken() {
        let wake = Wake::new().unwrap();
        assert!(!is_readable(&wake));
        wake.wake();
        wake.wake();
        assert!(is_readable(&wake));
        let mut count = [0; 8];
        assert_eq!((&wake.event).read(&mut count).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(count), 1, "the second wake cost no system call");
        wake.clear();
        assert!(!is_readable(&wake));
        wake.wake();
        assert!(is_readable(&wake), "after a clear the next wake counts again");
    }

    /// Every value that a waker publishes is seen by the sleeper, however the steps fall.
    #[test]
    fn no_wake_is_lost_between_clear_and_look() {
        const ROUNDS: u64 = 20_000;
        let wakers = 2;
        let wake = Arc::new(Wake::new().unwrap());
        let published = Arc::new(AtomicU64::new(0));
        let seen = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..wakers)
            .map(|_| {
                let (wake, published, seen) = (wake.clone(), published.clone(), seen.clone());
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        let mine = published.fetch_add(1, Ordering::Relaxed) + 1;
                        wake.wake();
                        // One round at a time, so that a lost wake is not made good by the next.
                        while seen.load(Ordering::Relaxed) < mine {
                            std::hint::spin_loop();
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        while seen.load(Ordering::Relaxed) < wakers * ROUNDS {
            let mut entries = [Entry::new(wake.as_fd(), true, false)];
            let ready = poll(&mut entries, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(ready, 1, "a wake was lost");
            wake.clear();
            seen.store(published.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
