//! The overlay of a swarm on the disk: each change is one line of a journal, and on the disk before anybody is
//! told that it was made.
//!
//! Each line carries a generation. Those of the newest generation that a `commit` line ends count, and those
//! that come after it: so all changes are replaced by others in one step, the last line of theirs. A line whose
//! writing failed may still be found at the next start; before anything else is kept, what counts is written
//! again as a generation above it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::ShelfError;
use crate::{
    limits,
    store::{
        Disk, Journal, JournalError,
        journal::{Line, Settings},
    },
    wire::json::Fields,
};

/// How large the files of an overlay get; what a clearing leaves behind goes with its file.
const SEGMENT: u64 = 1024 * 1024;

/// An open overlay.
pub(super) struct Overlay {
    journal: Journal,
    /// one writes at a time, and waits for the disk; whoever only reads takes the other lock alone
    writing: Mutex<()>,
    state: Mutex<State>,
}

/// What the lines say so far.
#[derive(Default)]
struct State {
    /// the one that counts
    generation: u64,
    /// the highest that was ever begun
    highest: u64,
    /// the changes that count, by their lines' numbers
    changes: BTreeMap<u64, Value>,
    /// their length as text
    bytes: usize,
    /// those of a generation that is not committed
    staged: (u64, BTreeMap<u64, Value>),
    /// lines that are not ours
    strange: u64,
    /// the last writing failed: nobody knows which of its lines the next start finds
    unsure: bool,
}

impl State {
    /// Takes one line in.
    fn line(&mut self, line: Line<'_>) {
        let read = serde_json::from_slice::<Value>(line.json).ok();
        let read = read.as_ref().and_then(|value| {
            let fields = Fields::of(value).ok()?;
            let generation = fields.whole("g", 0..=u64::MAX).ok()?;
            let commit = fields.flag("commit", false).ok()?;
            Some((generation, commit, value.get("change").cloned()))
        });
        match read {
            Some((generation, commit, change)) => {
                self.highest = self.highest.max(generation);
                self.take(line.number, generation, commit, change);
            }
            None => self.strange = self.strange.saturating_add(1),
        }
    }

    fn take(&mut self, number: u64, generation: u64, commit: bool, change: Option<Value>) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation && generation != self.staged.0 {
            self.staged = (generation, BTreeMap::new());
        }
        if let Some(change) = change {
            if generation == self.generation {
                self.bytes = self.bytes.saturating_add(length(&change));
                self.changes.insert(number, change);
            } else {
                self.staged.1.insert(number, change);
            }
        }
        if commit && generation > self.generation {
            self.generation = generation;
            self.changes = std::mem::take(&mut self.staged).1;
            self.bytes = self.changes.values().map(length).sum();
        }
    }
}

impl Overlay {
    /// Opens the overlay of a directory; also what is to be told of it.
    pub fn on(disk: Box<dyn Disk>) -> Result<(Self, Option<String>), ShelfError> {
        let settings =
            Settings { segment_bytes: SEGMENT, line_bytes: limits::OVERLAY_LINE, ..Settings::default() };
        let mut state = State::default();
        let (journal, opened) = Journal::open(disk, settings, &mut |line| state.line(line))?;
        let bad = opened.bad_in_all.saturating_add(state.strange);
        let note =
            (bad > 0).then(|| format!("{bad} lines of its overlay cannot be read and are passed over"));
        state.staged = Default::default();
        let overlay = Self { journal, writing: Mutex::new(()), state: Mutex::new(state) };
        overlay.trim();
        Ok((overlay, note))
    }

    /// Keeps one change; its number, from 1. It is on the disk when this returns.
    pub fn append(&self, change: &Value) -> Result<u64, ShelfError> {
        let _turn = self.writing();
        let size = length(change);
        let (unsure, generation) = {
            let state = self.state();
            let full = state.changes.len() >= limits::OVERLAY_CHANGES;
            if full || state.bytes.saturating_add(size) > limits::OVERLAY_BYTES {
                return Err(ShelfError::OverlayFull);
            }
            (state.unsure, state.generation)
        };
        let generation = if unsure { self.write_again()? } else { generation };
        let number = self.certainly(|| {
            let ticket = self.journal.append(|_, line| write(line, generation, Some(change), false))?;
            self.journal.wait(&ticket).map(|_| ticket.number())
        })?;
        let mut state = self.state();
        state.take(number, generation, false, Some(change.clone()));
        Ok(state.changes.len() as u64)
    }

    /// The changes that count, with their numbers.
    pub fn read(&self) -> Vec<(u64, Value)> {
        (1..).zip(self.state().changes.values().cloned()).collect()
    }

    /// Keeps these changes instead.
    pub fn rewrite(&self, changes: &[Value]) -> Result<(), ShelfError> {
        let _turn = self.writing();
        let bytes = changes.iter().map(length).fold(0, usize::saturating_add);
        if changes.len() > limits::OVERLAY_CHANGES || bytes > limits::OVERLAY_BYTES {
            return Err(ShelfError::OverlayFull);
        }
        self.replace(changes.to_vec())?;
        self.trim();
        Ok(())
    }

    /// Writes what counts as a new generation, whose number this returns.
    fn write_again(&self) -> Result<u64, ShelfError> {
        let changes = self.state().changes.values().cloned().collect();
        self.replace(changes)
    }

    fn replace(&self, changes: Vec<Value>) -> Result<u64, ShelfError> {
        let generation = {
            let mut state = self.state();
            state.highest = state.highest.saturating_add(1);
            state.highest
        };
        let mut numbers = BTreeMap::new();
        self.certainly(|| {
            for change in changes {
                let ticket = self.journal.append(|_, line| write(line, generation, Some(&change), false))?;
                numbers.insert(ticket.number(), change);
            }
            let commit = self.journal.append(|_, line| write(line, generation, None, true))?;
            self.journal.wait(&commit).map(|_| ())
        })?;
        let mut state = self.state();
        state.bytes = numbers.values().map(length).sum();
        (state.generation, state.changes, state.unsure) = (generation, numbers, false);
        Ok(generation)
    }

    /// Remembers where a writing failed.
    fn certainly<T>(&self, writes: impl FnOnce() -> Result<T, JournalError>) -> Result<T, ShelfError> {
        let written = writes();
        if written.is_err() {
            self.state().unsure = true;
        }
        Ok(written?)
    }

    /// Removes the oldest files, as long as nothing in them counts. What cannot be removed stays for the next time.
    fn trim(&self) {
        let generation = self.state().generation;
        let segments = self.journal.segments();
        let (Some(oldest), Some(newest)) = (segments.first(), segments.last()) else { return };
        for id in oldest.id..newest.id {
            let mut counts = false;
            let looked = self.journal.lines_of(id, &mut |line| {
                let mut alone = State { generation, ..State::default() };
                alone.line(line);
                counts |= alone.highest >= generation;
            });
            if counts || looked.is_err() || self.journal.remove_oldest(id).is_err() {
                return;
            }
        }
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(line: &mut Vec<u8>, generation: u64, change: Option<&Value>, commit: bool) {
    line.extend_from_slice(format!("\"g\":{generation}").as_bytes());
    if let Some(change) = change {
        line.extend_from_slice(b",\"change\":");
        line.extend_from_slice(change.to_string().as_bytes());
    }
    if commit {
        line.extend_from_slice(b",\"commit\":true");
    }
}

fn length(change: &Value) -> usize {
    change.to_string().len()
}

#[cfg(test)]
mod tests;
