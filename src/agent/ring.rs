//! The newest output of one terminal, under absolute offsets.
//!
//! Bounded whatever the program prints; grows lazily, because most agents print little. A reader
//! holds an offset and never slows the writer: what it missed is told as a gap.

use std::collections::VecDeque;

use super::types::BeyondEnd;
use crate::limits;

/// What is allocated for the first byte.
const SMALLEST: usize = 4 * 1024;

/// Invariant: `bytes.len() <= limits::RING`; the first byte has the offset `start`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    start: u64,
}

/// Bytes read from a [`Ring`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub from: u64,
    pub bytes: Vec<u8>,
    pub gap: bool,
}

impl Ring {
    /// Appends, and forgets the oldest where there is no room.
    pub fn push(&mut self, new: &[u8]) {
        let kept = new.get(new.len().saturating_sub(limits::RING)..).unwrap_or_default();
        let room = limits::RING.saturating_sub(kept.len());
        let forgotten = self.bytes.len().saturating_sub(room);
        self.bytes.drain(..forgotten);
        self.start = self.start.saturating_add((forgotten + new.len() - kept.len()) as u64);
        let needed = self.bytes.len() + kept.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.next_power_of_two().clamp(SMALLEST, limits::RING);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(kept);
    }

    /// Gives back the room for what will not come any more.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Offset of the oldest byte kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Offset of the next byte to come.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// At most `max` bytes from an offset on, or from the oldest one kept.
    pub fn read(&self, from: Option<u64>, max: usize) -> Result<Piece, BeyondEnd> {
        let wanted = from.unwrap_or(self.start);
        if wanted > self.end() {
            return Err(BeyondEnd { end: self.end() });
        }
        let from = wanted.max(self.start);
        let skip = usize::try_from(from - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let take = max.min(self.bytes.len() - skip);
        let bytes = self.bytes.range(skip..skip + take).copied().collect();
        Ok(Piece { from, bytes, gap: wanted < self.start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest_bytes_and_tells_of_a_gap() {
        let mut ring = Ring::default();
        ring.push(b"first");
        assert_eq!(ring.read(None, 3), Ok(Piece { from: 0, bytes: b"fir".to_vec(), gap: false }));
        for round in 0..3 * limits::RING / 1000 {
            ring.push(&[b'a' + (round % 26) as u8; 1000]);
            assert!(ring.bytes.len() <= limits::RING && ring.bytes.capacity() <= limits::RING);
        }
        assert_eq!(ring.end() - ring.start(), limits::RING as u64);
        let piece = ring.read(Some(2), limits::RING).unwrap();
        assert!(piece.gap);
        assert_eq!((piece.from, piece.bytes.len()), (ring.start(), limits::RING));
        let last = ring.read(Some(ring.end() - 2), 10).unwrap();
        assert_eq!((last.bytes.len(), last.gap), (2, false));
        assert_eq!(last.bytes.last(), piece.bytes.last());
    }

    #[test]
    fn one_write_larger_than_the_ring_keeps_its_end() {
        let mut ring = Ring::default();
        ring.push(b"x");
        let mut flood = vec![b'-'; limits::RING + 10];
        flood.extend_from_slice(b"end");
        ring.push(&flood);
        assert_eq!(ring.start(), 1 + 13);
        assert_eq!(ring.read(Some(ring.end() - 3), 10).unwrap().bytes, b"end");
    }

    #[test]
    fn the_ring_grows_only_with_what_is_printed() {
        let mut ring = Ring::default();
        assert_eq!(ring.bytes.capacity(), 0);
        ring.push(b"hello");
        assert!(ring.bytes.capacity() <= 2 * SMALLEST);
    }

    #[test]
    fn a_ring_that_takes_no_more_keeps_no_room_for_it() {
        let mut ring = Ring::default();
        ring.push(&[b'x'; 2 * SMALLEST + 1]);
        assert!(ring.bytes.capacity() > 2 * SMALLEST + 1);
        ring.shrink();
        assert_eq!((ring.bytes.capacity(), ring.end()), (2 * SMALLEST + 1, 2 * SMALLEST as u64 + 1));
    }

    #[test]
    fn an_offset_beyond_the_end_is_refused() {
        let mut ring = Ring::default();
        ring.push(b"abc");
        assert_eq!(ring.read(Some(3), 9).map(|p| p.bytes), Ok(Vec::new()));
        assert_eq!(ring.read(Some(4), 9), Err(BeyondEnd { end: 3 }));
    }
}
