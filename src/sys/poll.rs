//! Waiting for descriptors, and waking the thread that waits.
//!
//! poll(2) over borrowed descriptors, so that none can be closed meanwhile, and an eventfd to wake with.
//! Waking somebody who is awake already costs no system call: a flood of output wakes once.

use std::{
    fs::File,
    io::{self, Read, Write},
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// One descriptor to wait for, and after [`poll`] what happened to it.
#[repr(transparent)]
pub struct Entry<'fd> {
    raw: libc::pollfd,
    fd: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> Entry<'fd> {
    /// Waits for `fd` to be readable, writable or both; errors and hang-ups are always reported.
    pub fn new(fd: BorrowedFd<'fd>, read: bool, write: bool) -> Self {
        let events = if read { libc::POLLIN } else { 0 } | if write { libc::POLLOUT } else { 0 };
        let raw = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
        Self { raw, fd: PhantomData }
    }

    /// Waits only for the other side of a stream socket to end its sending.
    pub fn hang_up(fd: BorrowedFd<'fd>) -> Self {
        let raw = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        Self { raw, fd: PhantomData }
    }

    /// The other side has ended its sending, or the connection is broken.
    pub fn hung_up(&self) -> bool {
        self.raw.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// Reading will not block: bytes, the end or an error are there.
    pub fn readable(&self) -> bool {
        self.raw.revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// Writing will not block.
    pub fn writable(&self) -> bool {
        self.raw.revents & (libc::POLLOUT | libc::POLLERR) != 0
    }
}

/// Waits until an entry is ready or `timeout` has passed (`None`: without end). Returns how many
/// are ready; an interrupting signal counts as none.
pub fn poll(entries: &mut [Entry<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    // Rounded up: a wait that ends a fraction too early would spin until its time has come.
    let ms = timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: Entry is a transparent pollfd, so the slice is an array of `len` valid pollfds that
    // the kernel may write to; the borrow in Entry keeps every descriptor open.
    let ready = unsafe { libc::poll(entries.as_mut_ptr().cast(), entries.len() as libc::nfds_t, ms) };
    match usize::try_from(ready) {
        Ok(ready) => Ok(ready),
        Err(_) => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(0),
            e => Err(e),
        },
    }
}

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
        // SAFETY: takes no pointers; the result is checked before it is used.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        super::checked(fd)?;
        // SAFETY: eventfd has just made this descriptor, and nobody else owns it.
        let event = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(Self { event, pending: AtomicBool::new(false) })
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
    };

    use super::*;

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
