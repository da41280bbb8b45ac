//! Our own files: one thread writes them, and what it writes follows what is registered here.
//!
//! Whoever has changed something says so and may wait for a while; nobody else touches a file. A live
//! entry of another instance under our name is left alone, and one whose instance has ended makes way.
//! What is removed was looked at before, and is put back where it turns out to be another's.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Registry,
    check::{self, Bytes, Kernel, NotRead, Read},
    entry::{Entry, Own},
    place::{self, Place},
    trouble,
    types::Published,
};
use crate::{
    limits,
    store::{
        FileError,
        common::{Changed, CommonDirectory, FileRead},
    },
    sys::random,
    wire::{id::AgentId, secret::Secret},
};

const LOCK: Duration = Duration::from_millis(limits::REGISTRY_LOCK_MS);
/// How often a name is tried again that somebody else writes to at the same moment.
const ATTEMPTS: usize = 4;
/// Numbers that every reader of JSON reads exactly.
const EXACT: u64 = (1 << 53) - 1;

/// One file that we have written.
struct Written {
    block_id: String,
    place: Place,
    /// of the key in it
    key: u64,
    /// when, monotonic
    at: u64,
}

/// Our files, as the writing thread knows them.
pub(super) struct Files {
    registry: Arc<Registry>,
    written: BTreeMap<AgentId, Written>,
}

/// What a round is to do.
pub(super) struct Work {
    /// the key to write, and its number
    pub key: (Arc<Secret>, u64),
    /// whether files are compared that seem to be right
    pub all: bool,
    /// files of instances that seem to have ended
    pub gone: Vec<PathBuf>,
}

/// What has come of it.
pub(super) struct Outcome {
    /// by name: of each that is registered, and of each whose file could not be removed
    pub status: BTreeMap<AgentId, Published>,
    /// the names that have a file
    pub names: Vec<AgentId>,
    /// every file carries the newest key
    pub newest_key: bool,
}

/// Why nothing was done with a file.
enum Stopped {
    /// somebody holds the lock
    Locked,
    /// a stable code
    Failed(&'static str),
}

impl From<FileError> for Stopped {
    fn from(_: FileError) -> Self {
        Self::Failed("registry_write")
    }
}

impl From<Stopped> for Published {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Locked => Self::Pending,
            Stopped::Failed(code) => Self::Failed(code),
        }
    }
}

