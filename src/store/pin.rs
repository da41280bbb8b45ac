//! Taking hold of what has a name in a directory, without asking a file system that was mounted over it.
//!
//! Whoever runs as our user may mount a file system of his own (FUSE) over anything of ours, and then he answers
//! what it is asked when he likes, or never: `open`, `stat` and `read` wait for him. So a name is opened as a
//! place only (`O_PATH`), which asks nobody; the kernel itself tells on which mount the place lies, and what lies
//! on another than its directory is refused. What was found to lie on the same one is asked and opened through the
//! place, whatever is mounted over its name meanwhile.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use crate::sys::mount;

/// Takes hold of `name` in `above`, of a link the link; `CrossesDevices` where something is mounted over it.
pub(super) fn pin(above: &File, name: &OsStr) -> io::Result<File> {
    let mut parts = Path::new(name).components();
    // Without a slash at the end, which would make the kernel follow a link there, whatever the flags say.
    let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let pinned = OpenOptions::new().read(true).custom_flags(flags).open(at(above, name))?;
    if mount::of(&pinned)? == mount::of(above)? {
        Ok(pinned)
    } else {
        Err(io::Error::from_raw_os_error(libc::EXDEV))
    }
}

/// The way to an entry of an open directory, whatever the directory's name leads to by now.
pub(super) fn at(directory: &File, name: impl AsRef<OsStr>) -> PathBuf {
    itself(directory).join(name.as_ref())
}

/// The way to what is open, or pinned, itself.
pub(super) fn itself(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
