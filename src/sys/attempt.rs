//! System calls that are made only to see whether they are refused: the probes of isolation.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr::null,
};

use super::{checked, process::PidFd};

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// make an io_uring
    IoUring,
    /// become the owner of a new user namespace
    UserNamespace,
    /// become the leader of a new session
    Session,
    /// trace this process
    Seize(u32),
    /// read memory of this process
    ReadMemory(u32),
    /// take the first descriptor of this process
    TakeDescriptor(u32),
}

/// Makes it; whether the kernel let us.
pub fn attempt(attempt: Attempt) -> io::Result<()> {
    let nothing = null::<libc::c_void>();
    // SAFETY: no call gets a pointer that it could write through: those that want one get null, and answer
    // EFAULT where they would have been let. A descriptor that one of them makes is never used.
    let answer = unsafe {
        match attempt {
            Attempt::IoUring => libc::syscall(libc::SYS_io_uring_setup, 1, nothing),
            Attempt::UserNamespace => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER),
            Attempt::Session => libc::syscall(libc::SYS_setsid),
            Attempt::Seize(pid) => libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, pid, nothing, nothing),
            Attempt::ReadMemory(pid) => {
                let one = libc::iovec { iov_base: 8 as *mut libc::c_void, iov_len: 1 };
                libc::syscall(libc::SYS_process_vm_readv, pid, &one, 1, &one, 1, 0)
            }
            Attempt::TakeDescriptor(pid) => {
                libc::syscall(libc::SYS_pidfd_getfd, PidFd::open(pid)?.as_fd().as_raw_fd(), 0, 0)
            }
        }
    };
    match checked(answer as libc::c_int) {
        // It looked at what it was given, so it had been allowed.
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        other => other,
    }
}