impl Files {
    /// None written yet.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, written: BTreeMap::new() }
    }

    /// Brings the files to what is wanted: agents and their blocks.
    pub fn round(&mut self, wanted: Vec<(AgentId, String)>, work: &Work) -> Outcome {
        let wanted: BTreeMap<AgentId, String> = wanted.into_iter().collect();
        let mut status = BTreeMap::new();
        match CommonDirectory::create(&self.registry.directory) {
            Ok(directory) => self.steps(&directory, &wanted, work, &mut status),
            Err(error) => {
                let failed = Published::Failed(trouble::directory_code(&error));
                status.extend(wanted.into_keys().map(|agent| (agent, failed.clone())));
            }
        }
        Outcome {
            status,
            names: self.written.keys().cloned().collect(),
            newest_key: self.written.values().all(|written| written.key == work.key.1),
        }
    }

    fn steps(
        &mut self,
        directory: &CommonDirectory,
        wanted: &BTreeMap<AgentId, String>,
        work: &Work,
        status: &mut BTreeMap<AgentId, Published>,
    ) {
        let mut locked = false;
        let unwanted = self.written.keys().filter(|agent| !wanted.contains_key(*agent));
        for agent in unwanted.cloned().collect::<Vec<_>>() {
            // One wait is enough for a round.
            let removed = if locked { Err(Stopped::Locked) } else { self.remove(directory, &agent) };
            if let Err(stopped) = removed {
                locked |= matches!(stopped, Stopped::Locked);
                status.insert(agent, stopped.into());
            }
        }
        let mut places = BTreeSet::new();
        for (agent, block_id) in wanted {
            let place = self.registry.layout.own(agent, &self.registry.us.home);
            let published = if !places.insert(place.clone()) {
                Published::Failed("registry_name_case")
            } else if self.is_right(agent, block_id, work) {
                Published::Done
            } else if locked {
                Published::Pending
            } else {
                self.write(directory, place, agent, block_id, work).unwrap_or_else(|stopped| {
                    locked |= matches!(stopped, Stopped::Locked);
                    stopped.into()
                })
            };
            status.insert(agent.clone(), published);
        }
        for path in &work.gone {
            if !locked {
                locked |= matches!(self.registry.remove_if_dead(directory, path), Err(Stopped::Locked));
            }
        }
    }

    /// Whether a file needs no look.
    fn is_right(&self, agent: &AgentId, block_id: &str, work: &Work) -> bool {
        self.written.get(agent).is_some_and(|written| {
            !work.all && written.block_id == block_id && written.key == work.key.1 && !self.is_old(written)
        })
    }

    fn is_old(&self, written: &Written) -> bool {
        let age = self.registry.clock.monotonic_ms().saturating_sub(written.at);
        age >= limits::REGISTRY_REFRESH_MS
    }

    /// Writes one file, or finds that it is right.
    fn write(
        &mut self,
        directory: &CommonDirectory,
        place: Place,
        agent: &AgentId,
        block_id: &str,
        work: &Work,
    ) -> Result<Published, Stopped> {
        let registry = Arc::clone(&self.registry);
        let entry = registry.entry(agent, block_id, &work.key.0)?;
        let bytes = entry.to_bytes();
        let lock = directory.lock(LOCK).map_err(|_| Stopped::Failed("registry_lock"))?;
        let _lock = lock.ok_or(Stopped::Locked)?;
        for _ in 0..ATTEMPTS {
            let below = match &place.folder {
                None => None,
                Some(name) => Some(
                    directory
                        .create_below(OsStr::new(name))
                        .map_err(|error| Stopped::Failed(trouble::directory_code(&error)))?,
                ),
            };
            let folder = below.as_ref().unwrap_or(directory);
            let changed = match check::read(folder, &place) {
                Err(NotRead::Missing) => match folder.place(&place.name, bytes.expose()) {
                    Ok(true) => Changed::Done,
                    // The folder was removed, or a file came.
                    Ok(false) | Err(FileError::Missing) => Changed::Another,
                    Err(error) => return Err(error.into()),
                },
                Err(NotRead::Refused(wrong)) => {
                    self.written.remove(agent);
                    return Err(Stopped::Failed(wrong.code()));
                }
                Err(NotRead::NoEntry(file, _)) => {
                    if !registry.is_unfinished(file.written_at) {
                        return Ok(Published::Pending);
                    }
                    replace(folder, &place, &bytes, &|other| file.is(other))?
                }
                Ok(Read { entry: found, file }) if registry.us.wrote(&found) => {
                    let right = self.written.get(agent).is_some_and(|written| !self.is_old(written));
                    if right && says_the_same(&found, &entry) {
                        if let Some(written) = self.written.get_mut(agent) {
                            written.key = work.key.1;
                        }
                        return Ok(Published::Done);
                    }
                    replace(folder, &place, &bytes, &|other| file.is(other))?
                }
                Ok(Read { entry: found, file }) => {
                    if !Kernel::new(&registry.us).has_ended(&found) {
                        self.written.remove(agent);
                        return Ok(Published::Taken);
                    }
                    replace(folder, &place, &bytes, &|other| file.is(other))?
                }
            };
            if changed == Changed::Done {
                let written = Written {
                    block_id: block_id.to_owned(),
                    place,
                    key: work.key.1,
                    at: registry.clock.monotonic_ms(),
                };
                self.written.insert(agent.clone(), written);
                return Ok(Published::Done);
            }
        }
        Ok(Published::Pending)
    }

    /// Removes one file, if it still is ours.
    fn remove(&mut self, directory: &CommonDirectory, agent: &AgentId) -> Result<(), Stopped> {
        let Some(written) = self.written.get(agent) else { return Ok(()) };
        {
            let lock = directory.lock(LOCK).map_err(|_| Stopped::Failed("registry_lock"))?;
            let _lock = lock.ok_or(Stopped::Locked)?;
            self.registry.remove_own(directory, &written.place)?;
        }
        self.written.remove(agent);
        Ok(())
    }

    /// Removes all of them. Where somebody keeps the lock, without it.
    pub fn end(&mut self) {
        let Ok(directory) = CommonDirectory::open(&self.registry.directory) else { return };
        let _lock = directory.lock(LOCK);
        for written in self.written.values() {
            // What stays is of a process that has ended: the next one that starts removes it.
            let _ = self.registry.remove_own(&directory, &written.place);
        }
        self.written.clear();
    }
}

