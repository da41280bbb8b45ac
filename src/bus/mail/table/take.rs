//! Handing out: which messages a reader gets, in which order.
//!
//! The more urgent first, then the older. A cursor gives each message a position when it is first handed
//! out; a message is in one hand at a time. Here is also what becomes of them when the reader has them, or
//! has them not after all.

use std::collections::{BTreeMap, HashSet};

use super::{Entry, Mailbox, NEVER, Name, Phase, Table, entry};
use crate::bus::mail::{
    error::MailError,
    types::{Ack, Manner, State},
};

/// A message that is held for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Chosen {
    pub number: u64,
    /// somebody may have had it before
    pub again: bool,
    /// it got its position just now
    pub placed: bool,
}

/// An [`Ack`] as it is looked up: a body names thousands, and a mailbox holds a thousand.
pub(in super::super) enum Acked<'a> {
    Through(u64),
    Ids(HashSet<&'a str>),
    Numbers(HashSet<u64>),
}

impl<'a> From<Ack<'a>> for Acked<'a> {
    fn from(ack: Ack<'a>) -> Self {
        match ack {
            Ack::Through(position) => Acked::Through(position),
            Ack::Ids(ids) => Acked::Ids(ids.iter().copied().collect()),
            Ack::Numbers(numbers) => Acked::Numbers(numbers.iter().copied().collect()),
        }
    }
}

impl Chosen {
    /// Whether the disk has to know before it is handed out.
    pub fn is_news(self) -> bool {
        self.placed || !self.again
    }
}

impl Table {
    /// Chooses messages for a reader and holds them for him, at least one where there is one, at
    /// most `limit` and with texts of about `bytes` in all.
    pub fn choose(
        &mut self,
        to: &str,
        manner: Manner,
        (limit, bytes): (usize, usize),
        holder: u32,
        now: u64,
    ) -> Vec<Chosen> {
        let Some(name) = self.names.find(to) else { return Vec::new() };
        let Some(held) = self.boxes.get_mut(&name) else { return Vec::new() };
        let entries = &mut self.entries;
        let mut left = bytes;
        let mut chosen = Vec::new();
        let candidates: Vec<u64> = held.in_order(manner, entries, now).collect();
        for number in candidates {
            let Some(entry) = entries.get_mut(&number).filter(|entry| entry.is_free()) else { continue };
            if chosen.len() >= limit || (!chosen.is_empty() && entry.size as usize > left) {
                break;
            }
            left = left.saturating_sub(entry.size as usize);
            entry.holder = holder;
            if entry.state == State::Accepted {
                entry.state = State::Delivering;
            }
            if entry.taken == NEVER {
                entry.taken = entry.after(now);
            }
            let placed = entry.position == 0 && matches!(manner, Manner::UntilAcked { .. });
            if placed {
                held.last += 1;
                entry.position = held.last;
                held.fresh.remove(&entry.order(number));
                held.held.remove(&entry.order(number));
                held.placed.insert(entry.position, number);
            }
            chosen.push(Chosen { number, again: entry.handed, placed });
        }
        chosen
    }

    /// Holds one message; `None`: it is not free.
    pub fn hold(&mut self, number: u64, holder: u32, now: u64) -> Option<Chosen> {
        let entry = self.entries.get_mut(&number).filter(|entry| entry.is_free() && !entry.is_due(now))?;
        entry.holder = holder;
        if entry.state == State::Accepted {
            entry.state = State::Delivering;
        }
        if entry.taken == NEVER {
            entry.taken = entry.after(now);
        }
        Some(Chosen { number, again: entry.handed, placed: false })
    }

    /// Whether [`Table::choose`] would find any.
    pub fn has_any(&self, to: &str, manner: Manner, now: u64) -> bool {
        self.mailbox(to).is_some_and(|held| held.in_order(manner, &self.entries, now).next().is_some())
    }

