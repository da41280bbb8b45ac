//! The journal in memory: what waits for the disk, and what became of it.
//!
//! One writer leads and takes what waits along; the others wait for its word. No lock is held while the
//! disk is asked, and a line's number is never given out twice, also where writing it failed.

use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed};

use crate::store::journal::{
    JournalError,
    commit::{Unwritten, Writer},
    segment::{Known, Place},
};

/// What the journal's lock guards. No lock is held while the disk is asked.
pub(super) struct State {
    /// the next line's number; one that was given out is never given out again
    pub next: u64,
    /// in the order of their numbers
    pub pending: VecDeque<Unwritten>,
    /// bytes pending or being written
    pub unwritten: usize,
    /// oldest first, never empty again once it was not
    pub segments: Vec<Known>,
    /// away while somebody leads
    pub writer: Option<Writer>,
}

impl State {
    /// Takes the writer back and tells everybody what became of the lines.
    pub fn settle(
        &mut self,
        mut writer: Writer,
        lines: Vec<Unwritten>,
        result: Result<Vec<Place>, JournalError>,
    ) -> Result<(), JournalError> {
        for id in writer.unmade.drain(..) {
            self.segments.retain(|known| known.id != id);
        }
        self.segments.append(&mut writer.made);
        if let Some(open) = &writer.open
            && let Some(known) = self.segments.iter_mut().rev().find(|known| known.id == open.id)
        {
            known.bytes = open.bytes;
        }
        self.writer = Some(writer);
        match result {
            Ok(places) => {
                for (line, place) in lines.into_iter().zip(places) {
                    self.unwritten = self.unwritten.saturating_sub(line.bytes.len());
                    let _ = line.slot.result.set(Ok(place));
                }
                Ok(())
            }
            Err(error) => {
                // whoever waits is told, also those whose lines were not among these: lines that
                // nobody waits for may fail in front of theirs for ever
                let pending = lines.into_iter().chain(std::mem::take(&mut self.pending));
                let (told, kept): (VecDeque<_>, VecDeque<_>) =
                    pending.partition(|line| line.slot.waited.load(Relaxed));
                self.pending = kept;
                for line in told {
                    self.unwritten = self.unwritten.saturating_sub(line.bytes.len());
                    let _ = line.slot.result.set(Err(error.clone()));
                }
                Err(error)
            }
        }
    }
}
