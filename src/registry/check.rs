//! Whether an entry counts: its file by the rules of private files, its name, and what the kernel says of
//! its process and listener.
//!
//! All of it is a moment's truth. Whoever sends a key looks again once his connection stands.

use std::{
    collections::HashMap,
    ffi::OsStr,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Speaks, entry::Entry, place::Place, trouble::Wrong, types::Peer};
use crate::{
    limits,
    store::{
        FileError, HomeError,
        common::{CommonDirectory, FileRead},
        keyfile,
    },
    wire::{address::HomeId, secret::Secret},
};

/// Who we are, as far as an entry can be about us.
#[derive(Debug, Clone)]
pub(super) struct Us {
    /// where our listener is bound
    pub at: SocketAddr,
    /// of our listener
    pub inode: u64,
    /// our process
    pub pid: u32,
    /// our instance's id
    pub instance: String,
    /// our home's
    pub home: HomeId,
}

impl Us {
    /// Whether this process wrote an entry.
    pub fn wrote(&self, entry: &Entry) -> bool {
        entry.pid == self.pid && entry.own.as_ref().is_some_and(|own| own.instance == self.instance)
    }

    /// Whether it is about this home, at whatever time.
    pub fn is_home(&self, entry: &Entry) -> bool {
        entry.own.as_ref().is_some_and(|own| own.home == self.home)
    }

    /// Whether an address is certainly our listener's. One on all addresses is on those of its kind: another
    /// program may have the same port of the other kind.
    fn listens_at(&self, at: SocketAddr) -> bool {
        let own = self.at.ip().to_canonical();
        at.port() == self.at.port()
            && (at.ip() == own || (own.is_unspecified() && own.is_ipv4() == at.is_ipv4()))
    }
}

/// The kernel's answers, each asked for once, and for so long only: entries may name processes with very many
/// descriptors.
pub(super) struct Kernel<'a> {
    us: &'a Us,
    until: Option<Instant>,
    seen: HashMap<(SocketAddr, u32, Option<u64>), Result<u64, Wrong>>,
}

impl<'a> Kernel<'a> {
    /// Nothing asked yet. To be made anew for each decision.
    pub fn new(us: &'a Us) -> Self {
        Self::within(us, Duration::from_millis(limits::REGISTRY_KERNEL_MS))
    }

    /// The same with a time of its own.
    pub fn within(us: &'a Us, time: Duration) -> Self {
        Self { us, until: Instant::now().checked_add(time), seen: HashMap::new() }
    }

    /// The inode of an entry's listener, where its process lives and has it.
    pub fn look(&mut self, entry: &Entry) -> Result<u64, Wrong> {
        let inode = entry.own.as_ref().map(|own| own.listener_inode);
        let (us, until) = (self.us, self.until);
        let look = || {
            if us.listens_at(entry.at) {
                return Err(Wrong::OwnPort);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Wrong::Unknown(entry.at));
            }
            keyfile::process_is_ours(entry.pid)?;
            match keyfile::listener_is(entry.at, entry.pid, inode)? {
                found if found == us.inode => Err(Wrong::OwnPort),
                found => Ok(found),
            }
        };
        self.seen.entry((entry.at, entry.pid, inode)).or_insert_with(look).clone()
    }

    /// Whether an entry's instance has certainly ended.
    pub fn has_ended(&mut self, entry: &Entry) -> bool {
        match self.look(entry) {
            Ok(_) => false,
            // Another process cannot have a port that is ours. In a container an earlier launch of this home may
            // have had our very number; while we hold the home's lock it is over.
            Err(Wrong::OwnPort) => {
                entry.pid != self.us.pid || (self.us.is_home(entry) && !self.us.wrote(entry))
            }
            Err(wrong) => wrong.is_dead(),
        }
    }
}

/// One entry as it was read.
pub(super) struct Read {
    /// what it says
    pub entry: Entry,
    /// its mark, to know it again
    pub file: Bytes,
}

/// What a file's bytes were, without the bytes: thousands of files are known at once, each may be large, and
/// they hold keys.
pub(super) struct Bytes {
    hash: [u8; 32],
    /// unix ms
    pub written_at: u64,
}

impl Bytes {
    /// Whether it is the same file, and nobody has written it again.
    pub fn is(&self, other: &FileRead) -> bool {
        self.written_at == other.written_at && self.hash == hmac_sha256::Hash::hash(&other.bytes)
    }
}

/// Why there is no [`Read`].
pub(super) enum NotRead {
    /// there is no such file
    Missing,
    /// a private file, which is no entry
    NoEntry(Bytes, Wrong),
    /// it was not looked into
    Refused(Wrong),
}

impl From<FileError> for NotRead {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing => Self::Missing,
            other => Self::Refused(other.into()),
        }
    }
}

/// Reads the file `place.name` in `folder`, which is the place's.
pub(super) fn read(folder: &CommonDirectory, place: &Place) -> Result<Read, NotRead> {
    let FileRead { bytes, written_at } = folder.read(OsStr::new(&place.name), limits::REGISTRY_ENTRY)?;
    let bytes = Secret::new(bytes);
    let file = Bytes { hash: hmac_sha256::Hash::hash(bytes.expose()), written_at };
    match Entry::parse(bytes.expose()) {
        Ok(entry) if place.fits(&entry.agent) => Ok(Read { entry, file }),
        Ok(_) => Err(NotRead::NoEntry(file, Wrong::Name)),
        Err(wrong) => Err(NotRead::NoEntry(file, wrong)),
    }
}

/// The directory that a place's file is in; `None` where it is missing.
pub(super) fn folder<'a>(
    directory: &'a CommonDirectory,
    place: &Place,
    below: &'a mut Option<CommonDirectory>,
) -> Result<Option<&'a CommonDirectory>, HomeError> {
    let Some(name) = &place.folder else { return Ok(Some(directory)) };
    match directory.below(OsStr::new(name)) {
        Ok(found) => Ok(Some(below.insert(found))),
        Err(HomeError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The home that an entry's agent is at; of AgentMux made from its channel.
pub(super) fn home(entry: &Entry, place: &Place) -> HomeId {
    if let Some(own) = &entry.own {
        return own.home.clone();
    }
    let channel = match &place.folder {
        Some(_) if entry.channel.is_empty() => place.stem().unwrap_or_default(),
        Some(_) | None => &entry.channel,
    };
    let hash = hmac_sha256::Hash::hash(format!("agentmux channel {channel}").as_bytes());
    let [a, b, c, d, e, f, ..] = hash;
    HomeId::of([a, b, c, d, e, f])
}

/// The peer of an entry whose listener the kernel has confirmed.
pub(super) fn peer(entry: Entry, place: &Place, inode: u64) -> Peer {
    Peer {
        home: home(&entry, place),
        speaks: if entry.own.is_some() { Speaks::Loopgate } else { Speaks::AgentMux },
        instance: entry.own.map(|own| own.instance),
        agent: entry.agent,
        at: entry.at,
        pid: entry.pid,
        inode,
        block_id: entry.block_id,
        key: entry.key.map(Arc::new),
        file: place.path(),
    }
}
