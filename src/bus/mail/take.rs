//! Taking, acknowledging, deleting, failing and redelivering: each with its line in the journal.
//!
//! The table changes under the lock, the line is waited for without it, and only then anybody is told:
//! `delivering` is on disk before the first byte reaches a reader. A line that the disk did not take is
//! undone in the table, and whoever asked hears why.

use std::sync::MutexGuard;

use super::{
    Handed, Inner, Mail, MailError,
    record::Record,
    table::{Acked, Chosen},
    types::{Ack, Info, Manner, State},
    view::Seen,
};
use crate::{store::journal::JournalError, wire::id::AgentId};

impl Mail {
    /// Takes messages for their reader: at most `limit` with about `bytes` of text, at least one where
    /// there is one. That they are on their way is on disk when this returns.
    pub fn take(
        &self,
        to: &AgentId,
        manner: Manner,
        limit: usize,
        bytes: usize,
    ) -> Result<Handed, MailError> {
        let last = manner == Manner::Final;
        self.hand_out(last, |inner, holder, now| {
            inner.table.choose(to.as_str(), manner, (limit, bytes), holder, now)
        })
    }

    /// Takes one message, to type it; `None`: somebody else has it, or it is over.
    pub fn claim(&self, number: u64) -> Result<Option<Handed>, MailError> {
        let handed = self.hand_out(true, |inner, holder, now| {
            inner.table.hold(number, holder, now).into_iter().collect()
        })?;
        Ok((!handed.messages.is_empty()).then_some(handed))
    }

    /// The message that nobody had yet and that is to be typed next for one agent, and whether it is an
    /// agent's; `from` says from which callers.
    pub fn next_for_typing(&self, to: &AgentId, from: &dyn Fn(&str) -> bool) -> Option<(u64, bool)> {
        self.shared.lock().table.next_for_typing(to.as_str(), from)
    }

    /// Its reader has done with these: they are out of the mailbox, and stay out, when this returns.
    /// How many they were; what a cursor never had is not among them.
    pub fn ack(&self, to: &AgentId, ack: Ack<'_>) -> Result<usize, MailError> {
        // Gathered before the lock is taken.
        let ack = Acked::from(ack);
        self.remove(|inner| inner.table.acked(to.as_str(), &ack), State::Read, None)
    }

    /// Removes waiting messages by their ids, unread; how many there were.
    pub fn delete(&self, to: &AgentId, ids: &[&str]) -> Result<usize, MailError> {
        let ids = ids.iter().copied().collect();
        self.remove(|inner| Ok(inner.table.deleted(to.as_str(), &ids)), State::Failed, Some("deleted"))
    }

    /// Gives a message up; it becomes a dead letter.
    pub fn fail(&self, number: u64, reason: &'static str) {
        let now = self.shared.clock.unix_ms();
        let mut inner = self.shared.lock();
        if inner.table.entry(number).is_none_or(|entry| entry.phase != super::table::Phase::Waiting) {
            return;
        }
        let record = Record::End {
            at: now,
            of: vec![number],
            state: State::Failed,
            dead: true,
            reason: Some(reason.into()),
        };
        self.shared.append_lazily(&mut inner, &record);
        inner.table.end(number, State::Failed, Some(reason), true, now);
    }

    /// Lets the dead letter with this id wait again; where there are several, the one with this number.
    pub fn redeliver(&self, id: &str, number: Option<u64>) -> Result<Info, MailError> {
        let now = self.shared.clock.unix_ms();
        let mut inner = self.shared.lock();
        let number = match inner.table.begin_again(id, number) {
            Ok(number) => number,
            Err(MailError::NotFound) => {
                drop(inner);
                let unknown = self.find(id).is_empty();
                return Err(if unknown { MailError::NotFound } else { MailError::NotDead });
            }
            Err(error) => return Err(error),
        };
        let (mut inner, result) = self.write_down(inner, &Record::Again { at: now, of: number });
        inner.table.end_again(number, result.is_ok(), now);
        let seen = inner.see(number).ok_or(MailError::NotFound)?;
        if result.is_ok()
            && let Ok(to) = AgentId::parse(inner.table.text(seen.entry.to))
        {
            inner.readers.tell(&to);
        }
        drop(inner);
        result?;
        Ok(self.info(seen))
    }

