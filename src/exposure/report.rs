//! Declared laid over observed: one row for each thing, differences marked.
//!
//! What is open and not declared, and what is declared and not open, each count as a difference. Pure:
//! both sides are passed in.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
};

use super::{Declared, DeclaredFile, DiskFile, Observed, observe::What, registry, trees};

/// What kind of thing a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// something that others can reach, or a way to our own processes
    Socket,
    /// a file, directory, device or kernel object
    File,
    /// a process that we started or inherited
    Child,
    /// a connection that we made
    Outbound,
}

impl Kind {
    /// All kinds, in the report's order.
    pub const ALL: [Kind; 4] = [Kind::Socket, Kind::File, Kind::Child, Kind::Outbound];

    /// The word in the table and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Socket => "socket",
            Kind::File => "file",
            Kind::Child => "child",
            Kind::Outbound => "outbound",
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// its kind
    pub kind: Kind,
    /// whose it is
    pub process: String,
    /// where: address, path, process id
    pub address: String,
    /// what for
    pub purpose: String,
    /// who may use it
    pub auth: String,
    /// whether it is there without being asked for
    pub default: String,
    /// how many descriptors or processes the row stands for
    pub count: u64,
    /// whether the program says it has it
    pub declared: bool,
    /// whether the kernel says so
    pub observed: bool,
    /// what is wrong, in words
    pub difference: Option<String>,
}

/// All rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// by kind, then in order of appearance
    pub rows: Vec<Row>,
    /// how many rows have a difference
    pub differences: u64,
}

impl Report {
    fn of(rows: Vec<Row>) -> Self {
        let differences = rows.iter().filter(|row| row.difference.is_some()).count();
        Self { rows, differences: u64::try_from(differences).unwrap_or(u64::MAX) }
    }

    /// This report without the differences that an earlier look did not have: what was between two
    /// states then or is now.
    pub(super) fn lasting_since(mut self, earlier: &Report) -> Self {
        let same =
            |a: &Row, b: &Row| a.kind == b.kind && a.address == b.address && a.difference == b.difference;
        self.rows.retain(|row| row.difference.is_none() || earlier.rows.iter().any(|old| same(row, old)));
        Self::of(self.rows)
    }
}

/// Lays `declared` over `observed`.
pub fn report(declared: &Declared, observed: &Observed) -> Report {
    let mut rows = Rows { rows: Vec::new(), seen: BTreeMap::new() };
    listeners(&mut rows, declared, observed);
    descriptors(&mut rows, declared, observed);
    files(&mut rows, declared, observed);
    folders(&mut rows, declared, observed);
    registry::rows(&mut rows, declared, observed);
    outbound(&mut rows, declared, observed);
    trees::rows(&mut rows, declared, observed);
    rows.finish()
}

pub(super) const SELF: &str = "loopgate serve";
pub(super) const NOT_OBSERVED: &str = "declared, not observed";
const UNDECLARED: &str = "not declared";
pub(super) const NONE: &str = "-";

/// Rows under way. Equal ones become one with a count.
pub(super) struct Rows {
    rows: Vec<Row>,
    seen: BTreeMap<(Kind, String, String, String), usize>,
}

impl Rows {
    pub(super) fn add(&mut self, row: Row) {
        let key = (row.kind, row.process.clone(), row.address.clone(), row.purpose.clone());
        match self.seen.get(&key).and_then(|at| self.rows.get_mut(*at)) {
            Some(same) => same.count = same.count.saturating_add(row.count),
            None => {
                self.seen.insert(key, self.rows.len());
                self.rows.push(row);
            }
        }
    }

    /// Something that is there and was declared, by name or as a kind.
    pub(super) fn known(
        &mut self,
        kind: Kind,
        address: impl Into<String>,
        purpose: &str,
        auth: &str,
        default: &str,
    ) {
        self.add(Row {
            kind,
            process: SELF.into(),
            address: address.into(),
            purpose: purpose.into(),
            auth: auth.into(),
            default: default.into(),
            count: 1,
            declared: true,
            observed: true,
            difference: None,
        });
    }

