//! A directory of the home for whoever only looks.
//!
//! Nothing in it is made, changed or removed, also where it cannot be, and the rules of private files
//! hold all the same: no links, nobody else's files, none that others may touch.

use std::{fs::OpenOptions, io};

use super::{Disk, DiskFile, RealFile, SyncPoint, names_in};
use crate::store::{
    home::{Home, HomeError},
    private::{self, FileError},
};

/// One directory, to be read.
#[derive(Debug)]
pub struct ReadOnlyDisk {
    directory: Home,
}

impl ReadOnlyDisk {
    /// Opens the directory `name` of the home, which must be there.
    pub fn open(home: &Home, name: &str) -> Result<Self, HomeError> {
        home.existing_directory(name).map(|directory| Self { directory })
    }
}

impl Disk for ReadOnlyDisk {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        names_in(&self.directory, most)
    }

    fn create(&self, _: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Err(refused().into())
    }

    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let file = private::open_any_size(&self.directory, name, OpenOptions::new().read(true))?;
        Ok(Box::new(RealFile(file)))
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(refused())
    }

    fn sync_dir(&self, _: SyncPoint) -> io::Result<()> {
        Err(refused())
    }
}

fn refused() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{disk::RealDisk, testing::TempHome};

    #[test]
    fn whoever_only_looks_makes_and_changes_nothing() {
        let temp = TempHome::new();
        assert!(matches!(ReadOnlyDisk::open(&temp.home(), "d"), Err(HomeError::Missing(_))));
        assert!(!temp.path().join("d").exists());
        let file = RealDisk::open(&temp.home(), "d").expect("a disk").create("f").expect("a file");
        assert_eq!(file.append(b"abc").ok(), Some(3));
        let disk = ReadOnlyDisk::open(&temp.home(), "d").expect("a disk");
        let file = disk.open("f").expect("a file");
        let mut bytes = [0; 8];
        assert_eq!(file.read_at(0, &mut bytes).ok(), Some(3));
        assert!(file.append(b"x").is_err() && file.truncate(0).is_err());
        assert!(disk.create("g").is_err() && disk.remove("f").is_err());
        assert!(disk.sync_dir(SyncPoint::Removed).is_err());
        assert_eq!(disk.list(9).ok(), Some(vec!["f".to_owned()]));
        assert_eq!(std::fs::read(temp.path().join("d/f")).ok().as_deref(), Some(&b"abc"[..]));
        std::os::unix::fs::symlink("f", temp.path().join("d/l")).expect("a link");
        assert!(matches!(disk.open("l"), Err(FileError::Symlink)));
    }
}
