//! The mailbox as a state machine: which messages there are, where they stand, and what may happen
//! to them next. It does no I/O and asks no clock: the journal's numbers and places, and the time,
//! are parameters.
//!
//! A step that has to be on disk before it counts has two halves here: the first marks what it is
//! about, so that nobody else touches it, and the second makes it true or takes it back.

mod bounds;
mod end;
mod entry;
mod held;
mod load;
mod take;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
};

pub(super) use bounds::Bounds;
use entry::NEVER;
pub(super) use entry::{Entry, Phase};
pub(super) use held::Held;
pub(in crate::bus) use held::NOT_FORWARDED;
pub(super) use take::{Acked, Chosen};

use super::{
    error::{Full, MailError},
    kept::Kept,
    names::{Name, Names},
    types::{NewMessage, State},
};
use crate::{store::journal::Place, wire::address::HomeId};

/// One agent's mailbox.
#[derive(Debug, Default)]
struct Mailbox {
    /// nobody had them yet: rank and number, in the order in which they are handed out
    fresh: BTreeSet<u64>,
    /// of those, the ones that may be handed to another instance and are not just on their way there
    held: BTreeSet<u64>,
    /// by position: a cursor had them, and did not acknowledge them
    placed: BTreeMap<u64, u64>,
    /// those two, and what is on its way to disk
    count: usize,
    /// of agents, and of callers of other instances: how many of each
    by_agent: HashMap<Name, usize>,
    /// of callers of other instances
    far: usize,
    /// the last position given out
    last: u64,
    /// unix ms
    idle_since: u64,
}

/// All of it.
pub(super) struct Table {
    bounds: Bounds,
    entries: BTreeMap<u64, Box<Entry>>,
    /// by caller, target and id
    keys: HashMap<u64, u64>,
    hash: RandomState,
    pub names: Names,
    boxes: HashMap<Name, Mailbox>,
    /// mailboxes that hold messages
    occupied: usize,
    /// mailboxes that hold none, and whose positions are remembered
    idle: BTreeSet<(u64, Name)>,
    /// at least as high as every position of a mailbox that was forgotten
    floor: u64,
    count: usize,
    bytes: usize,
    /// of agents, and of callers of other instances: what waits of each
    bytes_by_agent: HashMap<Name, usize>,
    /// of callers of other instances
    bytes_far: usize,
    /// what may expire, and when
    deadlines: BTreeSet<(u64, u64)>,
    dead: Kept,
    ended: Kept,
    /// on its way to disk
    reserved: BTreeSet<u64>,
    /// of all entries' weights
    live: u64,
}

/// What is known of a message that is to be accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// nothing: there is room for it
    New,
    /// it was accepted before
    Same(u64, State),
    /// it is on its way to disk just now
    Underway,
    /// it is refused
    Refused(MailError),
}

