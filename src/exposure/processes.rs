//! Children and their trees, from `/proc`.

use std::{collections::HashMap, fs};

use super::observe::{Child, Process};

/// A look at most this deep: the tree changes while it is read, and ids are used again.
const DEEPEST: usize = 64;

/// The direct children of this process, with everything below each.
pub(super) fn children() -> Vec<Child> {
    let own = std::process::id();
    // The kernel lists children where it was built to; else every process names its parent.
    let listed_by_kernel = fs::exists(format!("/proc/self/task/{own}/children")).unwrap_or(false);
    let by_parent = if listed_by_kernel { HashMap::new() } else { by_parent() };
    let below = |pid: u32| {
        if listed_by_kernel { listed(pid) } else { by_parent.get(&pid).cloned().unwrap_or_default() }
    };
    let tree = |pid: u32| {
        let mut level = below(pid);
        let mut descendants = Vec::new();
        for _ in 0..DEEPEST {
            if level.is_empty() {
                break;
            }
            let next = level.iter().flat_map(|pid| below(*pid)).collect();
            descendants.extend(level.into_iter().filter_map(process));
            level = next;
        }
        descendants
    };
    below(own)
        .into_iter()
        .filter_map(|pid| Some(Child { process: process(pid)?, descendants: tree(pid) }))
        .collect()
}

/// The children that each thread of `pid` has started or inherited.
fn listed(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    found
}

fn by_parent() -> HashMap<u32, Vec<u32>> {
    let mut map: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = stat(pid) {
            map.entry(stat.parent).or_default().push(pid);
        }
    }
    map
}

/// None for one that has ended, reaped or not.
fn process(pid: u32) -> Option<Process> {
    stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X')).map(|stat| Process { pid, name: stat.name })
}

struct Stat {
    name: String,
    state: char,
    parent: u32,
}

/// `pid (name) state parent ...`; the name may hold anything, so the last parenthesis ends it.
fn stat(pid: u32) -> Option<Stat> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next()?.chars().next()?;
    Some(Stat { name: name.to_owned(), state, parent: words.next()?.parse().ok()? })
}
