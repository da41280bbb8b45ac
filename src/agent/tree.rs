//! Walking and killing a tree of processes, by what `/proc` shows of it.
//!
//! Only our own children are sure: their numbers cannot come to mean another process before we
//! reap them, and as subreaper we get every orphan of the tree as a child. A process further down
//! is killed through a pidfd, after it has been seen to be still what it was; that only makes it
//! faster. The walk is repeated by the caller until nothing is left: who forks while we look is
//! found in the next round, and whole process groups die at one blow.

use std::{collections::HashSet, io, process};

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

/// Looks in a row that must find nobody new: one look can miss who moves at that moment.
const CLEAN_LOOKS: u32 = 3;
/// Looks in all: who forks faster than he is stopped is given up.
const LOOKS: u32 = 256;

/// Sends a signal to every process below `keeper`, again and again until nobody new is found. Whether it
/// reached all that could be seen.
pub(super) fn signal_all(keeper: &Identity, signal: i32) -> bool {
    let mut reached = HashSet::new();
    let (mut clean, mut all) = (0, true);
    for _ in 0..LOOKS {
        let before = reached.len();
        all = signal_round(*keeper, signal, &mut reached);
        clean = if reached.len() == before { clean + 1 } else { 0 };
        if clean >= CLEAN_LOOKS {
            return all;
        }
    }
    all && clean >= CLEAN_LOOKS
}

/// One look; whether everybody that it found was reached.
fn signal_round(keeper: Identity, signal: i32, reached: &mut HashSet<Identity>) -> bool {
    let mut all = true;
    let mut parents = vec![keeper];
    let mut seen = HashSet::from([keeper]);
    while let Some(above) = parents.pop() {
        for pid in proc::children(above.pid).unwrap_or_default() {
            let Ok(held) = PidFd::open(pid) else { continue };
            let Ok(stat) = proc::stat(pid) else { continue };
            let child = Identity { pid, started: stat.started };
            // Held first, looked at second: if it is the child of a process that is still what it was, it
            // is of this tree, and the signal can go to no other.
            if stat.parent != above.pid || !above.is_still() || !seen.insert(child) {
                continue;
            }
            parents.push(child);
            if stat.state != b'Z' && !reached.contains(&child) {
                match held.signal(signal) {
                    Ok(()) => {
                        reached.insert(child);
                    }
                    // A program that has changed its user.
                    Err(_) => all = false,
                }
            }
        }
    }
    all
}
