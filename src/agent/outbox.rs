//! The outbox of an agent without a network: files in a directory that it may write to (spec genswarms E.5).
//!
//! Whatever stands there was put there by the agent, so each file is looked at before it is believed: what is
//! no regular file of ours is not opened, what is too large is not read, and what is no letter is reported and
//! removed. A look at the directory is bounded in names, letters and bytes, whatever the agent puts there. A
//! letter is handed out once, after its file is gone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    sync::Arc,
};

use crate::{
    limits,
    store::{
        Lent, LentError,
        lent::{Read, UNFINISHED},
    },
    wire::clock::Clock,
};

mod letter;

#[cfg(any(test, fuzzing))]
pub use letter::fuzz;
pub use letter::{Letter, is_reply_id};
use letter::{Unread, read};

/// The directory's name in the agent's own.
pub const NAME: &str = "outbox";
/// How the name of a letter ends.
const END: &str = ".json";
/// How long is remembered that a name was not worth a look.
const FORGOTTEN_MS: u64 = 60_000;

/// What a look at the outbox found.
#[derive(Debug, Default)]
pub struct Taken {
    /// in the order of the files' names
    pub letters: Vec<Letter>,
    /// more waits: another look is worth it at once
    pub more: bool,
}

/// An agent's outbox.
pub struct Outbox {
    /// the agent's own directory; the outbox is opened anew in it for each look
    root: Arc<Lent>,
    clock: Arc<dyn Clock>,
    /// names seen and not looked at yet, in order
    waiting: VecDeque<OsString>,
    /// names beyond those that were held
    beyond: bool,
    /// letters that were not whole, since when
    unfinished: BTreeMap<OsString, u64>,
    /// names that could not be removed, and were reported then
    stuck: BTreeMap<OsString, u64>,
    /// why the directory itself was last refused
    refused: Option<LentError>,
}

impl Outbox {
    /// The outbox in an agent's own directory.
    pub fn open(root: Arc<Lent>, clock: Arc<dyn Clock>) -> Self {
        Self {
            root,
            clock,
            waiting: VecDeque::new(),
            beyond: false,
            unfinished: BTreeMap::new(),
            stuck: BTreeMap::new(),
            refused: None,
        }
    }

    /// Takes some letters out. Never waits; a directory that is not one any more is reported once.
    pub fn take(&mut self) -> Taken {
        let directory = match self.root.below(NAME) {
            Ok(directory) => directory,
            Err(error) => return self.refuse(error),
        };
        if self.waiting.is_empty()
            && let Err(error) = self.look(&directory)
        {
            return self.refuse(error);
        }
        self.refused = None;
        let mut letters = Vec::new();
        let mut bytes = 0_usize;
        while letters.len() < limits::OUTBOX_LETTERS && bytes < limits::OUTBOX_BYTES {
            let Some(name) = self.waiting.pop_front() else { break };
            bytes = bytes.saturating_add(self.take_one(&directory, name, &mut letters));
        }
        Taken { letters, more: self.beyond || !self.waiting.is_empty() }
    }

    /// Holds the first names in order, of those that a bounded look finds.
    fn look(&mut self, directory: &Lent) -> Result<(), LentError> {
        let mut names = BTreeSet::new();
        let mut dropped = false;
        let now = self.clock.monotonic_ms();
        // What has such a name may be another file by now, or gone.
        self.unfinished.retain(|_, since| now.saturating_sub(*since) < FORGOTTEN_MS);
        self.stuck.retain(|_, since| now.saturating_sub(*since) < FORGOTTEN_MS);
        let (unfinished, stuck) = (&self.unfinished, &self.stuck);
        let beyond = directory.each_name(limits::OUTBOX_ENTRIES, &mut |name| {
            let young = |since: &u64| now.saturating_sub(*since) < limits::OUTBOX_UNFINISHED_MS;
            if is_letter(&name) && !stuck.contains_key(&name) && !unfinished.get(&name).is_some_and(young) {
                names.insert(name);
                if names.len() > limits::OUTBOX_NAMES {
                    names.pop_last();
                    dropped = true;
                }
            }
        })?;
        // Where more stands there than is looked at, only progress makes another look worth it.
        self.beyond = dropped || (beyond && !names.is_empty());
        self.waiting = names.into_iter().collect();
        Ok(())
    }

    /// Takes one out, reads and removes it; how many bytes it had.
    fn take_one(&mut self, directory: &Lent, name: OsString, letters: &mut Vec<Letter>) -> usize {
        let invalid = |why| Letter::Invalid { file: shown(&name), why };
        // Under a name of our own, what is read and what is removed are the same file.
        let aside = match directory.set_aside(&name) {
            Ok(aside) => aside,
            Err(LentError::Missing) => return 0,
            Err(_) => {
                // Handed out now, it would be handed out again and again.
                letters.push(invalid("it cannot be removed"));
                if self.stuck.len() < limits::OUTBOX_NAMES {
                    self.stuck.insert(name, self.clock.monotonic_ms());
                }
                return 0;
            }
        };
        let file = directory.read(&aside, limits::OUTBOX_FILE);
        let bytes = file.as_ref().map_or(0, |file| file.bytes.len());
        let letter = match &file {
            Err(error) => invalid(error.why()),
            Ok(file) => match read(&file.bytes) {
                Ok(letter) => letter,
                Err(Unread::NotWhole(why)) => {
                    let wait = self.may_be_unfinished(&name, file);
                    if wait && matches!(directory.put_back(&aside, &name), Ok(true)) {
                        return bytes;
                    }
                    invalid(why)
                }
                Err(Unread::Invalid(why)) => invalid(why),
            },
        };
        self.unfinished.remove(&name);
        // A directory that is not empty stays, under a name that nobody looks at.
        let _ = directory.remove(&aside);
        letters.push(letter);
        bytes
    }

    /// Whether a file that is no whole JSON may still be written to: it and our first look are both young.
    fn may_be_unfinished(&mut self, name: &OsString, file: &Read) -> bool {
        let age = self.clock.unix_ms().saturating_sub(file.written_at);
        let room = self.unfinished.len() < limits::OUTBOX_NAMES;
        let first = room && !self.unfinished.contains_key(name) && age < limits::OUTBOX_UNFINISHED_MS;
        if first {
            self.unfinished.insert(name.clone(), self.clock.monotonic_ms());
        }
        first
    }

    fn refuse(&mut self, error: LentError) -> Taken {
        let known = self.refused.replace(error) == Some(error);
        self.waiting.clear();
        self.beyond = false;
        let letter = Letter::Invalid { file: NAME.to_owned(), why: error.why() };
        Taken { letters: if known { Vec::new() } else { vec![letter] }, more: false }
    }
}

fn is_letter(name: &OsString) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.ends_with(END.as_bytes()) && !bytes.starts_with(UNFINISHED.as_bytes())
}

/// A file's name as it may be shown: printable ASCII as it is, all else escaped, and not too long.
fn shown(name: &OsString) -> String {
    const LONGEST: usize = 128;
    let bytes = name.as_encoded_bytes();
    let mut text: String =
        bytes.iter().take(LONGEST).map(|b| std::ascii::escape_default(*b).to_string()).collect();
    if bytes.len() > LONGEST {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
#[path = "outbox/tests.rs"]
mod tests;
