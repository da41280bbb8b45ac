//! Private files: 0600 from creation, ours, regular, bounded; the one way to read and write them.
//!
//! A file is opened without following a link and without waiting (a FIFO would wait for ever), and
//! what was opened is checked, not its name. Writing makes a new file beside the old one and
//! renames it, so that a reader sees the old or the new and never a part.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use crate::{
    limits,
    store::home::Home,
    sys::{process, random, rename},
};

/// The end of a temporary file's name; such leftovers of a killed process are swept by the next one.
pub(super) const TEMPORARY: &str = ".tmp";

/// Why a private file was not taken. The path is ours to show: it never leaves this user.
#[derive(Debug)]
pub enum FileError {
    /// there is none
    Missing,
    /// a symbolic link stands in its place
    Symlink,
    /// a directory, FIFO, socket or device stands in its place
    NotRegular,
    /// it belongs to this other uid
    Owner(u32),
    /// its mode lets others in
    Mode(u32),
    /// it is larger than its reader takes, as a rule [`limits::PRIVATE_FILE`]
    TooLarge,
    /// the system refused
    Io(io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::Symlink => f.write_str("it is a symbolic link, which is never followed"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::Owner(uid) => write!(f, "it belongs to uid {uid} and not to you"),
            Self::Mode(mode) => write!(f, "its mode is {mode:04o} and lets others in; it must be 0600"),
            Self::TooLarge => f.write_str("it is larger than such a file can be"),
            Self::Io(error) => write!(f, "the system says: {error}"),
        }
    }
}

impl std::error::Error for FileError {}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Self::Missing,
            Some(libc::ELOOP) => Self::Symlink,
            // a socket, or a device without a driver; a directory opened for writing
            Some(libc::ENXIO | libc::ENODEV | libc::EISDIR) => Self::NotRegular,
            _ => Self::Io(error),
        }
    }
}

/// Reads a private file of the home whole.
pub fn read(home: &Home, name: &str) -> Result<Vec<u8>, FileError> {
    read_at_most(home, OsStr::new(name), limits::PRIVATE_FILE).map(|(bytes, _)| bytes)
}

/// The same with a limit of its own, and what the system says of the file that was read.
pub fn read_at_most(home: &Home, name: &OsStr, most: usize) -> Result<(Vec<u8>, Metadata), FileError> {
    let file = open_any_size(home, name, OpenOptions::new().read(true))?;
    let facts = file.metadata()?;
    if facts.len() > most as u64 {
        return Err(FileError::TooLarge);
    }
    read_bounded(file, most)?.map(|bytes| (bytes, facts)).ok_or(FileError::TooLarge)
}

/// All that an open file holds, or `None` where that is more than `most` bytes.
pub(super) fn read_bounded(file: File, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    // one byte more than allowed: the size may have grown since it was looked at
    file.take((most as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

/// Writes a private file of the home, all or nothing for whoever reads it. Not synced: what is kept
/// this way means nothing after the process that wrote it, least of all after a loss of power.
pub fn write_atomic(home: &Home, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    write_with(home, name, bytes, |_| Ok(()))
}

/// The same for what is to be there after a loss of power too, and is when this returns. After an error, and
/// where the process or the power ends in between, the old file or the new one is there as a whole.
pub fn write_durable(home: &Home, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    write_with(home, name, bytes, File::sync_all)?;
    Ok(home.sync()?)
}

fn write_with(
    home: &Home,
    name: &str,
    bytes: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), FileError> {
    let temporary = temporary_name(name)?;
    let written = (|| {
        let mut file = open(home, &temporary, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(bytes)?;
        settle(&file)?;
        std::fs::rename(home.at(&temporary), home.at(name))?;
        Ok(())
    })();
    if written.is_err() {
        // the first error is the one to tell
        let _ = std::fs::remove_file(home.at(&temporary));
    }
    written
}

/// Removes a private file of the home; one that is gone already is fine.
pub fn remove(home: &Home, name: &str) -> Result<(), FileError> {
    match std::fs::remove_file(home.at(name)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes what [`write_atomic`] and [`write_durable`] left behind when they were killed. Only under the home's
/// lock.
pub fn sweep(home: &Home) -> io::Result<()> {
    for entry in std::fs::read_dir(home.at("."))? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        let ours = bytes.starts_with(b".") && bytes.ends_with(TEMPORARY.as_bytes());
        if ours && entry.file_type()?.is_file() {
            std::fs::remove_file(home.at(&name))?;
        }
    }
    Ok(())
}

/// Opens `name` in the home and checks what was opened.
pub(super) fn open(
    home: &Home,
    name: impl AsRef<OsStr>,
    options: &mut OpenOptions,
) -> Result<File, FileError> {
    let file = open_any_size(home, name, options)?;
    if file.metadata()?.len() > limits::PRIVATE_FILE as u64 {
        return Err(FileError::TooLarge);
    }
    Ok(file)
}

/// The same for a file that its reader takes in parts: a journal's segment.
pub(super) fn open_any_size(
    directory: &Home,
    name: impl AsRef<OsStr>,
    options: &mut OpenOptions,
) -> Result<File, FileError> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = options.mode(0o600).custom_flags(flags).open(directory.at(name))?;
    check(&file)?;
    Ok(file)
}

fn check(file: &File) -> Result<(), FileError> {
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(FileError::NotRegular);
    }
    if facts.uid() != process::uid() {
        return Err(FileError::Owner(facts.uid()));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Mode(mode));
    }
    Ok(())
}

/// Renames a file where nothing has the new name; whether it did.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    let done = match rename::no_replace(from, to) {
        // A file system without it.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            std::fs::hard_link(from, to).and_then(|()| std::fs::remove_file(from))
        }
        other => other,
    };
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn temporary_name(name: &str) -> Result<OsString, FileError> {
    name_beside(name, TEMPORARY)
}

/// A fresh name in the same directory, hidden, with this end.
pub(super) fn name_beside(name: &str, end: &str) -> Result<OsString, FileError> {
    let random = random::bytes()?;
    Ok(format!(".{name}.{:016x}{end}", u64::from_ne_bytes(random)).into())
}

#[cfg(test)]
#[path = "private/tests.rs"]
mod tests;
