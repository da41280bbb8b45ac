//! Writing: what the leader of a group commit does while the others wait, with no lock held.
//!
//! A line counts once its bytes were appended and its segment was synced. When appending fails, what
//! was written in part is cut off again. When a sync fails, nobody can know which bytes are on the
//! disk, and asking again would only be told that all is well (the kernel forgets what it could not
//! write): the segment is closed for good, and the lines go into a new one whose base shuts out
//! whatever of them stands in the old one.
//!
//! A disk whose syncs fail for long would be filled with files that way: of the segments in which nothing
//! ever counted the first stays, which shuts out what stands before it, and the last; the others go.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use crate::store::{
    disk::{Disk, DiskFile, SyncPoint},
    journal::{
        JournalError,
        segment::{Known, Place},
    },
};

/// What a line's writer and its ticket share.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// set once, when the line's fate is known
    pub result: OnceLock<Result<Place, JournalError>>,
    /// whether somebody waits for it, and will be told when it could not be written
    pub waited: AtomicBool,
}

/// A line that is not on the disk yet.
pub(super) struct Unwritten {
    pub number: u64,
    /// with the newline
    pub bytes: Vec<u8>,
    pub slot: Arc<Slot>,
}

/// The segment that lines go to.
pub(super) struct Open {
    pub id: u32,
    pub file: Arc<dyn DiskFile>,
    /// how much of it counts, which is also how much of it there is
    pub bytes: u64,
}

/// Most segments in a row in which nothing counts, where not even removing them works.
const VAIN: usize = 8;

/// The one writer; whoever holds it leads.
pub(super) struct Writer {
    /// none where the last one is full, or closed for good
    pub open: Option<Open>,
    pub next_id: u32,
    /// the highest number that counts: the next segment's base is above it
    pub last: u64,
    /// segments made since the list of all was last brought up to date
    pub made: Vec<Known>,
    /// the ids of those removed since then
    pub unmade: Vec<u32>,
    /// segments made since the last line that counts
    pub vain: Vec<Known>,
    pub segment_bytes: u64,
}

impl Writer {
    /// Takes as many of the oldest lines as go into one segment: at least one, if there is one.
    pub fn take(&mut self, pending: &mut VecDeque<Unwritten>) -> Vec<Unwritten> {
        let first = pending.front().map_or(0, |line| line.bytes.len() as u64);
        if self.open.as_ref().is_some_and(|open| open.bytes.saturating_add(first) > self.segment_bytes) {
            self.open = None;
        }
        let mut bytes = self.open.as_ref().map_or(0, |open| open.bytes);
        let mut count = 0_usize;
        for line in pending.iter() {
            bytes = bytes.saturating_add(line.bytes.len() as u64);
            if bytes > self.segment_bytes && count > 0 {
                break;
            }
            count = count.saturating_add(1);
        }
        pending.drain(..count).collect()
    }

    /// Brings the lines to the disk; where each of them stands.
    pub fn commit(&mut self, disk: &dyn Disk, lines: &[Unwritten]) -> Result<Vec<Place>, JournalError> {
        let all = lines.iter().map(|line| line.bytes.as_slice()).collect::<Vec<_>>().concat();
        // the second try is for a segment that had to be closed
        for _ in 0..2 {
            let open = match self.open.take() {
                Some(open) => open,
                None => self.make(disk)?,
            };
            match Self::write(&open, &all) {
                Ok(()) => return self.count(open, lines),
                Err(Failed::Cut(error)) => {
                    self.open = Some(open);
                    return Err(error.into());
                }
                Err(Failed::Closed) => {}
            }
        }
        Err(JournalError::Io)
    }

    /// Begins a new segment.
    pub fn begin(&mut self, disk: &dyn Disk) -> Result<(), JournalError> {
        self.open = Some(self.make(disk)?);
        Ok(())
    }

    /// A new segment, whose name is on the disk.
    fn make(&mut self, disk: &dyn Disk) -> Result<Open, JournalError> {
        self.tidy(disk);
        if self.vain.len() >= VAIN {
            return Err(JournalError::Io);
        }
        let known = Known { id: self.next_id, base: self.last.saturating_add(1), bytes: 0 };
        self.next_id = self.next_id.checked_add(1).ok_or(JournalError::Io)?;
        let file = disk.create(&known.name())?;
        // listed from here on, whatever becomes of it: it must be removed before those after it are
        self.made.push(known);
        self.vain.push(known);
        disk.sync_dir(SyncPoint::NewSegment)?;
        Ok(Open { id: known.id, file: Arc::from(file), bytes: 0 })
    }

    /// Removes the segments in which nothing counts, but for the first and the last of them. All have the same base,
    /// so that it does not matter which of them are there after a loss of power; the sync of the directory that the
    /// next one needs anyway is theirs too, and before it nothing counts.
    fn tidy(&mut self, disk: &dyn Disk) {
        let last = self.vain.len().saturating_sub(1);
        let mut at = 0_usize;
        let (made, unmade) = (&mut self.made, &mut self.unmade);
        self.vain.retain(|known| {
            let stays = at == 0 || at == last || disk.remove(&known.name()).is_err();
            at = at.saturating_add(1);
            if !stays {
                made.retain(|made| made.id != known.id);
                unmade.push(known.id);
            }
            stays
        });
    }

    fn write(open: &Open, bytes: &[u8]) -> Result<(), Failed> {
        if let Err(error) = append(&*open.file, bytes) {
            let cut = open.file.truncate(open.bytes).is_ok();
            return Err(if cut && is_full(&error) { Failed::Cut(error) } else { Failed::Closed });
        }
        open.file.sync(SyncPoint::Commit).map_err(|_| {
            // only so that it does not take room: the next segment's base shuts it out
            let _ = open.file.truncate(open.bytes);
            Failed::Closed
        })
    }

    /// The lines count from here on.
    fn count(&mut self, mut open: Open, lines: &[Unwritten]) -> Result<Vec<Place>, JournalError> {
        let mut places = Vec::with_capacity(lines.len());
        for line in lines {
            // a segment is far below 4 GiB
            let place = Place::new(open.id, open.bytes, line.bytes.len()).ok_or(JournalError::Io)?;
            open.bytes = place.end();
            places.push(place);
            self.last = line.number;
        }
        self.vain.clear();
        self.open = Some(open);
        Ok(places)
    }
}

/// Why nothing of it counts.
enum Failed {
    /// there is no room; the segment is as it was, and the next try may go on in it
    Cut(io::Error),
    /// the segment must not be written to any more
    Closed,
}

fn append(file: &dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the disk is full, or the user's share of it.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
