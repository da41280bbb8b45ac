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
