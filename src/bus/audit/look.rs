//! Checks the audit of a home, read-only, with and without an instance that writes to it.
//!
//! Nothing is made, cut or locked. A segment that makes room under the reader is no fault of the log:
//! then the reading begins anew, a bounded number of times. What cannot be read is told as that, and is
//! not mistaken for an entry that was changed.

use std::fmt;

use super::{
    DIRECTORY,
    keyfile::{self, AuditError},
    verify::{Noted, Report, Verifier},
};
use crate::store::{
    Disk, Home, HomeError, JournalError,
    disk::ReadOnlyDisk,
    journal::{Seen, Settings, inspect},
};

/// How often it is begun anew when a segment makes room under the reader.
const TRIES: usize = 5;

/// Why nothing can be said.
#[derive(Debug)]
pub enum LookError {
    /// there is no directory, or not one that can be taken
    Directory(HomeError),
    /// the key or the files cannot be read
    Audit(AuditError),
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::Audit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LookError {}

/// Reads the whole audit of a home.
pub fn verify(home: &Home, noted: Option<&Noted>) -> Result<Report, LookError> {
    let disk = ReadOnlyDisk::open(home, DIRECTORY).map_err(LookError::Directory)?;
    look(&disk, noted).map_err(LookError::Audit)
}

/// The same in any directory.
pub(super) fn look(disk: &dyn Disk, noted: Option<&Noted>) -> Result<Report, AuditError> {
    let mut result = Err(JournalError::Gone);
    for _ in 0..TRIES {
        let mut verifier = Verifier::new(keyfile::read(disk)?, noted.cloned());
        result = inspect(disk, &Settings::default(), &mut |seen| match seen {
            _ if verifier.is_decided() => {}
            Seen::Segment(name) => verifier.segment(name),
            Seen::Line(json) => verifier.line(json),
            Seen::Bad(why) => verifier.bad(why),
            Seen::Torn => verifier.torn(),
        })
        .map(|()| verifier.finish());
        if !matches!(result, Err(JournalError::Gone)) {
            break;
        }
    }
    result.map_err(AuditError::Journal)
}
