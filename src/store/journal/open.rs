//! Opening: every line that counts is shown once, in order, and what was shown is on the disk.
//!
//! What is not a line is never shown. Behind the last good line of the newest segment it is a torn
//! tail, cut off and reported; elsewhere it is reported and passed over. A segment that is a link, a
//! FIFO, somebody else's or open to others is refused, and so is a directory whose segments
//! contradict each other; a file that is no segment by its name is left alone and reported.

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    limits,
    store::{
        disk::{Disk, DiskFile, SyncPoint},
        journal::{
            JournalError, Line, Settings,
            commit::{Open, Writer},
            line,
            scan::{Found, scan},
            segment::{Known, Place},
        },
    },
};

/// What opening found, to be logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// lines shown
    pub lines: u64,
    /// the tail that was cut off
    pub torn: Option<Torn>,
    /// the first few places that hold something else than a line
    pub bad: Vec<Bad>,
    /// how many such places there are
    pub bad_in_all: u64,
    /// lines passed over because another one has their number: left from a sync that failed
    pub superseded: u64,
    /// the first few files that are no segments, left alone
    pub foreign: Vec<String>,
}

/// A tail that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// the segment's id
    pub segment: u32,
    /// where the tail began
    pub offset: u64,
    /// how long it was
    pub bytes: u64,
}

/// A place that holds something else than a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad {
    /// the segment's id
    pub segment: u32,
    /// where it begins
    pub offset: u64,
    /// what is wrong with it
    pub why: &'static str,
}

impl Opened {
    fn bad(&mut self, bad: Bad) {
        self.bad_in_all = self.bad_in_all.saturating_add(1);
        if self.bad.len() < limits::JOURNAL_BAD_SHOWN {
            self.bad.push(bad);
        }
    }
}

/// What an open journal begins with.
pub(super) struct Beginning {
    pub writer: Writer,
    /// oldest first
    pub segments: Vec<Known>,
    pub next: u64,
}

/// Which segments' lines an opening shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// those of all of them
    All,
    /// those of the newest alone: what the others hold is found where they are read
    Newest,
}

