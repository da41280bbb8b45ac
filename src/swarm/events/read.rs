//! Reads events back from the disk, one reader at a time, in memory that does not depend on how many there are.
//!
//! Which lines may match is seen in their text, and only those are read as events: a text inside of JSON has its
//! quotes escaped, so that it cannot pretend to be a field for more than a second look.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Event, Filter, Unread,
    disk::EventDisk,
    event,
    line::{self, Mark},
};
use crate::{store::JournalError, swarm::desk::Turn, wire::date};

/// Whoever reads the disk. Nobody else does until this is dropped.
pub(super) struct Reader<'a> {
    disk: &'a EventDisk,
    now: u64,
    filter: &'a Filter,
    wanted: Wanted,
    _turn: Turn<'a>,
}

/// What stands in the text of each line that matches.
struct Wanted {
    /// of each of these lists one
    words: Vec<Vec<String>>,
    /// this time or a later one
    oldest: String,
}

/// Events above a number, oldest first.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub events: Vec<Arc<Event>>,
    /// the number up to which everything was looked at
    pub through: u64,
    /// how many came and are not there
    pub missed: u64,
    /// there may be more
    pub full: bool,
}

impl<'a> Reader<'a> {
    /// The one reader, once those who came before him have read; he waits so long at most.
    pub fn new(disk: &'a EventDisk, filter: &'a Filter, now: u64, within: Duration) -> Result<Self, Unread> {
        let turn = disk.desk.enter(within.min(disk.settings.patience)).map_err(|_| Unread::Busy)?;
        Ok(Self { disk, now, filter, wanted: Wanted::of(filter, now), _turn: turn })
    }

    /// The newest that match and have a number below this one, newest first; at most so many, and bytes of them.
    pub fn newest(&self, below: u64, most: usize, room: usize) -> Result<Vec<Arc<Event>>, Unread> {
        let floor = self.disk.floor.load(Ordering::SeqCst);
        let (mut found, mut used) = (Vec::new(), 0_usize);
        let segments = self.disk.journal.segments();
        self.disk.marks().forget_below(segments.first().map_or(0, |oldest| oldest.id));
        for segment in segments.iter().rev() {
            let left = most.saturating_sub(found.len());
            let mut here = VecDeque::new();
            let mut full = left == 0 || used >= room;
            if full {
                break;
            }
            if self.disk.marks().is_older(segment.id, &self.wanted.oldest) {
                continue;
            }
            let mut latest = String::new();
            let read = self.disk.journal.lines_of(segment.id, &mut |line| {
                let Some(id) = self.event_of(line.json) else { return };
                let text = std::str::from_utf8(line.json).unwrap_or_default();
                let timestamp = line::timestamp(text).unwrap_or_default();
                if timestamp > latest.as_str() {
                    timestamp.clone_into(&mut latest);
                }
                if id >= below || id <= floor || !self.wanted.may_be(text) {
                    return;
                }
                let Some(event) = self.read(line.json) else { return };
                used = used.saturating_add(event.json().len());
                here.push_back(event);
                while here.len() > left || (used > room && here.len() > 1) {
                    let Some(oldest) = here.pop_front() else { break };
                    used = used.saturating_sub(oldest.json().len());
                    full = true;
                }
            });
            match read {
                // It made room while this was read.
                Err(JournalError::Gone) => break,
                other => other.map_err(|_| Unread::Disk)?,
            }
            if !segment.open {
                self.disk.marks().ends(segment.id, latest);
            }
            found.extend(here.into_iter().rev());
            if full {
                break;
            }
        }
        Ok(found)
    }

