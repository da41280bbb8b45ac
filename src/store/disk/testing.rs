//! A directory in memory for tests: it fails at will, and loses power at will.
//!
//! What was synced survives a loss of power. Of the rest each change (a write, a cut, a name made or
//! removed) may survive or not, whatever became of the others, and a write also in part or as
//! zeros: a kernel may choose any order. A sync that fails leaves its changes to chance for good,
//! as Linux does: a later sync says that all is well and does not cover them.
//!
//! Whoever chooses is a [`Chooser`]: every combination in turn, or some by seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Disk, DiskFile, SyncPoint};
use crate::store::private::FileError;

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO, and nothing was done; of what a sync was to cover nobody knows
    Io,
    /// EIO, and half of what was to be written was
    HalfThenIo,
    /// ENOSPC, and nothing was written
    NoSpace,
    /// half is written, and the next operation that needs room finds none
    Short,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Io, Self::HalfThenIo, Self::NoSpace, Self::Short];

    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Io | Self::HalfThenIo => libc::EIO,
            Self::NoSpace | Self::Short => libc::ENOSPC,
        })
    }
}

/// A directory in memory. Clones are the same directory.
#[derive(Clone, Default)]
pub struct Model(Arc<Mutex<Inner>>);

#[derive(Clone, Default)]
struct Inner {
    files: Vec<File>,
    /// the names that a running process sees, and the files they lead to
    names: BTreeMap<String, usize>,
    /// those that are on the disk
    durable: BTreeMap<String, usize>,
    /// not synced yet
    renamed: Vec<Naming>,
    operations: usize,
    log: Vec<String>,
    fault: Option<(usize, Fault, bool)>,
    /// how these begin, and how many of them fail
    refused: Vec<(&'static str, usize)>,
    /// the operation after a short write
    full: bool,
    crash_after: Option<usize>,
    left_out: Option<SyncPoint>,
}

#[derive(Clone, Debug)]
enum Naming {
    Made(String, usize),
    Removed(String),
}

#[derive(Clone, Default)]
struct File {
    /// what a running process sees
    content: Vec<u8>,
    durable: Vec<u8>,
    /// since what is durable
    changes: Vec<(Change, Fate)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// the next sync covers it
    Unsynced,
    /// its sync failed: no later one covers it
    Chance,
    /// it survives
    Synced,
}

/// What an operation may do.
enum Go {
    On,
    /// do half of it, then answer so
    Half(io::Result<()>),
}

impl Model {
    pub fn new() -> Self {
        Self::default()
    }

    /// The directory, for a journal.
    pub fn disk(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }

    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.inner().operations
    }

    /// What they were, in order.
    pub fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// The `nth` operation from the beginning (1 is the first) fails so; with `stays`, every later
    /// one does too (without room: every later one that needs room).
    pub fn fail(&self, nth: usize, fault: Fault, stays: bool) {
        self.inner().fault = Some((nth, fault, stays));
    }

    /// So many operations whose names in the log begin so fail with EIO, and all others work.
    pub fn refuse(&self, what: &'static str, times: usize) {
        self.inner().refused.push((what, times));
    }

    /// From here on nothing fails.
    pub fn recover(&self) {
        let mut inner = self.inner();
        inner.refused.clear();
        (inner.fault, inner.full) = (None, false);
    }

    /// The process ends after the `nth` operation: all later ones do nothing and fail.
    pub fn crash_after(&self, nth: usize) {
        self.inner().crash_after = Some(nth);
    }

    /// Syncs for this reason do nothing and say that all is well.
    pub fn leave_out(&self, point: SyncPoint) {
        self.inner().left_out = Some(point);
    }

