//! The table as the journal's lines make it, one after the other.
//!
//! Lines about messages that are not known are what compaction left behind: they change nothing. What was
//! on its way to a reader at the last line waits again and is marked, for nobody knows whether he had it.

use super::{Entry, NEVER, Phase, Table};
use crate::{
    bus::mail::{
        record::{Facts, Record, Standing},
        types::State,
    },
    store::journal::Place,
};

impl Table {
    /// Takes one line in; `number` and `place` are the line's.
    pub fn load(&mut self, number: u64, place: Place, record: &Record<'_>) {
        match record {
            Record::Put(facts) => {
                let mut standing = NEW;
                standing.handed = facts.again;
                if facts.claim {
                    (standing.state, standing.handed, standing.taken) = (State::Delivering, true, 0);
                }
                self.insert(number, place, facts, &standing);
            }
            Record::Snap(of, facts, standing) => self.insert(*of, place, facts, standing),
            Record::Taken { at, of, positions } => {
                for (index, number) in of.iter().enumerate() {
                    self.load_taken(*number, *at, positions.get(index).copied());
                }
            }
            Record::Got { at, of } => {
                for number in of {
                    let Some(entry) = self.entries.get_mut(number) else { continue };
                    if entry.phase == Phase::Waiting {
                        entry.state = State::Delivered;
                        entry.delivered = entry.after(*at);
                    }
                }
            }
            Record::Back { of } => self.unmark(of),
            Record::End { at, of, state, dead, reason } => {
                for number in of {
                    self.end(*number, *state, reason.as_deref(), *dead, *at);
                }
            }
            Record::Void { of } => {
                for number in of {
                    self.forget(*number, 0);
                }
            }
            Record::Again { at, of } => self.load_again(*of, *at),
            Record::Last { to, position } => self.load_last(to, *position),
            Record::Floor { position } => self.floor = self.floor.max(*position),
        }
    }

    /// After the last line: whoever had a message on its way to him may have got it or not, so it
    /// waits again, marked.
    pub fn loaded(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.phase == Phase::Waiting && entry.state == State::Delivering {
                entry.state = State::Accepted;
            }
        }
    }

    fn insert(&mut self, number: u64, place: Place, facts: &Facts<'_>, standing: &Standing<'_>) {
        self.forget(number, facts.at);
        // Of two with one key the older was never accepted: its sender sent it again.
        if let Some((old, _)) = self.known(&facts.caller, &facts.to, facts.via.as_deref(), &facts.id) {
            self.forget(old, facts.at);
        }
        let (to, caller) = (self.names.take(&facts.to), self.names.take(&facts.caller));
        let reason = standing.reason.as_deref().map(|reason| self.names.take(reason));
        let via = facts.via.as_deref().map(|via| self.names.take(via));
        let entry = Entry {
            id: (*facts.id).into(),
            to,
            caller,
            reason,
            via,
            place: Some(place),
            sent_at: facts.at,
            position: standing.position,
            digest: facts.digest,
            ttl: facts.ttl,
            renewed: standing.renewed,
            taken: standing.taken,
            delivered: standing.delivered,
            ended: standing.ended,
            size: facts.size,
            holder: 0,
            kind: facts.kind,
            priority: facts.priority,
            state: standing.state,
            phase: standing.phase,
            handed: standing.handed,
            leaving: false,
            slim: standing.phase == Phase::Ended,
            hold: facts.hold,
        };
        let payer = self.payer(caller);
        match entry.phase {
            Phase::Reserved | Phase::Waiting => {
                self.count_in(&entry, facts.at);
                if let Some(held) = self.boxes.get_mut(&to) {
                    match entry.position() {
                        None => {
                            held.fresh.insert(entry.order(number));
                            if entry.hold {
                                held.held.insert(entry.order(number));
                            }
                        }
                        Some(position) => {
                            held.last = held.last.max(position);
                            held.placed.insert(position, number);
                        }
                    }
                }
                self.deadlines.insert((entry.expires_at(), number));
            }
            Phase::Dead => self.dead.insert(payer, self.bounds.dead_until(&entry), number, entry.cost()),
            Phase::Ended => self.ended.insert(payer, self.bounds.ended_until(&entry), number, 0),
        }
        self.live += entry.weight();
        self.keys.insert(self.key_of(&entry), number);
        self.entries.insert(number, Box::new(entry));
    }

    fn load_taken(&mut self, number: u64, at: u64, position: Option<u64>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if entry.phase != Phase::Waiting {
            return;
        }
        entry.handed = true;
        if entry.taken == NEVER {
            entry.taken = entry.after(at);
        }
        if entry.state == State::Accepted {
            entry.state = State::Delivering;
        }
        let Some(position) = position.filter(|position| *position != 0) else { return };
        let old = std::mem::replace(&mut entry.position, position);
        let order = entry.order(number);
        if let Some(held) = self.boxes.get_mut(&entry.to) {
            held.fresh.remove(&order);
            held.held.remove(&order);
            held.placed.remove(&old);
            held.placed.insert(position, number);
            held.last = held.last.max(position);
        }
    }

    fn load_again(&mut self, number: u64, at: u64) {
        let Some(entry) = self.entry(number) else { return };
        if entry.phase != Phase::Dead {
            return;
        }
        let entry = entry.clone();
        self.dead.remove(self.payer(entry.caller), self.bounds.dead_until(&entry), number, entry.cost());
        self.count_in(&entry, at);
        self.end_again(number, true, at);
    }

    fn load_last(&mut self, to: &str, position: u64) {
        let name = self.names.take(to);
        match self.boxes.get_mut(&name) {
            Some(held) => {
                held.last = held.last.max(position);
                // The mailbox has its own use of the name.
                self.names.release(name);
            }
            None => {
                self.boxes.insert(name, super::Mailbox { last: position, ..super::Mailbox::default() });
                self.idle.insert((0, name));
            }
        }
    }
}

const NEW: Standing<'static> = Standing {
    phase: Phase::Waiting,
    state: State::Accepted,
    handed: false,
    position: 0,
    renewed: 0,
    taken: NEVER,
    delivered: NEVER,
    ended: NEVER,
    reason: None,
};
