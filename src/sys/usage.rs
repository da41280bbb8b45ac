//! How much memory trees of processes have, in one walk over /proc.
//!
//! Resident memory, with what processes share counted as fairly as is cheap: the anonymous pages of each process,
//! and the pages of files and of shared memory once for a tree, those of the process that has most of them.
//! (The proportional share that the kernel gives in `smaps_rollup` walks all page tables: dear for large
//! processes, and it holds them up.) What cannot be read is left out; nothing of a process but numbers is read.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use super::proc;

/// What one tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// its processes
    pub processes: u32,
    /// bytes of memory
    pub memory: u64,
}

/// What is below each of these processes, without the process itself. `None` where there are more than `most`
/// processes on the machine, and what is whose is not looked for.
pub fn below(roots: &BTreeSet<u32>, most: usize) -> io::Result<Option<BTreeMap<u32, Usage>>> {
    let pids = proc::pids()?;
    if pids.len() > most {
        return Ok(None);
    }
    let parents: BTreeMap<u32, u32> =
        pids.into_iter().filter_map(|pid| Some((pid, proc::stat(pid).ok()?.parent))).collect();
    Ok(Some(counted(roots, &parents, resident)))
}

fn counted(
    roots: &BTreeSet<u32>,
    parents: &BTreeMap<u32, u32>,
    resident: impl Fn(u32) -> Option<Resident>,
) -> BTreeMap<u32, Usage> {
    let mut found: BTreeMap<u32, (Usage, u64)> =
        roots.iter().map(|root| (*root, Default::default())).collect();
    for (pid, root) in owners(roots, parents) {
        // One that has ended meanwhile, or waits to be reaped, has none.
        let Some(pages) = resident(pid) else { continue };
        if let Some((usage, shared)) = found.get_mut(&root) {
            usage.processes = usage.processes.saturating_add(1);
            usage.memory = usage.memory.saturating_add(pages.own);
            *shared = (*shared).max(pages.shared);
        }
    }
    let whole =
        |(usage, shared): (Usage, u64)| Usage { memory: usage.memory.saturating_add(shared), ..usage };
    found.into_iter().map(|(root, parts)| (root, whole(parts))).collect()
}

/// Bytes of memory of this process, as [`below`] counts.
pub fn own() -> Option<u64> {
    let pages = resident(std::process::id())?;
    Some(pages.own.saturating_add(pages.shared))
}

/// Which root each process is below; each process is looked at once, however deep it is.
fn owners(roots: &BTreeSet<u32>, parents: &BTreeMap<u32, u32>) -> BTreeMap<u32, u32> {
    let mut known: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    let mut way = Vec::new();
    for pid in parents.keys() {
        let mut at = *pid;
        // Ends: what is on the way is known to be nobody's as long as nothing else is known.
        let owner = loop {
            if let Some(owner) = known.get(&at) {
                break *owner;
            }
            known.insert(at, None);
            way.push(at);
            match parents.get(&at) {
                Some(parent) if roots.contains(parent) => break Some(*parent),
                Some(parent) => at = *parent,
                None => break None,
            }
        };
        for pid in way.drain(..) {
            known.insert(pid, owner);
        }
    }
    known.into_iter().filter_map(|(pid, owner)| Some((pid, owner?))).collect()
}

/// Resident bytes of one process.
#[derive(Debug, PartialEq, Eq)]
struct Resident {
    /// that no file stands behind
    own: u64,
    /// of files, and of memory that is shared by name
    shared: u64,
}

fn resident(pid: u32) -> Option<Resident> {
    parse(&fs::read(format!("/proc/{pid}/status")).ok()?)
}

/// The kernel escapes newlines in the one line that a process chooses, its name.
fn parse(status: &[u8]) -> Option<Resident> {
    let text = String::from_utf8_lossy(status);
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    let shared = bytes("RssFile")?.checked_add(bytes("RssShmem")?)?;
    Some(Resident { own: bytes("RssAnon")?, shared })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn each_process_is_below_one_root_or_none() {
        // 5 and 7 are roots; 9 and 10 are each other's parents; 20 has a parent that cannot be seen
        let parents = [(1, 0), (5, 1), (6, 5), (8, 6), (7, 6), (11, 7), (9, 10), (10, 9), (20, 99)];
        let owners = owners(&BTreeSet::from([5, 7, 77]), &BTreeMap::from(parents));
        assert_eq!(owners, BTreeMap::from([(6, 5), (7, 5), (8, 5), (11, 7)]));
        let deep: BTreeMap<u32, u32> = (2..20_000).map(|pid| (pid, pid - 1)).collect();
        assert_eq!(super::owners(&BTreeSet::from([1]), &deep).len(), 19_998);
    }

    #[test]
    fn memory_is_read_from_three_lines_and_a_name_forges_none() {
        let status = b"Name:\ta\\nRssAnon:\t9 kB\nVmRSS:\t99 kB\nRssAnon:\t     4 kB\nRssFile:\t 2 kB\nRssShmem:\t1 kB\n";
        assert_eq!(parse(status), Some(Resident { own: 4096, shared: 3072 }));
        for none in [&b"Name:\tx\n"[..], b"RssAnon:\t4 kB\nRssFile:\t2\nRssShmem:\t1 kB\n", b"\xff"] {
            assert_eq!(parse(none), None);
        }
        assert!(own().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn more_processes_than_are_looked_at_leave_the_memory_unknown() {
        let me = BTreeSet::from([std::process::id()]);
        assert_eq!(below(&me, 0).unwrap(), None);
        assert!(below(&me, usize::MAX).unwrap().is_some());
    }

    #[test]
    fn what_processes_of_a_tree_share_counts_once() {
        let parents = BTreeMap::from([(5, 1), (6, 5), (7, 6), (8, 5), (9, 1), (10, 9)]);
        let resident = |pid: u32| match pid {
            6 => Some(Resident { own: 100, shared: 30 }),
            7 => Some(Resident { own: 10, shared: 50 }),
            10 => Some(Resident { own: 1, shared: 2 }),
            _ => None,
        };
        let usage = counted(&BTreeSet::from([5, 9]), &parents, resident);
        let five = Usage { processes: 2, memory: 160 };
        assert_eq!(usage, BTreeMap::from([(5, five), (9, Usage { processes: 1, memory: 3 })]));
    }

    #[test]
    fn a_child_is_found_with_its_memory() {
        let child = Command::new("sh").args(["-c", "read x"]).stdin(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: sh missing");
            return;
        };
        let me = std::process::id();
        let usage = below(&BTreeSet::from([me]), usize::MAX).unwrap().unwrap()[&me];
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(usage.processes >= 1 && usage.memory > 0, "{usage:?}");
    }
}