impl Table {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: BTreeMap::new(),
            keys: HashMap::new(),
            hash: RandomState::new(),
            names: Names::default(),
            boxes: HashMap::new(),
            occupied: 0,
            idle: BTreeSet::new(),
            floor: 0,
            count: 0,
            bytes: 0,
            bytes_by_agent: HashMap::new(),
            bytes_far: 0,
            deadlines: BTreeSet::new(),
            dead: Kept::default(),
            ended: Kept::default(),
            reserved: BTreeSet::new(),
            live: 0,
        }
    }

    /// Whether a message may be accepted, before anything of it is written.
    pub fn check(&self, new: &NewMessage<'_>, digest: u64) -> Check {
        let via = new.via.map(HomeId::as_str);
        if let Some((number, entry)) = self.known(new.caller, new.to.as_str(), via, new.id)
            && self.refusal(entry).is_none()
        {
            return match entry.phase {
                _ if entry.digest != digest => Check::Refused(MailError::IdReused),
                Phase::Reserved => Check::Underway,
                Phase::Waiting | Phase::Dead | Phase::Ended => Check::Same(number, entry.state),
            };
        }
        match self.room(new.to.as_str(), new.caller, entry::cost(new.id, new.text.len())) {
            Ok(()) => Check::New,
            Err(full) => Check::Refused(full.into()),
        }
    }

    /// Whether one more fits.
    fn room(&self, to: &str, caller: &str, cost: usize) -> Result<(), Full> {
        let bounds = &self.bounds;
        let (agent, far) = (entry::has_share(caller), entry::is_far(caller));
        let (mailbox, mailboxes, bytes) = if agent {
            (bounds.mailbox_agents, bounds.mailboxes_agents, bounds.bytes_agents)
        } else {
            (bounds.mailbox, bounds.mailboxes, bounds.bytes)
        };
        let sender = self.names.find(caller).filter(|_| agent);
        let held = self.names.find(to).and_then(|name| self.boxes.get(&name));
        let count = held.map_or(0, |held| held.count);
        if let (Some(sender), Some(held)) = (sender, held)
            && held.by_agent.get(&sender).is_some_and(|count| *count >= bounds.mailbox_agent)
        {
            return Err(Full::SenderMessages(bounds.mailbox_agent));
        }
        if far && held.is_some_and(|held| held.far >= bounds.mailbox_far) {
            return Err(Full::SenderMessages(bounds.mailbox_far));
        }
        if count >= mailbox {
            return Err(Full::Mailbox(mailbox));
        }
        if count == 0 && self.occupied >= mailboxes {
            return Err(Full::Mailboxes(mailboxes));
        }
        let of_sender = sender.and_then(|sender| self.bytes_by_agent.get(&sender)).copied().unwrap_or(0);
        if agent && of_sender + cost > bounds.bytes_agent {
            return Err(Full::SenderBytes(bounds.bytes_agent));
        }
        if far && self.bytes_far + cost > bounds.bytes_far {
            return Err(Full::SenderBytes(bounds.bytes_far));
        }
        if self.bytes + cost > bytes {
            return Err(Full::Bytes(bytes));
        }
        Ok(())
    }

    /// Keeps a place for a message on its way to disk. `holder` is not 0 where it is claimed.
    pub fn reserve(&mut self, number: u64, new: &NewMessage<'_>, digest: u64, sent_at: u64, holder: u32) {
        // What its sender was told to be refused, and sends again.
        if let Some((old, _)) = self.known(new.caller, new.to.as_str(), new.via.map(HomeId::as_str), new.id) {
            self.forget(old, sent_at);
        }
        let names = [self.names.take(new.to.as_str()), self.names.take(new.caller)];
        let via = new.via.map(|home| self.names.take(home.as_str()));
        let entry = Entry::new(new, names, via, digest, sent_at, holder);
        self.count_in(&entry, sent_at);
        self.keys.insert(self.key_of(&entry), number);
        self.reserved.insert(number);
        self.entries.insert(number, Box::new(entry));
    }

    /// It is on disk: from here on readers see it.
    pub fn admit(&mut self, number: u64, place: Place) {
        self.reserved.remove(&number);
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.place = Some(place);
        entry.phase = Phase::Waiting;
        self.live += entry.weight();
        if let Some(held) = self.boxes.get_mut(&entry.to) {
            held.fresh.insert(entry.order(number));
            if entry.hold && entry.holder == 0 {
                held.held.insert(entry.order(number));
            }
        }
        self.deadlines.insert((entry.expires_at(), number));
    }

    /// It did not get to disk: as if it had never been.
    pub fn abandon(&mut self, number: u64, now: u64) {
        if self.reserved.remove(&number) {
            self.forget(number, now);
        }
    }

    /// The entry of a message.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number).map(Box::as_ref)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The lowest number that is on its way to disk.
    pub fn lowest_reserved(&self) -> Option<u64> {
        self.reserved.first().copied()
    }

    /// Notes where a message is on disk now, unless it has moved since.
    /// `slim`: without its words.
    pub fn moved(&mut self, number: u64, from: Place, to: Place, slim: bool) {
        if let Some(entry) = self.entries.get_mut(&number)
            && entry.place == Some(from)
        {
            self.live -= entry.weight();
            entry.place = Some(to);
            entry.slim = slim;
            self.live += entry.weight();
        }
    }

    /// How much of the journal counts, in bytes: never less than it takes to write it all again.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// The highest one.
    pub fn highest_reserved(&self) -> Option<u64> {
        self.reserved.last().copied()
    }

    /// The entries above a number, in order.
    pub fn above(&self, number: u64) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.range(number.saturating_add(1)..).map(|(number, entry)| (*number, entry.as_ref()))
    }

    /// How many wait for one agent; what is on its way to disk does not count.
    pub fn waiting(&self, to: &str) -> usize {
        self.mailbox(to).map_or(0, |held| held.fresh.len() + held.placed.len())
    }

    /// How many wait in all, and how many bytes.
    pub fn waiting_in_all(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    /// Each mailbox that holds messages, with how many.
    pub fn mailboxes(&self) -> Vec<(&str, usize)> {
        self.boxes
            .iter()
            .map(|(name, held)| (self.names.text(*name), held.fresh.len() + held.placed.len()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The last position of each mailbox, and the floor below which all forgotten ones were.
    pub fn positions(&self) -> (u64, Vec<(&str, u64)>) {
        let of =
            |(name, held): (&Name, &Mailbox)| (held.last > 0).then(|| (self.names.text(*name), held.last));
        (self.floor, self.boxes.iter().filter_map(of).collect())
    }

    fn mailbox(&self, to: &str) -> Option<&Mailbox> {
        self.boxes.get(&self.names.find(to)?)
    }

    fn key(&self, caller: &str, to: &str, via: Option<&str>, id: &str) -> u64 {
        self.hash.hash_one((caller, to, via, id))
    }

    fn key_of(&self, entry: &Entry) -> u64 {
        let via = entry.via.map(|via| self.names.text(via));
        self.key(self.names.text(entry.caller), self.names.text(entry.to), via, &entry.id)
    }

    /// The message that was accepted under this id, or is just being.
    pub fn known(&self, caller: &str, to: &str, via: Option<&str>, id: &str) -> Option<(u64, &Entry)> {
        let number = *self.keys.get(&self.key(caller, to, via, id))?;
        let entry = self.entries.get(&number)?;
        let text = |name| self.names.text(name);
        let same = *entry.id == *id
            && text(entry.caller) == caller
            && text(entry.to) == to
            && entry.via.map(text) == via;
        same.then_some((number, entry))
    }

    /// Counts a message that waits.
    fn count_in(&mut self, entry: &Entry, now: u64) {
        let caller = self.names.text(entry.caller);
        let (agent, far) = (entry::has_share(caller), entry::is_far(caller));
        let held = match self.boxes.get_mut(&entry.to) {
            Some(held) => held,
            None => {
                self.names.again(entry.to);
                let last = self.floor;
                self.boxes.entry(entry.to).or_insert(Mailbox { last, idle_since: now, ..Mailbox::default() })
            }
        };
        if held.count == 0 {
            self.idle.remove(&(held.idle_since, entry.to));
            self.occupied += 1;
        }
        held.count += 1;
        self.count += 1;
        self.bytes += entry.cost();
        if agent {
            *held.by_agent.entry(entry.caller).or_default() += 1;
            *self.bytes_by_agent.entry(entry.caller).or_default() += entry.cost();
        }
        if far {
            held.far += 1;
            self.bytes_far += entry.cost();
        }
    }

    /// The opposite, and out of its mailbox.
    fn count_out(&mut self, number: u64, now: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        self.deadlines.remove(&(entry.expires_at(), number));
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.cost());
        take_away(&mut self.bytes_by_agent, entry.caller, entry.cost());
        let far = entry::is_far(self.names.text(entry.caller));
        if far {
            self.bytes_far = self.bytes_far.saturating_sub(entry.cost());
        }
        let Some(held) = self.boxes.get_mut(&entry.to) else { return };
        held.fresh.remove(&entry.order(number));
        held.held.remove(&entry.order(number));
        if let Some(position) = entry.position() {
            held.placed.remove(&position);
        }
        take_away(&mut held.by_agent, entry.caller, 1);
        held.far = held.far.saturating_sub(usize::from(far));
        held.count = held.count.saturating_sub(1);
        if held.count == 0 {
            self.occupied = self.occupied.saturating_sub(1);
            held.idle_since = now;
            let remembers = held.last > self.floor;
            if remembers {
                self.idle.insert((now, entry.to));
            } else {
                self.boxes.remove(&entry.to);
                self.names.release(entry.to);
            }
        }
        while self.idle.len() > self.bounds.mailboxes {
            let Some((_, name)) = self.idle.pop_first() else { break };
            if let Some(held) = self.boxes.remove(&name) {
                self.floor = self.floor.max(held.last);
                self.names.release(name);
            }
        }
    }

    /// In whose share what is over is kept; `None`: all callers of other instances have one.
    fn payer(&self, caller: Name) -> Option<Name> {
        (!entry::is_far(self.names.text(caller))).then_some(caller)
    }

    /// Nothing is left of it.
    fn forget(&mut self, number: u64, now: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let payer = self.payer(entry.caller);
        match entry.phase {
            Phase::Reserved | Phase::Waiting => self.count_out(number, now),
            Phase::Dead => self.dead.remove(payer, self.bounds.dead_until(entry), number, entry.cost()),
            Phase::Ended => self.ended.remove(payer, self.bounds.ended_until(entry), number, 0),
        }
        let Some(entry) = self.entries.remove(&number) else { return };
        self.live -= entry.weight();
        let key = self.key_of(&entry);
        if self.keys.get(&key) == Some(&number) {
            self.keys.remove(&key);
        }
        for name in [Some(entry.to), Some(entry.caller), entry.reason, entry.via].into_iter().flatten() {
            self.names.release(name);
        }
    }
}

/// Takes from a count, which is dropped where nothing is left.
fn take_away(counts: &mut HashMap<Name, usize>, name: Name, amount: usize) {
    if let Some(count) = counts.get_mut(&name) {
        *count = count.saturating_sub(amount);
        if *count == 0 {
            counts.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests;
