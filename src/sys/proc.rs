//! What /proc says of other processes: parents, and who holds a socket.
//!
//! Everything here can have changed by the time it is read. Whoever decides by it must take
//! "unreadable" and "gone" for what they are; nothing is guessed.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// Whether a process has a descriptor of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// it has
    Yes,
    /// it has none, as far as all its descriptors could be read
    No,
    /// its descriptors may not be read
    Unreadable,
    /// it has ended
    Gone,
}

/// One line of `/proc/<pid>/stat`, as far as it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// its parent; 0 where that is outside our pid namespace
    pub parent: u32,
    /// one letter: R, S, D, Z and so on
    pub state: u8,
    /// clock ticks from the machine's start to its own: with the pid, a name that is not reused
    pub started: u64,
}

/// All processes that we can see.
pub fn pids() -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(Result::ok).map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// Parent, state and start of one process.
pub fn stat(pid: u32) -> io::Result<Stat> {
    let line = fs::read(format!("/proc/{pid}/stat"))?;
    parse_stat(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_stat(line: &[u8]) -> Option<Stat> {
    // The name stands in parentheses and may hold anything, parentheses and newlines too.
    let end = line.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(line.get(end + 1..)?).ok()?;
    let mut words = rest.split_ascii_whitespace();
    let state = *words.next()?.as_bytes().first()?;
    let parent = words.next()?.parse().ok()?;
    // Fields 3 and 4 are behind us; the start is field 22.
    let started = words.nth(17)?.parse().ok()?;
    Some(Stat { parent, state, started })
}

/// The state of each thread of one process.
pub fn thread_states(pid: u32) -> io::Result<Vec<u8>> {
    let mut states = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has ended meanwhile is none.
        let Ok(line) = fs::read(task?.path().join("stat")) else { continue };
        states.push(parse_stat(&line).ok_or(io::ErrorKind::InvalidData)?.state);
    }
    Ok(states)
}

/// The parent of every process that we can see.
pub fn parents() -> io::Result<BTreeMap<u32, u32>> {
    Ok(pids()?.into_iter().filter_map(|pid| Some((pid, stat(pid).ok()?.parent))).collect())
}

/// Everything below `root` in `parents`, without `root` itself.
pub fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let mut below = BTreeSet::new();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in parents {
        children.entry(*parent).or_default().push(*pid);
    }
    let mut open = vec![root];
    // Ends: a pid is opened only when it is new in `below`, and there are finitely many.
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if *child != root && below.insert(*child) {
                open.push(*child);
            }
        }
    }
    below
}

/// Where a process's chain of parents leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// to the process that was asked for, or it is that process
    Reaches,
    /// to the end of what there is, past it
    Misses,
    /// a parent could not be read
    Broken,
}

/// Follows the parents of `pid` up, reading each one now.
pub fn chain(pid: u32, to: u32) -> Chain {
    let mut at = pid;
    // A chain that changes while it is walked cannot keep us longer than this.
    for _ in 0..4_096 {
        match at {
            found if found == to => return Chain::Reaches,
            0 | 1 => return Chain::Misses,
            _ => {}
        }
        match stat(at) {
            Ok(stat) => at = stat.parent,
            Err(_) => return Chain::Broken,
        }
    }
    Chain::Broken
}

/// Direct children of a process, over all its threads.
pub fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        match fs::read_to_string(task.join("children")) {
            Ok(list) => found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            // A kernel without CONFIG_PROC_CHILDREN.
            Err(error) if error.kind() == io::ErrorKind::NotFound && task.exists() => {
                return Ok(parents()?.into_iter().filter(|(_, up)| *up == pid).map(|(pid, _)| pid).collect());
            }
            // The thread has ended meanwhile: another one has its children now.
            Err(_) if !task.exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether `pid` holds the socket `inode`, by the descriptors of its first thread: all threads
/// share them unless one has taken a table of its own.
pub fn holds(pid: u32, inode: u32) -> Holds {
    table_holds(Path::new(&format!("/proc/{pid}/fd")), inode)
}

/// As [`holds`], over every thread's own table.
pub fn any_thread_holds(pid: u32, inode: u32) -> Holds {
    let tasks = match fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(tasks) => tasks,
        Err(error) => return unread(&error),
    };
    let mut worst = Holds::No;
    let mut seen = false;
    for task in tasks {
        let held = match task {
            Ok(task) => thread_holds(&task.path(), inode),
            Err(error) => unread(&error),
        };
        match held {
            Holds::Yes => return Holds::Yes,
            Holds::Unreadable => (worst, seen) = (Holds::Unreadable, true),
            Holds::No => seen = true,
            Holds::Gone => {}
        }
    }
    if seen { worst } else { Holds::Gone }
}