    /// Something that is there and was not declared.
    pub(super) fn stray(&mut self, kind: Kind, address: impl Into<String>, what: &str) {
        self.add(Row {
            kind,
            process: SELF.into(),
            address: address.into(),
            purpose: what.into(),
            auth: "unknown".into(),
            default: NONE.into(),
            count: 1,
            declared: false,
            observed: true,
            difference: Some(UNDECLARED.into()),
        });
    }

    fn finish(mut self) -> Report {
        self.rows.sort_by_key(|row| row.kind);
        Report::of(self.rows)
    }
}

fn listeners(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    for listener in &declared.listeners {
        let there = observed.descriptors.iter().any(|d| d.what == What::TcpListener(listener.address));
        rows.add(Row {
            kind: Kind::Socket,
            process: SELF.into(),
            address: listener.address.to_string(),
            purpose: listener.purpose.clone(),
            auth: listener.auth.clone(),
            default: listener.default.clone(),
            count: 1,
            declared: true,
            observed: there,
            difference: (!there).then(|| NOT_OBSERVED.into()),
        });
    }
}

fn descriptors(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    let mut connections = BTreeSet::new();
    let mut pipes = 0_usize;
    let mut elsewhere = 0_usize;
    for descriptor in &observed.descriptors {
        let standard = descriptor.fd <= 2;
        // Several descriptors may be of one connection: it counts once.
        if let What::Tcp { local, remote } | What::Udp { local, remote } = &descriptor.what
            && !connections.insert((local, remote))
        {
            continue;
        }
        match &descriptor.what {
            What::TcpListener(at) => {
                if !declared.listeners.iter().any(|listener| listener.address == *at) {
                    rows.stray(Kind::Socket, at.to_string(), "listening TCP socket");
                }
            }
            What::TcpListenerElsewhere => {
                elsewhere = elsewhere.saturating_add(1);
                match elsewhere <= declared.isolated.ways {
                    true => {
                        let (at, what) = ("a sandbox's 127.0.0.1", "the way out of isolated agents");
                        rows.known(Kind::Socket, at, what, "the agent in it", "per agent");
                    }
                    false => rows.stray(Kind::Socket, "tcp, listening, in no table", "socket"),
                }
            }
            What::Tcp { local, remote } => tcp(rows, declared, *local, *remote),
            What::TcpUnconnected => {
                rows.known(
                    Kind::Socket,
                    "no address",
                    "reset TCP connection, or one from a sandbox",
                    NONE,
                    NONE,
                );
            }
            What::Udp { local, remote } if remote.port() == 0 => {
                rows.stray(Kind::Socket, local.to_string(), "UDP socket");
            }
            What::Udp { remote, .. } => rows.stray(Kind::Outbound, remote.to_string(), "UDP"),
            What::UnixNamed { path, listening: true } => {
                rows.stray(Kind::Socket, clean(path), "listening unix socket");
            }
            What::UnixPair | What::UnixTo { .. } | What::UnixNamed { .. } | What::Pipe if standard => {
                standard_stream(rows, descriptor.fd, "pipe");
            }
            What::UnixNamed { path, listening: false } => {
                rows.stray(Kind::Socket, clean(path), "unix socket")
            }
            What::UnixPair => {
                rows.known(Kind::Socket, "socketpair", "between own processes", "inherited", NONE);
            }
            What::UnixTo { pid } => {
                let to = pid.map_or("another process".into(), |pid| format!("process {pid}"));
                rows.stray(Kind::Outbound, format!("unix socket of {to}"), "unix connection");
            }
            What::SocketDiagnosis => {
                rows.known(Kind::Socket, "netlink", "socket diagnosis", "the kernel", "on");
            }
            What::OtherSocket(kind) => rows.stray(Kind::Socket, kind.clone(), "socket"),
            What::File(path) => file(rows, declared, descriptor.fd, path),
            What::Device(path) => device(rows, descriptor.fd, path),
            What::Pipe => {
                pipes = pipes.saturating_add(1);
                match pipes <= declared.pipes {
                    true => {
                        rows.known(Kind::File, "pipe", "stdin, stdout, stderr of agents", NONE, "per agent")
                    }
                    false => rows.stray(Kind::File, "pipe", "pipe"),
                }
            }
            What::Kernel(kind) => kernel_object(rows, kind),
        }
    }
}