    /// The directory as the next process finds it after `kill -9`: all that was done is there, what
    /// was not synced still is not.
    pub fn after_kill(&self) -> Self {
        let mut inner = self.inner().clone();
        (inner.fault, inner.full, inner.crash_after, inner.operations) = (None, false, None, 0);
        (inner.refused, inner.log) = (Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(inner)))
    }

    /// The directory as the next process finds it after a loss of power.
    pub fn after_power_loss(&self, chooser: &mut Chooser) -> Self {
        let inner = self.inner();
        let mut names = inner.durable.clone();
        for naming in &inner.renamed {
            if chooser.choose(2) == 1 {
                match naming {
                    Naming::Made(name, file) => drop(names.insert(name.clone(), *file)),
                    Naming::Removed(name) => drop(names.remove(name)),
                }
            }
        }
        let mut left = Inner { left_out: inner.left_out, ..Inner::default() };
        for (name, file) in names {
            let content = inner.files[file].survive(chooser);
            left.durable.insert(name, left.files.len());
            left.files.push(File { durable: content.clone(), content, changes: Vec::new() });
        }
        left.names = left.durable.clone();
        Self(Arc::new(Mutex::new(left)))
    }

    /// The files a process sees, with their content.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.inner();
        inner.names.iter().map(|(name, file)| (name.clone(), inner.files[*file].content.clone())).collect()
    }

    /// Puts a file there, synced, as if it had always been there.
    pub fn put(&self, name: &str, content: &[u8]) {
        let mut inner = self.inner();
        let file = inner.files.len();
        inner.files.push(File { content: content.into(), durable: content.into(), changes: Vec::new() });
        inner.names.insert(name.into(), file);
        inner.durable.insert(name.into(), file);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts an operation and says whether it may go on. `room`: whether it needs some.
    fn operation(&mut self, what: String, room: bool) -> io::Result<Go> {
        self.operations += 1;
        let now = self.operations;
        self.log.push(what);
        if self.crash_after.is_some_and(|last| now > last) {
            return Err(Fault::Io.error());
        }
        let last = self.log.last().map_or("", String::as_str);
        if let Some((_, left)) =
            self.refused.iter_mut().find(|(what, left)| *left > 0 && last.starts_with(what))
        {
            *left -= 1;
            return Err(Fault::Io.error());
        }
        if self.full && room {
            self.full = false;
            return Err(Fault::Short.error());
        }
        let Some((nth, fault, stays)) = self.fault else { return Ok(Go::On) };
        // a disk without room may say so as late as at the sync
        let about_room = matches!(fault, Fault::NoSpace | Fault::Short);
        if about_room && !room && !self.log.last().is_some_and(|what| what.starts_with("sync ")) {
            return Ok(Go::On);
        }
        if now == nth {
            return match fault {
                Fault::Short if room => {
                    self.full = true;
                    Ok(Go::Half(Ok(())))
                }
                Fault::HalfThenIo if room => Ok(Go::Half(Err(fault.error()))),
                Fault::NoSpace | Fault::Short | Fault::Io | Fault::HalfThenIo => Err(fault.error()),
            };
        }
        if now > nth && stays { Err(fault.error()) } else { Ok(Go::On) }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.changes.push((change, Fate::Unsynced));
    }

    fn synced(&mut self) {
        for (_, fate) in &mut self.changes {
            if *fate == Fate::Unsynced {
                *fate = Fate::Synced;
            }
        }
        if self.changes.iter().all(|(_, fate)| *fate == Fate::Synced) {
            self.changes.clear();
            self.durable = self.content.clone();
        }
    }

    fn sync_failed(&mut self) {
        for (_, fate) in &mut self.changes {
            if *fate == Fate::Unsynced {
                *fate = Fate::Chance;
            }
        }
    }

    fn survive(&self, chooser: &mut Chooser) -> Vec<u8> {
        let mut content = self.durable.clone();
        for (change, fate) in &self.changes {
            if *fate == Fate::Synced {
                change.apply(&mut content);
                continue;
            }
            match (change, chooser.choose(if matches!(change, Change::Cut(_)) { 2 } else { 4 })) {
                (_, 0) => {}
                (_, 1) => change.apply(&mut content),
                (Change::Write(at, bytes), 2) => {
                    let part = bytes[..chooser.part(bytes.len())].to_vec();
                    Change::Write(*at, part).apply(&mut content);
                }
                (Change::Write(at, bytes), _) => {
                    Change::Write(*at, vec![0; bytes.len()]).apply(&mut content);
                }
                (Change::Cut(_), _) => unreachable!("two ways to choose from"),
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Cut(len) => content.truncate(*len),
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk for Model {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        let mut inner = self.inner();
        inner.operation("list".into(), false)?;
        // not in order, as a directory is not
        Ok(inner.names.keys().rev().take(most).cloned().collect())
    }

    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let mut inner = self.inner();
        if let Go::Half(result) = inner.operation(format!("create {name}"), true)? {
            result?;
        }
        if inner.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
        }
        let file = inner.files.len();
        inner.files.push(File::default());
        inner.names.insert(name.into(), file);
        inner.renamed.push(Naming::Made(name.into(), file));
        Ok(Box::new(ModelFile(self.clone(), file)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let mut inner = self.inner();
        inner.operation(format!("open {name}"), false)?;
        let file = *inner.names.get(name).ok_or(FileError::Missing)?;
        Ok(Box::new(ModelFile(self.clone(), file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(format!("remove {name}"), false)?;
        if inner.names.remove(name).is_some() {
            inner.renamed.push(Naming::Removed(name.into()));
        }
        Ok(())
    }

    fn sync_dir(&self, point: SyncPoint) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation(format!("sync_dir {point:?}"), false)?;
        if inner.left_out != Some(point) {
            inner.durable = inner.names.clone();
            inner.renamed.clear();
        }
        Ok(())
    }
}

struct ModelFile(Model, usize);

impl DiskFile for ModelFile {
    fn len(&self) -> io::Result<u64> {
        let mut inner = self.0.inner();
        inner.operation("len".into(), false)?;
        Ok(inner.files[self.1].content.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.inner();
        inner.operation("read".into(), false)?;
        let content = &inner.files[self.1].content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.inner();
        let go = inner.operation(format!("append {}", bytes.len()), true)?;
        let file = &mut inner.files[self.1];
        let end = file.content.len();
        let (n, result) = match go {
            Go::On => (bytes.len(), Ok(())),
            Go::Half(result) => (bytes.len() / 2, result),
        };
        file.change(Change::Write(end, bytes[..n].to_vec()));
        result.map(|()| n)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut inner = self.0.inner();
        inner.operation(format!("truncate {len}"), false)?;
        inner.files[self.1].change(Change::Cut(len as usize));
        Ok(())
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        let mut inner = self.0.inner();
        let crashed = inner.crash_after.is_some_and(|last| inner.operations >= last);
        if let Err(error) = inner.operation(format!("sync {point:?}"), false) {
            if !crashed {
                inner.files[self.1].sync_failed();
            }
            return Err(error);
        }
        if inner.left_out != Some(point) {
            inner.files[self.1].synced();
        }
        Ok(())
    }
}

/// Chooses what survives: every combination in turn, or by seed.
pub struct Chooser {
    /// what was chosen, of how many
    path: Vec<(usize, usize)>,
    at: usize,
    seed: Option<u64>,
}

impl Chooser {
    /// Chooses by this seed, always the same.
    pub fn seeded(seed: u64) -> Self {
        Self { path: Vec::new(), at: 0, seed: Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1) }
    }

    /// Calls `run` once for every combination of what it chooses. Small scenarios only.
    pub fn every(mut run: impl FnMut(&mut Self)) {
        let mut chooser = Self { path: Vec::new(), at: 0, seed: None };
        for _ in 0..1_000_000 {
            chooser.at = 0;
            run(&mut chooser);
            while let Some((chosen, of)) = chooser.path.pop() {
                if chosen + 1 < of {
                    chooser.path.push((chosen + 1, of));
                    break;
                }
            }
            if chooser.path.is_empty() {
                return;
            }
        }
        panic!("too many combinations");
    }

    /// One of `0..of`.
    pub fn choose(&mut self, of: usize) -> usize {
        if self.seed.is_some() {
            return (self.random() % of.max(1) as u64) as usize;
        }
        if self.at == self.path.len() {
            self.path.push((0, of));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }

    /// A cut inside `len` bytes: by seed anywhere, else in the middle.
    fn part(&mut self, len: usize) -> usize {
        if self.seed.is_some() { (self.random() % (len as u64 + 1)) as usize } else { len / 2 }
    }

    /// xorshift64
    fn random(&mut self) -> u64 {
        let mut x = self.seed.unwrap_or(1);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed = Some(x);
        x
    }
}
