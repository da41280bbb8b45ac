//! Children and their trees, by what `/proc` says now.

use std::fs;

use super::observe::{Child, Process};
use crate::sys::proc;

/// Most levels of a tree that are looked at: it changes meanwhile, and ids are used again.
const DEEPEST: usize = 64;

/// The direct children of this process, with everything below each.
pub(super) fn children() -> Vec<Child> {
    below(std::process::id())
        .into_iter()
        .filter_map(|pid| Some(Child { process: process(pid)?, descendants: tree(pid) }))
        .collect()
}

fn tree(root: u32) -> Vec<Process> {
    let mut level = below(root);
    let mut found = Vec::new();
    for _ in 0..DEEPEST {
        if level.is_empty() {
            break;
        }
        let next = level.iter().flat_map(|pid| below(*pid)).collect();
        found.extend(level.into_iter().filter_map(process));
        level = next;
    }
    found
}

/// None for one that has ended meanwhile.
fn below(pid: u32) -> Vec<u32> {
    proc::children(pid).unwrap_or_default()
}

/// None for one that has ended, reaped or not.
fn process(pid: u32) -> Option<Process> {
    let stat = proc::stat(pid).ok()?;
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned();
    (!matches!(stat.state, b'Z' | b'X')).then_some(Process { pid, name })
}