/// Shows the lines and makes the directory ready for the next one.
pub(super) fn open(
    disk: &dyn Disk,
    settings: &Settings,
    which: Show,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<(Beginning, Opened), JournalError> {
    let mut opened = Opened::default();
    let mut segments = segments(disk, &mut opened)?;
    // before anything is made or removed here: what an earlier process did must not come undone
    // after what this one does
    disk.sync_dir(SyncPoint::OpenedDirectory)?;

    let ends = segments.iter().skip(1).map(|next| next.base).chain([u64::MAX]).collect::<Vec<_>>();
    let mut newest = None;
    let mut last = 0;
    let newest_id = segments.last().map(|known| known.id);
    for (known, end) in segments.iter_mut().zip(ends) {
        let file = disk.open(&known.name()).map_err(|error| refused(&known.name(), &error))?;
        known.bytes = file.len()?;
        if known.bytes > u64::from(u32::MAX) {
            return Err(JournalError::Refused(format!("{} is too large", known.name())));
        }
        if which == Show::Newest && Some(known.id) != newest_id {
            continue;
        }
        let tail = show(&*file, known, end, settings, &mut opened, each)?;
        last = tail.last;
        newest = Some((file, tail));
    }

    let next_id = match segments.last() {
        None => 1,
        Some(known) => known.id.checked_add(1).ok_or_else(|| out_of_ids(known))?,
    };
    let segment_bytes = settings.segment_bytes.min(u64::from(u32::MAX));
    let mut writer = Writer {
        open: None,
        next_id,
        last,
        made: Vec::new(),
        unmade: Vec::new(),
        vain: Vec::new(),
        segment_bytes,
    };
    if let (Some((file, tail)), Some(known)) = (newest, segments.last_mut()) {
        settle(disk, file, &tail, known, &mut writer, &mut opened)?;
    }
    segments.append(&mut writer.made);
    let next = writer.last.saturating_add(1);
    Ok((Beginning { writer, segments, next }, opened))
}

/// The segments that are there, oldest first.
pub(super) fn segments(disk: &dyn Disk, opened: &mut Opened) -> Result<Vec<Known>, JournalError> {
    let names = disk.list(limits::JOURNAL_FILES.saturating_add(1))?;
    if names.len() > limits::JOURNAL_FILES {
        return Err(JournalError::Refused(format!("there are more than {} files", limits::JOURNAL_FILES)));
    }
    let mut segments = Vec::new();
    for name in names {
        match Known::named(&name) {
            Some(known) => segments.push(known),
            None if opened.foreign.len() < limits::JOURNAL_BAD_SHOWN => opened.foreign.push(name),
            None => {}
        }
    }
    segments.sort_by_key(|known| known.id);
    for (one, two) in segments.iter().zip(segments.iter().skip(1)) {
        if one.id == two.id || one.base > two.base {
            let why = format!("{} and {} contradict each other", one.name(), two.name());
            return Err(JournalError::Refused(why));
        }
    }
    Ok(segments)
}

/// How a segment ends.
struct Tail {
    /// the highest number so far, or the one below the segment's base
    last: u64,
    /// where its last good line ends
    good: u64,
    /// how many bad places follow there
    bad: u64,
}

/// Shows the lines of one segment.
fn show(
    file: &dyn DiskFile,
    known: &Known,
    end: u64,
    settings: &Settings,
    opened: &mut Opened,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<Tail, JournalError> {
    let mut tail = Tail { last: known.base.saturating_sub(1), good: 0, bad: 0 };
    lines(file, known, end, settings, &mut |shown| match shown {
        Shown::Line(line) => {
            opened.lines = opened.lines.saturating_add(1);
            tail = Tail { last: line.number, good: line.place.end(), bad: 0 };
            each(line);
            ControlFlow::Continue(())
        }
        Shown::Superseded { end } => {
            opened.superseded = opened.superseded.saturating_add(1);
            tail = Tail { last: tail.last, good: end, bad: 0 };
            ControlFlow::Continue(())
        }
        Shown::Bad { offset, why } => {
            tail.bad = tail.bad.saturating_add(1);
            opened.bad(Bad { segment: known.id, offset, why });
            ControlFlow::Continue(())
        }
    })?;
    Ok(tail)
}

/// What stands at a place of a segment, given which numbers count in it.
pub(super) enum Shown<'a> {
    /// a line that counts
    Line(Line<'a>),
    /// one whose number is another line's; where it ends
    Superseded { end: u64 },
    /// no line
    Bad { offset: u64, why: &'static str },
}

/// Goes through one segment, as far as it is wanted. A line counts if its number is in the segment's range and above those
/// before it.
pub(super) fn lines(
    file: &dyn DiskFile,
    known: &Known,
    end: u64,
    settings: &Settings,
    each: &mut dyn FnMut(Shown<'_>) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    lines_from(file, known, (0, known.base), end, settings, each)
}

/// The same from an offset on, where a line begins, and of numbers from this one on.
pub(super) fn lines_from(
    file: &dyn DiskFile,
    known: &Known,
    (offset, mut lowest): (u64, u64),
    end: u64,
    settings: &Settings,
    each: &mut dyn FnMut(Shown<'_>) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    scan(file, offset, known.bytes, settings.line_bytes, &mut |found| match found {
        Found::Bad { offset, why } => each(Shown::Bad { offset, why }),
        Found::Line { number, json, offset, length } => {
            let end_at = offset.saturating_add(length as u64);
            let place = Place::new(known.id, offset, length);
            match place.filter(|_| (lowest..end).contains(&number)) {
                Some(place) => {
                    lowest = number.saturating_add(1);
                    each(Shown::Line(Line { number, json, place }))
                }
                None => each(Shown::Superseded { end: end_at }),
            }
        }
    })?;
    Ok(())
}

/// Makes the newest segment one that may be written to, or begins another.
fn settle(
    disk: &dyn Disk,
    file: Box<dyn DiskFile>,
    tail: &Tail,
    known: &mut Known,
    writer: &mut Writer,
    opened: &mut Opened,
) -> Result<(), JournalError> {
    let torn = known.bytes.saturating_sub(tail.good);
    if torn > 0 {
        // Nearly always a write that nobody was told of. But a last line that the disk spoiled
        // looks the same, and somebody was told its number. So none that may have been there is
        // given out again, and the next segment's name says so, before the tail is gone.
        let lost = (torn / line::SHORTEST).saturating_add(1);
        writer.last = writer.last.saturating_add(lost);
    }
    if writer.last >= line::LARGEST {
        return Err(JournalError::Refused(format!("{} uses up the numbers", known.name())));
    }
    // First of all: from the moment that there is a newer segment, no start looks after this one.
    file.sync(SyncPoint::Opened)?;
    if torn > 0 {
        writer.begin(disk)?;
        opened.bad.retain(|bad| bad.segment != known.id || bad.offset < tail.good);
        opened.bad_in_all = opened.bad_in_all.saturating_sub(tail.bad);
        opened.torn = Some(Torn { segment: known.id, offset: tail.good, bytes: torn });
        // Were the cut to come undone: the next segment's name shuts out what stands there.
        file.truncate(tail.good)?;
        known.bytes = tail.good;
    } else {
        writer.open = Some(Open { id: known.id, file: Arc::from(file), bytes: known.bytes });
    }
    Ok(())
}

fn refused(name: &str, error: &crate::store::FileError) -> JournalError {
    JournalError::Refused(format!("{name}: {error}"))
}

fn out_of_ids(known: &Known) -> JournalError {
    JournalError::Refused(format!("{} uses up the segments' ids", known.name()))
}
