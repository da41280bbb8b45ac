//! The append-only journal: numbered lines that are on the disk before anybody is told so, whatever
//! the disk or the power does in between (design section 7).
//!
//! Many writers share one sync: the first that waits leads, writes and syncs for all with the lock
//! released, and the others wait for it, with a deadline. (The leader's own sync has none: nothing
//! ends one that a disk does not answer. Everybody else goes on.) What a line means is its owner's
//! business; here it is a number and a JSON object that checks.
//!
//! - [`mod@line`] is the form of one line, [`scan`] reads many of them in constant memory.
//! - [`segment`] says which numbers count in which file, [`open`] what a start does with them.
//! - [`commit`] writes.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    limits,
    store::disk::{Disk, DiskFile, SyncPoint},
};

mod commit;
mod error;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod inspect;
mod line;
mod open;
mod scan;
mod segment;
mod state;

pub use error::JournalError;
#[cfg(any(test, fuzzing))]
pub use fuzz::{fuzz_line, fuzz_segment};
pub use inspect::{Seen, inspect};
pub use open::{Bad, Opened, Torn};
pub use segment::{Place, Segment};

use commit::{Slot, Unwritten, Writer};
use open::{Show, Shown};
use segment::Known;
use state::State;

/// One line, as it is shown to the journal's owner.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// its number, above those of all lines before it
    pub number: u64,
    /// the whole JSON object, `n` included
    pub json: &'a [u8],
    /// where [`Journal::read`] finds it
    pub place: Place,
}

/// How large and how patient a journal is. Tests have smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// a segment that would grow beyond it is followed by another
    pub segment_bytes: u64,
    /// the longest line, with its sum and newline
    pub line_bytes: usize,
    /// most bytes that wait to be written
    pub unwritten_bytes: usize,
    /// how long one waits for another's sync
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: limits::JOURNAL_SEGMENT as u64,
            line_bytes: limits::JOURNAL_LINE,
            unwritten_bytes: limits::JOURNAL_UNWRITTEN,
            wait: Duration::from_millis(limits::JOURNAL_WAIT_MS),
        }
    }
}

/// A line that was appended and may not be on the disk yet.
#[derive(Debug, Clone)]
#[must_use = "the line is on the disk only after a wait or a flush"]
pub struct Ticket {
    number: u64,
    slot: Arc<Slot>,
}