    /// Appends a line and waits until it is on disk, without the lock meanwhile.
    fn write_down<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner>,
        record: &Record<'_>,
    ) -> (MutexGuard<'a, Inner>, Result<(), JournalError>) {
        match self.shared.journal.append(|_, out| super::record::change(out, record)) {
            Ok(ticket) => {
                drop(inner);
                let result = self.shared.journal.wait(&ticket);
                (self.shared.lock(), result.map(drop))
            }
            Err(error) => (inner, Err(error)),
        }
    }

    /// Chooses, writes down, waits for the disk, and reads the words.
    fn hand_out(
        &self,
        last: bool,
        choose: impl FnOnce(&mut super::Inner, u32, u64) -> Vec<Chosen>,
    ) -> Result<Handed, MailError> {
        let now = self.shared.clock.unix_ms();
        let mut inner = self.shared.lock();
        let holder = inner.holder();
        let chosen = choose(&mut inner, holder, now);
        if chosen.is_empty() {
            return Ok(Handed::nothing());
        }
        let of: Vec<u64> =
            chosen.iter().filter(|chosen| chosen.is_news()).map(|chosen| chosen.number).collect();
        if !of.is_empty() {
            let position = |number: &u64| inner.table.entry(*number).map_or(0, |entry| entry.position);
            let positions = if last { Vec::new() } else { of.iter().map(position).collect() };
            let record = Record::Taken { at: now, of, positions };
            let written;
            (inner, written) = self.write_down(inner, &record);
            if let Err(error) = written {
                inner.table.undo(&chosen, holder);
                return Err(error.into());
            }
        }
        let numbers: Vec<u64> = chosen.iter().map(|chosen| chosen.number).collect();
        // One may have been acknowledged or given up meanwhile.
        let held = inner.table.still_held(&numbers, holder);
        let seen: Vec<Seen> = held.iter().filter_map(|number| inner.see(*number)).collect();
        inner.table.handed(&numbers);
        drop(inner);
        self.with_words(seen, holder, last)
    }

    /// The messages that were held, with their words. One whose line does not read any more is given
    /// up, so that it does not keep the others from their reader.
    fn with_words(&self, seen: Vec<Seen>, holder: u32, last: bool) -> Result<Handed, MailError> {
        let mut messages = Vec::with_capacity(seen.len());
        let mut failed = None;
        for seen in seen {
            match self.shared.words(&seen) {
                Ok(words) if words.text.is_some() => messages.push(seen.message(words)),
                Ok(_) | Err(JournalError::Gone) => self.lose(seen.number),
                Err(error) => {
                    self.shared.lock().table.release(&[seen.number], holder);
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if messages.is_empty() => Err(error.into()),
            Some(_) | None => Ok(Handed::new(&self.shared, messages, holder, last)),
        }
    }

    /// Takes messages out for good, on disk before it returns.
    fn remove(
        &self,
        choose: impl FnOnce(&mut super::Inner) -> Result<Vec<u64>, MailError>,
        state: State,
        reason: Option<&'static str>,
    ) -> Result<usize, MailError> {
        let now = self.shared.clock.unix_ms();
        let mut inner = self.shared.lock();
        let numbers = choose(&mut inner)?;
        if numbers.is_empty() {
            return Ok(0);
        }
        let record =
            Record::End { at: now, of: numbers.clone(), state, dead: false, reason: reason.map(Into::into) };
        let written;
        (inner, written) = self.write_down(inner, &record);
        match written {
            Ok(()) => {
                for number in &numbers {
                    inner.table.end(*number, state, reason, false, now);
                }
                Ok(numbers.len())
            }
            Err(error) => {
                inner.table.leave(&numbers, false);
                Err(error.into())
            }
        }
    }
}
