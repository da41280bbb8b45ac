//! The home's id: by which other instances know this home, over restarts (file `identity`).
//!
//! Made once and never changed: mail that waits elsewhere, and senders' names in mail that was read, end
//! with it. So a file that does not say one is an error and never replaced; and an instance opens it before the
//! first directory in the home, whose making syncs the home: it is on the disk before others are told it.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
};

use crate::{
    store::{
        Home,
        private::{self, FileError},
    },
    sys::random,
    wire::address::HomeId,
};

/// The file's name in the home.
pub const FILE: &str = "identity";

/// Why the home's id is not known.
#[derive(Debug)]
pub enum IdentityError {
    /// the file cannot be read, trusted or written
    File(FileError),
    /// it holds something else than an id
    Malformed,
}

impl IdentityError {
    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::File(_) => "put right what it says",
            Self::Malformed => {
                "put the 12 hex digits back; or remove the file, and other instances know this home by a new id"
            }
        }
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "the file {FILE} in the home cannot be used: {error}"),
            Self::Malformed => {
                write!(f, "the file {FILE} in the home does not hold 12 hex digits and a newline")
            }
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<FileError> for IdentityError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<io::Error> for IdentityError {
    fn from(error: io::Error) -> Self {
        Self::File(error.into())
    }
}

/// The id of a home that this process holds the lock of; a fresh one where it has none yet.
pub fn open(home: &Home) -> Result<HomeId, IdentityError> {
    match private::read(home, FILE) {
        Err(FileError::Missing) => make(home)?,
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    // What counts is what stands there.
    let bytes = private::read(home, FILE)?;
    let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let id = id.and_then(|text| HomeId::parse(text).ok()).ok_or(IdentityError::Malformed)?;
    Ok(id)
}

fn make(home: &Home) -> Result<(), IdentityError> {
    let id = HomeId::of(random::bytes()?);
    let temporary = private::temporary_name(FILE)?;
    // In the file before it has its name; the name itself is synced with the home's directories.
    let mut file = private::open(home, &temporary, OpenOptions::new().write(true).create_new(true))?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(std::fs::rename(home.at(&temporary), home.at(FILE))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TempHome, mode_of};

    #[test]
    fn a_home_has_one_id_for_ever() {
        let temp = TempHome::new();
        let id = open(&temp.home()).expect("made");
        assert_eq!(open(&temp.home()).expect("read"), id);
        assert_eq!(mode_of(&temp.path().join(FILE)), 0o600);
        assert_eq!(std::fs::read_to_string(temp.path().join(FILE)).expect("read"), format!("{id}\n"));
        assert_eq!(std::fs::read_dir(temp.path()).expect("a directory").count(), 1);
        assert_ne!(open(&TempHome::new().home()).expect("made"), id);
    }

    #[test]
    fn an_identity_that_is_none_is_an_error_and_stays() {
        let temp = TempHome::new();
        for text in ["", "0123456789ab", "0123456789aB\n", "0123456789ab\n\n", "0123456789\n", "\u{e9}"] {
            private::write_atomic(&temp.home(), FILE, text.as_bytes()).expect("written");
            let error = open(&temp.home()).expect_err("refused");
            assert!(matches!(error, IdentityError::Malformed) && error.next().contains("remove"), "{text:?}");
            assert_eq!(std::fs::read_to_string(temp.path().join(FILE)).expect("there"), text);
        }
        std::fs::remove_file(temp.path().join(FILE)).expect("removed");
        std::os::unix::fs::symlink("/etc/hostname", temp.path().join(FILE)).expect("a link");
        assert!(matches!(open(&temp.home()), Err(IdentityError::File(FileError::Symlink))));
    }
}
