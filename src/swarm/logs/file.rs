//! One agent's log on the disk: two files in a directory that the agent may write to.
//!
//! The agent may replace, link, cut or fill them at any moment, and put anything in their place. They are opened anew
//! for each use, through the directory and through no link, as regular files of ours with one name; what is not one
//! makes room or is passed over, and what is mounted over one of them is refused unasked. Reading goes from the end
//! to the front, in pieces, and is bounded in bytes whatever stands there. Nothing is synced: a log is no promise.

use std::{
    io::ErrorKind,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use super::{
    lock,
    record::{LONGEST, Record},
};
use crate::{
    limits,
    store::{Lent, LentError},
    swarm::kept::Shelf,
    wire::node::NodeName,
};

/// What is written to.
const NAME: &str = "log.jsonl";
/// What was written to before that.
const BEFORE: &str = "log.1.jsonl";
/// Bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// Where an agent's log is kept.
pub(super) struct File {
    shelf: Option<Arc<Shelf>>,
    swarm: NodeName,
    agent: NodeName,
    /// what is there is about to be another log's; held while something is written
    closed: Mutex<bool>,
}

impl File {
    /// Of an agent of a swarm on this shelf; without one nothing is written, and nothing is there.
    pub fn new(shelf: Option<Arc<Shelf>>, swarm: NodeName, agent: NodeName) -> Self {
        Self { shelf, swarm, agent, closed: Mutex::default() }
    }

    /// Writes nothing from now on. Waits for who writes.
    pub fn close(&self) {
        *lock(&self.closed) = true;
    }

    /// Adds whole lines; one that has no directory any more has nothing to add them to.
    pub fn append(&self, lines: &[u8]) -> Result<(), LentError> {
        let closed = lock(&self.closed);
        if *closed {
            return Ok(());
        }
        let directory = self.directory()?;
        let most = limits::LOG_FILE as u64;
        match directory.append(NAME, lines, most) {
            Err(LentError::TooLarge) => {
                if directory.rename(NAME, BEFORE).is_err() {
                    // A directory stands in the place of the older one: that one is lost, and the new one is not.
                    directory.remove(NAME.as_ref())?;
                }
                directory.append(NAME, lines, most)
            }
            Err(
                LentError::Symlink
                | LentError::NotRegular
                | LentError::Owner
                | LentError::HardLink
                | LentError::Io(ErrorKind::PermissionDenied),
            ) => {
                // Of a link, the link. A directory that is not empty stays, and nothing is written.
                directory.remove(NAME.as_ref())?;
                directory.append(NAME, lines, most)
            }
            other => other,
        }
    }

    /// Shows the records, the newest first, until `each` breaks off; at most `budget` bytes are read. Whether there
    /// was anything to read, a record or not.
    pub fn newest_first(&self, budget: usize, mut each: impl FnMut(Record) -> ControlFlow<()>) -> bool {
        // What cannot be read is as good as not there: it is the agent's own.
        let Ok(directory) = self.directory() else { return false };
        let mut left = budget;
        for name in [NAME, BEFORE] {
            if back(&directory, name, &mut left, &mut each).is_ok_and(|flow| flow.is_break()) {
                break;
            }
        }
        left < budget
    }

    fn directory(&self) -> Result<Lent, LentError> {
        let shelf = self.shelf.as_ref().ok_or(LentError::Missing)?;
        shelf.agent_logs(&self.swarm, &self.agent)
    }
}

/// Shows the records of one file, the newest first.
fn back(
    directory: &Lent,
    name: &str,
    budget: &mut usize,
    each: &mut impl FnMut(Record) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, LentError> {
    let file = directory.pieces(name)?;
    let mut at = file.length();
    // The beginning of the piece behind, whose line begins in this one.
    let mut rest: Vec<u8> = Vec::new();
    // That line is longer than any record: it is passed over to its beginning.
    let mut junk = false;
    while at > 0 && *budget > 0 {
        let most = PIECE.min(*budget).min(usize::try_from(at).unwrap_or(PIECE));
        at = at.saturating_sub(most as u64);
        *budget = budget.saturating_sub(most);
        let mut piece = file.read(at, most)?;
        piece.append(&mut rest);
        let mut lines = piece.rsplit(|byte| *byte == b'\n');
        let mut line = lines.next().unwrap_or_default();
        for before in lines {
            if let Some(record) = Record::read(line).filter(|_| !junk)
                && each(record).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            junk = false;
            line = before;
        }
        junk |= line.len() > LONGEST;
        rest = if junk { Vec::new() } else { line.to_vec() };
    }
    // The first line of the file; of one that was not read to its front, the first is a part.
    match Record::read(&rest).filter(|_| at == 0 && !junk) {
        Some(record) => Ok(each(record)),
        None => Ok(ControlFlow::Continue(())),
    }
}
