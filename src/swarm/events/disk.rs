//! The events on the disk: which numbers may be given out after a start, what makes room, what is forgotten.
//!
//! A start reads no more than the newest segment, and writes down which numbers may be given out from now on before
//! one is. Only the thread that writes ([`super::writer`]) comes here after that, and who reads ([`super::read`]).

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    line::{LARGEST, Mark},
    marks::{self, Marks},
};
use crate::{
    limits,
    store::{
        self, Journal, JournalError,
        journal::{self, Line, Opened, Segment},
    },
    swarm::desk::Desk,
};

/// Bounds of what is on the disk. Tests have smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// of its journal
    pub journal: journal::Settings,
    /// lines on the disk, beyond which the oldest segment makes room
    pub lines: u64,
    /// bytes on the disk, beyond which the oldest segment makes room
    pub bytes: u64,
    /// bytes that wait to be written
    pub waiting: usize,
    /// how long a reader waits for his turn
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let journal = journal::Settings {
            segment_bytes: limits::EVENTS_SEGMENT as u64,
            line_bytes: limits::EVENTS_LINE,
            unwritten_bytes: limits::EVENTS_QUEUE,
            ..journal::Settings::default()
        };
        Self {
            journal,
            lines: limits::EVENTS_ON_DISK as u64,
            bytes: limits::EVENTS_BYTES_ON_DISK as u64,
            waiting: limits::EVENTS_QUEUE,
            patience: Duration::from_millis(limits::EVENTS_PATIENCE_MS),
        }
    }
}

/// The journal, and what is known of it.
pub(super) struct EventDisk {
    pub journal: Journal,
    pub settings: Settings,
    /// where one at a time reads it
    pub desk: Desk,
    /// where readers came by
    marks: Mutex<Marks>,
    /// lines that were read and are no events
    pub unread: AtomicU64,
    /// up to this number everything is forgotten, whatever still stands there
    pub floor: AtomicU64,
    /// the segment before which all is to be removed
    forgotten: AtomicU64,
}

/// What a start finds.
#[derive(Debug, Default)]
struct Found {
    /// some line was understood
    any: bool,
    last: u64,
    floor: u64,
    ended: bool,
    /// the segment that says that what stands before it is forgotten
    cleared: Option<u32>,
    bad: u64,
}

impl Found {
    fn line(&mut self, line: &Line<'_>) {
        let Some(mark) = Mark::of(line.json) else {
            (self.ended, self.bad) = (false, self.bad.saturating_add(1));
            return;
        };
        self.any = true;
        let (last, floor) = match mark {
            Mark::Event(id) | Mark::End(id) => (id, 0),
            Mark::Begin { id, floor } => (id.saturating_sub(1), floor),
            Mark::Cleared(id) => (id, id),
        };
        (self.last, self.floor) = (self.last.max(last), self.floor.max(floor));
        self.ended = matches!(mark, Mark::End(_));
        if matches!(mark, Mark::Cleared(_)) {
            self.cleared = Some(line.place.segment());
        }
    }
}

impl EventDisk {
    /// Opens it; the first number that may be given out, and what opening found.
    pub fn open(disk: Box<dyn store::Disk>, settings: Settings) -> Result<(Self, u64, Opened), JournalError> {
        let mut found = Found::default();
        let (journal, opened) = Journal::open_newest(disk, settings.journal, &mut |line| found.line(&line))?;
        // The newest may be empty, or hold nothing that is understood.
        for segment in journal.segments().iter().rev() {
            if found.any {
                break;
            }
            journal.lines_of(segment.id, &mut |line| found.line(&line))?;
        }
        let fresh = !found.any && found.bad == 0 && opened.torn.is_none() && journal.next_number() == 1;
        let first = if fresh {
            1
        } else if found.ended && opened.torn.is_none() {
            found.last.saturating_add(1)
        } else {
            // Each event has a line, so that even where none is understood there were about as many.
            let lines = journal.next_number().saturating_sub(1);
            let is_known = found.any && found.bad == 0;
            let last = if is_known { found.last } else { found.last.max(lines) };
            last.saturating_add(limits::EVENTS_GAP).saturating_add(1)
        };
        if first > LARGEST / 2 {
            return Err(JournalError::Refused("its events use up the numbers".to_owned()));
        }
        if let Some(cleared) = found.cleared {
            remove_below(&journal, cleared)?;
        }
        let begin = Mark::Begin { id: first, floor: found.floor };
        let ticket = journal.append(|_, out| begin.write(out))?;
        journal.wait(&ticket)?;
        let disk = Self {
            journal,
            settings,
            desk: Desk::default(),
            marks: Mutex::default(),
            unread: AtomicU64::new(found.bad),
            floor: AtomicU64::new(found.floor),
            forgotten: AtomicU64::new(0),
        };
        Ok((disk, first, opened))
    }

