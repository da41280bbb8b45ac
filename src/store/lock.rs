//! The home's lock: one instance per home, held through the kernel for the life of the process.
//!
//! The file stays when the process ends (removing it would let two processes lock two files of
//! one name); what counts is the lock on it, which ends with its holder however that ends. The
//! pid inside only serves the message to whoever comes second.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
};

use crate::store::{
    home::Home,
    private::{self, FileError},
};

/// The lock's name in the home.
pub const FILE: &str = "lock";

/// Why the home could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// another instance holds it; its pid where the file tells
    Held(Option<u32>),
    /// the lock file is not one
    File(FileError),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Some(pid)) => write!(f, "another instance, pid {pid}, holds this home's lock"),
            Self::Held(None) => f.write_str("another instance holds this home's lock"),
            Self::File(error) => write!(f, "the file {FILE} in the home cannot be used: {error}"),
        }
    }
}

impl std::error::Error for LockError {}

/// A locked home; dropped or not, the lock ends with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(home: &Home) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private::open(home, FILE, &mut options).map_err(LockError::File)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::File(error.into())),
        }
        note_holder(&mut file).map_err(|error| LockError::File(error.into()))?;
        Ok(Self { _file: file })
    }
}

fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TempHome, mode_of};

    #[test]
    fn a_second_taker_is_told_who_holds_the_lock_and_gets_it_afterwards() {
        let temp = TempHome::new();
        let (one, two) = (temp.home(), temp.home());
        let lock = one.lock().expect("free");
        assert_eq!(mode_of(&temp.path().join(FILE)), 0o600);
        match two.lock() {
            Err(LockError::Held(pid)) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(two.lock().is_ok());
    }

    #[test]
    fn a_lock_that_is_a_link_or_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let temp = TempHome::new();
        let elsewhere = temp.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, temp.path().join(FILE)).expect("a link");
        assert!(matches!(temp.home().lock(), Err(LockError::File(FileError::Symlink))));
        assert!(!elsewhere.exists());
        std::fs::remove_file(temp.path().join(FILE)).expect("removed");
        std::fs::write(temp.path().join(FILE), "1").expect("written");
        std::fs::set_permissions(temp.path().join(FILE), PermissionsExt::from_mode(0o666)).expect("mode");
        assert!(matches!(temp.home().lock(), Err(LockError::File(FileError::Mode(0o666)))));
    }

    #[test]
    fn taking_the_lock_sweeps_what_a_killed_writer_left() {
        let temp = TempHome::new();
        let left = temp.path().join(".authkey.0123456789abcdef.tmp");
        std::fs::write(&left, "half").expect("written");
        let _lock = temp.home().lock().expect("free");
        assert!(!left.exists());
    }
}
