//! What this process has open by the kernel's account: descriptors, sockets, files, processes.
//!
//! From /proc and the kernel's socket tables, and from the disk for the home's own files. Nothing that
//! the program remembers about itself is used here: that is the other side of the comparison.

use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    Declared,
    proc_net::{self, Listed},
    processes,
};
use crate::sys::{process, socket_kind};

/// Everything found.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// the process's own descriptors
    pub descriptors: Vec<Descriptor>,
    /// its direct children, zombies left out
    pub children: Vec<Child>,
    /// the declared files that exist, as the disk has them
    pub files: Vec<DiskFile>,
    /// what is in the declared folders
    pub folders: Vec<DiskFolder>,
    /// the registry's directory
    pub registry: Option<DiskFile>,
    /// our files in it that exist
    pub entries: Vec<DiskFile>,
    /// the user this process runs as
    pub uid: u32,
}

/// One open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// its number
    pub fd: u32,
    /// what it refers to
    pub what: What,
}

/// What a descriptor refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// a listening TCP socket
    TcpListener(SocketAddr),
    /// a TCP socket that listens in another network than this process is in
    TcpListenerElsewhere,
    /// a TCP socket with an address, not listening
    Tcp {
        /// our side
        local: SocketAddr,
        /// the other side
        remote: SocketAddr,
    },
    /// a TCP socket without any address: not connected yet, or reset by its peer
    TcpUnconnected,
    /// a UDP socket; without a peer, the remote port is 0
    Udp {
        /// our side
        local: SocketAddr,
        /// the other side
        remote: SocketAddr,
    },
    /// a unix socket with a name
    UnixNamed {
        /// as the kernel lists it; an abstract one begins with `@`
        path: String,
        /// whether it accepts connections
        listening: bool,
    },
    /// one end of a pair that this process made
    UnixPair,
    /// a unix socket that leads to another process
    UnixTo {
        /// that process, where the kernel knows it
        pid: Option<u32>,
    },
    /// socket diagnosis of the kernel
    SocketDiagnosis,
    /// any other socket, in words
    OtherSocket(String),
    /// a file or directory
    File(PathBuf),
    /// a device
    Device(PathBuf),
    /// a pipe
    Pipe,
    /// a kernel object without a name: eventfd, pidfd, signalfd and others
    Kernel(String),
}

/// A direct child and what descends from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// the child
    pub process: Process,
    /// all processes below it
    pub descendants: Vec<Process>,
}

/// A process by number and name. The name is chosen by the process itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// process id
    pub pid: u32,
    /// as in `/proc/<pid>/comm`
    pub name: String,
}

/// What is in a declared folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFolder {
    /// the folder's path
    pub path: PathBuf,
    /// its entries, whatever they are, by name
    pub entries: Vec<DiskFile>,
}

/// A declared file as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFile {
    /// its path
    pub path: PathBuf,
    /// permission bits
    pub mode: u32,
    /// owner
    pub uid: u32,
    /// whether the path itself is a symbolic link
    pub symlink: bool,
}

impl Observed {
    /// Whether `pid` is a direct child.
    pub fn has_child(&self, pid: u32) -> bool {
        self.children.iter().any(|child| child.process.pid == pid)
    }
}

/// Looks at this process, and at what is declared on disk.
pub fn observe(declared: &Declared) -> io::Result<Observed> {
    // Descriptors before tables: what is opened in between is then listed but not ours, while the
    // other order would show a socket of ours that no table knows.
    let links = links()?;
    let listed = proc_net::sockets()?;
    let descriptors = links
        .into_iter()
        .filter_map(|(fd, link)| Some(Descriptor { fd, what: classify(fd, &link, &listed)? }))
        .collect();
    Ok(Observed {
        descriptors,
        children: processes::children(),
        files: declared.files.iter().filter_map(|file| on_disk(&file.path)).collect(),
        folders: declared.folders.iter().filter_map(|folder| in_folder(&folder.path)).collect(),
        registry: declared.registry.as_ref().and_then(|registry| on_disk(&registry.path)),
        entries: declared.registry.iter().flat_map(|r| &r.entries).filter_map(|path| on_disk(path)).collect(),
        uid: process::uid(),
    })
}

