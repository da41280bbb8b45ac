//! Descriptors that the process which started us left open in us.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd},
};

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

/// Closes every inherited descriptor but the standard three and `keep`, so that nothing is open
/// that we did not open. The same condition as for [`take`].
pub fn close_others(keep: Option<&File>) -> io::Result<()> {
    let close = |first: u32, last: u32| {
        if first > last {
            return Ok(());
        }
        // SAFETY: takes no pointers; nothing in this process owns a descriptor of this range yet.
        let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        super::checked(done as libc::c_int)
    };
    match keep.and_then(|file| u32::try_from(file.as_raw_fd()).ok()) {
        None => close(3, u32::MAX),
        Some(kept) => {
            close(3, kept.saturating_sub(1))?;
            close(kept.saturating_add(1), u32::MAX)
        }
    }
}
