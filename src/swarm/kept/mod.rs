//! The shelf: what is kept of each swarm on the disk, so that it can start again (design section 7).
//!
//! A swarm is a directory of the home: its seed, its state, a journal of what was changed since (the overlay),
//! and its agents' directories. The seed is written last when a swarm is made, and the whole directory is
//! renamed away first when it is purged: whenever the process or the power ends, a swarm is there as a whole
//! or not at all. What cannot be read is reported and set aside: it holds up no other swarm, and nothing is
//! written over it.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use crate::{
    limits,
    store::{FileError, Home, HomeError, JournalError, LentError},
    sys::{random, stage::User},
    wire::node::NodeName,
};

mod dirs;
mod overlay;
mod shelved;

pub use dirs::{AgentDirs, SKILLS};
use shelved::{Found, Shelved};

/// The directory of all swarms, in the home.
pub const DIRECTORY: &str = "swarms";
/// How the name of a directory begins that is being removed.
const PURGED: &str = ".purged-";
/// Where the agents' directories are, in a swarm's.
const AGENTS: &str = "agents";
/// Most entries of the directory that are looked at.
const ENTRIES: usize = 1_000;

/// A swarm that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptSwarm {
    /// its name
    pub name: NodeName,
    /// the configuration it was made from, in its canonical form
    pub seed: Value,
    /// what it was doing when that was last written down
    pub status: String,
    /// whether it starts by itself
    pub autostart: bool,
}

/// Why the shelf did not do it.
#[derive(Debug)]
pub enum ShelfError {
    /// as many swarms are kept as may be
    Full,
    /// what is kept under this name cannot be read; it stays as it is until somebody repairs or purges it
    Aside,
    /// no swarm of this name is kept
    Unknown,
    /// the seed, or one change, is too large to be kept
    TooLarge,
    /// as many changes are kept as may be
    OverlayFull,
    /// the disk is full
    NoSpace,
    /// nobody knows yet whether it is on the disk, which has not answered in time
    Slow,
    /// it is off the shelf, and not all of it could be removed yet: the next start tries again
    Left,
    /// another file system is mounted over it, or over what is in it
    Mounted,
    /// the system refused
    Io(io::Error),
}

impl fmt::Display for ShelfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "{} swarms are kept, which is the most", limits::SWARMS_KEPT),
            Self::Aside => f.write_str("what is kept under this name cannot be read"),
            Self::Unknown => f.write_str("no swarm of this name is kept"),
            Self::TooLarge => f.write_str("it is too large to be kept"),
            Self::OverlayFull => f.write_str("as many changes are kept as may be; clear the overlay"),
            Self::NoSpace => f.write_str("there is no room left on the disk"),
            Self::Slow => f.write_str("the disk has not answered in time"),
            Self::Left => f.write_str("not all of it could be removed yet"),
            Self::Mounted => f.write_str("another file system is mounted over it"),
            Self::Io(error) => write!(f, "the system says: {error}"),
        }
    }
}

impl std::error::Error for ShelfError {}

impl From<io::Error> for ShelfError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(error),
        }
    }
}

impl From<FileError> for ShelfError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error.into(),
            FileError::TooLarge => Self::TooLarge,
            FileError::Missing
            | FileError::Symlink
            | FileError::NotRegular
            | FileError::Owner(_)
            | FileError::Mode(_) => Self::Aside,
        }
    }
}

impl From<JournalError> for ShelfError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NoSpace => Self::NoSpace,
            JournalError::TooLong => Self::TooLarge,
            JournalError::Refused(_) => Self::Aside,
            JournalError::Slow => Self::Slow,
            JournalError::Io | JournalError::Busy | JournalError::Gone | JournalError::Malformed => {
                Self::Io(io::Error::other(error))
            }
        }
    }
}

impl From<HomeError> for ShelfError {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Io(_, error) if error.raw_os_error() == Some(libc::EXDEV) => Self::Mounted,
            HomeError::Io(_, error) => error.into(),
            HomeError::Missing(_) | HomeError::Unknown => Self::Unknown,
            HomeError::Symlink(_)
            | HomeError::NotDirectory(_)
            | HomeError::Owner(..)
            | HomeError::Mode(..) => Self::Aside,
        }
    }
}

