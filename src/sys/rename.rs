//! Renaming without losing what stands at the other name (`man 2 renameat2`).

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

use super::checked;

/// Renames; fails with `AlreadyExists` where something has the new name.
pub fn no_replace(from: &Path, to: &Path) -> io::Result<()> {
    renameat2(from, to, libc::RENAME_NOREPLACE)
}

/// Each of the two gets the other's name, in one step; fails with `NotFound` where one is missing.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat2(one, other, libc::RENAME_EXCHANGE)
}

fn renameat2(from: &Path, to: &Path, flags: libc::c_uint) -> io::Result<()> {
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    let here = libc::AT_FDCWD;
    // SAFETY: both are strings that end with NUL and live until the call returns; it writes nothing.
    let done = unsafe { libc::syscall(libc::SYS_renameat2, here, from.as_ptr(), here, to.as_ptr(), flags) };
    checked(done as libc::c_int)
}
