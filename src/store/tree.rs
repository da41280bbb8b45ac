//! Removing a directory with all that is in it, whoever made what is in there and however deep it is.
//!
//! std's way goes as deep as the tree, with a descriptor and a frame of the stack for each level: an agent
//! could make one deep enough to end the process. Here a directory's own directories are moved to the top
//! first, so that two descriptors do, whatever the depth. Nothing is reached by a name alone that could be a
//! link by now: each directory is opened without following one, and what is in it is reached through it.
//! A directory that its owner may not write to (caches of build tools are kept so) is made writable first.
//! What is mounted somewhere in it stays, with all that is in there, in the directory in which it is mounted; that
//! one may be moved to the top like others. All else goes.

use std::{
    ffi::{OsStr, OsString},
    fs::{DirEntry, File, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
};

use crate::{
    store::pin::{at, itself, pin},
    sys::random,
};

/// How often the top is gone through before whoever still writes there is told to stop.
const ROUNDS: usize = 1_000;

/// Removes what is called `name` in `above`, of a link the link; what is gone already is fine. After an error,
/// what could be removed is removed.
pub(super) fn remove(above: &File, name: &OsStr) -> io::Result<()> {
    let top = match enter(above, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return gone(std::fs::remove_file(at(above, name)));
        }
        other => other?,
    };
    let mut moved = Moved { mark: u64::from_ne_bytes(random::bytes()?), made: 0, done: 0 };
    let mut trouble = None;
    for _ in 0..ROUNDS {
        let mut progress = false;
        for entry in std::fs::read_dir(at(&top, "."))? {
            let entry = entry?;
            let emptied = empty(&top, &entry.file_name(), is_directory(&entry), &mut moved);
            match emptied.and(moved.empty_all(&top)) {
                Ok(()) => progress = true,
                Err(error) => trouble = Some(error),
            }
        }
        match std::fs::remove_dir(at(above, name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => return Err(error),
            Err(_) if !progress => break,
            Err(_) => {}
            Ok(()) => return Ok(()),
        }
    }
    Err(trouble.unwrap_or_else(|| ErrorKind::DirectoryNotEmpty.into()))
}

/// The directories that were moved to the top: by numbers, so that no list of them is held.
struct Moved {
    /// in their names, so that no other has one
    mark: u64,
    made: u64,
    /// those below are emptied
    done: u64,
}

impl Moved {
    fn name(&self, number: u64) -> OsString {
        format!(".{:016x}.{number}", self.mark).into()
    }

    /// Empties and removes them, those that this moves up too; the first error, after all of them.
    fn empty_all(&mut self, top: &File) -> io::Result<()> {
        let mut all = Ok(());
        while self.done < self.made {
            let name = self.name(self.done);
            self.done = self.done.saturating_add(1);
            all = all.and(empty(top, &name, true, self));
        }
        all
    }
}

/// Removes one entry of `top`; of a directory, what it holds first, but for directories: those move up. What
/// cannot be removed or moved holds up nothing beside it.
fn empty(top: &File, name: &OsStr, directory: bool, moved: &mut Moved) -> io::Result<()> {
    if !directory {
        return gone(std::fs::remove_file(at(top, name)));
    }
    let directory = match enter(top, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut all = Ok(());
    for entry in std::fs::read_dir(at(&directory, "."))? {
        let entry = entry?;
        let from = at(&directory, entry.file_name());
        if is_directory(&entry) {
            // What is moved to another place must be writable itself.
            drop(enter(&directory, &entry.file_name()));
            let name = moved.name(moved.made);
            let done = gone(std::fs::rename(from, at(top, name)));
            if done.is_ok() {
                moved.made = moved.made.saturating_add(1);
            }
            all = all.and(done);
        } else {
            all = all.and(gone(std::fs::remove_file(from)));
        }
    }
    match std::fs::remove_dir(at(top, name)) {
        // Something stayed, or came in meanwhile; the next round sees to it.
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => all,
        other => all.and(gone(other)),
    }
}

/// One whose kind nobody knows any more is tried as a file: the next round sees what it is.
fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Opens a directory, and no link to one, after making it readable and writable for us.
pub(super) fn enter(above: &File, name: &OsStr) -> io::Result<File> {
    let pinned = pin(above, name)?;
    let facts = pinned.metadata()?;
    if !facts.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    if facts.permissions().mode() & 0o700 != 0o700 {
        // Not by a name inside of it: that would need the right to look into it.
        std::fs::set_permissions(itself(&pinned), Permissions::from_mode(0o700))?;
    }
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(itself(&pinned))
}

/// What is gone already is as good as removed.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[path = "tree/tests.rs"]
mod tests;
