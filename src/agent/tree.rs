//! Walking and killing a tree of processes, by what `/proc` shows of it.
//!
//! Only our own children are sure: their numbers cannot come to mean another process before we
//! reap them, and as subreaper we get every orphan of the tree as a child. A process further down
//! is killed through a pidfd, after it has been seen to be still what it was; that only makes it
//! faster. The walk is repeated by the caller until nothing is left: who forks while we look is
//! found in the next round, and whole process groups die at one blow.

use std::{collections::HashSet, fs, process};

use crate::sys::{
    process::{self as own, PidFd},
    signal,
};

/// The children of a process, of all its threads. A moment's view: what forks or ends meanwhile
/// may be missing or gone.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            // The task is gone, or this kernel has no such file: then all processes are asked.
            Err(_) if task.path().exists() => return children_by_scan(pid),
            Err(_) => {}
        }
    }
    found
}

/// As [`children`], from the parent that each process in `/proc` names.
pub fn children_by_scan(pid: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|&child| parent(child) == Some(pid)).collect()
}

/// The parent of a process.
pub fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, blanks and parentheses too: the fields begin after its end.
    let end = stat.iter().rposition(|&b| b == b')')?;
    let fields = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// One round: kills all our descendants that can be seen, except the children in `spared` and
/// what is below them. Returns our children that were killed, for the caller to reap.
pub(super) fn kill_round(spared: &HashSet<u32>) -> Vec<u32> {
    let me = process::id();
    let ours: Vec<u32> = children(me).into_iter().filter(|pid| !spared.contains(pid)).collect();
    for &pid in &ours {
        // Refused for a program that has changed its user: the next round tries again.
        let _ = own::kill_child_and_group(pid);
    }
    let mut seen: HashSet<u32> = ours.iter().copied().collect();
    let mut parents = ours.clone();
    while let Some(above) = parents.pop() {
        for pid in children(above) {
            if seen.insert(pid) {
                kill_below(pid, above, me);
                parents.push(pid);
            }
        }
    }
    ours
}

fn kill_below(pid: u32, above: u32, me: u32) {
    let Ok(held) = PidFd::open(pid) else { return };
    // Opened first, looked at second: if the number has changed its meaning, it is another one's
    // parent that shows here, or the signal goes to a process that is gone.
    if parent(pid).is_some_and(|now| now == above || now == me) {
        let _ = held.signal(signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_finding_children_agree() {
        let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = process::id();
        assert!(children(me).contains(&child.id()));
        assert!(children_by_scan(me).contains(&child.id()));
        assert_eq!(parent(child.id()), Some(me));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(me).contains(&child.id()));
        assert_eq!(parent(child.id()), None);
    }
}
