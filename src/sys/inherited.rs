//! A descriptor that the process which started us passes on purpose.

use std::{fs::File, io, os::fd::FromRawFd};

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
