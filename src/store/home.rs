//! The home directory: `$LOOPGATE_HOME`, 0700 and ours.
//!
//! It is opened once, checked, and from then on reached through the open descriptor: whoever
//! renames it or puts a link in its place afterwards changes nothing for us.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    store::{
        lock::{self, Lock, LockError},
        pin, private, tree,
    },
    sys::process,
};

/// Most entries of a home that are looked at when it is taken over.
const ENTRIES_CHECKED: usize = 10_000;

/// Why a directory cannot be the home.
#[derive(Debug)]
pub enum HomeError {
    /// neither `LOOPGATE_HOME` nor `HOME` says where it is
    Unknown,
    /// there is no such directory
    Missing(PathBuf),
    /// it, or this entry in it, is a symbolic link
    Symlink(PathBuf),
    /// something else than a directory stands there
    NotDirectory(PathBuf),
    /// it, or this entry in it, belongs to this other uid
    Owner(PathBuf, u32),
    /// its mode lets others in
    Mode(PathBuf, u32),
    /// the system refused
    Io(PathBuf, io::Error),
}

impl fmt::Display for HomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("neither LOOPGATE_HOME nor HOME is set, so there is no home directory")
            }
            Self::Missing(path) => write!(f, "the home {} does not exist", path.display()),
            Self::Symlink(path) => {
                write!(f, "{} is a symbolic link, which is never followed", path.display())
            }
            Self::NotDirectory(path) => write!(f, "{} is not a directory", path.display()),
            Self::Owner(path, uid) => {
                write!(f, "{} belongs to uid {uid} and not to you", path.display())
            }
            Self::Mode(path, mode) => write!(
                f,
                "the directory {} has mode {mode:04o} and lets others in; `chmod 700` it if nobody else could have written there",
                path.display()
            ),
            Self::Io(path, error) => {
                write!(f, "the directory {} cannot be used; the system says: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for HomeError {}

/// An open home directory.
#[derive(Debug)]
pub struct Home {
    /// open for its whole life: `/proc/self/fd/<n>` leads to it
    directory: File,
    path: PathBuf,
}

impl Home {
    /// Where the home is: `wavedata`, then `AGENTMUX_DATA_HOME`, `LOOPGATE_HOME`, `~/.loopgate`.
    /// An empty variable counts as unset.
    pub fn locate(
        wavedata: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<PathBuf, HomeError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = wavedata
            .filter(|path| !path.as_os_str().is_empty())
            .map(Path::to_path_buf)
            .or_else(|| set("AGENTMUX_DATA_HOME"))
            .or_else(|| set("LOOPGATE_HOME"))
            .or_else(|| set("HOME").map(|home| home.join(".loopgate")))
            .ok_or(HomeError::Unknown)?;
        std::path::absolute(&path).map_err(|error| HomeError::Io(path, error))
    }

    /// Opens an existing home, for a reader.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        Self::open_at(path, path)
    }

    /// Opens the directory that `at` leads to; errors name `path`.
    fn open_at(at: &Path, path: &Path) -> Result<Self, HomeError> {
        Self::open_without(at, path, 0o077).map(|(home, _)| home)
    }

    /// Opens a directory that others may read, and not write: its names are no secret, and each file in it
    /// is looked at by itself. Also its mode.
    pub(super) fn open_listed(path: &Path) -> Result<(Self, u32), HomeError> {
        Self::open_without(path, path, 0o022)
    }

    /// The same for the directory `name` in this one.
    pub(super) fn listed_directory(&self, name: &OsStr) -> Result<(Self, u32), HomeError> {
        Self::open_without(&self.at(name), &self.path.join(name), 0o022)
    }

    /// Opens it if its mode has none of the bits `refused`; also its mode.
    fn open_without(at: &Path, path: &Path, refused: u32) -> Result<(Self, u32), HomeError> {
        // a slash at the end would make the kernel follow a link there, whatever the flags say
        let at = &at.components().collect::<PathBuf>();
        let path = &path.components().collect::<PathBuf>();
        let io = |error: io::Error| match error.raw_os_error() {
            Some(libc::ENOENT) => HomeError::Missing(path.to_owned()),
            Some(libc::ELOOP) => HomeError::Symlink(path.to_owned()),
            Some(libc::ENOTDIR) => not_directory(at, path),
            _ => HomeError::Io(path.to_owned(), error),
        };
        let flags = libc::O_NOFOLLOW | libc::O_DIRECTORY;
        let directory = OpenOptions::new().read(true).custom_flags(flags).open(at).map_err(io)?;
        Self::checked(directory, path, refused)
    }

    fn checked(directory: File, path: &Path, refused: u32) -> Result<(Self, u32), HomeError> {
        let facts = directory.metadata().map_err(|error| HomeError::Io(path.to_owned(), error))?;
        if facts.uid() != process::uid() {
            return Err(HomeError::Owner(path.to_owned(), facts.uid()));
        }
        let mode = facts.mode() & 0o7777;
        if mode & refused != 0 {
            return Err(HomeError::Mode(path.to_owned(), mode));
        }
        Ok((Self { directory, path: path.to_owned() }, mode))
    }

    /// Opens the home of an instance, making it (and the directories above it) where it is missing.
    /// One that no instance had yet is there after a loss of power too. Refused where anything
    /// directly in it is a link or not ours.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        Self::create_with(path, &sync_directory)
    }

    /// `sync` brings the names in a directory to the disk.
    fn create_with(path: &Path, sync: &dyn Fn(&Path) -> io::Result<()>) -> Result<Self, HomeError> {
        let io = |error| HomeError::Io(path.to_owned(), error);
        if let Some(above) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(io)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
            Ok(()) | Err(_) => {}
        }
        let home = Self::open(path)?;
        // The lock is made after this, so whoever made it had the names above on the disk.
        if std::fs::symlink_metadata(home.at(lock::FILE)).is_err() {
            settle_above(&home.path, sync).map_err(io)?;
        }
        for entry in std::fs::read_dir(home.at(".")).map_err(io)?.take(ENTRIES_CHECKED) {
            let entry = entry.map_err(io)?;
            let facts = match std::fs::symlink_metadata(home.at(entry.file_name())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(io)?,
            };
            let shown = || path.join(entry.file_name());
            if facts.is_symlink() {
                return Err(HomeError::Symlink(shown()));
            }
            if facts.uid() != process::uid() {
                return Err(HomeError::Owner(shown(), facts.uid()));
            }
        }
        Ok(home)
    }

    /// Opens the directory `name` of the home, making it where it is missing, under the rules of the
    /// home itself. It is there after a loss of power too, whoever made it: an earlier process may
    /// have ended between making and syncing.
    pub fn directory(&self, name: &str) -> Result<Self, HomeError> {
        make_durably(self, name).map_err(|error| HomeError::Io(self.path.join(name), error))?;
        Self::open_at(&self.at(name), &self.path.join(name))
    }

    /// Opens the directory `name` of the home, which must be there.
    pub fn existing_directory(&self, name: &str) -> Result<Self, HomeError> {
        Self::open_at(&self.at(name), &self.path.join(name))
    }

    /// The same, where it lies on the same mount as this one: agents that work in it may have mounted another.
    pub fn same_mount_directory(&self, name: &str) -> Result<Self, HomeError> {
        let path = self.path.join(name);
        let open = || {
            let pinned = pin::pin(&self.directory, OsStr::new(name))?;
            if pinned.metadata()?.is_symlink() {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(pin::itself(&pinned))
        };
        let directory = open().map_err(|error: io::Error| match error.raw_os_error() {
            Some(libc::ENOENT) => HomeError::Missing(path.clone()),
            Some(libc::ELOOP) => HomeError::Symlink(path.clone()),
            Some(libc::ENOTDIR) => HomeError::NotDirectory(path.clone()),
            _ => HomeError::Io(path.clone(), error),
        })?;
        Self::checked(directory, &path, 0o077).map(|(home, _)| home)
    }

    /// The names in it, at most `most`, in any order.
    pub fn names(&self, most: usize) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(self.at("."))?.take(most).map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Moves the directory `from` in it to `there`, as `to`; it is gone for good from here when this returns.
    pub fn move_directory(&self, from: &str, there: &Self, to: &str) -> io::Result<()> {
        // What is moved must be writable itself.
        drop(tree::enter(&self.directory, OsStr::new(from)));
        std::fs::rename(self.at(from), there.at(to))?;
        there.sync()?;
        self.sync()
    }

    /// Whether anything has this name in it.
    pub fn has(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.at(name)).is_ok()
    }

    /// Removes the directory `name` in it with all that is in there; see [`crate::store::tree`].
    pub fn remove_tree(&self, name: &OsStr) -> io::Result<()> {
        tree::remove(&self.directory, name)?;
        self.sync()
    }

    /// Returns when every creation and removal in it so far is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    /// Takes the home for this process: no other instance may use it while the lock lives.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let lock = Lock::take(self)?;
        private::sweep(self).map_err(|error| LockError::File(error.into()))?;
        Ok(lock)
    }

    /// The open directory itself, to be locked.
    pub(super) fn descriptor(&self) -> &File {
        &self.directory
    }

    /// The home's name, to show.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One whose directory is the null device, which the kernel refuses to sync: whoever is not told
    /// so has not asked.
    #[cfg(test)]
    pub(super) fn that_cannot_be_synced() -> Self {
        let path = PathBuf::from("/dev/null");
        Self { directory: File::open(&path).expect("a device"), path }
    }

    /// The way to an entry of the directory that was checked, whatever its name leads to by now.
    pub(super) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        pin::at(&self.directory, name)
    }
}

