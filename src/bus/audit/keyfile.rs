//! The key of a home's audit: 32 random bytes in `audit/key`, made once and never changed.
//!
//! It is on the disk before the first entry that it seals. Without it nothing that is there can be
//! proven, and with a new one a break would look like a beginning: so a key that is missing beside
//! entries, or is not a key, refuses the start and says what to do. It is not what texts are hashed
//! with: that key lives as long as the process, so that no copy of the home lets anybody guess a
//! text, or find the same one in two launches.

use std::{fmt, io};

use crate::{
    limits,
    store::{Disk, FileError, JournalError, disk::SyncPoint},
    wire::secret::Secret,
};

use super::chain::ChainKey;

/// The key's name in the directory of the audit.
pub const FILE: &str = "key";
/// Its bytes.
const LENGTH: usize = 32;

/// Why there is no audit to write to.
#[derive(Debug)]
pub enum AuditError {
    /// there are entries and no key
    KeyMissing,
    /// the key is not one
    KeyMalformed,
    /// the key cannot be read or made
    Key(FileError),
    /// the directory cannot be read, or the system gives no random bytes
    Io(io::Error),
    /// the journal cannot be opened
    Journal(JournalError),
}

impl AuditError {
    /// What to do, where `audit` is the directory.
    pub fn next(&self) -> &'static str {
        match self {
            Self::KeyMissing | Self::KeyMalformed => {
                "put the file back from a copy; without one, move the directory away and keep it: a new log begins"
            }
            Self::Key(_) | Self::Io(_) | Self::Journal(_) => {
                "see to the disk and the directory's owner and mode; `loopgate audit verify` reads what is there"
            }
        }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyMissing => f.write_str("there are entries, and their key is missing"),
            Self::KeyMalformed => write!(f, "the key has not the {LENGTH} bytes of one"),
            Self::Key(error) => write!(f, "the key cannot be used: {error}"),
            Self::Io(error) => write!(f, "the system says: {error}"),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuditError {}

/// Reads the key, for whoever only looks.
pub(super) fn read(disk: &dyn Disk) -> Result<ChainKey, AuditError> {
    match load(disk) {
        Ok(bytes) if bytes.expose().len() == LENGTH && !is_blank(bytes.expose()) => Ok(ChainKey::new(bytes)),
        Ok(_) => Err(AuditError::KeyMalformed),
        Err(FileError::Missing) => Err(AuditError::KeyMissing),
        Err(error) => Err(AuditError::Key(error)),
    }
}

/// Reads the key, or makes it of `fresh` where nothing was ever written.
pub(super) fn open(disk: &dyn Disk, fresh: [u8; LENGTH]) -> Result<ChainKey, AuditError> {
    let fresh = Secret::new(fresh.to_vec());
    match load(disk) {
        Ok(bytes) if bytes.expose().len() == LENGTH && !is_blank(bytes.expose()) => {
            return Ok(ChainKey::new(bytes));
        }
        // made by a process that ended before it was on the disk, and so before any entry
        Ok(bytes) if is_unfinished(bytes.expose()) && !has_entries(disk)? => {
            disk.remove(FILE).map_err(AuditError::Io)?;
        }
        Ok(_) => return Err(AuditError::KeyMalformed),
        Err(FileError::Missing) if !has_entries(disk)? => {}
        Err(FileError::Missing) => return Err(AuditError::KeyMissing),
        Err(error) => return Err(AuditError::Key(error)),
    }
    make(disk, &fresh).map_err(AuditError::Key)?;
    Ok(ChainKey::new(fresh))
}

fn make(disk: &dyn Disk, key: &Secret) -> Result<(), FileError> {
    let file = disk.create(FILE)?;
    let mut rest = key.expose();
    while !rest.is_empty() {
        match file.append(rest)? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            written => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    file.sync(SyncPoint::Commit)?;
    // its name is brought there by the journal's opening, which comes before any entry
    Ok(())
}

fn is_unfinished(bytes: &[u8]) -> bool {
    bytes.len() < LENGTH || (bytes.len() == LENGTH && is_blank(bytes))
}

/// Zeros are what a loss of power leaves where bytes were to come, and everybody's key.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// One byte more than a key has, so that a longer file is known as one.
fn load(disk: &dyn Disk) -> Result<Secret, FileError> {
    let file = disk.open(FILE)?;
    let mut bytes = vec![0; LENGTH.saturating_add(1)];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(length as u64, rest)? {
            0 => break,
            read => length = length.saturating_add(read),
        }
    }
    bytes.truncate(length);
    Ok(Secret::new(bytes))
}

/// Whether there are segments.
fn has_entries(disk: &dyn Disk) -> Result<bool, AuditError> {
    let names = disk.list(limits::JOURNAL_FILES).map_err(AuditError::Io)?;
    Ok(names.iter().any(|name| name.ends_with(".seg")))
}