fn tcp(rows: &mut Rows, declared: &Declared, local: SocketAddr, remote: SocketAddr) {
    let accepted_on = declared.listeners.iter().find(|listener| {
        let at = listener.address;
        at == local || (at.ip().is_unspecified() && at.port() == local.port())
    });
    if accepted_on.is_some() {
        rows.known(
            Kind::Socket,
            format!("{local} from {}", remote.ip()),
            "accepted connections",
            "as the listener",
            NONE,
        );
    } else if let Some(outbound) = declared.outbound.iter().find(|outbound| outbound.address == remote) {
        rows.known(Kind::Outbound, remote.to_string(), &outbound.purpose, NONE, &outbound.default);
    } else {
        rows.stray(Kind::Outbound, remote.to_string(), "TCP connection");
    }
}

fn standard_stream(rows: &mut Rows, fd: u32, to: &str) {
    let name = match fd {
        0 => "stdin",
        1 => "stdout",
        _ => "stderr",
    };
    rows.known(Kind::File, format!("{name}: {to}"), "standard stream", NONE, "on");
}

fn file(rows: &mut Rows, declared: &Declared, fd: u32, path: &Path) {
    let shown = clean(&path.to_string_lossy());
    if fd <= 2 {
        standard_stream(rows, fd, &shown);
    } else if path.starts_with("/proc/") {
        rows.known(Kind::File, "/proc", "facts of the kernel", "read only", NONE);
    } else if is_segment(declared, path) {
        // counted with the others of its folder, which the disk lists
    } else if registry::holds(declared, path) {
        rows.known(Kind::File, registry::inside(declared), "file being read or written", NONE, NONE);
    } else if let Some(place) = declared.places.iter().find(|place| path.starts_with(&place.path)) {
        rows.known(Kind::File, clean(&place.path.to_string_lossy()), &place.purpose, NONE, "on");
    } else if !declared.files.iter().any(|file| file.path == path) {
        rows.stray(Kind::File, shown, "open file");
    }
}

fn device(rows: &mut Rows, fd: u32, path: &Path) {
    let shown = clean(&path.to_string_lossy());
    if fd <= 2 {
        return standard_stream(rows, fd, &shown);
    }
    match shown.as_str() {
        "/dev/null" => rows.known(Kind::File, shown, "descriptor in reserve", NONE, "on"),
        "/dev/ptmx" | "/dev/pts/ptmx" => {
            rows.known(Kind::File, shown, "terminal of an agent", NONE, "per agent")
        }
        terminal if terminal.starts_with("/dev/pts/") => {
            rows.known(Kind::File, "/dev/pts", "terminal of a new agent", NONE, "per agent");
        }
        _ => rows.stray(Kind::File, shown, "open device"),
    }
}

fn kernel_object(rows: &mut Rows, kind: &str) {
    let purpose = match kind {
        "eventfd" => "wakes a thread",
        "pidfd" => "tells of a process's end",
        "signalfd" => "receives signals",
        "eventpoll" => "waits for several descriptors",
        "timerfd" => "wakes a thread at a time",
        _ => return rows.stray(Kind::File, clean(kind), "kernel object"),
    };
    rows.known(Kind::File, kind, purpose, NONE, "on");
}