    /// Brings lines to the disk, each of which holds an event's fields; how many were lost, and whether the rest is on
    /// the disk or waits to be tried again.
    pub fn write(&self, text: &[u8]) -> (u64, Result<(), JournalError>) {
        // What waits since the disk failed makes room for these, if it can now. What is forgotten goes first: behind
        // a line that says so nothing else may come while it is there.
        let waiting = self
            .forget()
            .and_then(|()| if self.journal.has_unflushed() { self.journal.flush() } else { Ok(()) });
        if text.is_empty() {
            return (0, waiting);
        }
        let (mut lost, mut refused) = (0_u64, None);
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n');
        for line in lines {
            // The ticket is nobody's: a line that is waited for is dropped when the disk fails.
            if let Err(error) = self.journal.append(|_, out| out.extend_from_slice(line)) {
                lost = lost.saturating_add(1);
                refused = Some(error);
            }
        }
        // Why there was no room is told rather than that there was none.
        let result = waiting.and_then(|()| self.journal.flush());
        (lost, result.and_then(|()| refused.map_or(Ok(()), Err)))
    }

    /// Whether everything that the journal took is on the disk, and nothing is there that is to go.
    pub fn is_settled(&self) -> bool {
        !self.journal.has_unflushed() && self.forgotten.load(Ordering::SeqCst) == 0
    }

    /// Writes down that no number above this one was given out.
    pub fn end(&self, last: u64) -> Result<(), JournalError> {
        let ticket = self.journal.append(|_, out| Mark::End(last).write(out))?;
        self.journal.wait(&ticket).map(drop)
    }

    /// Forgets what happened up to this number, all of which was written. From the moment that the line which says so
    /// is on the disk nothing of it is shown again, in this life or the next.
    pub fn clear(&self, id: u64) -> Result<(), JournalError> {
        self.forget()?;
        // The line begins a segment, so that all before it can be removed.
        self.journal.rotate()?;
        let ticket = self.journal.append(|_, out| Mark::Cleared(id).write(out))?;
        let place = self.journal.wait(&ticket)?;
        self.floor.store(id, Ordering::SeqCst);
        self.forgotten.store(place.segment().into(), Ordering::SeqCst);
        // What cannot be removed now is tried again before anything else is written.
        let _ = self.forget();
        Ok(())
    }

    /// Drops the oldest segments while there would be more than there may be with these lines.
    pub fn make_room(&self, text: &[u8]) -> Result<(), JournalError> {
        let more = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        // A sum, a number and braces for each.
        let more_bytes = (text.len() as u64).saturating_add(more.saturating_mul(32));
        loop {
            let segments = self.journal.segments();
            let bytes =
                segments.iter().fold(more_bytes, |bytes, segment| bytes.saturating_add(segment.bytes));
            let first = segments.first().map_or(0, |oldest| oldest.first);
            let lines = self.journal.next_number().saturating_sub(first).saturating_add(more);
            let over = bytes > self.settings.bytes || lines > self.settings.lines;
            let Some(oldest) = segments.first().filter(|oldest| !oldest.open && over) else { return Ok(()) };
            self.journal.remove_oldest(oldest.id)?;
        }
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.journal.segments().iter().fold(0, |bytes, segment| bytes.saturating_add(segment.bytes))
    }

    /// A number below which none stands in a segment or in those after it. It is looked for once.
    pub fn first_of(&self, segment: &Segment) -> Result<Option<u64>, JournalError> {
        if let Some(first) = self.marks().first_of(segment.id) {
            return Ok(Some(first));
        }
        let mut first = None;
        self.journal.lines_until(segment.id, &mut |line| {
            first = marks::first_by(&line);
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(first) = first {
            let oldest = self.journal.segments().first().map_or(0, |oldest| oldest.id);
            let mut marks = self.marks();
            marks.forget_below(oldest);
            marks.begins(segment.id, first);
        }
        Ok(first)
    }

    /// Where readers came by.
    pub fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what is forgotten, if there is any.
    fn forget(&self) -> Result<(), JournalError> {
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        if forgotten > 0 {
            remove_below(&self.journal, u32::try_from(forgotten).unwrap_or(u32::MAX))?;
            self.forgotten.store(0, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Removes the segments before this one, oldest first.
fn remove_below(journal: &Journal, id: u32) -> Result<(), JournalError> {
    for segment in journal.segments().iter().filter(|segment| segment.id < id) {
        journal.remove_oldest(segment.id)?;
    }
    Ok(())
}
