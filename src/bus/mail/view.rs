//! A message as it is shown: what the table knows of it, and its words from the disk.
//!
//! The table is asked under its lock, the disk without it; a line that moved in between is looked up
//! again. Looking changes nothing, and lists come in pages that are bounded in number and bytes.

use super::{
    Inner, Mail, Shared, read,
    record::Words,
    table::Entry,
    types::{Info, Message, NewMessage, Page, State},
};
use crate::{
    limits,
    store::journal::JournalError,
    wire::{address::HomeId, id::AgentId},
};

/// Tries to read words that move from one segment to another meanwhile.
const TRIES: usize = 3;

/// Entries that are looked at under one lock.
const STEP: usize = 4_096;

/// A message without its words, as it stood at one moment.
pub(super) struct Seen {
    pub number: u64,
    pub entry: Entry,
    to: AgentId,
    caller: String,
    reason: Option<String>,
    via: Option<HomeId>,
}

/// A message that was accepted this moment, and is held for its typing.
pub(super) fn of_new(new: &NewMessage<'_>, number: u64, now: u64) -> Message {
    Message {
        number,
        id: new.id.to_owned(),
        caller: new.caller.to_owned(),
        from: new.from.to_owned(),
        to: new.to.clone(),
        kind: new.kind,
        text: new.text.to_owned(),
        priority: new.priority,
        sent_at: now,
        expires_at: now.saturating_add(new.ttl_ms),
        state: State::Delivering,
        redelivered: new.redelivered,
        position: None,
        correlation_id: new.correlation_id.map(str::to_owned),
        in_reply_to: new.in_reply_to.map(str::to_owned),
        reason: None,
        hold: new.hold,
        via: new.via.cloned(),
    }
}

impl Inner {
    /// The message as it stands now.
    pub(super) fn see(&self, number: u64) -> Option<Seen> {
        let entry = self.table.entry(number)?.clone();
        let to = AgentId::parse(self.table.text(entry.to)).ok()?;
        let caller = self.table.text(entry.caller).to_owned();
        let reason = entry.reason.map(|reason| self.table.text(reason).to_owned());
        let via = entry.via.and_then(|via| HomeId::parse(self.table.text(via)).ok());
        Some(Seen { number, entry, to, caller, reason, via })
    }
}

impl Shared {
    /// The words of a message. Its line may be on the move: then it is looked up again.
    pub(super) fn words(&self, seen: &Seen) -> Result<Words, JournalError> {
        let mut place = seen.entry.place;
        let mut error = JournalError::Gone;
        for _ in 0..TRIES {
            let Some(at) = place else { break };
            match self.journal.read(at) {
                Ok(json) => return read::words(&json).ok_or(JournalError::Gone),
                Err(again) => error = again,
            }
            let now = self.lock().table.entry(seen.number).and_then(|entry| entry.place);
            if now == place {
                break;
            }
            place = now;
        }
        Err(error)
    }
}

impl Seen {
    /// With its words.
    pub fn message(self, words: Words) -> Message {
        let Seen { number, entry, to, caller, reason, via } = self;
        Message {
            number,
            caller,
            from: words.from,
            to,
            kind: entry.kind,
            text: words.text.unwrap_or_default(),
            priority: entry.priority,
            sent_at: entry.sent_at,
            expires_at: entry.expires_at(),
            state: entry.state,
            redelivered: entry.handed,
            position: entry.position(),
            correlation_id: words.correlation_id,
            in_reply_to: words.in_reply_to,
            reason,
            hold: entry.hold,
            via,
            id: entry.id.into(),
        }
    }

    fn info(self, words: Words) -> Info {
        let Seen { number, entry, to, caller, reason, via } = self;
        Info {
            number,
            caller,
            from: words.from,
            to,
            kind: entry.kind,
            priority: entry.priority,
            sent_at: entry.sent_at,
            expires_at: entry.expires_at(),
            state: entry.state,
            redelivered: entry.handed && entry.state == State::Accepted,
            position: entry.position(),
            correlation_id: words.correlation_id,
            in_reply_to: words.in_reply_to,
            history: entry.history(),
            reason,
            hold: entry.hold,
            via,
            size: entry.size as usize,
            id: entry.id.into(),
        }
    }
}

