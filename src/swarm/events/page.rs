//! Questions about events: the newest that match, or what came after a number.
//!
//! Pointers are taken out of the ring a few at a time, and looked at without its lock. What is older than the ring is
//! read from the disk, by one at a time; the others wait for their turn, and not for ever.

use std::{sync::Arc, time::Duration};

use super::{
    Event, Filter, Hub,
    read::{Later, Reader},
};
use crate::limits;

/// Entries that are taken out of the ring at once.
const AT_ONCE: usize = 256;
/// How often a question that goes on behind a ring that moves away under it looks at the disk again.
const AGAIN: usize = 4;

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// what they are like
    pub filter: Filter,
    /// oldest first, those above this number; without it newest first, the newest
    pub since: Option<u64>,
    /// at most so many
    pub most: usize,
}

/// The events that were asked for, at most [`limits::EVENTS_PAGE_BYTES`] of them, or one.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// newest first; with a `since` oldest first
    pub events: Vec<Arc<Event>>,
    /// what comes after these came after this number
    pub next: u64,
    /// with a `since`: how many events came after it and are kept no more. Of those that an end which was not in
    /// order kept from the disk nobody knows; numbers that it left out may be counted once all around them is gone.
    pub missed: u64,
}

/// The newest events, as far as they could be read.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    /// newest first
    pub events: Vec<Arc<Event>>,
    /// none is left out
    pub whole: bool,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// others read the disk for too long
    Busy,
    /// the disk does not let itself be read
    Disk,
}

/// What may still be put on a page.
struct Room {
    most: usize,
    bytes: usize,
}

impl Room {
    fn is_full(&self) -> bool {
        self.most == 0 || self.bytes == 0
    }

    /// One more.
    fn take(&mut self, event: &Event) {
        self.most = self.most.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(event.json().len());
    }
}

impl Hub {
    /// The events that are asked for.
    pub fn page(&self, query: &Query) -> Result<Page, Unread> {
        self.page_within(query, limits::EVENTS_PAGE_BYTES, Duration::MAX)
    }

    /// The same, at most so many bytes of them, or one event, by one who waits for his turn to read no longer than this.
    pub fn page_within(&self, query: &Query, bytes: usize, within: Duration) -> Result<Page, Unread> {
        let room = Room { most: query.most, bytes };
        match query.since {
            None => {
                let (mut page, below, mut room) = self.newest(query, room);
                let (Some(disk), false) = (&self.disk, room.is_full() || below <= 1) else { return Ok(page) };
                self.settle(below.saturating_sub(1));
                let reader = Reader::new(disk, &query.filter, self.unix_ms(), within)?;
                let older = reader.newest(below, room.most, room.bytes)?;
                older.iter().for_each(|event| room.take(event));
                page.events.extend(older);
                Ok(page)
            }
            Some(id) => self.later(query, id, room, within),
        }
    }

    /// The newest that match, at most `most`: without those that only the disk has where it cannot be read now.
    pub fn recent(&self, filter: &Filter, most: usize) -> Recent {
        let query = Query { filter: filter.clone(), since: None, most };
        match self.page(&query) {
            Ok(page) => Recent { events: page.events, whole: true },
            Err(Unread::Busy | Unread::Disk) => {
                let room = Room { most, bytes: limits::EVENTS_PAGE_BYTES };
                Recent { events: self.newest(&query, room).0.events, whole: false }
            }
        }
    }

    /// The newest in memory, newest first; the number below which nothing was looked at; and what room is left.
    fn newest(&self, query: &Query, mut room: Room) -> (Page, u64, Room) {
        let now = self.unix_ms();
        let mut page = Page { next: self.last(), ..Page::default() };
        let (mut below, mut place) = (page.next.saturating_add(1), u64::MAX);
        while !room.is_full() {
            let entries = self.before(place, AT_ONCE);
            let Some(oldest) = entries.first() else { break };
            place = oldest.at();
            for event in entries.iter().rev().filter_map(|entry| entry.shared()) {
                if event.id >= below {
                    continue;
                }
                below = event.id;
                if query.filter.matches(event, now) {
                    room.take(event);
                    page.events.push(Arc::clone(event));
                    if room.is_full() {
                        break;
                    }
                }
            }
        }
        (page, below, room)
    }

    /// Those above a number, oldest first.
    fn later(&self, query: &Query, id: u64, mut room: Room, within: Duration) -> Result<Page, Unread> {
        let now = self.unix_ms();
        let (_, last) = self.kept();
        let mut page = Page::default();
        // Up to here everything was looked at.
        let (mut through, mut all) = (id, false);
        for _ in 0..AGAIN {
            let (gone, _) = self.kept();
            if through < gone {
                let later = self.gone(query, (through, gone), &room, within)?;
                (through, page.missed) = (later.through, page.missed.saturating_add(later.missed));
                later.events.iter().for_each(|event| room.take(event));
                page.events.extend(later.events);
                if later.full {
                    break;
                }
            }
            all = self.in_memory(query, now, &mut through, &mut room, &mut page);
            if all {
                break;
            }
        }
        page.next = if all && !room.is_full() { through.max(last) } else { through };
        Ok(page)
    }

    /// Those that are in memory no more.
    fn gone(
        &self,
        query: &Query,
        (id, last): (u64, u64),
        room: &Room,
        within: Duration,
    ) -> Result<Later, Unread> {
        let Some(disk) = &self.disk else {
            return Ok(Later { through: last, missed: last.saturating_sub(id), ..Later::default() });
        };
        self.settle(last);
        let reader = Reader::new(disk, &query.filter, self.unix_ms(), within)?;
        reader.later(id, last, room.most, room.bytes)
    }

    /// Those in memory; whether that was all, or the page is full. Otherwise some of them went meanwhile.
    fn in_memory(
        &self,
        query: &Query,
        now: u64,
        through: &mut u64,
        room: &mut Room,
        page: &mut Page,
    ) -> bool {
        // What went between the look at the disk and this one is looked for there.
        let Some(mut place) = self.place_after(*through) else { return false };
        while !room.is_full() {
            let (missed, entries) = self.after(place, AT_ONCE);
            if missed > 0 {
                return false;
            }
            let Some(newest) = entries.last() else { return true };
            place = newest.at().saturating_add(1);
            for event in entries.iter().filter_map(|entry| entry.shared()) {
                *through = event.id.max(*through);
                if query.filter.matches(event, now) {
                    room.take(event);
                    page.events.push(Arc::clone(event));
                    if room.is_full() {
                        return true;
                    }
                }
            }
        }
        true
    }
}
