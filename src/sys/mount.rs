//! On which mount something lies, without asking its file system (`man 2 statx`).
//!
//! The kernel knows it by itself, and says it of a descriptor that is a place only. /proc says it too
//! (`mnt_id` of fdinfo), but before Linux 5.14 not to an ordinary user's process that may not be dumped, as
//! ours may not.

use std::{fs::File, io, mem, os::fd::AsRawFd};

use super::checked;

/// A mount. Two are compared, and nothing else is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mount {
    /// the kernel's own number of it
    Numbered(u64),
    /// before Linux 5.8, and in gVisor, there is none to be had: what is mounted from elsewhere has another device
    Device(u32, u32),
}

/// The mount on which an open file, or a place, lies. What the file system would have to look up is not wanted.
pub fn of(file: &File) -> io::Result<Mount> {
    // SAFETY: the structure holds numbers, for each of which zero is a value.
    let mut facts: libc::statx = unsafe { mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    // SAFETY: the descriptor is open and the path ends with NUL; the structure is ours and outlives the call.
    checked(unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, libc::STATX_MNT_ID, &mut facts) })?;
    Ok(if facts.stx_mask & libc::STATX_MNT_ID == 0 {
        Mount::Device(facts.stx_dev_major, facts.stx_dev_minor)
    } else {
        Mount::Numbered(facts.stx_mnt_id)
    })
}
