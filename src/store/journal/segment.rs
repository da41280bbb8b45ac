//! A segment's name and what it may hold.
//!
//! The name says the segment's id, which orders the segments, and its base, the lowest number that a
//! line in it may have. A segment's lines are those from its own base to below the next segment's.
//! So whatever a segment still holds behind the last line that counted, after a sync that failed or
//! a cut that did not last, is shut out for good by the next one's name: its numbers are too high.

use crate::store::journal::line;

/// A segment as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// its id, as a [`super::Place`] has it
    pub id: u32,
    /// the lowest number that a line in it may have
    pub first: u64,
    /// bytes of it that count
    pub bytes: u64,
    /// whether it is the newest, which may still be written to
    pub open: bool,
}

/// Where a line stands. Good for as long as its segment is not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// with the newline
    pub(super) length: u32,
}

impl Place {
    pub(super) fn new(segment: u32, offset: u64, length: usize) -> Option<Self> {
        let (offset, length) = (u32::try_from(offset).ok()?, u32::try_from(length).ok()?);
        Some(Self { segment, offset, length })
    }

    /// Where the next line begins.
    pub(super) fn end(self) -> u64 {
        u64::from(self.offset).saturating_add(self.length.into())
    }

    /// The id of its segment.
    pub fn segment(self) -> u32 {
        self.segment
    }

    /// Where in its segment the line begins.
    pub fn offset(self) -> u32 {
        self.offset
    }

    /// The bytes that the line takes in its segment.
    pub fn length(self) -> u32 {
        self.length
    }
}

/// A segment that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub id: u32,
    pub base: u64,
    /// how much of it counts
    pub bytes: u64,
}

impl Known {
    pub fn name(&self) -> String {
        format!("{:08x}-{:016x}.seg", self.id, self.base)
    }

    /// The segment of this name, as long as the name is exactly what [`Known::name`] writes.
    pub fn named(name: &str) -> Option<Self> {
        let (id, base) = name.strip_suffix(".seg")?.split_once('-')?;
        let id = u32::from_str_radix(id, 16).ok()?;
        let base = u64::from_str_radix(base, 16).ok()?;
        let known = Self { id, base, bytes: 0 };
        (known.name() == name && (1..=line::LARGEST).contains(&base)).then_some(known)
    }
}
