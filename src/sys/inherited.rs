//! A descriptor that one process passes on purpose to another one that it starts.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

/// Has `command` inherit a descriptor, and gives the number that it has there. Ours is closed with
/// `command`.
pub fn pass(command: &mut Command, descriptor: OwnedFd) -> i32 {
    let number = descriptor.as_raw_fd();
    // SAFETY: F_SETFD takes an int by value; the descriptor is open, because the closure owns it.
    let keep = move || super::checked(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) });
    // SAFETY: between fork and exec `keep` makes one async-signal-safe call and nothing else.
    unsafe { command.pre_exec(keep) };
    number
}

/// Makes reading and writing of `ours` answer `WouldBlock` instead of waiting. Not for a description that
/// another process has too.
pub fn do_not_block(ours: &File) -> io::Result<()> {
    // SAFETY: F_GETFL takes no argument, F_SETFL an int by value; the borrow keeps the descriptor open.
    unsafe {
        let flags = libc::fcntl(ours.as_raw_fd(), libc::F_GETFL);
        super::checked(flags)?;
        super::checked(libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))
    }
}

/// Takes ownership of inherited descriptor `number` (3 or above).
///
/// Call it before the program opens anything itself: a number that is open then can only be one
/// that was inherited.
pub fn take(number: i32) -> io::Result<File> {
    if number < 3 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: F_GETFD takes no argument; a number that is not open is an error, not a fault.
    super::checked(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: the descriptor is open, and nothing in this process can own it yet (see above).
    Ok(unsafe { File::from_raw_fd(number) })
}
