//! A directory that other programs of this user write to as well: the registry.
//!
//! It is opened anew for each step, checked, and reached through its descriptor. A file in it is read as
//! any private file is. Whoever else writes here keeps no rules, so nothing is replaced or removed by its
//! name alone: it is taken out of the way first, looked at, and put back where it is another's. The lock
//! keeps programs like this one from taking things out of each other's hands; nothing depends on it.

use std::{
    ffi::{OsStr, OsString},
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    store::{
        home::{Home, HomeError},
        private::{self, FileError},
    },
    sys::rename,
};

/// The end of the name of a file that was taken out of the way, until it was looked at.
const TAKEN: &str = ".taken";
/// Time between two attempts to get the lock.
const LOCK_STEP: Duration = Duration::from_millis(2);
/// How often a name is tried again that somebody else writes to at the same moment.
const ATTEMPTS: usize = 8;

/// An open directory: ours, and not writable by others.
#[derive(Debug)]
pub struct CommonDirectory {
    home: Home,
    mode: u32,
}

/// The directory's lock, as long as it lives. Whoever else takes it waits for a while only.
#[derive(Debug)]
pub struct DirectoryLock<'a>(&'a CommonDirectory);

impl Drop for DirectoryLock<'_> {
    fn drop(&mut self) {
        // A child between fork and exec has the descriptor too: closing ours alone would not do.
        let _ = self.0.home.descriptor().unlock();
    }
}

/// A file that was read.
pub struct FileRead {
    /// all of it
    pub bytes: Vec<u8>,
    /// when it was last written, unix ms
    pub written_at: u64,
}

/// What became of the wish to replace or remove a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// done
    Done,
    /// there is no such file
    Missing,
    /// another file stands there, and stays
    Another,
}

