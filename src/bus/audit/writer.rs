//! The audit's way to the disk: links each entry to the one before, and makes room.
//!
//! Nobody waits for it but the thread that has it. What the journal has taken stays in the chain
//! even where the disk fails meanwhile: it is tried again with the next. What the journal does not
//! take is lost, and the first entry after says how many those were (`lost_before`), so that an
//! honest gap can be told from one that somebody made.

use std::sync::Arc;

use super::{
    chain::{ChainKey, START},
    entry::{After, Dropped, Entry, INSTANCE, STOPPED},
    read,
};
use crate::store::{
    Disk, Journal, JournalError,
    journal::{Line, Opened, Settings},
};

/// One entry on its way.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    /// its JSON object
    pub json: Arc<str>,
    /// entries before it that found no room in memory
    pub lost_before: u64,
}

/// What the chain goes on from.
pub(super) struct Writer {
    journal: Arc<Journal>,
    key: ChainKey,
    /// hash of the last line that the journal has
    prev: String,
    /// entries that the journal did not take since the last one that it took
    lost: u64,
    /// bytes of all segments, beyond which the oldest makes room
    most: u64,
}

/// What was found on the disk.
pub(super) struct Found {
    pub journal: Arc<Journal>,
    pub after: After,
    pub opened: Opened,
}

impl Writer {
    /// Opens the journal; `each` is shown every line of it, oldest first.
    pub fn open(
        disk: Box<dyn Disk>,
        key: ChainKey,
        settings: Settings,
        most: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(Self, Found), JournalError> {
        let mut last = Vec::new();
        let (journal, opened) = Journal::open(disk, settings, &mut |line: Line<'_>| {
            each(line.json);
            last.clear();
            last.extend_from_slice(line.json);
        })?;
        let (prev, after) = if last.is_empty() {
            (START.to_owned(), if opened.torn.is_some() { After::Kill } else { After::Nothing })
        } else {
            let stopped = read::is_of_kind(&last, INSTANCE) && read::has(&last, "happened", STOPPED);
            (key.link(&last), if stopped && opened.torn.is_none() { After::Stop } else { After::Kill })
        };
        let journal = Arc::new(journal);
        let writer = Self { journal: Arc::clone(&journal), key, prev, lost: 0, most };
        Ok((writer, Found { journal, after, opened }))
    }

    /// Links the entries and brings them to the disk. How many were lost; and whether the rest is on
    /// the disk, or waits to be tried again.
    pub fn write(&mut self, entries: &[Queued]) -> (u64, Result<(), JournalError>) {
        // what waits since the disk failed makes room for these, if it can now
        let waiting = if self.is_settled() { Ok(()) } else { self.journal.flush() };
        let mut lost = 0_u64;
        let mut refused = None;
        for entry in entries {
            if let Err(error) = self.append(entry) {
                lost = lost.saturating_add(1);
                self.lost = self.lost.saturating_add(entry.lost_before).saturating_add(1);
                refused = Some(error);
            }
        }
        // why there was no room is told rather than that there was none
        let result = waiting.and_then(|()| self.journal.flush());
        (lost, result.and_then(|()| refused.map_or(Ok(()), Err)))
    }

    /// Whether everything that the journal took is on the disk.
    pub fn is_settled(&self) -> bool {
        !self.journal.has_unflushed()
    }

    /// Drops the oldest segments while there is more than there may be; each drop is an entry
    /// itself, on the disk before anything is gone.
    pub fn make_room(&mut self, now: u64) -> Result<(), JournalError> {
        loop {
            let segments = self.journal.segments();
            let bytes = segments.iter().fold(0_u64, |bytes, segment| bytes.saturating_add(segment.bytes));
            let Some(oldest) = segments.first().filter(|oldest| !oldest.open && bytes > self.most) else {
                return Ok(());
            };
            let mut last = (0, String::new());
            self.journal.lines_of(oldest.id, &mut |line| last = (line.number, self.key.link(line.json)))?;
            let (through, hash) = last;
            // a segment without a line is no part of the chain
            if through > 0 {
                let json = Entry::Dropped(Dropped { through, hash }).to_json(now, None).to_string();
                self.append(&Queued { json: json.into(), lost_before: 0 })?;
                self.journal.flush()?;
            }
            self.journal.remove_oldest(oldest.id)?;
        }
    }

    fn append(&mut self, entry: &Queued) -> Result<(), JournalError> {
        let Some(fields) = entry.json.strip_prefix('{').and_then(|json| json.strip_suffix('}')) else {
            return Err(JournalError::Malformed);
        };
        let lost = self.lost.saturating_add(entry.lost_before);
        let fields = if lost > 0 { format!("\"lost_before\":{lost},{fields}") } else { fields.to_owned() };
        let mut next = String::new();
        // the ticket is nobody's: a line that is waited for is dropped when the disk fails
        let _ticket = self.journal.append(|number, out| {
            let begin = out.len();
            self.key.seal(number, &self.prev, &fields, out);
            let line = [format!("{{\"n\":{number},").as_bytes(), out.get(begin..).unwrap_or_default(), b"}"]
                .concat();
            next = self.key.link(&line);
        })?;
        self.prev = next;
        self.lost = 0;
        Ok(())
    }
}
