//! A directory that is lent to an agent, which may do there whatever it likes while we work in it.
//!
//! It is reached through its descriptor, and what is in it is never opened through a link, nor where it is
//! something else than a regular file of ours with a single name: a FIFO would wait, a device would act, a
//! second name may be that of a file elsewhere. What is mounted there is not entered, and asked nothing. What is
//! written is written beside and renamed. So nothing that the agent does there makes us read, write or remove
//! outside of it, or wait for it. An instance of root may lend it to another user, who then owns what is made there.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::PathBuf,
    time::SystemTime,
};

use crate::{
    store::{
        home::Home,
        pin::{self, itself, pin},
        private, tree,
    },
    sys::{process, random, stage::User},
};

/// How the name of a file begins that is not whole yet; whoever reads there passes over it.
pub const UNFINISHED: &str = ".tmp_";

/// Why nothing was done. What the system says is not repeated: an agent may be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LentError {
    /// there is none
    Missing,
    /// a symbolic link stands in its place
    Symlink,
    /// a directory, FIFO, socket or device stands in its place
    NotRegular,
    /// it belongs to somebody else
    Owner,
    /// it has a second name, which may be anywhere
    HardLink,
    /// another file system is mounted over it
    Mounted,
    /// it is larger than its reader takes
    TooLarge,
    /// the system refused
    Io(ErrorKind),
}

impl LentError {
    /// What is wrong, to be told.
    pub fn why(self) -> &'static str {
        match self {
            Self::Missing => "it is not there",
            Self::Symlink => "it is a symbolic link",
            Self::NotRegular => "it is not a regular file",
            Self::Owner => "it belongs to another user",
            Self::HardLink => "it is a hard link",
            Self::Mounted => "another file system is mounted over it",
            Self::TooLarge => "it is too large",
            Self::Io(_) => "the system refuses it",
        }
    }
}

impl fmt::Display for LentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl std::error::Error for LentError {}

impl From<io::Error> for LentError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Self::Missing,
            Some(libc::ELOOP) => Self::Symlink,
            Some(libc::EXDEV) => Self::Mounted,
            Some(libc::ENXIO | libc::ENODEV | libc::EISDIR | libc::ENOTDIR) => Self::NotRegular,
            _ => Self::Io(error.kind()),
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct Read {
    /// all of it
    pub bytes: Vec<u8>,
    /// when its writer says that it was last written, unix ms
    pub written_at: u64,
}

/// A file that is read in pieces.
#[derive(Debug)]
pub struct Pieces {
    file: File,
    length: u64,
}

impl Pieces {
    /// How long it was when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// At most `most` bytes from a place on; fewer where it has become shorter.
    pub fn read(&self, from: u64, most: usize) -> Result<Vec<u8>, LentError> {
        let mut bytes = vec![0; most];
        let mut read = 0;
        while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, from.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(count) => read = read.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// Whom something is lent to: another user, whose files are taken there for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Borrower {
    /// the user
    pub user: User,
    /// directories that are made from now on are handed over; files are where their directory is that user's
    pub gets: bool,
}

/// Takes hold of what has this name: ours or the borrower's, no link, and of the kind that is asked for.
fn pin_ours(
    above: &File,
    name: &OsStr,
    to: Option<Borrower>,
    is: impl Fn(&Metadata) -> bool,
) -> Result<(File, Metadata), LentError> {
    let pinned = pin(above, name)?;
    let facts = pinned.metadata()?;
    if facts.is_symlink() {
        return Err(LentError::Symlink);
    }
    if !is(&facts) {
        return Err(LentError::NotRegular);
    }
    if facts.uid() != process::uid() && to.is_none_or(|to| facts.uid() != to.user.uid) {
        return Err(LentError::Owner);
    }
    Ok((pinned, facts))
}

/// An open directory of ours.
#[derive(Debug)]
pub struct Lent {
    directory: File,
    to: Option<Borrower>,
}

impl Lent {
    /// Opens the directory `name` of a directory that is not lent: ours, no link, and nothing mounted over it.
    pub fn open_in(home: &Home, name: &str) -> Result<Self, LentError> {
        Self::open_at(home.descriptor(), OsStr::new(name))
    }

    /// The same, making it where it is missing. Others are kept out of it, also where it was there before.
    pub fn create_in(home: &Home, name: &str) -> Result<Self, LentError> {
        Self::create_at(home.descriptor(), name)
    }

