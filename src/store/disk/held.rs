//! For tests: a directory whose files' syncs wait until the test lets them go, as on a disk that does
//! not answer. Everything else goes through at once.

use std::{io, sync::Arc};

use super::{Disk, DiskFile, SyncPoint};
use crate::store::FileError;

type Hold = Arc<dyn Fn(SyncPoint) + Send + Sync>;

/// A directory whose syncs of files are held.
pub struct Held(Box<dyn Disk>, Hold);

struct HeldFile(Box<dyn DiskFile>, Hold);

impl Held {
    /// `hold` returns when a sync may go on.
    pub fn new(disk: Box<dyn Disk>, hold: impl Fn(SyncPoint) + Send + Sync + 'static) -> Self {
        Self(disk, Arc::new(hold))
    }
}

impl Disk for Held {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        self.0.list(most)
    }
    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(HeldFile(self.0.create(name)?, Arc::clone(&self.1))))
    }
    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(HeldFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(point)
    }
}

impl DiskFile for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        (self.1)(point);
        self.0.sync(point)
    }
}
