//! Messages that wait, in memory only: bounded per agent, in names and in bytes.
//!
//! A full mailbox refuses and loses nothing that was accepted. A message sent twice under one id
//! by one sender waits once.

use std::collections::{HashMap, VecDeque};

use crate::{limits, wire::id::AgentId};

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// sent to wait for its reader
    Send,
    /// meant for the terminal, and waiting because it could not be typed
    Inject,
    /// one copy of a message to all
    Broadcast,
    /// a question that waits for a reply
    Ask,
    /// the reply to a question
    Reply,
}

impl Kind {
    /// As answers and the journal write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Inject => "inject",
            Kind::Broadcast => "broadcast",
            Kind::Ask => "ask",
            Kind::Reply => "reply",
        }
    }
}

/// How urgent it is; the more urgent come first, whenever they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// after all others
    Normal,
    /// before normal ones
    High,
    /// before all others
    Urgent,
}

impl Priority {
    /// As answers and the journal write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }

    /// What a sender asked for; a word that is not known is normal (spec agentmux B.11).
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or(Priority::Normal)
    }

    fn read(text: &str) -> Option<Self> {
        [Priority::Normal, Priority::High, Priority::Urgent].into_iter().find(|p| p.as_str() == text)
    }
}

/// Where a message is on its way (design section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// on disk, and nobody has it
    Accepted,
    /// on its way to a reader, who may or may not have it
    Delivering,
    /// handed to its reader
    Delivered,
    /// its reader said so
    Read,
    /// given up, for a reason that is told
    Failed,
    /// nobody took it, or said that it was read, in time
    Expired,
}

impl State {
    /// As answers and the journal write it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Delivering => "delivering",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Failed => "failed",
            State::Expired => "expired",
        }
    }
}

/// Status, stable code, sentence, and the limit where one was reached.
pub type Answer = (u16, &'static str, String, Option<u64>);

/// Why the mailbox refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailError {
    /// a bound
    Full(Full),
}

impl MailError {
    /// The answer.
    pub fn answer(self) -> Answer {
        match self {
            MailError::Full(full) => {
                let (code, sentence) = full.answer();
                (429, code, sentence, (full == Full::Mailbox).then_some(1_000))
            }
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// the sender's, or one that was made
    pub id: String,
    /// who sent it, as admission named him
    pub from: String,
    /// the text as sent
    pub text: String,
    /// unix ms
    pub sent_at: u64,
}

impl Message {
    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        OVERHEAD + self.id.len() + self.from.len() + self.text.len()
    }
}

/// Of a message beside its texts, allocations included: so that many small ones are bounded too.
const OVERHEAD: usize = 200;

/// Which bound refuses a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// [`limits::MAILBOX`]
    Mailbox,
    /// [`limits::MAILBOXES`]
    Mailboxes,
    /// [`limits::MAIL_BYTES`]
    Bytes,
}

impl Full {
    /// The stable code and the sentence of the answer, which names the limit (design section 6).
    pub fn answer(self) -> (&'static str, String) {
        match self {
            Full::Mailbox => ("mailbox_full", format!("mailbox full: {} messages wait", limits::MAILBOX)),
            Full::Mailboxes => {
                ("mailboxes_full", format!("{} mailboxes hold messages already", limits::MAILBOXES))
            }
            Full::Bytes => {
                ("mail_full", format!("{} bytes of undelivered messages wait already", limits::MAIL_BYTES))
            }
        }
    }
}

/// All mailboxes.
#[derive(Debug)]
pub struct Mail {
    /// none is empty
    boxes: HashMap<AgentId, VecDeque<Message>>,
    /// of all messages in `boxes`
    bytes: usize,
    most_bytes: usize,
}

impl Default for Mail {
    fn default() -> Self {
        Self { boxes: HashMap::new(), bytes: 0, most_bytes: limits::MAIL_BYTES }
    }
}

impl Mail {
    /// Lets a message wait.
    pub fn put(&mut self, to: &AgentId, message: Message) -> Result<(), Full> {
        let size = message.bytes();
        let waiting = self.boxes.get(to);
        if waiting.is_some_and(|held| held.iter().any(|m| m.id == message.id && m.from == message.from)) {
            return Ok(());
        }
        if waiting.is_some_and(|held| held.len() >= limits::MAILBOX) {
            return Err(Full::Mailbox);
        }
        if waiting.is_none() && self.boxes.len() >= limits::MAILBOXES {
            return Err(Full::Mailboxes);
        }
        if size > self.most_bytes.saturating_sub(self.bytes) {
            return Err(Full::Bytes);
        }
        self.bytes += size;
        self.boxes.entry(to.clone()).or_default().push_back(message);
        Ok(())
    }

    /// How many wait for one agent.
    pub fn waiting(&self, to: &AgentId) -> usize {
        self.boxes.get(to).map_or(0, VecDeque::len)
    }

    /// How many wait in all.
    pub fn waiting_in_all(&self) -> usize {
        self.boxes.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("a valid id")
    }

    fn message(id: &str, text: &str) -> Message {
        Message { id: id.to_owned(), from: "a".to_owned(), text: text.to_owned(), sent_at: 1 }
    }

    #[test]
    fn a_full_mailbox_refuses_and_loses_nothing() {
        let mut mail = Mail::default();
        for n in 0..limits::MAILBOX {
            assert_eq!(mail.put(&id("a"), message(&n.to_string(), "x")), Ok(()));
        }
        assert_eq!(mail.put(&id("a"), message("more", "x")), Err(Full::Mailbox));
        assert_eq!(mail.waiting(&id("a")), limits::MAILBOX);
        assert_eq!(mail.boxes[&id("a")][0].id, "0", "the oldest is still there");
        assert_eq!(mail.put(&id("b"), message("1", "x")), Ok(()), "another's mailbox is not full");
    }

    #[test]
    fn mailboxes_are_bounded() {
        let mut mail = Mail::default();
        for n in 0..limits::MAILBOXES {
            assert_eq!(mail.put(&id(&format!("a{n}")), message("1", "x")), Ok(()));
        }
        assert_eq!(mail.put(&id("more"), message("1", "x")), Err(Full::Mailboxes));
        assert_eq!(mail.put(&id("a0"), message("2", "x")), Ok(()));
    }

    #[test]
    fn undelivered_bytes_are_bounded() {
        assert_eq!(Mail::default().most_bytes, limits::MAIL_BYTES);
        let mut mail = Mail { most_bytes: 2 * OVERHEAD + 12, ..Mail::default() };
        assert_eq!(mail.put(&id("a"), message("1", "12345678")), Ok(()));
        assert_eq!(mail.put(&id("b"), message("2", "1")), Err(Full::Bytes));
        assert_eq!(mail.put(&id("b"), message("2", "")), Ok(()));
        assert_eq!(mail.put(&id("c"), message("3", "")), Err(Full::Bytes), "an empty one takes room too");
        assert_eq!(mail.waiting_in_all(), 2);
    }

    #[test]
    fn a_message_sent_twice_waits_once() {
        let mut mail = Mail::default();
        assert_eq!(mail.put(&id("a"), message("1", "x")), Ok(()));
        assert_eq!(mail.put(&id("a"), message("1", "x")), Ok(()));
        assert_eq!(mail.waiting(&id("a")), 1);
    }
}
