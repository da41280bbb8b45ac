//! The file operations of one directory, as far as a journal needs them, behind one trait.
//!
//! The real one works under the rules of private files: the directory is ours and 0700, a file is
//! 0600 from its creation and never opened through a link, and what was opened is checked, not its
//! name. In tests the directory is a model that fails at will and loses power at will.
//!
//! Each sync says which promise it keeps, so that a test can leave out exactly that one and show
//! what is lost.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
};

use crate::store::{
    home::{Home, HomeError},
    private::{self, FileError},
};

#[cfg(test)]
mod held;
mod read_only;
#[cfg(any(test, fuzzing))]
pub mod testing;

#[cfg(test)]
pub use held::Held;
pub use read_only::ReadOnlyDisk;

/// The promise that a sync keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPoint {
    /// file: a line is on the disk before anybody is told that it was taken
    Commit,
    /// directory: a new segment has its name before anything in it counts
    NewSegment,
    /// file: what `open` showed is on the disk, though its writer ended before the sync
    Opened,
    /// directory: the names that `open` saw stay, and those that it did not see stay away
    OpenedDirectory,
    /// directory: a removed segment does not come back without the ones after it
    Removed,
}

/// One directory. Names are plain names of files in it.
pub trait Disk: Send + Sync {
    /// The names of at most `most` entries, in any order.
    fn list(&self, most: usize) -> io::Result<Vec<String>>;
    /// Makes a new, empty file; fails where the name is taken.
    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError>;
    /// Removes a file; one that is gone already is fine.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when every creation and removal so far is on the disk.
    fn sync_dir(&self, point: SyncPoint) -> io::Result<()>;
}

/// One open file of a [`Disk`]. There is one writer; the length is only ever changed through it.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
    /// Reads from `offset` on, as far as it likes; 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes at the end, as far as it likes; how many bytes were taken.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Returns when the content and length are on the disk.
    fn sync(&self, point: SyncPoint) -> io::Result<()>;
}

/// A directory of the home.
#[derive(Debug)]
pub struct RealDisk {
    directory: Home,
}

impl RealDisk {
    /// Opens the directory `name` of the home, 0700, and makes it where it is missing; it is there
    /// after a loss of power too.
    pub fn open(home: &Home, name: &str) -> Result<Self, HomeError> {
        home.directory(name).map(|directory| Self { directory })
    }
}

impl Disk for RealDisk {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        names_in(&self.directory, most)
    }

    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let mut options = OpenOptions::new();
        // create_new: neither a link nor anything else is there before us
        options.read(true).append(true).create_new(true);
        Ok(Box::new(RealFile(private::open_any_size(&self.directory, name, &mut options)?)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        Ok(Box::new(RealFile(private::open_any_size(&self.directory, name, &mut options)?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.directory.at(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync_dir(&self, _: SyncPoint) -> io::Result<()> {
        self.directory.sync()
    }
}

fn names_in(directory: &Home, most: usize) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory.at("."))?;
    entries.take(most).map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|facts| facts.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    /// fdatasync: the bytes, and of the metadata what reading them back needs, the length above all.
    /// What it leaves out is the time of the change, which nobody here reads, and which would cost a
    /// second write for each.
    fn sync(&self, _: SyncPoint) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TempHome;

    /// The kernel refuses to sync a device: whoever is not told so has not asked.
    #[test]
    fn a_sync_of_a_real_file_is_asked_of_the_kernel() {
        let device = RealFile(File::open("/dev/null").expect("a device"));
        assert!(device.sync(SyncPoint::Commit).is_err());
        let temp = TempHome::new();
        let disk = RealDisk::open(&temp.home(), "mail").expect("a directory");
        assert!(disk.create("file").expect("made").sync(SyncPoint::Commit).is_ok());
        assert!(disk.sync_dir(SyncPoint::NewSegment).is_ok());
        let disk = RealDisk { directory: Home::that_cannot_be_synced() };
        assert!(disk.sync_dir(SyncPoint::NewSegment).is_err());
    }
}
