//! Signals as readable events: blocked for the process, read from a descriptor.

use std::{
    fs::File,
    io::{self, Read},
    mem,
    os::fd::{AsFd, BorrowedFd},
    ptr,
};

use super::calls;

/// The numbers that callers need without depending on libc.
pub use libc::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, SIGWINCH};

/// A descriptor that is readable when one of its signals is pending. The signals are blocked from
/// its creation on, in the calling thread and in those it starts later: create it first of all.
#[derive(Debug)]
pub struct SignalFd(File);

impl SignalFd {
    /// Blocks `signals` and makes them readable.
    pub fn new(signals: &[i32]) -> io::Result<Self> {
        let set = block(signals)?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` is an initialised sigset_t that outlives the call, which answers a new descriptor.
        let fd = unsafe { calls::owned(libc::signalfd(-1, &set, flags).into()) }?;
        Ok(Self(File::from(fd)))
    }

    /// The number of one pending signal, if there is one.
    pub fn take(&self) -> io::Result<Option<i32>> {
        let mut info = [0u8; mem::size_of::<libc::signalfd_siginfo>()];
        match (&self.0).read(&mut info) {
            // The number is the first field of signalfd_siginfo.
            Ok(_) => Ok(Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks `signals` in the calling thread and in those it starts later.
fn block(signals: &[i32]) -> io::Result<libc::sigset_t> {
    let mut set = empty();
    for &signal in signals {
        // SAFETY: `set` is initialised; a number that is no signal is an error, not a fault.
        super::checked(unsafe { libc::sigaddset(&mut set, signal) })?;
    }
    // SAFETY: `set` is initialised, and no old set is asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()) } {
        0 => Ok(set),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Gives SIGCHLD its default action. Ignored, which a program inherits from the one that started it,
/// it is not sent, and a child's exit is thrown away before anybody can ask for it.
pub fn hear_of_children() -> io::Result<()> {
    // SAFETY: installs no handler.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives every signal its default action and blocks none: what a started program expects. Only
/// async-signal-safe calls, so that it may run between fork and exec.
pub(super) fn reset_all() {
    // The kernel's sigaction, at most 32 bytes: all zero is the default action and no flags.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads a sigaction and a mask of 8 bytes out of `default`, which is large
        // enough, and writes nothing. Asked directly because libc refuses the two signals that it
        // keeps for itself; for SIGKILL and SIGSTOP the call fails and changes nothing.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &default, ptr::null_mut::<u64>(), 8) };
    }
    // SAFETY: the set is initialised, and no old set is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &empty(), ptr::null_mut()) };
}

fn empty() -> libc::sigset_t {
    // SAFETY: sigset_t is an array of integers, for which zero is a valid value; sigemptyset then
    // gives it its meaning.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}