/// One that has ended and was not waited for has no descriptors any more, although the kernel closes the list
/// of them to all but root.
fn thread_holds(task: &Path, inode: u32) -> Holds {
    let held = table_holds(&task.join("fd"), inode);
    let is_over = || {
        let line = fs::read(task.join("stat")).ok();
        line.and_then(|line| parse_stat(&line)).is_some_and(|stat| matches!(stat.state, b'Z' | b'X'))
    };
    if held == Holds::Unreadable && is_over() { Holds::Gone } else { held }
}

fn table_holds(fds: &Path, inode: u32) -> Holds {
    let wanted = format!("socket:[{inode}]");
    let links = match fs::read_dir(fds) {
        Ok(links) => links,
        Err(error) => return unread(&error),
    };
    for link in links {
        let target = link.and_then(|link| fs::read_link(link.path()));
        match target {
            Ok(target) if target.as_os_str().as_bytes() == wanted.as_bytes() => return Holds::Yes,
            Ok(_) => {}
            // A descriptor that was closed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return unread(&error),
        }
    }
    Holds::No
}

fn unread(error: &io::Error) -> Holds {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Holds::Gone,
        Some(_) | None => Holds::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsRawFd, os::unix::fs::MetadataExt, process};

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        let line = b"7 (a) R 1 (b\n) S 4 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 991 1 1\n";
        assert_eq!(parse_stat(line), Some(Stat { parent: 4, state: b'S', started: 991 }));
        for bad in [&b""[..], b"7 (a", b"7 (a)", b"7 (a) S", b"7 (a) S x", b"7 (a) S 4 7 7"] {
            assert_eq!(parse_stat(bad), None);
        }
    }

    #[test]
    fn descendants_are_found_and_a_loop_ends() {
        let parents = BTreeMap::from([(1, 0), (5, 1), (6, 5), (7, 6), (8, 1), (9, 10), (10, 9), (5000, 7)]);
        assert_eq!(descendants(5, &parents), BTreeSet::from([6, 7, 5000]));
        assert_eq!(descendants(9, &parents), BTreeSet::from([10]));
        assert!(descendants(77, &parents).is_empty());
    }

    #[test]
    fn our_own_chain_and_sockets_are_read() {
        let own = process::id();
        assert_eq!(chain(own, own), Chain::Reaches);
        assert_eq!(chain(own, u32::MAX), Chain::Misses);
        assert_eq!(chain(u32::MAX, own), Chain::Broken);
        assert!(parents().is_ok_and(|all| all.contains_key(&own)));
        assert!(thread_states(own).is_ok_and(|states| states.contains(&b'R')));
        assert!(thread_states(u32::MAX).is_err());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let path = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let inode = u32::try_from(fs::metadata(path).unwrap().ino()).unwrap();
        assert_eq!((holds(own, inode), any_thread_holds(own, inode)), (Holds::Yes, Holds::Yes));
        drop(listener);
        assert_eq!((holds(own, inode), any_thread_holds(own, inode)), (Holds::No, Holds::No));
        assert_eq!((holds(u32::MAX, 1), any_thread_holds(u32::MAX, 1)), (Holds::Gone, Holds::Gone));
    }

    #[test]
    fn children_are_found_over_all_threads() {
        let child = process::Command::new("sleep").arg("60").spawn();
        let Ok(mut child) = child else {
            println!("skipped: sleep missing");
            return;
        };
        let found = children(process::id());
        let _ = child.kill();
        let _ = child.wait();
        assert!(found.is_ok_and(|found| found.contains(&child.id())));
    }
}
