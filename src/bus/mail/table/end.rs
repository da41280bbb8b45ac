//! The end of a message: read, failed, expired; what is kept of it, and how it comes back.
//!
//! One that was delivered or read is remembered without its words, so that it is known when it is sent
//! again. One that failed or expired is a dead letter with its words, until its time is over or it is put
//! back, which takes room in its mailbox like a new one.

use super::{NEVER, Phase, Table};
use crate::bus::mail::{error::MailError, types::State};

impl Table {
    /// Ends a message that waits: it leaves its mailbox, and is kept with its words (`dead`) or without.
    pub fn end(&mut self, number: u64, state: State, reason: Option<&str>, dead: bool, now: u64) {
        if self.entry(number).is_none_or(|entry| entry.phase != Phase::Waiting) {
            return;
        }
        self.count_out(number, now);
        let reason = reason.map(|reason| self.names.take(reason));
        let Some(entry) = self.entries.get_mut(&number) else { return };
        self.live -= entry.weight();
        let old = std::mem::replace(&mut entry.reason, reason);
        entry.state = state;
        entry.ended = entry.after(now);
        if state == State::Delivered && entry.delivered == NEVER {
            entry.delivered = entry.ended;
        }
        entry.holder = 0;
        entry.leaving = false;
        entry.position = 0;
        entry.phase = if dead { Phase::Dead } else { Phase::Ended };
        self.live += entry.weight();
        let (caller, cost) = (entry.caller, entry.cost());
        let until = if dead { self.bounds.dead_until(entry) } else { self.bounds.ended_until(entry) };
        let payer = self.payer(caller);
        if dead {
            self.dead.insert(payer, until, number, cost);
        } else {
            self.ended.insert(payer, until, number, 0);
        }
        if let Some(old) = old {
            self.names.release(old);
        }
    }

    /// Some messages whose time to wait is over; those that a reader holds are waited for.
    pub fn expired(&self, now: u64, most: usize) -> Vec<u64> {
        self.deadlines
            .range(..=(now, u64::MAX))
            .map(|(_, number)| *number)
            .filter(|number| self.entry(*number).is_some_and(super::Entry::is_free))
            .take(most)
            .collect()
    }

    /// When the next one expires.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Drops what is kept for too long or beyond the bounds, at most `most` of it; whether all is
    /// within them now.
    pub fn sweep(&mut self, now: u64, most: usize) -> bool {
        for _ in 0..most {
            let bounds = self.bounds;
            let over = self.dead.over(bounds.dead, bounds.dead_bytes);
            if let Some(number) = self.dead.due(now).or(over) {
                self.bury(number);
                continue;
            }
            let Some(number) = self.ended.due(now).or_else(|| self.ended.over(bounds.ended, usize::MAX))
            else {
                return true;
            };
            self.forget(number, now);
        }
        false
    }

    /// A dead letter loses its words, and is remembered; not one that is on its way back.
    pub fn bury(&mut self, number: u64) {
        let dead = |entry: &&mut Box<super::Entry>| entry.phase == Phase::Dead && !entry.leaving;
        let Some(entry) = self.entries.get_mut(&number).filter(dead) else { return };
        self.live -= entry.weight();
        let (caller, cost) = (entry.caller, entry.cost());
        let (dead_until, ended_until) = (self.bounds.dead_until(entry), self.bounds.ended_until(entry));
        entry.phase = Phase::Ended;
        self.live += entry.weight();
        let payer = self.payer(caller);
        self.dead.remove(payer, dead_until, number, cost);
        self.ended.insert(payer, ended_until, number, 0);
    }

    /// The dead letter with this id, if there is room for it in its mailbox. It is marked as leaving,
    /// and its room is taken. Senders choose ids, and one may choose another's: where there are
    /// several, their number says which is meant.
    pub fn begin_again(&mut self, id: &str, number: Option<u64>) -> Result<u64, MailError> {
        let meant = |of: &u64| {
            number.is_none_or(|number| number == *of)
                && self.entry(*of).is_some_and(|entry| *entry.id == *id && !entry.leaving)
        };
        let mut found = self.dead.numbers().filter(meant);
        let number = match (found.next(), found.next()) {
            (Some(number), None) => number,
            (Some(_), Some(_)) => return Err(MailError::Ambiguous),
            (None, _) => return Err(MailError::NotFound),
        };
        drop(found);
        let Some(entry) = self.entry(number) else { return Err(MailError::NotFound) };
        self.room(self.names.text(entry.to), self.names.text(entry.caller), entry.cost())?;
        let entry = entry.clone();
        self.dead.remove(self.payer(entry.caller), self.bounds.dead_until(&entry), number, entry.cost());
        self.count_in(&entry, entry.ended_at());
        self.leave(&[number], true);
        Ok(number)
    }

    /// It waits again, for as long as it could at first; or it stays a dead letter after all.
    pub fn end_again(&mut self, number: u64, again: bool, now: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if entry.phase != Phase::Dead {
            return;
        }
        entry.leaving = false;
        if again {
            entry.phase = Phase::Waiting;
            entry.state = State::Accepted;
            entry.renewed = entry.after(now);
            (entry.taken, entry.delivered, entry.ended) = (NEVER, NEVER, NEVER);
            let (order, expires_at, to) = (entry.order(number), entry.expires_at(), entry.to);
            let reason = entry.reason.take();
            if let Some(held) = self.boxes.get_mut(&to) {
                held.fresh.insert(order);
                if entry.hold {
                    held.held.insert(order);
                }
            }
            self.deadlines.insert((expires_at, number));
            if let Some(reason) = reason {
                self.names.release(reason);
            }
        } else {
            let (caller, cost, until) = (entry.caller, entry.cost(), self.bounds.dead_until(entry));
            self.count_out(number, now);
            self.dead.insert(self.payer(caller), until, number, cost);
        }
    }

    /// The messages with an id among the entries above `after`, of which at most `most` are looked
    /// at; and where to go on.
    pub fn find(&self, id: &str, after: u64, most: usize) -> (Vec<u64>, Option<u64>) {
        let mut found = Vec::new();
        let mut looked = 0;
        for (number, entry) in self.above(after) {
            looked += 1;
            if *entry.id == *id && entry.phase != Phase::Reserved {
                found.push(number);
            }
            if looked == most {
                return (found, Some(number));
            }
        }
        (found, None)
    }
}
