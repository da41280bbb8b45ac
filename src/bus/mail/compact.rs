//! Compaction: the journal's oldest segment is removed when what of it still counts has been written
//! again, and that is on disk. In small steps: no lock is held for long, and senders share the disk.
//!
//! What is written again is the whole state of a message as it stands then. All lines about it in
//! older segments are older, so they mean nothing any more; at open they are skipped, for they speak
//! of a number that is not known yet.

use super::{
    Mail,
    record::{self, Record, Words},
    table::Phase,
    view::Seen,
};
use crate::store::journal::{JournalError, Place, Ticket};

/// Entries that are looked at under one lock.
const STEP: usize = 4_096;

/// Bytes that are written again in one step.
const BATCH: u64 = 256 * 1024;

/// Segments that are left alone however little of them counts.
const SEGMENTS: u64 = 4;

/// How far it has come.
pub(super) struct Compaction {
    segment_bytes: u64,
    work: Work,
}

enum Work {
    /// nothing to do as far as it is known
    Rest,
    /// the segment is being emptied
    Empty {
        segment: u32,
        /// lines up to here may be in it whose place is not known yet
        barrier: u64,
        /// the entries up to here have been looked at
        after: u64,
        /// some could not be moved, so all are to be looked at once more
        again: bool,
    },
}

impl Compaction {
    pub fn new(segment_bytes: u64) -> Self {
        Self { segment_bytes, work: Work::Rest }
    }
}

/// A message that was written again, and where it was.
struct Moving {
    number: u64,
    from: Place,
    slim: bool,
    ticket: Ticket,
}

impl Mail {
    /// One step; whether there is more to do.
    pub(super) fn compact_step(&self) -> bool {
        let work = std::mem::replace(&mut self.shared.lock().compaction.work, Work::Rest);
        let next = match work {
            Work::Rest => self.begin_compaction(),
            Work::Empty { segment, barrier, after, again } => {
                self.empty(segment, barrier, after, again).unwrap_or_else(|error| {
                    log::warn!("mail: the journal is not compacted: {error}");
                    Work::Rest
                })
            }
        };
        let more = matches!(next, Work::Empty { .. });
        self.shared.lock().compaction.work = next;
        more
    }

    /// Whether the journal is more than twice what counts, and four segments.
    fn begin_compaction(&self) -> Work {
        let segments = self.shared.journal.segments();
        let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let Some(oldest) = segments.first().filter(|segment| !segment.open) else { return Work::Rest };
        let inner = self.shared.lock();
        let spare = SEGMENTS * inner.compaction.segment_bytes;
        let enough = total.saturating_sub(spare) <= 2 * inner.table.live();
        if enough {
            return Work::Rest;
        }
        let barrier = inner.table.highest_reserved().unwrap_or(0);
        Work::Empty { segment: oldest.id, barrier, after: 0, again: false }
    }

    fn empty(&self, segment: u32, barrier: u64, after: u64, again: bool) -> Result<Work, JournalError> {
        let inner = self.shared.lock();
        // Its line may be in the segment already.
        if inner.table.lowest_reserved().is_some_and(|number| number <= barrier) {
            return Ok(Work::Empty { segment, barrier, after: 0, again: false });
        }
        let (mut seen, mut bytes, mut upto, mut ended) = (Vec::new(), 0, after, true);
        let mut again = again;
        for (looked, (number, entry)) in inner.table.above(after).enumerate() {
            if looked == STEP || bytes > BATCH {
                ended = false;
                break;
            }
            upto = number;
            let Some(place) = entry.place.filter(|place| place.segment() == segment) else { continue };
            if entry.leaving {
                again = true;
                continue;
            }
            bytes += u64::from(place.length());
            seen.extend(inner.see(number));
        }
        drop(inner);
        again |= self.write_again(seen)?;
        Ok(match (ended, again) {
            (false, _) => Work::Empty { segment, barrier, after: upto, again },
            (true, true) => Work::Empty { segment, barrier, after: 0, again: false },
            (true, false) => {
                self.write_positions()?;
                self.shared.journal.remove_oldest(segment)?;
                Work::Rest
            }
        })
    }

    /// Writes these messages again as they stand; whether some could not be.
    fn write_again(&self, all: Vec<Seen>) -> Result<bool, JournalError> {
        let (mut moving, mut left) = (Vec::new(), false);
        for seen in all {
            let words = match self.shared.words(&seen) {
                Ok(words) => words,
                Err(JournalError::Gone) => {
                    if seen.entry.phase != Phase::Ended {
                        self.lose(seen.number);
                    }
                    Words { from: String::new(), correlation_id: None, in_reply_to: None, text: None }
                }
                Err(error) => return Err(error),
            };
            let inner = self.shared.lock();
            let Some(entry) = inner.table.entry(seen.number) else { continue };
            // A line that takes it away is on its way to disk: one that brings it back must not follow.
            if entry.leaving {
                left = true;
                continue;
            }
            let Some(from) = entry.place.filter(|place| Some(*place) == seen.entry.place) else { continue };
            let slim = entry.phase == Phase::Ended;
            let ticket = self
                .shared
                .journal
                .append(|_, out| record::snap(out, seen.number, entry, &inner.table, &words))?;
            moving.push(Moving { number: seen.number, from, slim, ticket });
        }
        for Moving { number, from, slim, ticket } in moving {
            let to = self.shared.journal.wait(&ticket)?;
            self.shared.lock().table.moved(number, from, to, slim);
        }
        Ok(left)
    }

    /// Where cursors of mailboxes stand that hold nothing any more is told by no message.
    fn write_positions(&self) -> Result<(), JournalError> {
        let inner = self.shared.lock();
        let (floor, positions) = inner.table.positions();
        let append = |record: Record<'_>| self.shared.journal.append(|_, out| record::change(out, &record));
        let mut ticket = append(Record::Floor { position: floor })?;
        for (to, position) in positions {
            ticket = append(Record::Last { to: to.into(), position })?;
        }
        drop(inner);
        self.shared.journal.wait(&ticket).map(drop)
    }
}
