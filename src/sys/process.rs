//! Processes: hardening our own, starting, signalling and reaping others.
//!
//! What is decided of a call stands here, the call itself in `calls`.

#![forbid(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    process::{self, Command},
};

use super::{
    calls::{self, limit, prctl, set_limit},
    signal,
};

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

/// From now on no program that we start has more rights than we have, whatever its file says.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// From now on, a descendant whose parent dies becomes our child, and not that of init. The ends of
/// children are told, even if whoever started us ignored those of his own.
pub fn become_subreaper() -> io::Result<()> {
    signal::hear_of_children()?;
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// Whether [`become_subreaper`] has been called in this process.
pub fn is_subreaper() -> bool {
    calls::child_subreaper()
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
    let now = limit(libc::RLIMIT_NOFILE)?;
    set_limit(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: now.rlim_max, ..now })?;
    Ok(Descriptors { theirs: now.rlim_cur, ours: now.rlim_max })
}

/// What a process may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of memory that it alone writes to: what is only set aside, as some programs do by the gigabyte, is
    /// not counted, and what it shares with others is not either.
    Memory,
    /// Processes and threads of its user, in this user namespace.
    Processes,
    /// Seconds of a processor.
    CpuSeconds,
    /// Bytes of a file that it writes.
    FileSize,
    /// Open descriptors.
    Descriptors,
}

/// Gives us, and what we start, no more of it than this, for good. A limit that is lower already stays.
pub fn bound(resource: Resource, most: u64) -> io::Result<()> {
    let resource = match resource {
        Resource::Memory => libc::RLIMIT_DATA,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::CpuSeconds => libc::RLIMIT_CPU,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::Descriptors => libc::RLIMIT_NOFILE,
    };
    let most = limit(resource)?.rlim_max.min(most);
    set_limit(resource, libc::rlimit { rlim_cur: most, rlim_max: most })
}

/// Makes descriptor 0 our controlling terminal, in a session of our own.
pub fn take_terminal() -> io::Result<()> {
    match calls::new_session() {
        // We lead a session, or at least a group, already; the next call says if that is not enough.
        Err(e) if e.raw_os_error() != Some(libc::EPERM) => return Err(e),
        Ok(()) | Err(_) => {}
    }
    calls::take_terminal()
}

/// Marks every descriptor above the standard three as not to be inherited, whatever our own
/// parent left open in us.
pub fn close_on_exec() -> io::Result<()> {
    calls::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor above the standard three but `keep`: what our own parent left open in
/// us is not ours to hold, and `exposure` would mark it. Only for the very start of a process,
/// before it has opened anything: whatever owns a descriptor by then would lose it.
pub fn close_inherited(keep: Option<u32>) -> io::Result<()> {
    let close = |from: u32, to: u32| calls::close_range(from, to, 0);
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
    calls::effective_user()
}

/// The group that we act as.
pub fn gid() -> u32 {
    calls::effective_group()
}

/// Makes `command` start as the leader of a session of its own, with its standard input as
/// controlling terminal where that is one (`terminal`); it dies with us, and gets default signals, umask 077, `descriptors` as
/// its soft limit and no descriptor above the standard three.
pub fn in_own_session(command: &mut Command, descriptors: u64, terminal: bool) {
    let parent = process::id();
    let prepare = move || {
        calls::new_session()?;
        if terminal {
            calls::take_terminal()?;
        }
        calls::umask(0o077);
        prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
        if std::os::unix::process::parent_id() != parent {
            // The parent died before it could be watched.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        signal::reset_all();
        let now = limit(libc::RLIMIT_NOFILE)?;
        let soft = descriptors.min(now.rlim_max);
        set_limit(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: soft, ..now })?;
        close_on_exec()
    };
    calls::before_exec(command, prepare);
}

/// A process, held so that its number cannot come to mean another one; readable when it has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process that has this number now.
    pub fn open(pid: u32) -> io::Result<Self> {
        number(pid).and_then(calls::pidfd_open).map(Self)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        calls::pidfd_send_signal(self.0.as_raw_fd(), signal)
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
    let group = calls::group(pid);
    // A number above 1 cannot mean "every process".
    if group > 1 && group != calls::group(0) {
        let _ = calls::kill(-group, libc::SIGKILL);
    }
    calls::kill(pid, libc::SIGKILL)
}

/// Takes the exit status of child `pid`, or of any child (`None`), if one has ended. With `wait`
/// it waits for that. `ECHILD` when there is no such child.
pub fn reap(pid: Option<u32>, wait: bool) -> io::Result<Option<(u32, Exit)>> {
    let which = pid.map_or(Ok(-1), number)?;
    let (reaped, status) = calls::wait(which, if wait { 0 } else { libc::WNOHANG })?;
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
