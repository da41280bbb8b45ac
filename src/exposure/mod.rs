//! What the instance has open: declared by the program against observed in the kernel's tables.
//!
//! `serve` declares its listener, its files, its registry and its keepers; [`mod@observe`] reads the process's own
//! descriptors, the kernel's socket tables and the process tree; [`mod@report`] lays one over the
//! other and marks every difference. It is the process's word about itself: it finds a mistake or
//! a leak, not a program that was replaced. `docs/exposure.md` says how to check it from outside.
//!
//! Reads `/proc/self` and world-readable files only, so it works in a process that was made
//! non-dumpable.

#![forbid(unsafe_code)]

mod json;
mod observe;
mod proc_net;
mod processes;
mod registry;
mod report;
mod table;
mod trees;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use observe::{Child, Descriptor, DiskFile, DiskFolder, Observed, Process, What, observe};
pub use report::{Kind, Report, Row, report};
pub use table::table;

use crate::store::{keyfile, lock};

/// What the program says it has open.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// listening sockets
    pub listeners: Vec<Listener>,
    /// files and directories
    pub files: Vec<DeclaredFile>,
    /// directories whose files come and go
    pub folders: Vec<DeclaredFolder>,
    /// directories in which it reads and writes as swarms need it
    pub places: Vec<DeclaredPlace>,
    /// keepers that run now
    pub keepers: Vec<Keeper>,
    /// pipes to agents of swarms, at most
    pub pipes: usize,
    /// places that the program may connect to
    pub outbound: Vec<Outbound>,
    /// where instances find each other
    pub registry: Option<DeclaredRegistry>,
    /// isolated agents
    pub isolated: Isolated,
}

/// Agents in sandboxes, and where those of them that are isolated are led.
#[derive(Debug, Clone, Default)]
pub struct Isolated {
    /// ways out that stand, each with a listener in the network of its sandbox
    pub ways: usize,
    /// what they may be led to, in words: scheme, host and port, and by what right
    pub endpoints: Vec<(String, String)>,
    /// agents in sandboxes, and what keeps each
    pub sandboxes: Vec<(String, String)>,
}

/// The directory by which instances find each other's agents.
#[derive(Debug, Clone)]
pub struct DeclaredRegistry {
    /// absolute
    pub path: PathBuf,
    /// whether other instances write to it, too
    pub shared: bool,
    /// the files in it that are ours now
    pub entries: Vec<PathBuf>,
}

/// What comes and goes while the program runs.
#[derive(Debug, Clone, Default)]
pub struct Moving {
    /// keepers that run now
    pub keepers: Vec<Keeper>,
    /// pipes to agents of swarms that run now: three each
    pub pipes: usize,
    /// instances that letters may go to now
    pub outbound: Vec<Outbound>,
    /// our files in the registry now
    pub entries: Vec<PathBuf>,
    /// agents in sandboxes now
    pub isolated: Isolated,
}

/// A listening socket that the program opened.
#[derive(Debug, Clone)]
pub struct Listener {
    /// the bound address
    pub address: SocketAddr,
    /// what it is for
    pub purpose: String,
    /// what a caller must show
    pub auth: String,
    /// whether it is open without being asked for
    pub default: String,
}

/// A file or directory of the program.
#[derive(Debug, Clone)]
pub struct DeclaredFile {
    /// absolute
    pub path: PathBuf,
    /// what it is for
    pub purpose: String,
    /// whether it stays open while the program runs; the others are looked up on disk
    pub held: bool,
}

/// A directory of a journal. It is one of the declared files; this is about what is in it: segments,
/// by their names, as many as there are.
#[derive(Debug, Clone)]
pub struct DeclaredFolder {
    /// absolute
    pub path: PathBuf,
    /// what its segments are
    pub purpose: String,
}

/// A directory that the program works in while it is asked to: what is open there is its own business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPlace {
    /// absolute
    pub path: PathBuf,
    /// what it is for
    pub purpose: String,
}

/// A keeper process that the program started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// its process id
    pub pid: u32,
    /// the agent that it keeps
    pub agent: String,
}

/// A place that the program may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// exactly this address and port
    pub address: SocketAddr,
    /// what it is for
    pub purpose: String,
    /// whether it is on without being asked for
    pub default: String,
}

