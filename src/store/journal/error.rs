//! Why a journal did not do what it was asked to.
//!
//! The reasons are told apart by what follows from them: no room and too slow may pass, a disk that failed
//! may not, and a place that is gone means that the line was moved or never was.

use std::{fmt, io};

use crate::{
    limits,
    store::{journal::commit, private::FileError},
};

/// Why the journal did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalError {
    /// the disk, or the user's share of it, is full
    NoSpace,
    /// the disk failed
    Io,
    /// nobody knows yet: the deadline passed before the disk answered
    Slow,
    /// the line is over [`limits::JOURNAL_LINE`]
    TooLong,
    /// [`limits::JOURNAL_UNWRITTEN`] bytes wait already
    Busy,
    /// there is no such line, or no such segment that could be removed
    Gone,
    /// the line would not be one: a fault of the program
    Malformed,
    /// the directory cannot be taken as it is; why
    Refused(String),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("there is no room left on the disk"),
            Self::Io => f.write_str("the disk failed"),
            Self::Slow => f.write_str("the disk has not answered in time"),
            Self::TooLong => write!(f, "a line is longer than {} bytes", limits::JOURNAL_LINE),
            Self::Busy => write!(f, "{} bytes wait for the disk already", limits::JOURNAL_UNWRITTEN),
            Self::Gone => f.write_str("it is not in the journal any more"),
            Self::Malformed => f.write_str("a line holds a newline"),
            Self::Refused(why) => write!(f, "the journal is not taken as it is: {why}"),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        if commit::is_full(&error) { Self::NoSpace } else { Self::Io }
    }
}

impl From<FileError> for JournalError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error.into(),
            FileError::Missing => Self::Gone,
            FileError::Symlink
            | FileError::NotRegular
            | FileError::Owner(_)
            | FileError::Mode(_)
            | FileError::TooLarge => Self::Io,
        }
    }
}
