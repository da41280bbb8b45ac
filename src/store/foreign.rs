//! A directory that is somebody else's to write in, where we look at names, and put empty things and take them
//! away again.
//!
//! It is reached through its descriptor, and nothing in it through a link. What is put there is made new, never
//! over something; what is taken away is what was put there and is still as it was made. So nothing that stands
//! there is lost, and nothing outside of it is touched, whoever else writes there meanwhile.

use std::{
    ffi::OsStr,
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use crate::store::{
    lent::LentError,
    pin::{at, itself, pin},
    private,
};

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// a directory
    Directory,
    /// a regular file
    File,
    /// a symbolic link
    Link,
    /// a FIFO, socket or device
    Other,
}

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// what it is
    pub kind: Kind,
    /// the device that it is on
    pub device: u64,
    /// its number there
    pub inode: u64,
}

/// What is put there: an empty directory, or a file with these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing<'a> {
    /// an empty directory
    Directory,
    /// a file
    File(&'a [u8]),
}

/// The open directory.
#[derive(Debug)]
pub struct Foreign(File);

impl Foreign {
    /// Opens the directory at a path that its owner is trusted with: links on the way are followed.
    pub fn open(path: &Path) -> Result<Self, LentError> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        Ok(Self(OpenOptions::new().read(true).custom_flags(flags).open(path)?))
    }

    /// The same directory once more.
    pub fn again(&self) -> Result<Self, LentError> {
        Ok(Self(self.0.try_clone()?))
    }

    /// What it is itself.
    pub fn entry(&self) -> Result<Entry, LentError> {
        Ok(entry(&self.0.metadata()?))
    }

    /// What has this name in it, of a link the link; `None` where nothing has.
    pub fn look(&self, name: &str) -> Result<Option<Entry>, LentError> {
        match pin(&self.0, OsStr::new(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
            Ok(pinned) => Ok(Some(entry(&pinned.metadata()?))),
        }
    }

    /// The directory of this name in it.
    pub fn below(&self, name: &str) -> Result<Self, LentError> {
        let pinned = pin(&self.0, OsStr::new(name))?;
        let facts = pinned.metadata()?;
        if facts.is_symlink() {
            return Err(LentError::Symlink);
        }
        if facts.is_dir() { Ok(Self(pinned)) } else { Err(LentError::NotRegular) }
    }

    /// The directory itself, opened so that it can be locked.
    pub fn to_lock(&self) -> Result<File, LentError> {
        Ok(OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(itself(&self.0))?)
    }

    /// The names in it; of more than `most`, or of one that is no text, an error.
    pub fn names(&self, most: usize) -> Result<Vec<String>, LentError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(itself(&self.0))? {
            let name = entry?.file_name().into_string().map_err(|_| LentError::Io(ErrorKind::InvalidData))?;
            if names.len() >= most {
                return Err(LentError::TooLarge);
            }
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    /// What the regular file of this name in it holds.
    pub fn read(&self, name: &str, most: usize) -> Result<Vec<u8>, LentError> {
        let pinned = pin(&self.0, OsStr::new(name))?;
        if !pinned.metadata()?.is_file() {
            return Err(LentError::NotRegular);
        }
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(itself(&pinned))?;
        private::read_bounded(file, most)?.ok_or(LentError::TooLarge)
    }

    /// Whether what has this name is as it would have been put there.
    pub fn is_as_put(&self, name: &str, thing: Thing<'_>) -> bool {
        match thing {
            Thing::Directory => {
                self.below(name).and_then(|below| below.names(0)).is_ok_and(|names| names.is_empty())
            }
            Thing::File(bytes) => self.read(name, bytes.len()).is_ok_and(|found| found == bytes),
        }
    }

    /// Puts something there that others may read, where nothing has the name.
    pub fn put(&self, name: &str, thing: Thing<'_>) -> Result<Entry, LentError> {
        match thing {
            Thing::Directory => DirBuilder::new().mode(0o755).create(at(&self.0, name))?,
            Thing::File(bytes) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
                options.open(at(&self.0, name))?.write_all(bytes)?;
            }
        }
        self.look(name)?.ok_or(LentError::Missing)
    }

    /// Takes it away again, if it is still as it was put there; whether nothing has the name now.
    pub fn take(&self, name: &str, thing: Thing<'_>) -> Result<bool, LentError> {
        let pinned = match pin(&self.0, OsStr::new(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            other => other?,
        };
        let facts = pinned.metadata()?;
        let removed = match thing {
            Thing::Directory if facts.is_dir() => std::fs::remove_dir(at(&self.0, name)),
            Thing::File(bytes) if facts.is_file() && facts.len() == bytes.len() as u64 => {
                let file =
                    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(itself(&pinned))?;
                if private::read_bounded(file, bytes.len())?.as_deref() != Some(bytes) {
                    return Ok(false);
                }
                std::fs::remove_file(at(&self.0, name))
            }
            Thing::Directory | Thing::File(_) => return Ok(false),
        };
        match removed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn entry(facts: &Metadata) -> Entry {
    let kind = match () {
        () if facts.is_dir() => Kind::Directory,
        () if facts.is_file() => Kind::File,
        () if facts.is_symlink() => Kind::Link,
        () => Kind::Other,
    };
    Entry { kind, device: facts.dev(), inode: facts.ino() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::testing::TempHome;

    #[test]
    fn what_was_put_is_taken_away_and_nothing_else_is() {
        let temp = TempHome::new();
        let there = Foreign::open(temp.around()).expect("a directory");
        let path = |name: &str| temp.around().join(name);
        for (name, thing) in [("d", Thing::Directory), ("f", Thing::File(b".\n")), ("e", Thing::File(b""))] {
            assert_eq!(there.look(name), Ok(None));
            let put = there.put(name, thing).expect("put");
            assert_eq!(there.look(name), Ok(Some(put)));
            assert_eq!(there.put(name, thing), Err(LentError::Io(ErrorKind::AlreadyExists)));
            assert_eq!((there.take(name, thing), there.look(name)), (Ok(true), Ok(None)));
            assert_eq!(there.take(name, thing), Ok(true), "it is gone already");
        }
        // what has become something else stays
        std::fs::create_dir_all(path("d/in")).expect("a directory");
        std::fs::write(path("f"), "x\n").expect("a file");
        symlink("f", path("l")).expect("a link");
        for (name, thing) in [
            ("d", Thing::Directory),
            ("d", Thing::File(b"")),
            ("f", Thing::File(b".\n")),
            ("f", Thing::File(b"")),
            ("f", Thing::Directory),
            ("l", Thing::File(b"x\n")),
        ] {
            assert_eq!(there.take(name, thing), Ok(false), "{name} {thing:?}");
            assert!(there.look(name).is_ok_and(|entry| entry.is_some()), "{name}");
        }
    }

    #[test]
    fn no_link_is_followed_and_none_is_written_over() {
        let temp = TempHome::new();
        let there = Foreign::open(temp.around()).expect("a directory");
        let path = |name: &str| temp.around().join(name);
        std::fs::create_dir(path("real")).expect("a directory");
        symlink("real", path("way")).expect("a link");
        symlink("nowhere", path("loose")).expect("a link");
        assert_eq!(there.look("way").map(|entry| entry.map(|entry| entry.kind)), Ok(Some(Kind::Link)));
        assert_eq!(there.below("way").err(), Some(LentError::Symlink));
        assert!(there.put("loose", Thing::File(b"x")).is_err() && !path("nowhere").exists());
        assert!(there.look("real/x").is_err() && there.look("..").is_err(), "one name, and no way");
    }
}