    /// That they are handed out is on disk: from here on they count as given to somebody.
    pub fn handed(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.handed = true;
            }
        }
    }

    /// The holder lets them go: another may have them.
    pub fn release(&mut self, numbers: &[u64], holder: u32) {
        for number in numbers {
            let Some(entry) = self.held_by(*number, holder) else { continue };
            entry.holder = 0;
            if entry.state == State::Delivering {
                entry.state = State::Accepted;
            }
            if entry.is_held() {
                let (to, order) = (entry.to, entry.order(*number));
                if let Some(held) = self.boxes.get_mut(&to) {
                    held.held.insert(order);
                }
            }
        }
    }

    /// They were not handed out after all: as if they had never been chosen.
    pub fn undo(&mut self, chosen: &[Chosen], holder: u32) {
        for Chosen { number, again, placed } in chosen {
            self.release(&[*number], holder);
            let Some(entry) = self.entries.get_mut(number) else { continue };
            if !again {
                entry.taken = NEVER;
            }
            if *placed && entry.phase == Phase::Waiting {
                let (to, order, hold) = (entry.to, entry.order(*number), entry.hold);
                let position = std::mem::take(&mut entry.position);
                if let Some(held) = self.boxes.get_mut(&to) {
                    held.placed.remove(&position);
                    held.fresh.insert(order);
                    if hold {
                        held.held.insert(order);
                    }
                }
            }
        }
    }

    /// A reader that acknowledges has them.
    pub fn delivered(&mut self, numbers: &[u64], holder: u32, now: u64) {
        for number in numbers {
            let Some(entry) = self.held_by(*number, holder) else { continue };
            entry.holder = 0;
            entry.state = State::Delivered;
            if entry.delivered == NEVER {
                entry.delivered = entry.after(now);
            }
        }
    }

    /// Which of these the holder still has.
    pub fn still_held(&self, numbers: &[u64], holder: u32) -> Vec<u64> {
        let held = |number: &u64| {
            self.entry(*number).is_some_and(|e| e.phase == Phase::Waiting && e.holder == holder && !e.leaving)
        };
        numbers.iter().copied().filter(held).collect()
    }

    /// The messages that an acknowledgement is about: of those that a cursor had, whether their
    /// delivery is settled already or not. They are marked as leaving.
    ///
    /// Senders choose ids, and one may choose another's: an id that is of two messages acknowledges
    /// neither, or one that was never acted on would be gone.
    pub fn acked(&mut self, to: &str, ack: &Acked<'_>) -> Result<Vec<u64>, MailError> {
        let Some(held) = self.mailbox(to) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        let mut seen = HashSet::new();
        for number in held.placed.values() {
            let Some(entry) = self.entry(*number).filter(|entry| !entry.leaving && entry.handed) else {
                continue;
            };
            let about = match ack {
                Acked::Through(position) => entry.position <= *position,
                Acked::Ids(ids) => ids.contains(&*entry.id),
                Acked::Numbers(numbers) => numbers.contains(number),
            };
            if about && matches!(ack, Acked::Ids(_)) && !seen.insert(&*entry.id) {
                return Err(MailError::Ambiguous);
            }
            if about {
                numbers.push(*number);
            }
        }
        self.leave(&numbers, true);
        Ok(numbers)
    }

    /// The messages with these ids that nobody holds. They are marked as leaving.
    pub fn deleted(&mut self, to: &str, ids: &HashSet<&str>) -> Vec<u64> {
        let Some(held) = self.mailbox(to) else { return Vec::new() };
        let numbers: Vec<u64> = held
            .all()
            .filter(|number| self.entry(*number).is_some_and(|e| e.is_free() && ids.contains(&*e.id)))
            .collect();
        self.leave(&numbers, true);
        numbers
    }

    /// Marks them as leaving, or takes the mark back.
    pub fn leave(&mut self, numbers: &[u64], leaving: bool) {
        for number in numbers {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.leaving = leaving;
            }
        }
    }

    /// What waits for one agent above a number, in the order in which it was accepted; at most
    /// `limit` and about `bytes` of text, and whether there is more.
    pub fn look(&self, to: &str, after: u64, limit: usize, bytes: usize) -> (Vec<u64>, bool) {
        let Some(held) = self.mailbox(to) else { return (Vec::new(), false) };
        let mut numbers: Vec<u64> = held.all().filter(|number| *number > after).collect();
        numbers.sort_unstable();
        self.page(numbers.into_iter(), limit, bytes)
    }

    /// Dead letters above a number.
    pub fn dead(&self, after: u64, limit: usize, bytes: usize) -> (Vec<u64>, bool) {
        let mut numbers: Vec<u64> = self.dead.numbers().filter(|number| *number > after).collect();
        numbers.sort_unstable();
        self.page(numbers.into_iter(), limit, bytes)
    }

    fn page(&self, numbers: impl Iterator<Item = u64>, limit: usize, bytes: usize) -> (Vec<u64>, bool) {
        let mut left = bytes;
        let mut page = Vec::new();
        for number in numbers {
            let size = self.entry(number).map_or(0, |entry| entry.size as usize);
            if page.len() >= limit || (!page.is_empty() && size > left) {
                return (page, true);
            }
            left = left.saturating_sub(size);
            page.push(number);
        }
        (page, false)
    }

    /// What nobody had yet and is to be typed next for one agent, and whether it is an agent's: the
    /// others' before the agents', whatever priorities these give their own. `from` says whose may be.
    ///
    /// Asked again and again of mailboxes in which nothing may be typed: it looks at the messages
    /// only where one of a sender that passes waits.
    pub fn next_for_typing(&self, to: &str, from: &dyn Fn(&str) -> bool) -> Option<(u64, bool)> {
        let held = self.mailbox(to)?;
        let text = |name: Name| self.names.text(name);
        let agents: Vec<Name> = held.by_agent.keys().copied().filter(|name| from(text(*name))).collect();
        let of_others = held.count > held.by_agent.values().sum();
        if agents.is_empty() && !of_others {
            return None;
        }
        let mut of_agent = None;
        for number in held.fresh.iter().map(|order| entry::number_of(*order)) {
            let Some(entry) = self.entry(number).filter(|entry| entry.is_for_here()) else { continue };
            if agents.contains(&entry.caller) {
                of_agent = of_agent.or(Some((number, true)));
                if !of_others {
                    break;
                }
            } else if of_others && !entry::has_share(text(entry.caller)) && from(text(entry.caller)) {
                return Some((number, false));
            }
        }
        of_agent
    }

    fn held_by(&mut self, number: u64, holder: u32) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&number)?;
        (entry.phase == Phase::Waiting && entry.holder == holder && holder != 0).then_some(&mut **entry)
    }
}