impl Mail {
    /// Whether a message was accepted before under this id, and not refused then, or is just being. `via`: for the instance of
    /// this home.
    pub fn knows(&self, caller: &str, to: &AgentId, via: Option<&HomeId>, id: &str) -> bool {
        let inner = self.shared.lock();
        let known = inner.table.known(caller, to.as_str(), via.map(HomeId::as_str), id);
        known.is_some_and(|(_, entry)| inner.table.refusal(entry).is_none())
    }

    /// Why the message that was sent under this id before was refused, where it was.
    pub fn refused_before(
        &self,
        caller: &str,
        to: &AgentId,
        via: Option<&HomeId>,
        id: &str,
    ) -> Option<String> {
        let inner = self.shared.lock();
        let (_, entry) = inner.table.known(caller, to.as_str(), via.map(HomeId::as_str), id)?;
        inner.table.refusal(entry).map(str::to_owned)
    }

    /// Where a message is on its way; `None`: it is not known any more.
    pub fn state_of(&self, number: u64) -> Option<State> {
        self.shared.lock().table.entry(number).map(|entry| entry.state)
    }

    /// Whether a message waits for another instance, and the home of the one that it is for or that has it.
    pub fn kept_for(&self, number: u64) -> (bool, Option<HomeId>) {
        let inner = self.shared.lock();
        let Some(entry) = inner.table.entry(number) else { return (false, None) };
        let home = if entry.state == State::Forwarded { entry.reason } else { entry.via };
        (entry.is_held(), home.and_then(|home| HomeId::parse(inner.table.text(home)).ok()))
    }

    /// What waits for one agent, above a number: a look that changes nothing. At most `limit` messages
    /// with about `bytes` of text, at least one where there is one.
    pub fn look(
        &self,
        to: &AgentId,
        after: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<Page, super::MailError> {
        let inner = self.shared.lock();
        let (numbers, more) = inner.table.look(to.as_str(), after, limit, bytes);
        let seen = numbers.iter().filter_map(|number| inner.see(*number)).collect();
        drop(inner);
        self.page(after, seen, more)
    }

    /// What failed or expired, above a number, with the reason of each.
    pub fn dead(&self, after: u64, limit: usize) -> Result<Page, super::MailError> {
        let inner = self.shared.lock();
        let (numbers, more) = inner.table.dead(after, limit, limits::MAIL_PAGE);
        let seen = numbers.iter().filter_map(|number| inner.see(*number)).collect();
        drop(inner);
        self.page(after, seen, more)
    }

    /// What is known of the messages with an id: one for each sender and target that had it.
    pub fn find(&self, id: &str) -> Vec<Info> {
        let mut found = Vec::new();
        let mut after = Some(0);
        while let Some(from) = after {
            let inner = self.shared.lock();
            let (numbers, next) = inner.table.find(id, from, STEP);
            let seen: Vec<Seen> = numbers.iter().filter_map(|number| inner.see(*number)).collect();
            drop(inner);
            let room = limits::FOUND.saturating_sub(found.len());
            found.extend(seen.into_iter().take(room).map(|seen| self.info(seen)));
            after = next.filter(|_| found.len() < limits::FOUND);
        }
        found
    }

    /// Whose words cannot be read any more is shown without them.
    pub(super) fn info(&self, seen: Seen) -> Info {
        let nothing = Words { from: String::new(), correlation_id: None, in_reply_to: None, text: None };
        let words = self.shared.words(&seen).unwrap_or(nothing);
        seen.info(words)
    }

    fn page(&self, after: u64, seen: Vec<Seen>, more: bool) -> Result<Page, super::MailError> {
        let mut page = Page { messages: Vec::new(), next: after, more };
        for seen in seen {
            page.next = seen.number;
            match self.shared.words(&seen) {
                // It ended while it was looked up.
                Ok(Words { text: None, .. }) | Err(JournalError::Gone) => {}
                Ok(words) => {
                    let message = seen.message(words);
                    // What is being read, or was, comes to nobody again as it stands.
                    let redelivered = message.redelivered && message.state == State::Accepted;
                    page.messages.push(Message { redelivered, ..message });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(page)
    }
}