impl CommonDirectory {
    /// Opens a directory that is there.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        Home::open_listed(path).map(|(home, mode)| Self { home, mode })
    }

    /// The same, and makes it 0700 where it is missing; what is above it must be there.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        match Self::open(path) {
            Err(HomeError::Missing(_)) => {}
            other => return other,
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(HomeError::Io(path.to_owned(), error))
            }
            Ok(()) | Err(_) => Self::open(path),
        }
    }

    /// Opens the directory `name` in it.
    pub fn below(&self, name: &OsStr) -> Result<Self, HomeError> {
        self.home.listed_directory(name).map(|(home, mode)| Self { home, mode })
    }

    /// The same, and makes it 0700 where it is missing.
    pub fn create_below(&self, name: &OsStr) -> Result<Self, HomeError> {
        match DirBuilder::new().mode(0o700).create(self.home.at(name)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(HomeError::Io(self.path().join(name), error))
            }
            Ok(()) | Err(_) => self.below(name),
        }
    }

    /// Removes the directory `name` in it, if it is empty.
    pub fn remove_empty(&self, name: &OsStr) {
        // Not empty, or gone: both are fine.
        let _ = std::fs::remove_dir(self.home.at(name));
    }

    /// Its permission bits.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Its name, to show.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Locks it; `None` where somebody else has the lock all that time.
    pub fn lock(&self, within: Duration) -> io::Result<Option<DirectoryLock<'_>>> {
        let begin = Instant::now();
        loop {
            match self.home.descriptor().try_lock() {
                Ok(()) => return Ok(Some(DirectoryLock(self))),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begin.elapsed() >= within => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_STEP),
            }
        }
    }

    /// The names in it, at most `most`, and whether there are more.
    pub fn names(&self, most: usize) -> io::Result<(Vec<OsString>, bool)> {
        let mut entries = std::fs::read_dir(self.home.at("."))?;
        let names = entries.by_ref().take(most).map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        Ok((names, entries.next().is_some()))
    }

    /// Whether a directory, and no link to one, has this name.
    pub fn is_directory(&self, name: &OsStr) -> bool {
        std::fs::symlink_metadata(self.home.at(name)).is_ok_and(|facts| facts.is_dir())
    }

    /// Reads a private file of at most `most` bytes.
    pub fn read(&self, name: &OsStr, most: usize) -> Result<FileRead, FileError> {
        let (bytes, facts) = private::read_at_most(&self.home, name, most)?;
        let seconds = u64::try_from(facts.mtime()).unwrap_or_default();
        let part = u64::try_from(facts.mtime_nsec()).unwrap_or_default().checked_div(1_000_000);
        Ok(FileRead { bytes, written_at: seconds.saturating_mul(1_000).saturating_add(part.unwrap_or(0)) })
    }

    /// Puts a private file there as a whole, where nothing has the name; whether it did.
    pub fn place(&self, name: &str, bytes: &[u8]) -> Result<bool, FileError> {
        let temporary = self.write_beside(name, bytes)?;
        let placed = self.put(&temporary, name);
        if !matches!(placed, Ok(true)) {
            self.drop_file(&temporary);
        }
        Ok(placed?)
    }

    /// Puts a private file in the place of one that `is` the right one, in one step: a reader finds the old
    /// or the new. Another's file that comes there in between stays.
    pub fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        most: usize,
        is: &dyn Fn(&FileRead) -> bool,
    ) -> Result<Changed, FileError> {
        if let Some(other) = self.other_than(name, most, is)? {
            return Ok(other);
        }
        let temporary = self.write_beside(name, bytes)?;
        let ours = match self.pin(&temporary) {
            Ok(ours) => ours,
            Err(error) => {
                self.drop_file(&temporary);
                return Err(error.into());
            }
        };
        match rename::exchange(&self.home.at(&temporary), &self.home.at(name)) {
            Ok(()) => {}
            Err(error) => {
                self.drop_file(&temporary);
                return match error.kind() {
                    ErrorKind::NotFound => Ok(Changed::Missing),
                    // A file system without it: there is a moment without the file.
                    ErrorKind::InvalidInput | ErrorKind::Unsupported => match self.remove(name, most, is)? {
                        Changed::Done if self.place(name, bytes)? => Ok(Changed::Done),
                        Changed::Done => Ok(Changed::Another),
                        other => Ok(other),
                    },
                    _ => Err(error.into()),
                };
            }
        }
        // What stood there is at the temporary name now, and nobody else changes it.
        if matches!(self.read(&temporary, most), Ok(file) if is(&file)) {
            self.drop_file(&temporary);
            return Ok(Changed::Done);
        }
        self.give_back(&temporary, name, ours)?;
        Ok(Changed::Another)
    }

    /// Removes a private file that `is` the right one. Another's that comes there in between stays.
    pub fn remove(
        &self,
        name: &str,
        most: usize,
        is: &dyn Fn(&FileRead) -> bool,
    ) -> Result<Changed, FileError> {
        if let Some(other) = self.other_than(name, most, is)? {
            return Ok(other);
        }
        let taken = private::name_beside(name, TAKEN)?;
        match std::fs::rename(self.home.at(name), self.home.at(&taken)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Changed::Missing),
            other => other?,
        }
        let unread = match self.read(&taken, most) {
            Ok(file) if is(&file) => {
                self.drop_file(&taken);
                return Ok(Changed::Done);
            }
            // It may still be the right one: whoever asked is not told that it is gone.
            Err(FileError::Io(error)) => Some(FileError::Io(error)),
            Ok(_) | Err(_) => None,
        };
        // Whoever has written there meanwhile has replaced what was taken.
        if !self.put(&taken, name)? {
            self.drop_file(&taken);
        }
        unread.map_or(Ok(Changed::Another), Err)
    }

    /// Under the lock: puts back what a process that was killed had taken out of the way, and removes what
    /// it had not finished writing, if that is older than `before`.
    pub fn tidy(&self, names: &[OsString], before: u64) {
        for name in names {
            let Some((of, end)) = name.to_str().and_then(beside) else { continue };
            match end {
                TAKEN => {
                    if matches!(self.put(name, of), Ok(false)) {
                        self.drop_file(name);
                    }
                }
                _ => {
                    let facts = std::fs::symlink_metadata(self.home.at(name));
                    let old = facts.is_ok_and(|facts| {
                        facts.is_file()
                            && u64::try_from(facts.mtime()).is_ok_and(|s| s.saturating_mul(1_000) < before)
                    });
                    if old {
                        self.drop_file(name);
                    }
                }
            }
        }
    }

    /// What is to be told where the file is missing or `is` not the right one.
    fn other_than(
        &self,
        name: &str,
        most: usize,
        is: &dyn Fn(&FileRead) -> bool,
    ) -> Result<Option<Changed>, FileError> {
        match self.read(OsStr::new(name), most) {
            Ok(file) if is(&file) => Ok(None),
            Ok(_) => Ok(Some(Changed::Another)),
            Err(FileError::Missing) => Ok(Some(Changed::Missing)),
            Err(error) => Err(error),
        }
    }

    /// After an exchange that took another's file away from `name`, where `ours` stands now: it goes back.
    /// Where `name` was written again meanwhile, the newest stays, and what it replaced is dropped.
    fn give_back(&self, taken: &OsStr, name: &str, ours: File) -> Result<(), FileError> {
        let mut standing = ours;
        for _ in 0..ATTEMPTS {
            // Held open, so that its inode is nobody else's meanwhile.
            let putting = self.pin(taken)?;
            match rename::exchange(&self.home.at(taken), &self.home.at(name)) {
                Ok(()) => {}
                // Removed meanwhile: that was meant for what had stood there.
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error.into()),
            }
            if same(&self.pin(taken)?, &standing)? {
                break;
            }
            standing = putting;
        }
        self.drop_file(taken);
        Ok(())
    }

    fn pin(&self, name: &OsStr) -> io::Result<File> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        OpenOptions::new().read(true).custom_flags(flags).open(self.home.at(name))
    }

    fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<OsString, FileError> {
        let temporary = private::name_beside(name, private::TEMPORARY)?;
        let written = private::open(&self.home, &temporary, OpenOptions::new().write(true).create_new(true))
            .and_then(|mut file| Ok(file.write_all(bytes)?));
        match written {
            Ok(()) => Ok(temporary),
            Err(error) => {
                self.drop_file(&temporary);
                Err(error)
            }
        }
    }

    /// Gives a file of ours the name `to`, if nothing has it.
    fn put(&self, from: &OsStr, to: &str) -> io::Result<bool> {
        private::rename_new(&self.home.at(from), &self.home.at(to))
    }

    fn drop_file(&self, name: &OsStr) {
        let path: PathBuf = self.home.at(name);
        // It is hidden, and swept later where it stays.
        let _ = std::fs::remove_file(path);
    }
}

fn same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// For a name that [`private::name_beside`] made: what it stands beside, and its end.
fn beside(name: &str) -> Option<(&str, &'static str)> {
    let inner = name.strip_prefix('.')?;
    let end = [TAKEN, private::TEMPORARY].into_iter().find(|end| inner.ends_with(end))?;
    let (of, random) = inner.strip_suffix(end)?.rsplit_once('.')?;
    let ours = random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()) && !of.is_empty();
    ours.then_some((of, end))
}

#[cfg(test)]
#[path = "common/tests.rs"]
mod tests;
