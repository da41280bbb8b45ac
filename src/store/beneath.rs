//! The guard of paths that a caller chooses: whatever the path, what is read lies beneath one directory.
//!
//! The path is taken apart as text first: `..` may not leave the directory, an absolute path must lead into
//! it, and `~` is a letter like any other. Then the kernel opens it beneath the directory (openat2), or,
//! where it cannot, each component is opened by itself and no link is followed. What was opened is looked
//! at, not its name: regular files only, of a bounded size, and opening never waits or gives us a terminal.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Component, Path, PathBuf},
};

use crate::{limits, store::private, sys};

#[cfg(any(test, fuzzing))]
mod fuzz;
mod list;

#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;

/// Never waits for a FIFO's other end, and makes no terminal ours.
const FLAGS: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;

/// Why a directory cannot be one that callers' paths lie beneath.
#[derive(Debug)]
pub enum BaseError {
    /// everything lies beneath it: that would be no guard
    Root,
    /// there is none
    Missing,
    /// it is something else than a directory
    NotDirectory,
    /// the system refused
    Io(io::Error),
}

impl fmt::Display for BaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("it is the root of the file system, beneath which everything lies"),
            Self::Missing => f.write_str("it does not exist"),
            Self::NotDirectory => f.write_str("it is not a directory"),
            Self::Io(error) => write!(f, "the system says: {error}"),
        }
    }
}

impl std::error::Error for BaseError {}

/// Why nothing was read. The text names no path: whoever asked knows his own.
#[derive(Debug)]
pub enum BeneathError {
    /// it leads out of the directory
    Outside,
    /// empty, with a NUL, or too long to be a path
    Invalid,
    /// there is no such file
    Missing,
    /// a directory, FIFO, socket or device stands there
    NotRegular,
    /// it is larger than its reader takes
    TooLarge,
    /// the system refused
    Io(io::Error),
}

impl fmt::Display for BeneathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "it leads out of the directory that it must lie in",
            Self::Invalid => "it is not a path",
            Self::Missing => "it does not exist",
            Self::NotRegular => "it is not a regular file",
            Self::TooLarge => "it is larger than such a file may be",
            Self::Io(_) => "it cannot be read",
        })
    }
}

impl std::error::Error for BeneathError {}

impl From<io::Error> for BeneathError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => Self::Missing,
            // a link that leads out, a link of /proc or a circle of links, a race without an end
            Some(libc::EXDEV | libc::ELOOP | libc::EAGAIN) => Self::Outside,
            // a socket, or a device without a driver
            Some(libc::ENXIO | libc::ENODEV) => Self::NotRegular,
            _ => Self::Io(error),
        }
    }
}

/// How a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// by the kernel, beneath the directory
    Kernel,
    /// component by component, without any link
    Steps,
}

/// A directory, opened once; callers' paths are read beneath it.
#[derive(Debug)]
pub struct Beneath {
    directory: File,
    /// its name without `.`, `..` and a slash at the end: what an absolute path must begin with
    path: PathBuf,
    way: Way,
}

impl Beneath {
    /// Opens the directory. Its name is the operator's, so links in it are followed.
    pub fn open(base: &Path) -> Result<Self, BaseError> {
        let path = std::path::absolute(base).map_err(BaseError::Io)?;
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&path);
        let directory = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => BaseError::Missing,
            Some(libc::ENOTDIR) => BaseError::NotDirectory,
            _ => BaseError::Io(error),
        })?;
        let facts = directory.metadata().map_err(BaseError::Io)?;
        let root = std::fs::metadata("/").map_err(BaseError::Io)?;
        if (facts.dev(), facts.ino()) == (root.dev(), root.ino()) {
            return Err(BaseError::Root);
        }
        // An older kernel, or a filter of system calls that does not know this one.
        let probe = sys::beneath::open(directory.as_fd(), ".", libc::O_DIRECTORY);
        let unknown = |error: io::Error| matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM));
        let way = if probe.is_err_and(unknown) { Way::Steps } else { Way::Kernel };
        Ok(Self { directory, path: lexical(&path), way })
    }

    /// The directory's name, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the regular file that `path` leads to, of at most `most` bytes.
    pub fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, BeneathError> {
        let file = self.open_inside(&self.relative(path)?, FLAGS)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(BeneathError::NotRegular);
        }
        if facts.len() > most as u64 {
            return Err(BeneathError::TooLarge);
        }
        private::read_bounded(file, most)?.ok_or(BeneathError::TooLarge)
    }

    /// The path as it reads from the directory: without `.`, `..` and empty parts; empty for the directory
    /// itself. Nothing is looked at on the disk.
    pub fn relative(&self, path: &str) -> Result<String, BeneathError> {
        if path.is_empty() || path.len() > limits::REQUEST_LINE || path.contains('\0') {
            return Err(BeneathError::Invalid);
        }
        let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        if path.starts_with('/') {
            for component in self.path.components() {
                if let Component::Normal(name) = component
                    && parts.next().map(str::as_bytes) != Some(name.as_encoded_bytes())
                {
                    return Err(BeneathError::Outside);
                }
            }
        }
        let mut inside: Vec<&str> = Vec::new();
        for part in parts {
            match part {
                ".." => drop(inside.pop().ok_or(BeneathError::Outside)?),
                name => inside.push(name),
            }
        }
        Ok(inside.join("/"))
    }

    /// Opens what a path from [`Beneath::relative`] leads to.
    fn open_inside(&self, inside: &str, flags: libc::c_int) -> Result<File, BeneathError> {
        let inside = if inside.is_empty() { "." } else { inside };
        match self.way {
            Way::Kernel => Ok(sys::beneath::open(self.directory.as_fd(), inside, flags)?),
            Way::Steps => self.step(inside, flags),
        }
    }

    /// The same, component by component: a link anywhere is refused, also one that would stay inside.
    fn step(&self, inside: &str, flags: libc::c_int) -> Result<File, BeneathError> {
        let mut at = None;
        let mut parts = inside.split('/').peekable();
        while let Some(part) = parts.next() {
            let kind = if parts.peek().is_some() { libc::O_DIRECTORY } else { flags };
            let above = at.as_ref().unwrap_or(&self.directory);
            let path = PathBuf::from(format!("/proc/self/fd/{}", above.as_raw_fd())).join(part);
            let opened =
                OpenOptions::new().read(true).custom_flags(kind | FLAGS | libc::O_NOFOLLOW).open(&path);
            at = Some(opened.map_err(|error| {
                // Where a directory was asked for, a link answers like a file. Only the word depends on it.
                let link = std::fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
                if link { BeneathError::Outside } else { error.into() }
            })?);
        }
        at.ok_or(BeneathError::Invalid)
    }
}

/// The path without `..`, as text.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(component),
        }
    }
    plain
}

#[cfg(test)]
#[path = "beneath/tests.rs"]
mod tests;
