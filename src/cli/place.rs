//! A directory that the user named, and writing in it and nowhere else: a new project, the manual pages.
//!
//! Its own name is the user's word: it may be a link, as for `cd`. It is reached through its descriptor, and so is
//! each directory in it: there a link that stands in the place of one of them, or of a file, is refused and never
//! followed. A file is written beside its place and renamed over it, so that what it replaces is whole until then
//! and another name of it keeps what it had. Nothing is removed.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

/// An open directory.
pub struct Place {
    directory: File,
    /// without links, as far as the system tells
    path: PathBuf,
}

/// Why nothing is written, or nothing more.
#[derive(Debug)]
pub enum PlaceError {
    /// it is something else
    NotDirectory,
    /// where a file or directory is to be stands something else, a link among others
    Occupied {
        /// its name
        name: String,
    },
    /// the system refuses
    Io {
        /// to make or write what
        name: String,
        /// why
        error: io::Error,
    },
}

/// Who may use a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0644, less what the umask takes
    Text,
    /// 0755, less what the umask takes
    Program,
    /// 0644, whatever the umask is
    Everybodys,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDirectory => f.write_str("it is there and is no directory"),
            Self::Occupied { name } => {
                write!(f, "{name} is a link, or no regular file or directory")
            }
            Self::Io { name, error } => write!(f, "{name} cannot be made: {error}"),
        }
    }
}

impl Place {
    /// Opens the directory, and makes it and those above it where they are missing.
    pub fn make(path: &Path) -> Result<Self, PlaceError> {
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => PlaceError::NotDirectory,
            _ => PlaceError::Io { name: "the directory".to_owned(), error },
        };
        DirBuilder::new().recursive(true).mode(0o777).create(path).map_err(failed)?;
        let directory = directory(path, 0).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        Ok(Self { directory, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> Result<bool, PlaceError> {
        let failed = |error| PlaceError::Io { name: "a list of what is there".to_owned(), error };
        Ok(fs::read_dir(at(&self.directory, "")).map_err(failed)?.next().is_none())
    }

    /// Whether this file may be written: nothing stands there, or a regular file.
    pub fn look(&self, below: &str, name: &str) -> Result<(), PlaceError> {
        let Some(directory) = self.below(below, false)? else { return Ok(()) };
        match fs::symlink_metadata(at(&directory, name)) {
            Ok(facts) if facts.is_file() => Ok(()),
            Ok(_) => Err(PlaceError::Occupied { name: name.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PlaceError::Io { name: name.to_owned(), error }),
        }
    }

    /// The first bytes of a file, at most `most`; `None` where nothing stands there. What is no regular file is not
    /// waited for.
    pub fn beginning(&self, below: &str, name: &str, most: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        let failed = |error| PlaceError::Io { name: name.to_owned(), error };
        let Some(directory) = self.below(below, false)? else { return Ok(None) };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(at(&directory, name));
        let file = match file {
            Ok(file) if file.metadata().map_err(failed)?.is_file() => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // ENXIO: a socket
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
                return Err(failed(error));
            }
            Ok(_) | Err(_) => return Err(PlaceError::Occupied { name: name.to_owned() }),
        };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// Writes a file.
    pub fn write(&self, below: &str, name: &str, mode: Mode, bytes: &[u8]) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::Io { name: name.to_owned(), error };
        let Some(directory) = self.below(below, true)? else {
            return Err(failed(ErrorKind::NotFound.into()));
        };
        self.look(below, name)?;
        let beside = at(&directory, &format!(".{name}.{}.tmp", std::process::id()));
        let bits = match mode {
            Mode::Text | Mode::Everybodys => 0o644,
            Mode::Program => 0o755,
        };
        let made = OpenOptions::new().write(true).create_new(true).mode(bits).open(&beside);
        // Whoever has the name already keeps it, and nothing of his is removed.
        let mut file = made.map_err(failed)?;
        let permitted = match mode {
            Mode::Everybodys => file.set_permissions(Permissions::from_mode(bits)),
            Mode::Text | Mode::Program => Ok(()),
        };
        let written = permitted
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| fs::rename(&beside, at(&directory, name)));
        written.map_err(|error| {
            let _ = fs::remove_file(&beside);
            failed(error)
        })
    }

    /// The directory of that name in it, or itself; made where it is missing and wanted.
    fn below(&self, name: &str, make: bool) -> Result<Option<File>, PlaceError> {
        let failed = |error| PlaceError::Io { name: name.to_owned(), error };
        if name.is_empty() {
            return self.directory.try_clone().map(Some).map_err(failed);
        }
        let path = at(&self.directory, name);
        if make {
            match DirBuilder::new().mode(0o777).create(&path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
        }
        match directory(&path, libc::O_NOFOLLOW) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => match error.raw_os_error() {
                Some(libc::ELOOP | libc::ENOTDIR) => Err(PlaceError::Occupied { name: name.to_owned() }),
                Some(_) | None => Err(failed(error)),
            },
        }
    }
}

fn directory(path: &Path, flags: libc::c_int) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | flags).open(path)
}

/// A name in an open directory, wherever that is by now.
fn at(directory: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

#[cfg(test)]
#[path = "place/tests.rs"]
mod tests;