fn files(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    for file in &declared.files {
        let disk = observed.files.iter().find(|disk| disk.path == file.path);
        let open = observed.descriptors.iter().any(|d| d.what == What::File(file.path.clone()));
        rows.add(Row {
            kind: Kind::File,
            process: SELF.into(),
            address: clean(&file.path.to_string_lossy()),
            purpose: file.purpose.clone(),
            auth: disk.map_or(NONE.into(), |disk| format!("mode {:04o}", disk.mode)),
            default: "on".into(),
            count: 1,
            declared: true,
            observed: disk.is_some(),
            difference: file_difference(file, disk, open, observed.uid),
        });
    }
}

/// Whether it is a segment of a declared journal, by its place and its name.
fn is_segment(declared: &Declared, path: &Path) -> bool {
    let named = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".seg"));
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    named.is_some_and(|name| !name.is_empty() && number(name))
        && declared.folders.iter().any(|folder| path.parent() == Some(&folder.path))
}

/// One row for the segments of a journal that are as they should be, one for each that is not and for
/// whatever else is there.
fn folders(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    for folder in &declared.folders {
        let Some(disk) = observed.folders.iter().find(|disk| disk.path == folder.path) else { continue };
        for entry in &disk.entries {
            let shown = clean(&entry.path.to_string_lossy());
            if declared.files.iter().any(|file| file.path == entry.path) {
                continue;
            }
            if !is_segment(declared, &entry.path) {
                rows.stray(Kind::File, shown, "file in the home");
                continue;
            }
            let difference = disk_difference(entry, observed.uid);
            let all = || clean(&folder.path.join("*.seg").to_string_lossy());
            rows.add(Row {
                kind: Kind::File,
                process: SELF.into(),
                address: if difference.is_some() { shown } else { all() },
                purpose: folder.purpose.clone(),
                auth: format!("mode {:04o}", entry.mode),
                default: "on".into(),
                count: 1,
                declared: true,
                observed: true,
                difference,
            });
        }
    }
}

fn file_difference(file: &DeclaredFile, disk: Option<&DiskFile>, open: bool, uid: u32) -> Option<String> {
    let Some(disk) = disk else { return Some(NOT_OBSERVED.into()) };
    let not_held = || (file.held && !open).then(|| "exists, but is not held open".into());
    disk_difference(disk, uid).or_else(not_held)
}

pub(super) fn disk_difference(disk: &DiskFile, uid: u32) -> Option<String> {
    if disk.symlink {
        return Some("is a symbolic link".into());
    }
    if uid != disk.uid {
        return Some(format!("belongs to user {}", disk.uid));
    }
    (disk.mode & 0o077 != 0).then(|| "other users have access".into())
}

/// Places that the program may connect to and has no connection to now: no difference, a letter is on its
/// way for milliseconds.
fn outbound(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    let idle = |at: SocketAddr| {
        !observed.descriptors.iter().any(|d| matches!(d.what, What::Tcp { remote, .. } if remote == at))
    };
    for outbound in declared.outbound.iter().filter(|outbound| idle(outbound.address)) {
        rows.add(Row {
            kind: Kind::Outbound,
            process: SELF.into(),
            address: outbound.address.to_string(),
            purpose: clean(&outbound.purpose),
            auth: NONE.into(),
            default: outbound.default.clone(),
            count: 1,
            declared: true,
            observed: false,
            difference: None,
        });
    }
    for (endpoint, right) in &declared.isolated.endpoints {
        rows.add(Row {
            kind: Kind::Outbound,
            process: SELF.into(),
            address: clean(endpoint),
            purpose: clean(right),
            auth: "key, TLS".into(),
            default: "per agent".into(),
            count: 1,
            declared: true,
            observed: false,
            difference: None,
        });
    }
}

/// Names and paths can be chosen by others: what could steer a terminal becomes `?`.
pub(super) fn clean(text: &str) -> String {
    let invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if c.is_control() || invisible(c) { '?' } else { c }).collect()
}
