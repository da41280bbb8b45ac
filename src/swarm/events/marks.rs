//! Where events stand on the disk, as far as readers have come by: what somebody reads in pages is not read anew for
//! each of them.
//!
//! Found by reading, never written, and only a place to begin at: without it the same is found, later. There is one at
//! the beginning of each segment and one for each [`APART`] bytes that were read, so that their number is bounded by
//! what may be on the disk.

use std::collections::BTreeMap;

use super::line::Mark;
use crate::store::journal::{Line, Place};

/// Bytes between two marks of a segment, at least.
const APART: u32 = 64 * 1024;

/// A line: its place, and its number in the journal.
pub(super) type At = (Place, u64);

/// The marks of the segments that are there.
#[derive(Default)]
pub(super) struct Marks(BTreeMap<u32, Segment>);

#[derive(Default)]
struct Segment {
    /// no event below this number stands in it or in those after it
    first: Option<u64>,
    /// by the number of the event that stands there: none with a lower one stands behind it
    lines: BTreeMap<u64, At>,
    /// the latest time of an event in it, as its line has it, where it was read to its end and grows no more
    latest: Option<String>,
}

impl Marks {
    /// A number below which no event stands in a segment or in those after it, where that is known.
    pub fn first_of(&self, segment: u32) -> Option<u64> {
        self.0.get(&segment)?.first
    }

    /// Takes note of it.
    pub fn begins(&mut self, segment: u32, first: u64) {
        self.0.entry(segment).or_default().first = Some(first);
    }

    /// Where in a segment one begins who looks for the event of this number, or the next one.
    pub fn before(&self, segment: u32, id: u64) -> Option<At> {
        self.0.get(&segment)?.lines.range(..=id).next_back().map(|(_, at)| *at)
    }

    /// Takes note of a line that was read, where none is near before it. Lines come in their order.
    pub fn pass(&mut self, id: u64, line: &Line<'_>) {
        let lines = &mut self.0.entry(line.place.segment()).or_default().lines;
        let before = lines.range(..=id).next_back().map_or(0, |(_, (place, _))| place.offset());
        if line.place.offset() >= before.saturating_add(APART) {
            lines.insert(id, (line.place, line.number));
        }
    }

    /// Whether all events of a segment are known to have an earlier time than this one. Each segment is asked for
    /// itself: a clock that was set back writes earlier times behind later ones.
    pub fn is_older(&self, segment: u32, oldest: &str) -> bool {
        let latest = self.0.get(&segment).and_then(|segment| segment.latest.as_deref());
        latest.is_some_and(|latest| latest < oldest)
    }

    /// Takes note of the latest time in a segment that was read to its end and grows no more.
    pub fn ends(&mut self, segment: u32, latest: String) {
        self.0.entry(segment).or_default().latest = Some(latest);
    }

    /// How many segments have such a time.
    #[cfg(test)]
    pub fn latest_known(&self) -> usize {
        self.0.values().filter(|segment| segment.latest.is_some()).count()
    }

    /// Forgets the segments before this one: they are there no more.
    pub fn forget_below(&mut self, oldest: u32) {
        self.0.retain(|segment, _| *segment >= oldest);
    }
}

/// The number below which none stands behind a line that begins a segment, where the line says so.
pub(super) fn first_by(line: &Line<'_>) -> Option<u64> {
    match Mark::of(line.json)? {
        Mark::Event(id) | Mark::Begin { id, .. } => Some(id),
        Mark::End(id) | Mark::Cleared(id) => Some(id.saturating_add(1)),
    }
}