impl Declared {
    /// What an instance without agents has open: its listener and its home with lock and key file.
    pub fn instance(listener: SocketAddr, home: &Path) -> Self {
        // The kernel names an open file by its path without links.
        let home = std::fs::canonicalize(home).unwrap_or_else(|_| home.into());
        let default = if listener.ip().is_loopback() { "on" } else { "off: set" };
        let file = |path: PathBuf, purpose: &str, held| DeclaredFile { path, purpose: purpose.into(), held };
        let declared = Self {
            listeners: vec![Listener {
                address: listener,
                purpose: "HTTP: AgentMux, GenSwarms, /api/v1".into(),
                auth: "owner key, API token or agent token; GET / none".into(),
                default: default.into(),
            }],
            files: vec![
                file(home.clone(), "home", true),
                file(home.join(lock::FILE), "lock of the home", true),
                file(home.join(keyfile::FILE), "owner key for clients", false),
            ],
            folders: Vec::new(),
            places: Vec::new(),
            keepers: Vec::new(),
            pipes: 0,
            outbound: Vec::new(),
            registry: None,
            isolated: Isolated::default(),
        };
        // What was opened before the listener is declared; a home of an earlier version has none.
        let mut declared = declared;
        for (name, purpose) in [(AUDIT_KEY, "key of the audit's chain"), (IDENTITY, "id of the home")] {
            if home.join(name).is_file() {
                declared.files.push(file(home.join(name), purpose, false));
            }
        }
        let there = JOURNALS.into_iter().filter(|(name, _)| home.join(name).is_dir());
        there.fold(declared, |declared, (name, purpose)| declared.with_journal(&home, name, purpose))
    }

    /// With a registry, whose directory is there.
    #[must_use]
    pub fn with_registry(mut self, directory: &Path, shared: bool) -> Self {
        let path = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.into());
        self.registry = Some(DeclaredRegistry { path, shared, entries: Vec::new() });
        self
    }

    /// With a directory that is read or written in when a swarm needs it.
    #[must_use]
    pub fn with_place(mut self, path: &Path, purpose: &str) -> Self {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        self.places.push(DeclaredPlace { path, purpose: purpose.into() });
        self
    }

    /// With a journal in this directory of the home, whose path has no links.
    fn with_journal(mut self, home: &Path, name: &str, purpose: &str) -> Self {
        let path = home.join(name);
        let directory = DeclaredFile { path: path.clone(), purpose: format!("{name} journal"), held: true };
        self.files.push(directory);
        self.folders.push(DeclaredFolder { path, purpose: purpose.into() });
        self
    }
}

/// Looks at the running process, in a few milliseconds. `moving` is asked before and after each look, since
/// agents and instances start and end meanwhile; a difference is told only if later looks have it too.
pub fn live(declared: &Declared, moving: &dyn Fn() -> Moving) -> io::Result<Report> {
    let look = || -> io::Result<Report> {
        let before = moving();
        let mut declared = declared.clone();
        if let Some(registry) = &mut declared.registry {
            registry.entries.clone_from(&before.entries);
        }
        let observed = observe(&declared)?;
        let after = moving();
        let both = |keeper: &Keeper| before.keepers.contains(keeper) && after.keepers.contains(keeper);
        // One that began or ended meanwhile is neither foreign nor missed.
        let all = union(&before.keepers, &after.keepers);
        declared.pipes = before.pipes.max(after.pipes);
        declared.keepers = all.into_iter().filter(|k| both(k) || observed.has_child(k.pid)).collect();
        declared.isolated = after.isolated;
        declared.isolated.ways = declared.isolated.ways.max(before.isolated.ways);
        declared.outbound.extend(union(&before.outbound, &after.outbound));
        Ok(report(&declared, &observed))
    };
    let mut found = look()?;
    for wait in AGAIN_AFTER_MS {
        if found.differences == 0 {
            break;
        }
        // Something may be between two states: a process just forked, a file being renamed.
        std::thread::sleep(Duration::from_millis(wait));
        found = look()?.lasting_since(&found);
    }
    Ok(found)
}

fn union<T: Clone + PartialEq>(before: &[T], after: &[T]) -> Vec<T> {
    before.iter().chain(after.iter().filter(|one| !before.contains(one))).cloned().collect()
}

/// The journals of a home: directory, and what its segments are.
const JOURNALS: [(&str, &str); 3] =
    [("mail", "messages"), ("audit", "audit entries"), ("events", "events of swarms")];

/// What stands beside the audit's segments.
const AUDIT_KEY: &str = "audit/key";

/// The home's id, beside its journals.
const IDENTITY: &str = "identity";

/// Waits before another look, where there was a difference, in milliseconds.
const AGAIN_AFTER_MS: [u64; 4] = [2, 5, 15, 40];

#[cfg(test)]
mod tests;