impl From<LentError> for ShelfError {
    fn from(error: LentError) -> Self {
        match error {
            LentError::Missing => Self::Unknown,
            LentError::Mounted => Self::Mounted,
            LentError::Io(kind) => io::Error::from(kind).into(),
            LentError::Symlink
            | LentError::NotRegular
            | LentError::Owner
            | LentError::HardLink
            | LentError::TooLarge => Self::Aside,
        }
    }
}

/// A place on the shelf.
enum Place {
    /// somebody is making this swarm now
    Coming,
    /// a swarm
    Here(Arc<Shelved>),
    /// something that cannot be read
    Aside,
}

/// All swarms that are kept.
pub struct Shelf {
    directory: Home,
    places: Mutex<BTreeMap<NodeName, Place>>,
    /// whom agents in a sandbox are, where an instance of root starts them
    agent_user: Option<User>,
}

impl Shelf {
    /// Opens the shelf of a home; also the swarms on it, and what is to be told of those that cannot be read.
    /// Only under the home's lock.
    pub fn open(home: &Home) -> Result<(Self, Vec<KeptSwarm>, Vec<String>), HomeError> {
        let directory = home.directory(DIRECTORY)?;
        let names =
            directory.names(ENTRIES).map_err(|error| HomeError::Io(directory.path().to_owned(), error))?;
        let (mut places, mut kept, mut troubles) = (BTreeMap::new(), Vec::new(), Vec::new());
        for name in names {
            let path = directory.path().join(&name);
            if name.as_encoded_bytes().starts_with(PURGED.as_bytes()) {
                if let Err(error) = directory.remove_tree(&name) {
                    troubles.push(format!(
                        "{} is what is left of a purge and cannot be removed: {error}",
                        path.display()
                    ));
                }
                continue;
            }
            let Some(name) = name.to_str().and_then(|name| NodeName::parse(name).ok()) else {
                troubles.push(format!("{} is no swarm, and is left alone", path.display()));
                continue;
            };
            if kept.len() >= limits::SWARMS_KEPT {
                troubles.push(format!(
                    "the swarm {name} is not read: {}; move {} away",
                    ShelfError::Full,
                    path.display()
                ));
                places.insert(name, Place::Aside);
                continue;
            }
            match Shelved::open(&directory, &name) {
                Ok(Some(Found { shelved, swarm, notes })) => {
                    let note = |note| format!("the swarm {name}: {note}");
                    troubles.extend(notes.into_iter().map(note));
                    kept.push(swarm);
                    places.insert(name, Place::Here(Arc::new(shelved)));
                }
                Ok(None) => {}
                Err(why) => {
                    troubles.push(format!(
                        "the swarm {name} cannot be read and is set aside: {why}; repair {} or move it away",
                        path.display()
                    ));
                    places.insert(name, Place::Aside);
                }
            }
        }
        kept.sort_by(|one, two| one.name.cmp(&two.name));
        Ok((Self { directory, places: Mutex::new(places), agent_user: None }, kept, troubles))
    }

    /// The same, for agents that may be this user.
    pub fn with_agent_user(self, agent_user: Option<User>) -> Self {
        Self { agent_user, ..self }
    }

    /// Keeps a swarm under this name, or gives the one that is kept another seed; its overlay and its agents'
    /// directories stay. It is on the disk when this returns; after an error the old one is, or none.
    pub fn put_seed(&self, name: &NodeName, seed: &Value) -> Result<(), ShelfError> {
        let bytes = shelved::seed_bytes(seed)?;
        match self.reserve(name)? {
            Some(shelved) => shelved.put_seed(&bytes),
            None => {
                let made = Shelved::create(&self.directory, name, &bytes);
                let mut places = self.places();
                match made {
                    Ok(shelved) => {
                        places.insert(name.clone(), Place::Here(Arc::new(shelved)));
                        Ok(())
                    }
                    Err(error) => {
                        places.remove(name);
                        Err(error)
                    }
                }
            }
        }
    }