    /// Those that match above `id` and up to `last`, oldest first; at most so many, and bytes of them.
    pub fn later(&self, id: u64, last: u64, most: usize, mut room: usize) -> Result<Later, Unread> {
        let floor = self.disk.floor.load(Ordering::SeqCst);
        let mut later = Later { through: id, ..Later::default() };
        // The number that would come next if nothing was lost.
        let mut next = id.saturating_add(1);
        let segments = self.disk.journal.segments();
        let begins = |at: &usize| match segments.get(*at).map(|segment| self.disk.first_of(segment)) {
            Some(Ok(Some(first))) => first <= next,
            Some(Ok(None) | Err(_)) | None => false,
        };
        let start = (0..segments.len()).rev().find(begins).unwrap_or(0);
        for segment in segments.iter().skip(start) {
            let from = self.disk.marks().before(segment.id, next);
            let read = self.disk.journal.lines_from(segment.id, from, &mut |line| {
                let event = match Mark::of(line.json) {
                    Some(Mark::Event(event)) => event,
                    // What lies between was never given out, or was forgotten: nobody missed it.
                    Some(Mark::Begin { id: begin, .. }) => {
                        next = next.max(begin);
                        return ControlFlow::Continue(());
                    }
                    Some(Mark::End(_) | Mark::Cleared(_)) => return ControlFlow::Continue(()),
                    None => {
                        self.disk.unread.fetch_add(1, Ordering::Relaxed);
                        return ControlFlow::Continue(());
                    }
                };
                self.disk.marks().pass(event, &line);
                if event < next {
                    return ControlFlow::Continue(());
                }
                if event > last || later.full {
                    return ControlFlow::Break(());
                }
                later.missed = later.missed.saturating_add(event.saturating_sub(next));
                (next, later.through) = (event.saturating_add(1), event);
                let text = std::str::from_utf8(line.json).unwrap_or_default();
                if event > floor
                    && self.wanted.may_be(text)
                    && let Some(event) = self.read(line.json)
                {
                    room = room.saturating_sub(event.json().len());
                    later.events.push(event);
                    later.full = later.events.len() >= most || room == 0;
                }
                ControlFlow::Continue(())
            });
            match read {
                // It made room while this was read.
                Err(JournalError::Gone) => {}
                other => other.map_err(|_| Unread::Disk)?,
            }
            if later.full {
                return Ok(later);
            }
        }
        // What should be there and is not was lost on the way to the disk.
        later.missed = later.missed.saturating_add(last.saturating_add(1).saturating_sub(next));
        later.through = last;
        Ok(later)
    }

    fn event_of(&self, json: &[u8]) -> Option<u64> {
        match Mark::of(json) {
            Some(Mark::Event(id)) => Some(id),
            Some(Mark::Begin { .. } | Mark::End(_) | Mark::Cleared(_)) => None,
            None => {
                self.disk.unread.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// The event of a line that may match, if it does.
    fn read(&self, json: &[u8]) -> Option<Arc<Event>> {
        let Some(event) = line::read(json) else {
            self.disk.unread.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.filter.matches(&event, self.now).then(|| Arc::new(event))
    }
}

impl Wanted {
    fn of(filter: &Filter, now: u64) -> Self {
        let field = |name: &str, word: &str| format!("\"{name}\":{}", event::text(word));
        let levels = filter.level.iter().map(|level| field("level", level.as_str())).collect();
        let categories = filter.category.iter().map(|word| field("category", word.as_str())).collect();
        let swarm = filter.swarm.iter().map(|name| field("swarm", name)).collect();
        let agent = filter.agent.iter().map(|name| field("agent", name)).collect();
        let name = filter.event_type.iter().map(|name| field("event_type", name.as_str())).collect();
        let words: [Vec<String>; 5] = [levels, categories, swarm, agent, name];
        let words = words.into_iter().filter(|words| !words.is_empty()).collect();
        Self { words, oldest: date::rfc3339_us(filter.oldest(now)) }
    }

    fn is_older(&self, json: &str) -> bool {
        line::timestamp(json).is_none_or(|timestamp| timestamp < self.oldest.as_str())
    }

    fn may_be(&self, json: &str) -> bool {
        !self.is_older(json)
            && self.words.iter().all(|words| words.iter().any(|word| json.contains(word.as_str())))
    }
}