impl Mailbox {
    /// All that can be seen, in no order.
    fn all(&self) -> impl Iterator<Item = u64> {
        self.fresh.iter().map(|order| entry::number_of(*order)).chain(self.placed.values().copied())
    }

    /// What a reader may have, in the order in which he is to have it.
    ///
    /// A cursor gets nothing beyond a message that another reader of the same mailbox holds just now:
    /// had it, and acknowledged all through there, the held one would be lost if it came back.
    /// Nobody gets what should have expired by `now`: after a start that may be much.
    fn in_order<'a>(
        &'a self,
        manner: Manner,
        entries: &'a BTreeMap<u64, Box<Entry>>,
        now: u64,
    ) -> Box<dyn Iterator<Item = u64> + 'a> {
        let free = move |number: u64| {
            entries.get(&number).is_some_and(|entry| entry.is_for_here() && !entry.is_due(now))
        };
        let held = move |number: u64| entries.get(&number).is_some_and(|entry| !entry.is_free());
        let order = |number: u64| entries.get(&number).map_or(u64::MAX, |entry| entry.order(number));
        let fresh = self.fresh.iter().map(|order| entry::number_of(*order));
        match manner {
            Manner::Final if self.placed.is_empty() => Box::new(fresh.filter(move |number| free(*number))),
            Manner::Final => {
                let mut all: Vec<u64> = self.all().filter(|number| free(*number)).collect();
                all.sort_unstable_by_key(|number| order(*number));
                Box::new(all.into_iter())
            }
            Manner::UntilAcked { after } => {
                let placed = self.placed.range(after.unwrap_or(0).saturating_add(1)..);
                let all =
                    placed.map(|(_, number)| (true, *number)).chain(fresh.map(|number| (false, number)));
                // One that is held and has no place yet is on its way out for good.
                let upto = all.scan((), move |(), (placed, number)| match free(number) {
                    true => Some(Some(number)),
                    false if placed && held(number) => None,
                    false => Some(None),
                });
                Box::new(upto.flatten())
            }
        }
    }
}