/// Brings the name of a directory to the disk, and those of the ones above that are ours: they may have
/// been made a moment ago, and what is synced in them is lost with them.
fn settle_above(path: &Path, sync: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    for above in path.ancestors().skip(1) {
        match sync(above) {
            // One that we may not read, or that cannot be synced, is none that we made.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => {
                return Ok(());
            }
            other => other?,
        }
        if std::fs::metadata(above)?.uid() != process::uid() {
            return Ok(());
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// With `O_DIRECTORY` a symlink answers ENOTDIR like any file.
fn not_directory(at: &Path, path: &Path) -> HomeError {
    match std::fs::symlink_metadata(at) {
        Ok(facts) if facts.is_symlink() => HomeError::Symlink(path.to_owned()),
        Ok(_) | Err(_) => HomeError::NotDirectory(path.to_owned()),
    }
}

/// What making a directory needs of the one above it; the test loses power in between.
trait Above {
    fn make(&self, name: &str) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl Above for Home {
    fn make(&self, name: &str) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(self.at(name))
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }
}

/// Synced also where the directory is there: whoever made it may have ended before the sync.
fn make_durably(above: &dyn Above, name: &str) -> io::Result<()> {
    match above.make(name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => above.sync(),
    }
}

#[cfg(test)]
#[path = "home/tests.rs"]
mod tests;
