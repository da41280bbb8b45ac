//! Mounts of a child that is about to become another program, and its user: each one system call or two.

use std::{
    ffi::{CStr, c_int},
    io,
    ptr::null,
};

use super::checked;

/// A view of the mounts of our own: what is mounted from now on is seen by nobody else.
pub(super) fn make_own() -> io::Result<()> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the strings are constants; a null pointer stands where mount(2) reads nothing.
    unsafe {
        checked(libc::unshare(libc::CLONE_NEWNS))?;
        checked(libc::mount(null(), c"/".as_ptr(), null(), flags, null()))
    }
}

/// Mounts an empty directory there, which others may enter and not write to.
pub(super) fn empty(at: &CStr) -> io::Result<()> {
    let (kind, flags) = (c"tmpfs".as_ptr(), libc::MS_NOSUID | libc::MS_NODEV);
    // SAFETY: all strings end with NUL and outlive the call.
    checked(unsafe { libc::mount(kind, at.as_ptr(), kind, flags, c"mode=0755".as_ptr().cast()) })
}

/// Takes hold of a place with what is mounted in it; the descriptor is for [`put`].
pub(super) fn hold(place: &CStr) -> io::Result<c_int> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: the string ends with NUL and outlives the call, which writes nothing.
    let held = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, place.as_ptr(), flags) } as c_int;
    checked(held).map(|()| held)
}

/// Mounts what is held at a name that is new.
pub(super) fn put(held: c_int, at: &CStr, directory: bool) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: the strings end with NUL and outlive the calls; a number that is no descriptor is an error.
    unsafe {
        let made = if directory {
            libc::mkdir(at.as_ptr(), 0o755)
        } else {
            libc::mknod(at.as_ptr(), libc::S_IFREG | 0o644, 0)
        };
        checked(made)?;
        let (none, here) = (c"".as_ptr(), libc::AT_FDCWD);
        checked(libc::syscall(libc::SYS_move_mount, held, none, here, at.as_ptr(), flags) as c_int)
    }
}

/// Becomes this user for good, in this group alone. Only for a process of one thread.
pub(super) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: an empty list of groups may be null; the others take numbers.
    unsafe {
        checked(libc::syscall(libc::SYS_setgroups, 0, null::<libc::gid_t>()) as c_int)?;
        checked(libc::syscall(libc::SYS_setresgid, gid, gid, gid) as c_int)?;
        checked(libc::syscall(libc::SYS_setresuid, uid, uid, uid) as c_int)
    }
}
