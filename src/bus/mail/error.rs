//! Why the mailbox does not do what it is asked, in words that name the limit.
//!
//! Each reason has a status, a stable code, a sentence, and the limit where one was reached; all surfaces
//! take theirs from here. A disk that is full, broken or too slow is three different answers, because
//! what the sender should do next differs.

use crate::{limits, store::journal::JournalError};

/// Which bound refuses a message. Those of agents are lower: the last places are the owner's, so
/// that no agent can keep him from reaching another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// so many messages wait in that mailbox
    Mailbox(usize),
    /// so many mailboxes hold messages
    Mailboxes(usize),
    /// so many bytes wait in all
    Bytes(usize),
    /// so many messages of this sender wait in that mailbox
    SenderMessages(usize),
    /// so many bytes of this sender wait in all
    SenderBytes(usize),
}

/// Status, stable code, sentence, and the limit where one was reached.
pub type Answer = (u16, &'static str, String, Option<u64>);

impl Full {
    /// The answer, which names the limit (design section 6).
    pub fn answer(self) -> Answer {
        let (code, limit, sentence) = match self {
            Full::Mailbox(most) => ("mailbox_full", most, format!("mailbox full: {most} messages wait")),
            Full::Mailboxes(most) => {
                ("mailboxes_full", most, format!("{most} mailboxes hold messages already"))
            }
            Full::Bytes(most) => {
                ("mail_full", most, format!("{most} bytes of undelivered messages wait already"))
            }
            Full::SenderMessages(most) => (
                "sender_share_full",
                most,
                format!("{most} messages of this sender wait in that mailbox already"),
            ),
            Full::SenderBytes(most) => {
                ("sender_share_full", most, format!("{most} bytes of this sender's messages wait already"))
            }
        };
        (429, code, sentence, Some(most_of(limit)))
    }
}

/// Why the mailbox refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailError {
    /// a bound
    Full(Full),
    /// this sender sent another text to this agent under the same id
    IdReused,
    /// an id that several senders chose is of several messages
    Ambiguous,
    /// a field is too long, or empty where it may not be
    Field(&'static str, usize),
    /// there is no such message, or not where it is looked for
    NotFound,
    /// it is there, and neither failed nor expired
    NotDead,
    /// the journal
    Journal(JournalError),
}

impl MailError {
    /// The answer.
    pub fn answer(&self) -> Answer {
        match self {
            MailError::Full(full) => full.answer(),
            MailError::IdReused => (
                409,
                "id_reused",
                "another message was sent to this agent under the same id".to_owned(),
                None,
            ),
            MailError::Ambiguous => (
                409,
                "id_ambiguous",
                "several senders chose this id: name the message by its number".to_owned(),
                None,
            ),
            MailError::Field(field, most) => (
                400,
                "wrong_field",
                format!("field '{field}' must be 1 to {most} bytes long"),
                Some(most_of(*most)),
            ),
            MailError::NotFound => (404, "message_not_found", "there is no such message".to_owned(), None),
            MailError::NotDead => {
                (409, "not_dead", "this message neither failed nor expired".to_owned(), None)
            }
            MailError::Journal(error) => match error {
                JournalError::NoSpace => {
                    (507, "no_space", "the disk is full: nothing was accepted".to_owned(), None)
                }
                JournalError::TooLong => (
                    413,
                    "message_too_long",
                    "the message is too long to be kept".to_owned(),
                    Some(most_of(limits::MESSAGE_TEXT)),
                ),
                JournalError::Slow | JournalError::Busy => {
                    (503, "journal_slow", "the disk does not keep up: try again".to_owned(), None)
                }
                JournalError::Io
                | JournalError::Gone
                | JournalError::Malformed
                | JournalError::Refused(_) => (500, "journal_failed", "the disk failed".to_owned(), None),
            },
        }
    }
}

impl From<JournalError> for MailError {
    fn from(error: JournalError) -> Self {
        MailError::Journal(error)
    }
}

impl From<Full> for MailError {
    fn from(full: Full) -> Self {
        MailError::Full(full)
    }
}

fn most_of(limit: usize) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}
