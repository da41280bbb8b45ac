//! Processes: hardening our own, starting, signalling and reaping others.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{self, Command},
};

use super::{checked, signal};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

/// Keeps other processes of this user out of our memory, environment and descriptors, and our
/// memory out of core files.
pub fn harden() -> io::Result<()> {
    set_limit(libc::RLIMIT_CORE, libc::rlimit { rlim_cur: 0, rlim_max: 0 })?;
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// From now on, a descendant whose parent dies becomes our child, and not that of init. The ends of
/// children are told, even if whoever started us ignored those of his own.
pub fn become_subreaper() -> io::Result<()> {
    signal::hear_of_children()?;
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Whether [`become_subreaper`] has been called in this process.
pub fn is_subreaper() -> bool {
    let mut answer: libc::c_int = 0;
    // SAFETY: PR_GET_CHILD_SUBREAPER writes one int.
    unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &mut answer) == 0 && answer != 0 }
}

/// How many descriptors a process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// The soft limit before it was raised, for the programs that we start: some of them walk all
    /// descriptors up to their limit.
    pub theirs: u64,
    /// Ours now.
    pub ours: u64,
}

/// Raises our soft limit of descriptors to the hard one.
pub fn raise_descriptor_limit() -> io::Result<Descriptors> {
    let now = descriptor_limit()?;
    set_limit(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: now.rlim_max, ..now })?;
    Ok(Descriptors { theirs: now.rlim_cur, ours: now.rlim_max })
}

/// Marks every descriptor above the standard three as not to be inherited, whatever our own
/// parent left open in us.
pub fn close_on_exec() -> io::Result<()> {
    // SAFETY: takes no pointers; with this flag no descriptor is closed now.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    checked(done as libc::c_int)
}

/// Closes every descriptor above the standard three but `keep`: what our own parent left open in
/// us is not ours to hold, and `exposure` would mark it. Only for the very start of a process,
/// before it has opened anything: whatever owns a descriptor by then would lose it.
pub fn close_inherited(keep: Option<u32>) -> io::Result<()> {
    let close = |from: u32, to: u32| {
        // SAFETY: takes no pointers; by the contract above nothing owns these descriptors yet.
        checked(unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } as libc::c_int)
    };
    match keep.filter(|keep| *keep > 2) {
        None => close(3, u32::MAX),
        Some(keep) => {
            if keep > 3 {
                close(3, keep - 1)?;
            }
            close(keep.saturating_add(1), u32::MAX)
        }
    }
}

/// The user that we act as.
pub fn uid() -> u32 {
    // SAFETY: cannot fail and takes nothing.
    unsafe { libc::geteuid() }
}

/// Makes `command` start as the leader of a session of its own, with its standard input as
/// controlling terminal where that is one (`terminal`); it dies with us, and gets default signals, umask 077, `descriptors` as
/// its soft limit and no descriptor above the standard three.
pub fn in_own_session(command: &mut Command, descriptors: u64, terminal: bool) {
    let parent = process::id();
    let prepare = move || {
        // SAFETY: async-signal-safe calls without pointers.
        unsafe {
            checked(libc::setsid())?;
            if terminal {
                checked(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            }
            libc::umask(0o077);
        }
        prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
        if std::os::unix::process::parent_id() != parent {
            // The parent died before it could be watched.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        signal::reset_all();
        let now = descriptor_limit()?;
        let soft = descriptors.min(now.rlim_max);
        set_limit(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: soft, ..now })?;
        close_on_exec()
    };
    // SAFETY: between fork and exec `prepare` makes only async-signal-safe calls: it neither
    // allocates nor locks (io::Error of an errno is a plain value).
    unsafe { command.pre_exec(prepare) };
}

/// A process, held so that its number cannot come to mean another one; readable when it has ended.
#[derive(Debug)]
pub struct PidFd(File);

impl PidFd {
    /// Opens the process that has this number now.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: takes no pointers; the result is checked before it is used.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, number(pid)?, 0) } as libc::c_int;
        checked(fd)?;
        // SAFETY: pidfd_open has just made this descriptor, and nobody else owns it.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let (fd, no_info) = (self.0.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: a null siginfo means an ordinary kill.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) };
        checked(sent as libc::c_int)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Kills our child `pid`, and with it the process group it is in, at one blow: members that fork
/// at this moment die too. The child must not have been reaped, so that the numbers are still
/// its own. Our own group is spared.
pub fn kill_child_and_group(pid: u32) -> io::Result<()> {
    let pid = number(pid)?;
    // SAFETY: takes no pointers. A group number above 1 cannot mean "every process".
    unsafe {
        let group = libc::getpgid(pid);
        if group > 1 && group != libc::getpgrp() {
            libc::kill(-group, libc::SIGKILL);
        }
        checked(libc::kill(pid, libc::SIGKILL))
    }
}

/// Takes the exit status of child `pid`, or of any child (`None`), if one has ended. With `wait`
/// it waits for that. `ECHILD` when there is no such child.
pub fn reap(pid: Option<u32>, wait: bool) -> io::Result<Option<(u32, Exit)>> {
    let which = pid.map_or(Ok(-1), number)?;
    let mut status = 0;
    // SAFETY: waitpid writes one int.
    let reaped = unsafe { libc::waitpid(which, &mut status, if wait { 0 } else { libc::WNOHANG }) };
    checked(reaped)?;
    let exit = if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else {
        Exit::Signal(libc::WTERMSIG(status))
    };
    Ok(u32::try_from(reaped).ok().filter(|&pid| pid != 0).map(|pid| (pid, exit)))
}

/// A process number that means exactly one process: 0 and the negative ones mean groups, or all.
fn number(pid: u32) -> io::Result<libc::pid_t> {
    let pid = libc::pid_t::try_from(pid).unwrap_or(0);
    if pid > 1 { Ok(pid) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take their argument by value.
    checked(unsafe { libc::prctl(option, value, 0 as libc::c_ulong, 0 as libc::c_ulong, 0 as libc::c_ulong) })
}

fn descriptor_limit() -> io::Result<libc::rlimit> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut now) })?;
    Ok(now)
}

fn set_limit(resource: libc::__rlimit_resource_t, limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: setrlimit reads one rlimit.
    checked(unsafe { libc::setrlimit(resource, &limit) })
}
