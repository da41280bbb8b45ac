//! System calls of one or two lines each, for the modules beside this one that decide something and forbid
//! `unsafe` themselves.
//!
//! Nothing is decided here. What a call is for, and when it may be made, stands where it is used.

use std::{
    io,
    mem::zeroed,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
    ptr::null_mut,
};

use libc::{c_int, c_long, c_uint, c_ulong};

use super::checked;

/// The descriptor that a call has answered, or its error where the answer is -1.
///
/// # Safety
///
/// `answer` is what a call that makes a descriptor has just answered, and nobody else has taken it.
pub(super) unsafe fn owned(answer: c_long) -> io::Result<OwnedFd> {
    let number = answer as c_int;
    checked(number)?;
    // SAFETY: by the contract above.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// prctl(2). Only for options that take a number.
pub(super) fn prctl(option: c_int, value: c_ulong) -> io::Result<()> {
    // SAFETY: by the contract above.
    checked(unsafe { libc::prctl(option, value, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) })
}

pub(super) fn child_subreaper() -> bool {
    let mut answer: c_int = 0;
    // SAFETY: PR_GET_CHILD_SUBREAPER writes one int.
    unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &mut answer) == 0 && answer != 0 }
}

/// close_range(2). Without CLOSE_RANGE_CLOEXEC only for descriptors that nothing owns.
pub(super) fn close_range(from: u32, to: u32, flags: c_uint) -> io::Result<()> {
    // SAFETY: takes no pointers; the rest is the contract above.
    checked(unsafe { libc::syscall(libc::SYS_close_range, from, to, flags) } as c_int)
}

pub(super) fn effective_group() -> u32 {
    // SAFETY: cannot fail and takes nothing.
    unsafe { libc::getegid() }
}

pub(super) fn effective_user() -> u32 {
    // SAFETY: cannot fail and takes nothing.
    unsafe { libc::geteuid() }
}

pub(super) fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    checked(unsafe { libc::setsid() })
}

/// Makes descriptor 0 the controlling terminal of our session.
pub(super) fn take_terminal() -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a number; a descriptor that is no terminal is an error.
    checked(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })
}

pub(super) fn umask(mask: libc::mode_t) {
    // SAFETY: takes a number and cannot fail.
    unsafe { libc::umask(mask) };
}

/// Has `command` call this between fork and exec: it makes async-signal-safe calls only, neither allocates nor
/// locks (io::Error of an errno is a plain value).
pub(super) fn before_exec(
    command: &mut Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: by the contract above.
    unsafe { command.pre_exec(prepare) };
}

pub(super) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers, and answers a new descriptor.
    unsafe { owned(libc::syscall(libc::SYS_pidfd_open, pid, 0)) }
}

pub(super) fn pidfd_send_signal(process: c_int, signal: c_int) -> io::Result<()> {
    let no_info = null_mut::<libc::siginfo_t>();
    // SAFETY: a null siginfo means an ordinary kill.
    checked(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, no_info, 0) } as c_int)
}

/// kill(2): numbers below 0 are groups.
pub(super) fn kill(pid: libc::pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    checked(unsafe { libc::kill(pid, signal) })
}

/// The process group of `pid` (0: our own), or -1.
pub(super) fn group(pid: libc::pid_t) -> libc::pid_t {
    // SAFETY: takes no pointers.
    unsafe { libc::getpgid(pid) }
}

/// The process that was reaped, or 0, and its status.
pub(super) fn wait(pid: libc::pid_t, options: c_int) -> io::Result<(libc::pid_t, c_int)> {
    let mut status = 0;
    // SAFETY: waitpid writes one int.
    let reaped = unsafe { libc::waitpid(pid, &mut status, options) };
    checked(reaped).map(|()| (reaped, status))
}

pub(super) fn limit(resource: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit.
    checked(unsafe { libc::getrlimit(resource, &mut now) })?;
    Ok(now)
}

pub(super) fn set_limit(resource: libc::__rlimit_resource_t, limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: setrlimit reads one rlimit.
    checked(unsafe { libc::setrlimit(resource, &limit) })
}

/// Lets this thread, and what it starts, make only the system calls that the program allows (`man 2 seccomp`).
pub(super) fn filter(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let len = program.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads `len` instructions out of the slice, which outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
    checked(done as c_int)
}

/// landlock_create_ruleset(2) with these attributes.
pub(super) fn landlock_ruleset(attributes: &[u8]) -> io::Result<OwnedFd> {
    let (at, size) = (attributes.as_ptr(), attributes.len());
    // SAFETY: the kernel reads `size` bytes, and answers a new descriptor.
    unsafe { owned(libc::syscall(libc::SYS_landlock_create_ruleset, at, size, 0)) }
}

/// The same call without attributes and with this flag (LANDLOCK_CREATE_RULESET_VERSION): a number.
pub(super) fn landlock_version(flag: u32) -> io::Result<c_int> {
    // SAFETY: with this flag there are no attributes, and the answer is no descriptor.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null_mut::<u8>(), 0, flag) } as c_int;
    checked(version).map(|()| version)
}

/// landlock_add_rule(2). The kernel reads as many bytes as a rule of that kind has.
pub(super) fn landlock_rule(ruleset: BorrowedFd<'_>, kind: u32, rule: &[u8; 16]) -> io::Result<()> {
    let (ruleset, rule) = (ruleset.as_raw_fd(), rule.as_ptr());
    // SAFETY: no kind of rule is longer than 16 bytes.
    checked(unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, kind, rule, 0) } as c_int)
}

/// landlock_restrict_self(2).
pub(super) fn landlock_restrict(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointers.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } as c_int)
}

/// recvmsg(2) without waiting: how many bytes, and how many of control messages.
pub(super) fn receive(from: BorrowedFd<'_>, bytes: &mut [u8], control: &mut [u8]) -> io::Result<[usize; 2]> {
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: numbers and pointers, for each of which zero is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), control.len() as _);
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: both buffers outlive the call and are as long as is said; any byte is a value of theirs.
    let count = unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut message, flags) };
    checked(count as c_int).map(|()| [count as usize, message.msg_controllen as usize])
}

/// A descriptor whose number [`receive`] has just given, and which nobody has taken.
pub(super) fn received(number: c_int) -> io::Result<OwnedFd> {
    // SAFETY: by the contract above.
    unsafe { owned(number.into()) }
}
