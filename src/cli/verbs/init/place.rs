//! The directory of a new project, and writing in it and nowhere else.
//!
//! It is reached through its descriptor, and so is each directory in it: a link that stands in the place of one of
//! them, or of a file, is refused and never followed. A file is written beside its place and renamed over it, so
//! that what it replaces is whole until then and another name of it keeps what it had. Nothing is removed.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// An open directory.
pub(super) struct Place {
    directory: File,
    /// without links, as far as the system tells
    path: PathBuf,
}

/// Why nothing is written, or nothing more.
#[derive(Debug)]
pub(super) enum PlaceError {
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

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDirectory => f.write_str("it is there and is no directory"),
            Self::Occupied { name } => {
                write!(f, "nothing was written: {name} is a link, or no regular file or directory")
            }
            Self::Io { name, error } => write!(f, "{name} cannot be made: {error}"),
        }
    }
}

impl Place {
    /// Opens the directory, and makes it and those above it where they are missing.
    pub(super) fn make(path: &Path) -> Result<Self, PlaceError> {
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
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> Result<bool, PlaceError> {
        let failed = |error| PlaceError::Io { name: "a list of what is there".to_owned(), error };
        Ok(fs::read_dir(at(&self.directory, "")).map_err(failed)?.next().is_none())
    }

    /// Whether this file may be written: nothing stands there, or a regular file.
    pub(super) fn look(&self, below: &str, name: &str) -> Result<(), PlaceError> {
        let Some(directory) = self.below(below, false)? else { return Ok(()) };
        match fs::symlink_metadata(at(&directory, name)) {
            Ok(facts) if facts.is_file() => Ok(()),
            Ok(_) => Err(PlaceError::Occupied { name: name.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PlaceError::Io { name: name.to_owned(), error }),
        }
    }

    /// Writes a file, mode 0644, or 0755 for a program, less what the umask takes.
    pub(super) fn write(
        &self,
        below: &str,
        name: &str,
        program: bool,
        bytes: &[u8],
    ) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::Io { name: name.to_owned(), error };
        let Some(directory) = self.below(below, true)? else {
            return Err(failed(ErrorKind::NotFound.into()));
        };
        self.look(below, name)?;
        let beside = at(&directory, &format!(".{name}.{}.tmp", std::process::id()));
        let mode = if program { 0o755 } else { 0o644 };
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&beside, at(&directory, name)));
        written.map_err(|error| {
            // Ours, and half written: of whoever had the name before nothing is removed.
            if error.kind() != ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&beside);
            }
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
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::store::testing::TempHome;

    fn names(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_in_the_place_of_a_file_or_directory_is_refused_and_never_followed() {
        let home = TempHome::new();
        let (project, outside) = (home.around().join("project"), home.around().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("theirs"), "theirs").unwrap();
        let place = Place::make(&project).unwrap();
        symlink(outside.join("theirs"), project.join("swarm.json")).unwrap();
        symlink(outside.join("new"), project.join("README.md")).unwrap();
        symlink(&outside, project.join("agents")).unwrap();
        for (below, name) in [("", "swarm.json"), ("", "README.md"), ("agents", "theirs"), ("agents", "x")] {
            assert!(matches!(place.look(below, name), Err(PlaceError::Occupied { .. })), "{below} {name}");
            let written = place.write(below, name, true, b"ours");
            assert!(matches!(written, Err(PlaceError::Occupied { .. })), "{below} {name}");
        }
        fs::create_dir(project.join("skills")).unwrap();
        assert!(matches!(place.look("", "skills"), Err(PlaceError::Occupied { .. })));
        assert_eq!(names(&outside), ["theirs"]);
        assert_eq!(fs::read(outside.join("theirs")).unwrap(), b"theirs");
        assert_eq!(
            names(&project),
            ["README.md", "agents", "skills", "swarm.json"],
            "nothing is left beside"
        );
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_other_names_as_they_were() {
        let home = TempHome::new();
        let project = home.around().join("a/b");
        let place = Place::make(&project).unwrap();
        assert!(place.is_empty().unwrap());
        fs::write(project.join("x.sh"), "before").unwrap();
        fs::hard_link(project.join("x.sh"), home.around().join("other")).unwrap();
        assert!(!place.is_empty().unwrap());
        place.write("", "x.sh", true, b"after").unwrap();
        assert_eq!(fs::read(home.around().join("other")).unwrap(), b"before");
        assert_eq!(fs::read(project.join("x.sh")).unwrap(), b"after");
        let mode = fs::metadata(project.join("x.sh")).unwrap().mode() & 0o777;
        assert_eq!(mode & 0o700, 0o700);
        assert!(matches!(Place::make(&project.join("x.sh")), Err(PlaceError::NotDirectory)));
        assert!(matches!(Place::make(&project.join("x.sh/y")), Err(PlaceError::NotDirectory)));
    }

    /// Its own name may be moved meanwhile: what is written goes where it was opened.
    #[test]
    fn what_is_written_follows_the_directory_and_not_its_name() {
        let home = TempHome::new();
        let (project, moved) = (home.around().join("project"), home.around().join("moved"));
        let place = Place::make(&project).unwrap();
        fs::rename(&project, &moved).unwrap();
        fs::create_dir(&project).unwrap();
        place.write("agents", "x", false, b"x").unwrap();
        assert_eq!((names(&project), names(&moved)), (vec![], vec!["agents".to_owned()]));
    }
}
