//! Walking and killing a tree of processes, by what `/proc` shows of it.
//!
//! Only our own children are sure: their numbers cannot come to mean another process before we
//! reap them, and as subreaper we get every orphan of the tree as a child. A process further down
//! is killed through a pidfd, after it has been seen to be still what it was; that only makes it
//! faster. The walk is repeated by the caller until nothing is left: who forks while we look is
//! found in the next round, and whole process groups die at one blow.
//!
//! A tree is stopped in the same way, until everybody in it has been seen to stand still.

use std::{
    collections::HashSet,
    io, process, thread,
    time::{Duration, Instant},
};

use crate::sys::{
    proc,
    process::{self as own, PidFd},
    signal,
};

/// One round: kills all our descendants that can be seen, except the children in `spared` and
/// what is below them. Returns our children that were killed, for the caller to reap. An error says
/// nothing about whether there are any.
pub(super) fn kill_round(spared: &HashSet<u32>) -> io::Result<Vec<u32>> {
    let me = process::id();
    let ours: Vec<u32> = proc::children(me)?.into_iter().filter(|pid| !spared.contains(pid)).collect();
    for &pid in &ours {
        // Refused for a program that has changed its user: the next round tries again.
        let _ = own::kill_child_and_group(pid);
    }
    let mut seen: HashSet<u32> = ours.iter().copied().collect();
    let mut parents = ours.clone();
    while let Some(above) = parents.pop() {
        for pid in proc::children(above).unwrap_or_default() {
            if seen.insert(pid) {
                kill_below(pid, above, me);
                parents.push(pid);
            }
        }
    }
    Ok(ours)
}

fn kill_below(pid: u32, above: u32, me: u32) {
    let Ok(held) = PidFd::open(pid) else { return };
    // Opened first, looked at second: if the number has changed its meaning, it is another one's
    // parent that shows here, or the signal goes to a process that is gone.
    if proc::stat(pid).is_ok_and(|now| now.parent == above || now.parent == me) {
        let _ = held.signal(signal::SIGKILL);
    }
}

/// A process that a number cannot come to mean another one for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pid: u32,
    started: u64,
}

impl Identity {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        proc::stat(pid).ok().map(|stat| Self { pid, started: stat.started })
    }

    fn is_still(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Looks in a row that must find everybody in his place: who moves between two of them is found by the
/// second.
const CLEAN_LOOKS: u32 = 2;
/// Time for a tree to stand still.
const STILL: Duration = Duration::from_secs(1);
/// Time in which nobody of a tree that rests does anything, to take it for still.
const RESTING: Duration = Duration::from_millis(50);
/// Between two looks at a tree that does not stand still.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What one look at a tree found.
#[derive(Default)]
struct Look {
    found: HashSet<Identity>,
    /// Everybody who was found has been sent the signal, now or before.
    reached: bool,
    /// Of everybody who was found, every thread was seen to be stopped before his children were looked for:
    /// nobody can have made another one since.
    still: bool,
    /// The same, but for those who wait in the kernel and stop before they do anything else; for a child that
    /// was stopped between vfork and exec they do so for ever.
    resting: bool,
}

/// Stops every process below `keeper`; whether all of them stand still.
pub(super) fn stop_all(keeper: Identity) -> bool {
    let end = Instant::now() + STILL;
    let (mut sent, mut before, mut clean) = (HashSet::new(), HashSet::new(), 0);
    let mut rests_since = None;
    loop {
        let look = look(keeper, signal::SIGSTOP, &mut sent);
        let now = Instant::now();
        let same = look.reached && look.found == before;
        clean = if same && look.still { clean + 1 } else { 0 };
        rests_since = if same && look.resting { rests_since.or(Some(now)) } else { None };
        if clean >= CLEAN_LOOKS || rests_since.is_some_and(|since| now.duration_since(since) >= RESTING) {
            return true;
        }
        if now >= end {
            return false;
        }
        before = look.found;
        if !look.still {
            thread::park_timeout(LOOK_AGAIN);
        }
    }
}

/// Lets every process below `keeper` go on; whether all that were seen could be told.
pub(super) fn continue_all(keeper: Identity) -> bool {
    let mut sent = HashSet::new();
    // Who was stopped and has lost its parent meanwhile is found by the second look.
    let looks = [(); CLEAN_LOOKS as usize].map(|()| look(keeper, signal::SIGCONT, &mut sent).reached);
    looks.iter().all(|reached| *reached)
}

/// Sends a signal to everybody below `keeper` who is not in `sent`.
fn look(keeper: Identity, signal: i32, sent: &mut HashSet<Identity>) -> Look {
    let mut look = Look { reached: true, still: true, resting: true, ..Look::default() };
    let mut parents = vec![keeper];
    while let Some(above) = parents.pop() {
        let Ok(children) = proc::children(above.pid) else {
            look.still = false;
            continue;
        };
        for pid in children {
            let (Ok(held), Ok(stat)) = (PidFd::open(pid), proc::stat(pid)) else {
                look.still = false;
                continue;
            };
            let child = Identity { pid, started: stat.started };
            // Held first, looked at second: if it is the child of a process that is still what it was, it
            // is of this tree, and the signal can go to no other.
            if stat.parent != above.pid || !above.is_still() {
                look.still = false;
                continue;
            }
            if !look.found.insert(child) {
                continue;
            }
            if stat.state != b'Z' && !sent.contains(&child) {
                match held.signal(signal) {
                    Ok(()) => {
                        sent.insert(child);
                    }
                    // A program that has changed its user.
                    Err(_) => look.reached = false,
                }
            }
            let states = proc::thread_states(pid).unwrap_or_default();
            look.still &= !states.is_empty() && states.iter().all(|state| STOPPED.contains(state));
            let rests = |state: &u8| STOPPED.contains(state) || *state == b'D';
            look.resting &= states.iter().all(rests);
            parents.push(child);
        }
    }
    look
}

/// Threads that do nothing: stopped, traced, or ended.
const STOPPED: [u8; 4] = [b'T', b't', b'Z', b'X'];