impl Registry {
    fn entry(&self, agent: &AgentId, block_id: &str, key: &Secret) -> Result<Entry, Stopped> {
        let random = random::bytes().map_err(|_| Stopped::Failed("registry_write"))?;
        let at = self.reached_at.ok_or(Stopped::Failed("registry_not_loopback"))?;
        Ok(Entry {
            agent: agent.clone(),
            at,
            block_id: block_id.to_owned(),
            pid: self.us.pid,
            updated_at: self.clock.unix_ms(),
            key: (!key.expose().is_empty()).then(|| Secret::new(key.expose().to_vec())),
            channel: place::channel(&self.us.home),
            nonce: u64::from_ne_bytes(random) & EXACT,
            own: Some(Own {
                instance: self.us.instance.clone(),
                home: self.us.home.clone(),
                listener_inode: self.us.inode,
            }),
        })
    }

    /// Whether a file that is no entry has been left alone for so long that nobody is writing it.
    pub(super) fn is_unfinished(&self, written_at: u64) -> bool {
        self.clock.unix_ms().saturating_sub(written_at) >= limits::REGISTRY_UNFINISHED_MS
    }

    fn remove_own(&self, directory: &CommonDirectory, place: &Place) -> Result<(), Stopped> {
        let mut below = None;
        let folder = check::folder(directory, place, &mut below);
        let folder = folder.map_err(|error| Stopped::Failed(trouble::directory_code(&error)))?;
        let Some(folder) = folder else { return Ok(()) };
        let ours = |file: &FileRead| Entry::parse(&file.bytes).is_ok_and(|entry| self.us.wrote(&entry));
        match folder.remove(&place.name, limits::REGISTRY_ENTRY, &ours) {
            // A file that is refused is none that we wrote.
            Ok(_)
            | Err(FileError::Symlink | FileError::NotRegular | FileError::Owner(_) | FileError::TooLarge) => {
            }
            Err(error) => return Err(error.into()),
        }
        tidy_folder(directory, place);
        Ok(())
    }

    /// Removes an entry whose instance has ended; looked at now, under the lock.
    fn remove_if_dead(&self, directory: &CommonDirectory, path: &Path) -> Result<(), Stopped> {
        let Some(place) = Place::of(path) else { return Ok(()) };
        let lock = directory.lock(LOCK).map_err(|_| Stopped::Failed("registry_lock"))?;
        let _lock = lock.ok_or(Stopped::Locked)?;
        let mut below = None;
        let Ok(Some(folder)) = check::folder(directory, &place, &mut below) else { return Ok(()) };
        let Ok(Read { entry, file }) = check::read(folder, &place) else { return Ok(()) };
        if Kernel::new(&self.us).has_ended(&entry) {
            self.remove_as_read(directory, &place, &file);
        }
        Ok(())
    }

    /// Removes a file, if nobody has written it again. Under the lock.
    pub(super) fn remove_as_read(&self, directory: &CommonDirectory, place: &Place, file: &Bytes) {
        let mut below = None;
        if let Ok(Some(folder)) = check::folder(directory, place, &mut below) {
            // What cannot be removed now is found again.
            let _ = folder.remove(&place.name, limits::REGISTRY_ENTRY, &|other| file.is(other));
            tidy_folder(directory, place);
        }
    }
}

fn tidy_folder(directory: &CommonDirectory, place: &Place) {
    if let Some(folder) = &place.folder {
        directory.remove_empty(OsStr::new(folder));
    }
}

fn replace(
    folder: &CommonDirectory,
    place: &Place,
    bytes: &Secret,
    is: &dyn Fn(&FileRead) -> bool,
) -> Result<Changed, Stopped> {
    Ok(folder.replace(&place.name, bytes.expose(), limits::REGISTRY_ENTRY, is)?)
}

/// Whether two entries of this instance differ in nothing but when they were written.
fn says_the_same(one: &Entry, other: &Entry) -> bool {
    let same_key = match (&one.key, &other.key) {
        (Some(one), Some(other)) => one.matches(other.expose()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let rest = |entry: &Entry| {
        let own = entry.own.as_ref().map(|own| (own.home.clone(), own.listener_inode));
        (entry.agent.clone(), entry.at, entry.block_id.clone(), entry.channel.clone(), own)
    };
    same_key && rest(one) == rest(other)
}