impl Ticket {
    /// The line's number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// An open journal. One process has it: the home's lock sees to that.
pub struct Journal {
    disk: Box<dyn Disk>,
    settings: Settings,
    state: Mutex<State>,
    /// a leader is done
    done: Condvar,
    /// the file that was last read from, by its segment's id
    reader: Mutex<Option<(u32, Arc<dyn DiskFile>)>>,
}

impl Journal {
    /// Opens the journal in a directory and shows every line of it, oldest first. What was shown is
    /// on the disk when this returns.
    pub fn open(
        disk: Box<dyn Disk>,
        settings: Settings,
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(Self, Opened), JournalError> {
        Self::open_showing(disk, settings, Show::All, each)
    }

    /// The same, but only the lines of the newest segment are shown: it takes no longer for a journal of many. What
    /// is no line in the others is passed over where they are read.
    pub fn open_newest(
        disk: Box<dyn Disk>,
        settings: Settings,
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(Self, Opened), JournalError> {
        Self::open_showing(disk, settings, Show::Newest, each)
    }

    fn open_showing(
        disk: Box<dyn Disk>,
        settings: Settings,
        which: Show,
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(Self, Opened), JournalError> {
        let (beginning, opened) = open::open(&*disk, &settings, which, each)?;
        let state = State {
            next: beginning.next,
            pending: VecDeque::new(),
            unwritten: 0,
            segments: beginning.segments,
            writer: Some(beginning.writer),
        };
        let journal =
            Self { disk, settings, state: Mutex::new(state), done: Condvar::new(), reader: Mutex::new(None) };
        Ok((journal, opened))
    }

    /// Gives a line its number and its place behind all lines before it, in memory. `fields` writes
    /// the object's fields without the braces, knowing the number.
    pub fn append(&self, fields: impl FnOnce(u64, &mut Vec<u8>)) -> Result<Ticket, JournalError> {
        let mut state = self.state();
        let number = state.next;
        let bytes = line::write(number, fields).ok_or(JournalError::Malformed)?;
        if bytes.len() > self.settings.line_bytes {
            return Err(JournalError::TooLong);
        }
        let unwritten = state.unwritten.saturating_add(bytes.len());
        if unwritten > self.settings.unwritten_bytes || number >= line::LARGEST {
            return Err(JournalError::Busy);
        }
        state.unwritten = unwritten;
        state.next = number.saturating_add(1);
        let slot = Arc::new(Slot::default());
        state.pending.push_back(Unwritten { number, bytes, slot: Arc::clone(&slot) });
        Ok(Ticket { number, slot })
    }

    /// Returns when the line, and with it every line appended before it that nobody was told has
    /// failed, is on the disk.
    ///
    /// After an error the line does not count: it is not tried again, and its number is not given
    /// out again. Only where the disk or the power failed in that moment it may still be there at
    /// the next start, as may one that was [`JournalError::Slow`]. Lines that nobody waits for stay,
    /// and the next commit tries them again.
    pub fn wait(&self, ticket: &Ticket) -> Result<Place, JournalError> {
        self.wait_since(ticket, Instant::now())
    }

    /// The same for one of many lines: the time that the others were waited for counts.
    pub fn wait_since(&self, ticket: &Ticket, since: Instant) -> Result<Place, JournalError> {
        let mut state = self.state();
        ticket.slot.waited.store(true, Relaxed);
        loop {
            if let Some(result) = ticket.slot.result.get() {
                return result.clone();
            }
            state = match state.writer.take() {
                Some(writer) => {
                    if state.pending.is_empty() {
                        // another journal's ticket
                        state.writer = Some(writer);
                        return Err(JournalError::Gone);
                    }
                    self.lead(state, writer).0
                }
                None => self.follow(state, since)?,
            };
        }
    }

    /// Returns when every line appended so far is on the disk, also those that nobody waits for.
    pub fn flush(&self) -> Result<(), JournalError> {
        let since = Instant::now();
        let mut state = self.state();
        let end = state.next;
        loop {
            state = match state.writer.take() {
                Some(writer) => {
                    if state.pending.front().is_none_or(|line| line.number >= end) {
                        state.writer = Some(writer);
                        return Ok(());
                    }
                    let (state, result) = self.lead(state, writer);
                    result?;
                    state
                }
                None => self.follow(state, since)?,
            };
        }
    }

    /// Whether there are lines that are not on the disk yet.
    pub fn has_unflushed(&self) -> bool {
        self.state().unwritten > 0
    }

    /// The JSON text of a line.
    pub fn read(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        let known = self.known(place.segment)?;
        if place.end() > known.bytes || place.length as usize > self.settings.line_bytes {
            return Err(JournalError::Gone);
        }
        let file = self.file(&known)?;
        let mut line = vec![0; place.length as usize];
        let mut read = 0_usize;
        while let Some(rest) = line.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let at = u64::from(place.offset).saturating_add(read as u64);
            match file.read_at(at, rest)? {
                0 => return Err(JournalError::Gone),
                more => read = read.saturating_add(more),
            }
        }
        let text = line.strip_suffix(b"\n").ok_or(JournalError::Gone)?;
        let (_, json) = line::parse(text).map_err(|_| JournalError::Gone)?;
        Ok(json.to_vec())
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<Segment> {
        let state = self.state();
        let newest = state.segments.last().map(|known| known.id);
        let segment = |known: &Known| Segment {
            id: known.id,
            first: known.base,
            bytes: known.bytes,
            open: Some(known.id) == newest,
        };
        state.segments.iter().map(segment).collect()
    }

    /// The number of the next line.
    pub fn next_number(&self) -> u64 {
        self.state().next
    }

    /// Lets the lines that are appended from now on begin a segment of their own. Lines that wait go before it.
    pub fn rotate(&self) -> Result<(), JournalError> {
        let since = Instant::now();
        self.flush()?;
        let mut state = self.state();
        while state.writer.is_none() {
            state = self.follow(state, since)?;
        }
        if let Some(writer) = &mut state.writer {
            writer.open = None;
        }
        Ok(())
    }

    /// Shows the lines of one segment that are on the disk, for compaction.
    pub fn lines_of(&self, id: u32, each: &mut dyn FnMut(Line<'_>)) -> Result<(), JournalError> {
        self.lines_until(id, &mut |line| {
            each(line);
            ControlFlow::Continue(())
        })
    }

    /// The same, until `each` has seen enough.
    pub fn lines_until(
        &self,
        id: u32,
        each: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        self.lines_from(id, None, each)
    }

    /// The same, from a line on that was shown before: its place and its number. Without it, from the first.
    pub fn lines_from(
        &self,
        id: u32,
        from: Option<(Place, u64)>,
        each: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        let known = self.known(id)?;
        let from = from.filter(|(place, _)| place.segment == id);
        let from = from.map_or((0, known.base), |(place, number)| (place.offset.into(), number));
        let next = self.state().segments.iter().find(|next| next.id > id).map(|next| next.base);
        if known.bytes == 0 {
            // its writer may remove it at any time
            return Ok(());
        }
        let file = self.file(&known)?;
        let end = next.unwrap_or(u64::MAX);
        open::lines_from(&*file, &known, from, end, &self.settings, &mut |shown| match shown {
            Shown::Line(line) => each(line),
            Shown::Superseded { .. } | Shown::Bad { .. } => ControlFlow::Continue(()),
        })
    }

    /// Removes the oldest segment, if this is it and not the newest too; it is gone for good when
    /// this returns. What of it still counts must have been appended again and waited for.
    pub fn remove_oldest(&self, id: u32) -> Result<(), JournalError> {
        let known = match self.state().segments.as_slice() {
            [oldest, _, ..] if oldest.id == id => *oldest,
            _ => return Err(JournalError::Gone),
        };
        self.disk.remove(&known.name())?;
        // Listed until it is known to be gone: were the one after it removed before, this one could
        // come back alone, without what the other one said about its lines.
        self.disk.sync_dir(SyncPoint::Removed)?;
        self.state().segments.retain(|known| known.id != id);
        self.reader().take_if(|(read, _)| *read == id);
        Ok(())
    }

    /// Writes for everybody, with the lock released.
    fn lead<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut writer: Writer,
    ) -> (MutexGuard<'a, State>, Result<(), JournalError>) {
        let lines = writer.take(&mut state.pending);
        drop(state);
        // Were the writer lost in a panic, nobody would ever write again. What it was writing to is
        // closed then: it took it along.
        let commit = AssertUnwindSafe(|| writer.commit(&*self.disk, &lines));
        let result = catch_unwind(commit).unwrap_or(Err(JournalError::Io));
        let mut state = self.state();
        let result = state.settle(writer, lines, result);
        self.done.notify_all();
        (state, result)
    }

    /// Waits until a leader is done.
    fn follow<'a>(
        &self,
        state: MutexGuard<'a, State>,
        since: Instant,
    ) -> Result<MutexGuard<'a, State>, JournalError> {
        let left = self.settings.wait.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(JournalError::Slow);
        }
        let (state, _) = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        Ok(state)
    }

    fn known(&self, id: u32) -> Result<Known, JournalError> {
        let state = self.state();
        let at = state.segments.binary_search_by_key(&id, |known| known.id);
        at.ok().and_then(|at| state.segments.get(at)).copied().ok_or(JournalError::Gone)
    }

    fn file(&self, known: &Known) -> Result<Arc<dyn DiskFile>, JournalError> {
        if let Some((id, file)) = &*self.reader()
            && *id == known.id
        {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn DiskFile> = Arc::from(self.disk.open(&known.name())?);
        *self.reader() = Some((known.id, Arc::clone(&file)));
        // Removed meanwhile: whoever removed it may have looked here before it came, and it would take room for long.
        if self.known(known.id).is_err() {
            self.reader().take_if(|(read, _)| *read == known.id);
        }
        Ok(file)
    }

    /// A panic in `fields` leaves the state as it was, so a poisoned lock is as good as another.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Option<(u32, Arc<dyn DiskFile>)>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