/// Descriptor numbers and where they lead. The directory being listed is left out.
fn links() -> io::Result<Vec<(u32, PathBuf)>> {
    let own = PathBuf::from(format!("/proc/{}/fd", std::process::id()));
    let mut links = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Closed meanwhile: nothing to tell.
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        if link != own {
            links.push((fd, link));
        }
    }
    links.sort_unstable();
    Ok(links)
}

/// None for what was closed since it was listed.
fn classify(fd: u32, link: &Path, listed: &HashMap<u64, Listed>) -> Option<What> {
    let text = link.to_string_lossy();
    if let Some(inode) = text.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
        return socket(fd, link, listed.get(&inode.parse().ok()?));
    }
    if text.starts_with("pipe:[") {
        return Some(What::Pipe);
    }
    if let Some(kind) = text.strip_prefix("anon_inode:") {
        return Some(What::Kernel(kind.trim_matches(['[', ']']).to_owned()));
    }
    if text.starts_with("pidfd:[") {
        return Some(What::Kernel("pidfd".to_owned()));
    }
    if text.starts_with("/dev/") && !text.starts_with("/dev/shm/") {
        return Some(What::Device(link.into()));
    }
    if text.starts_with('/') {
        return Some(What::File(link.into()));
    }
    Some(What::Kernel(text.into_owned()))
}

fn socket(fd: u32, link: &Path, listed: Option<&Listed>) -> Option<What> {
    match listed {
        Some(Listed::TcpListening(at)) => return Some(What::TcpListener(*at)),
        Some(Listed::Tcp { local, remote }) => return Some(What::Tcp { local: *local, remote: *remote }),
        Some(Listed::Udp { local, remote }) => return Some(What::Udp { local: *local, remote: *remote }),
        Some(Listed::Unix { .. }) | None => {}
    }
    let facts = socket_kind::describe(fd);
    // The number may name something else by now; then what was listed is gone.
    if fs::read_link(format!("/proc/self/fd/{fd}")).ok()? != link {
        return None;
    }
    let facts = facts.ok()?;
    Some(match facts.family {
        // The table only tells the name: a line of it may be forged.
        socket_kind::Family::Unix if facts.named || facts.listening => {
            let path = match listed {
                Some(Listed::Unix { path }) => path.clone(),
                Some(_) | None => String::new(),
            };
            What::UnixNamed { path, listening: facts.listening }
        }
        socket_kind::Family::Unix if facts.peer_pid == Some(std::process::id()) => What::UnixPair,
        socket_kind::Family::Unix => What::UnixTo { pid: facts.peer_pid },
        socket_kind::Family::SocketDiagnosis => What::SocketDiagnosis,
        // Its table belongs to another network namespace, or the kernel hides it.
        socket_kind::Family::Tcp if facts.listening => What::TcpListenerElsewhere,
        socket_kind::Family::Tcp => What::TcpUnconnected,
        socket_kind::Family::Other { family, kind, protocol } => {
            What::OtherSocket(format!("family {family}, type {kind}, protocol {protocol}"))
        }
    })
}

fn in_folder(path: &Path) -> Option<DiskFolder> {
    let listed = fs::read_dir(path).ok()?.take(ENTRIES).flatten();
    // One that is removed meanwhile is not there.
    let mut entries: Vec<DiskFile> = listed.filter_map(|entry| on_disk(&entry.path())).collect();
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Some(DiskFolder { path: path.into(), entries })
}

/// Most entries of a folder that are looked at; a journal has fewer.
const ENTRIES: usize = 4_096;

fn on_disk(path: &Path) -> Option<DiskFile> {
    let meta = fs::symlink_metadata(path).ok()?;
    Some(DiskFile {
        path: path.into(),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        symlink: meta.file_type().is_symlink(),
    })
}
