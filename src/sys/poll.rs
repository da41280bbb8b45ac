//! Waiting for descriptors, and the thread that waits woken.
//!
//! poll(2) over borrowed descriptors, so that none can be closed meanwhile, and an eventfd to wake with.

use std::{
    fs::File,
    io,
    marker::PhantomData,
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

use super::calls;
pub use super::wake::Wake;

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

/// A new eventfd, which does not block.
pub(super) fn event() -> io::Result<File> {
    // SAFETY: takes no pointers, and answers a new descriptor.
    let event = unsafe { calls::owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK).into()) };
    event.map(File::from)
}