    /// The same for the directory `name` in it.
    pub fn below(&self, name: &str) -> Result<Self, LentError> {
        Self::open_for(&self.directory, OsStr::new(name), self.to)
    }

    /// The same, making it where it is missing. Others are kept out of it, also where it was there before.
    pub fn create_below(&self, name: &str) -> Result<Self, LentError> {
        Self::create_for(&self.directory, name, self.to)
    }

    /// The same directory; what is in it may be the borrower's too. It is not handed over itself.
    pub fn lent_to(self, to: Option<Borrower>) -> Self {
        Self { to, ..self }
    }

    fn open_at(above: &File, name: &OsStr) -> Result<Self, LentError> {
        Self::open_for(above, name, None)
    }

    fn create_at(above: &File, name: &str) -> Result<Self, LentError> {
        Self::create_for(above, name, None)
    }

    fn open_for(above: &File, name: &OsStr, to: Option<Borrower>) -> Result<Self, LentError> {
        let (pinned, _) = pin_ours(above, name, to, Metadata::is_dir)?;
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(itself(&pinned));
        Ok(Self { directory: opened?, to })
    }

    fn create_for(above: &File, name: &str, to: Option<Borrower>) -> Result<Self, LentError> {
        match to {
            Some(to) if to.gets => Self::create_handed_over(above, OsStr::new(name), to)?,
            Some(_) | None => match DirBuilder::new().mode(0o700).create(pin::at(above, name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                Ok(()) | Err(_) => {}
            },
        }
        let made = Self::open_for(above, OsStr::new(name), to)?;
        if made.directory.metadata()?.mode() & 0o7777 != 0o700 {
            made.directory.set_permissions(Permissions::from_mode(0o700))?;
        }
        made.hand_over()?;
        Ok(made)
    }

    /// Makes a directory, where nothing has the name, that is the borrower's before it has it.
    fn create_handed_over(above: &File, name: &OsStr, to: Borrower) -> Result<(), LentError> {
        match pin(above, name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Whoever opens it looks at what it is.
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let temporary = unfinished_name()?;
        DirBuilder::new().mode(0o700).create(pin::at(above, &temporary))?;
        let named = Self::open_for(above, &temporary, Some(to)).and_then(|made| {
            made.hand_over()?;
            Ok(private::rename_new(&pin::at(above, &temporary), &pin::at(above, name))?)
        });
        if !matches!(named, Ok(true)) {
            // the first error is the one to tell
            let _ = std::fs::remove_dir(pin::at(above, &temporary));
        }
        named.map(drop)
    }

    /// Gives a directory to the borrower who gets it.
    fn hand_over(&self) -> io::Result<()> {
        match self.to {
            Some(Borrower { user, gets: true }) if self.directory.metadata()?.uid() != user.uid => {
                fchown(&self.directory, Some(user.uid), Some(user.gid))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Gives a file that was made here to the borrower whose directory this is.
    fn hand_over_file(&self, file: &File) -> io::Result<()> {
        match self.to {
            Some(Borrower { user, .. }) if self.directory.metadata()?.uid() == user.uid => {
                fchown(file, Some(user.uid), Some(user.gid))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// An empty directory `name` in it; whatever stood there is removed, and nothing that a link leads to.
    pub fn fresh_below(&self, name: &str) -> Result<Self, LentError> {
        tree::remove(&self.directory, OsStr::new(name))?;
        self.create_below(name)
    }

    /// Shows the names in it, at most `most`, in any order; whether there are more.
    pub fn each_name(&self, most: usize, each: &mut dyn FnMut(OsString)) -> Result<bool, LentError> {
        let mut entries = std::fs::read_dir(self.at("."))?;
        for entry in entries.by_ref().take(most) {
            each(entry?.file_name());
        }
        Ok(entries.next().is_some())
    }

    /// When the entry of this name, of a link the link, was last changed.
    pub fn changed(&self, name: &OsStr) -> Result<SystemTime, LentError> {
        Ok(pin(&self.directory, name)?.metadata()?.modified()?)
    }

    /// Reads a regular file of ours that has this name and no other, of at most `most` bytes.
    pub fn read(&self, name: &OsStr, most: usize) -> Result<Read, LentError> {
        let (file, facts) = self.open_file(name, OpenOptions::new().read(true))?;
        if facts.len() > most as u64 {
            return Err(LentError::TooLarge);
        }
        let bytes = private::read_bounded(file, most)?.ok_or(LentError::TooLarge)?;
        let seconds = u64::try_from(facts.mtime()).unwrap_or_default();
        let part = u64::try_from(facts.mtime_nsec()).unwrap_or_default().checked_div(1_000_000);
        let written_at = seconds.saturating_mul(1_000).saturating_add(part.unwrap_or(0));
        Ok(Read { bytes, written_at })
    }

    /// The same, to be read in pieces from any place; whatever its length.
    pub fn pieces(&self, name: &str) -> Result<Pieces, LentError> {
        let (file, facts) = self.open_file(OsStr::new(name), OpenOptions::new().read(true))?;
        Ok(Pieces { file, length: facts.len() })
    }

    /// Puts whole lines at the end of a file of ours, which is made, 0600, where it is missing. It does not grow
    /// beyond `most` bytes: then it is [`LentError::TooLarge`], and nothing is written. A line that was left
    /// unfinished there is ended first.
    pub fn append(&self, name: &str, lines: &[u8], most: u64) -> Result<(), LentError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let (mut file, facts) = match self.open_file(OsStr::new(name), &mut options) {
            Err(LentError::Missing) => {
                let file = options.create_new(true).mode(0o600).open(self.at(name))?;
                self.hand_over_file(&file)?;
                let facts = file.metadata()?;
                (file, facts)
            }
            other => other?,
        };
        let mut last = [b'\n'];
        if let Some(at) = facts.len().checked_sub(1) {
            file.read_at(&mut last, at)?;
        }
        let unfinished = last != *b"\n";
        if facts.len().saturating_add(lines.len() as u64).saturating_add(1) > most {
            return Err(LentError::TooLarge);
        }
        if unfinished {
            file.write_all(b"\n")?;
        }
        Ok(file.write_all(lines)?)
    }

    /// Gives an entry another name in here; what has that goes, but for a directory.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), LentError> {
        Ok(std::fs::rename(self.at(from), self.at(to))?)
    }

    /// Opens a regular file of ours that has this name and no other. Never waits, also not for who has a lease on it.
    fn open_file(&self, name: &OsStr, options: &mut OpenOptions) -> Result<(File, Metadata), LentError> {
        let (pinned, facts) = pin_ours(&self.directory, name, self.to, Metadata::is_file)?;
        if facts.nlink() > 1 {
            return Err(LentError::HardLink);
        }
        // What was looked at is what is opened.
        Ok((options.custom_flags(libc::O_NONBLOCK).open(itself(&pinned))?, facts))
    }

    /// Puts a file there, 0600, all or nothing for whoever reads it, in the place of what has the name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LentError> {
        let temporary = unfinished_name()?;
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            let mut file = options.open(self.at(&temporary))?;
            self.hand_over_file(&file)?;
            file.write_all(bytes)?;
            std::fs::rename(self.at(&temporary), self.at(name))
        })();
        if written.is_err() {
            // the first error is the one to tell
            let _ = std::fs::remove_file(self.at(&temporary));
        }
        Ok(written?)
    }

    /// Gives an entry, whatever it is, a new name that nobody else knows or looks at: from then on, what is
    /// put at its old name is another one.
    pub fn set_aside(&self, name: &OsStr) -> Result<OsString, LentError> {
        let aside = unfinished_name()?;
        std::fs::rename(self.at(name), self.at(&aside))?;
        Ok(aside)
    }

    /// Gives it its old name again, where nothing else has that meanwhile; whether it did.
    pub fn put_back(&self, aside: &OsStr, name: &OsStr) -> Result<bool, LentError> {
        Ok(private::rename_new(&self.at(aside), &self.at(name))?)
    }

    /// Removes an entry of it: a file, a link itself, or a directory that is empty. One that is gone already
    /// is fine.
    pub fn remove(&self, name: &OsStr) -> Result<(), LentError> {
        let removed = match std::fs::remove_file(self.at(name)) {
            Err(error) if error.kind() == ErrorKind::IsADirectory => std::fs::remove_dir(self.at(name)),
            other => other,
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A directory anywhere.
    #[cfg(test)]
    pub fn open(path: &std::path::Path) -> Result<Self, LentError> {
        let above = File::open(path.parent().expect("a directory above it"))?;
        Self::open_at(&above, path.file_name().expect("a name"))
    }

    fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        pin::at(&self.directory, name)
    }
}

fn unfinished_name() -> io::Result<OsString> {
    Ok(format!("{UNFINISHED}{:016x}", u64::from_ne_bytes(random::bytes()?)).into())
}

#[cfg(test)]
#[path = "lent/tests.rs"]
mod tests;
