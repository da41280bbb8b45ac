//! Opening what lies beneath a directory, and nothing else, whatever the path says (`man 2 openat2`).
//!
//! The kernel itself follows the path and refuses the step that would leave: there is no moment between a
//! look and the opening in which anybody could change what the path leads to.

use std::{
    ffi::CString,
    fs::File,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// How often a path is tried again that somebody renames in the same moment.
const ATTEMPTS: usize = 32;

/// Opens `path` for reading beneath `base`. A link is followed as long as it stays beneath; one that is
/// absolute or leads out is `EXDEV`, one of /proc `ELOOP`. `ENOSYS` where the kernel is older than 5.6,
/// `EAGAIN` where it was raced each time.
pub fn open(base: BorrowedFd<'_>, path: &str, flags: libc::c_int) -> io::Result<File> {
    let path = CString::new(path)?;
    // SAFETY: the structure holds three numbers, for each of which zero is a value.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = (flags | libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    let mut attempt = 0;
    loop {
        // SAFETY: the string ends with NUL; it and the structure, whose size is said, outlive the call.
        let done = unsafe {
            libc::syscall(libc::SYS_openat2, base.as_raw_fd(), path.as_ptr(), &how, mem::size_of_val(&how))
        };
        if done >= 0 {
            // SAFETY: the call has just opened it for us, and nothing else knows of it.
            return Ok(unsafe { OwnedFd::from_raw_fd(done as libc::c_int) }.into());
        }
        let error = io::Error::last_os_error();
        attempt += 1;
        let again = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR));
        if !again || attempt >= ATTEMPTS {
            return Err(error);
        }
    }
}
