//! Questions about events: the newest that match, or what came after a number.
//!
//! Pointers are taken out of the ring a few at a time, and looked at without its lock.

use std::sync::Arc;

use super::{Entry, Event, Filter, Hub};

/// Entries that are taken out of the ring at once.
const AT_ONCE: usize = 256;

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

/// The events that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// newest first; with a `since` oldest first
    pub events: Vec<Arc<Event>>,
    /// what comes after these came after this number
    pub next: u64,
    /// with a `since`: how many events came after it and are kept no more
    pub missed: u64,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// another one is reading the disk
    Busy,
    /// the disk does not let itself be read
    Disk,
}

impl Hub {
    /// The events that are asked for.
    pub fn page(&self, query: &Query) -> Result<Page, Unread> {
        Ok(match query.since {
            None => self.newest(query),
            Some(id) => self.later(query, id),
        })
    }

    /// The newest that match, newest first, at most `most`: without those that only the disk has where it cannot be
    /// read now.
    pub fn recent(&self, filter: &Filter, most: usize) -> Vec<Arc<Event>> {
        let query = Query { filter: filter.clone(), since: None, most };
        self.page(&query).unwrap_or_else(|_| self.newest(&query)).events
    }

    /// The newest, newest first.
    fn newest(&self, query: &Query) -> Page {
        let now = self.unix_ms();
        let mut page = Page { next: self.last(), ..Page::default() };
        let mut below = u64::MAX;
        while page.events.len() < query.most {
            let entries = self.before(below, AT_ONCE);
            let Some(oldest) = entries.first() else { break };
            below = oldest.at();
            let wanted = entries.iter().rev().filter_map(|entry| entry.shared());
            let wanted = wanted.filter(|event| event.id <= page.next && query.filter.matches(event, now));
            page.events.extend(wanted.take(query.most.saturating_sub(page.events.len())).cloned());
        }
        page
    }

    /// Those above a number, oldest first.
    fn later(&self, query: &Query, id: u64) -> Page {
        let now = self.unix_ms();
        let (gone, last) = self.kept();
        let mut page = Page { events: Vec::new(), next: last.max(id), missed: gone.saturating_sub(id) };
        let mut at = self.place_after(id);
        while page.events.len() < query.most {
            let (_, entries) = self.after(at, AT_ONCE);
            let Some(newest) = entries.last() else { break };
            at = newest.at().saturating_add(1);
            for event in entries.iter().filter_map(|entry: &Arc<Entry>| entry.shared()) {
                if event.id > id && query.filter.matches(event, now) {
                    page.events.push(Arc::clone(event));
                    if page.events.len() >= query.most {
                        page.next = event.id;
                        break;
                    }
                }
            }
        }
        page
    }
}
