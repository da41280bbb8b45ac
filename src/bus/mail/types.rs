//! The words of the mailbox: what a message is, which states it goes through, and how it is asked for.
//!
//! Plain data, shared by everything that sends, reads or shows messages. The words of states, kinds and
//! priorities that callers and the journal see are spelled here and nowhere else.

use crate::wire::{address::HomeId, id::AgentId};

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

    pub(super) fn read(text: &str) -> Option<Self> {
        [Kind::Send, Kind::Inject, Kind::Broadcast, Kind::Ask, Kind::Reply]
            .into_iter()
            .find(|kind| kind.as_str() == text)
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

    pub(super) fn read(text: &str) -> Option<Self> {
        [Priority::Normal, Priority::High, Priority::Urgent].into_iter().find(|p| p.as_str() == text)
    }

    /// The most urgent has the lowest.
    pub(super) fn rank(self) -> u64 {
        match self {
            Priority::Urgent => 0,
            Priority::High => 1,
            Priority::Normal => 2,
        }
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
    /// another instance has it; the reason is that one's home
    Forwarded,
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
            State::Forwarded => "forwarded",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        use State::{Accepted, Delivered, Delivering, Expired, Failed, Forwarded, Read};
        [Accepted, Delivering, Delivered, Read, Failed, Expired, Forwarded]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// A message that is to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// the sender's, or one that was made; 1 to [`crate::limits::MESSAGE_ID`] bytes
    pub id: &'a str,
    /// who sent it, as admission named him: `owner`, `api`, `agent NAME`
    pub caller: &'a str,
    /// what the reader is shown as the sender
    pub from: &'a str,
    /// whose mailbox
    pub to: &'a AgentId,
    /// what kind
    pub kind: Kind,
    /// the words; at most [`crate::limits::MESSAGE_TEXT`] bytes
    pub text: &'a str,
    /// how urgent
    pub priority: Priority,
    /// how long it may wait; moved into the bounds of [`crate::limits`]
    pub ttl_ms: u64,
    /// the sender's mark for a question and what belongs to it
    pub correlation_id: Option<&'a str>,
    /// the id of the message that this one answers
    pub in_reply_to: Option<&'a str>,
    /// it is about to be typed, or handed to another instance: `delivering` with the same sync;
    /// [`super::Accepted::handed`] holds it
    pub claim: bool,
    /// it may be handed to another instance
    pub hold: bool,
    /// the home of the one that it is for; `None`: of any
    pub via: Option<&'a HomeId>,
    /// a reader may have had it before it came here
    pub redelivered: bool,
}

/// A message with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// of this instance's mailbox, rising
    pub number: u64,
    /// the sender's, or one that was made
    pub id: String,
    /// who sent it, as admission named him
    pub caller: String,
    /// what the reader is shown as the sender
    pub from: String,
    /// whose mailbox
    pub to: AgentId,
    /// what kind
    pub kind: Kind,
    /// the words
    pub text: String,
    /// how urgent
    pub priority: Priority,
    /// unix ms
    pub sent_at: u64,
    /// unix ms
    pub expires_at: u64,
    /// where it is on its way
    pub state: State,
    /// a reader may have had it before
    pub redelivered: bool,
    /// where it stands in its mailbox for a cursor, once it was handed to one
    pub position: Option<u64>,
    /// the sender's mark
    pub correlation_id: Option<String>,
    /// the id of the message that this one answers
    pub in_reply_to: Option<String>,
    /// why it failed or expired, or the home of the instance that has it
    pub reason: Option<String>,
    /// it may be handed to another instance
    pub hold: bool,
    /// the home of the one that it is for; `None`: of any
    pub via: Option<HomeId>,
}

/// What is known of a message beside its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// of this instance's mailbox, rising
    pub number: u64,
    /// the sender's, or one that was made
    pub id: String,
    /// who sent it, as admission named him
    pub caller: String,
    /// what the reader is shown as the sender
    pub from: String,
    /// whose mailbox
    pub to: AgentId,
    /// what kind
    pub kind: Kind,
    /// how urgent
    pub priority: Priority,
    /// unix ms
    pub sent_at: u64,
    /// unix ms
    pub expires_at: u64,
    /// where it is on its way
    pub state: State,
    /// it waits, and a reader may have had it before: it comes marked
    pub redelivered: bool,
    /// where it stands in its mailbox for a cursor, once it was handed to one
    pub position: Option<u64>,
    /// the sender's mark
    pub correlation_id: Option<String>,
    /// the id of the message that this one answers
    pub in_reply_to: Option<String>,
    /// the states it went through, with their unix ms, oldest first
    pub history: Vec<(State, u64)>,
    /// why it failed or expired, or the home of the instance that has it
    pub reason: Option<String>,
    /// it may be handed to another instance
    pub hold: bool,
    /// the home of the one that it is for; `None`: of any
    pub via: Option<HomeId>,
    /// of its words, in bytes
    pub size: usize,
}

/// Some messages of a longer list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// in the order in which they were accepted
    pub messages: Vec<Message>,
    /// what to give as `after` for the next page
    pub next: u64,
    /// whether there is one
    pub more: bool,
}

/// How messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// once they are sent they are out of the mailbox: AgentMux's read, and push
    Final,
    /// they stay until they are acknowledged
    UntilAcked {
        /// only what stands above this position, and what nobody had yet; `None`: everything
        after: Option<u64>,
    },
}

/// Which messages their reader has done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack<'a> {
    /// all up to this position
    Through(u64),
    /// these; refused where one of the ids is of two messages, of different senders
    Ids(&'a [&'a str]),
    /// these, by what nobody but the instance chooses
    Numbers(&'a [u64]),
}