    /// Writes down what a swarm does now, and whether it starts by itself.
    pub fn set_status(&self, name: &NodeName, status: &str, autostart: bool) -> Result<(), ShelfError> {
        self.shelved(name)?.put_state(status, autostart)
    }

    /// Keeps one change of a swarm, as a whole, behind those before it; its number, from 1.
    pub fn append(&self, name: &NodeName, change: &Value) -> Result<u64, ShelfError> {
        self.shelved(name)?.overlay.append(change)
    }

    /// The changes of a swarm since the last [`Shelf::clear`], with their numbers.
    pub fn read(&self, name: &NodeName) -> Result<Vec<(u64, Value)>, ShelfError> {
        Ok(self.shelved(name)?.overlay.read())
    }

    /// Forgets all changes of a swarm.
    pub fn clear(&self, name: &NodeName) -> Result<(), ShelfError> {
        self.rewrite(name, &[])
    }

    /// Keeps these changes instead of all that were kept: all of them, or after an error those before.
    pub fn rewrite(&self, name: &NodeName, changes: &[Value]) -> Result<(), ShelfError> {
        self.shelved(name)?.overlay.rewrite(changes)
    }

    /// From now on, what is kept under this name is not read, nor written over: its seed is one that nobody
    /// can start.
    pub fn set_aside(&self, name: &NodeName) {
        self.places().insert(name.clone(), Place::Aside);
    }

    /// Removes a swarm with everything of it, also one that was set aside. One that is not kept is fine.
    pub fn purge(&self, name: &NodeName) -> Result<(), ShelfError> {
        self.bury(&self.directory, name.as_str())?;
        // Where something of it could not be removed, it is none the less off the shelf.
        self.places().remove(name);
        self.sweep()
    }

    /// The same for one that was set aside, and for no other.
    pub fn purge_aside(&self, name: &NodeName) -> Result<(), ShelfError> {
        match self.places().get_mut(name) {
            // Nobody else takes the name meanwhile.
            Some(place @ Place::Aside) => *place = Place::Coming,
            Some(Place::Here(_) | Place::Coming) | None => return Err(ShelfError::Unknown),
        }
        self.purge(name).inspect_err(|_| {
            if let Some(place) = self.places().get_mut(name) {
                *place = Place::Aside;
            }
        })
    }

    fn shelved(&self, name: &NodeName) -> Result<Arc<Shelved>, ShelfError> {
        match self.places().get(name) {
            Some(Place::Here(shelved)) => Ok(Arc::clone(shelved)),
            Some(Place::Aside) => Err(ShelfError::Aside),
            Some(Place::Coming) | None => Err(ShelfError::Unknown),
        }
    }

    /// The swarm that has the name, or a place for it.
    fn reserve(&self, name: &NodeName) -> Result<Option<Arc<Shelved>>, ShelfError> {
        let mut places = self.places();
        match places.get(name) {
            Some(Place::Here(shelved)) => return Ok(Some(Arc::clone(shelved))),
            Some(Place::Aside | Place::Coming) => return Err(ShelfError::Aside),
            None => {}
        }
        if places.len() >= limits::SWARMS_KEPT {
            return Err(ShelfError::Full);
        }
        places.insert(name.clone(), Place::Coming);
        Ok(None)
    }

    /// Takes a directory off the shelf in one step; it is removed by [`Shelf::sweep`], now or at the next start.
    fn bury(&self, above: &Home, name: &str) -> Result<(), ShelfError> {
        let mark = u64::from_ne_bytes(random::bytes()?);
        match above.move_directory(name, &self.directory, &format!("{PURGED}{mark:016x}")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => Ok(other?),
        }
    }

    /// Removes what was buried.
    fn sweep(&self) -> Result<(), ShelfError> {
        let mut left = false;
        for name in self.directory.names(ENTRIES)? {
            if name.as_encoded_bytes().starts_with(PURGED.as_bytes()) {
                left |= self.directory.remove_tree(&name).is_err();
            }
        }
        if left { Err(ShelfError::Left) } else { Ok(()) }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<NodeName, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_kill;
