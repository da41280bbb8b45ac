//! How much the mailbox holds, for how long, and for whom.
//!
//! The program's own bounds are in [`limits`]; tests take smaller ones. Where agents have a lower bound it
//! stands beside the other: the last places are the owner's.

use super::Entry;
use crate::limits;

/// The bounds. Those that end in `_agents` are for agents together, those in `_agent` for each, those in
/// `_far` for all callers of other instances together.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Bounds {
    pub mailbox: usize,
    pub mailbox_agents: usize,
    pub mailbox_agent: usize,
    pub mailbox_far: usize,
    pub mailboxes: usize,
    pub mailboxes_agents: usize,
    pub bytes: usize,
    pub bytes_agents: usize,
    pub bytes_agent: usize,
    pub bytes_far: usize,
    pub dead: usize,
    pub dead_bytes: usize,
    pub dead_ms: u64,
    pub ended: usize,
    pub ended_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            mailbox: limits::MAILBOX,
            mailbox_agents: limits::MAILBOX - limits::MAILBOX_OWNER,
            mailbox_agent: limits::MAILBOX_AGENT,
            mailbox_far: limits::MAILBOX_FAR,
            mailboxes: limits::MAILBOXES,
            mailboxes_agents: limits::MAILBOXES - limits::MAILBOXES_OWNER,
            bytes: limits::MAIL_BYTES,
            bytes_agents: limits::MAIL_BYTES - limits::MAIL_BYTES_OWNER,
            bytes_agent: limits::MAIL_BYTES_AGENT,
            bytes_far: limits::MAIL_BYTES_FAR,
            dead: limits::DEAD_LETTERS,
            dead_bytes: limits::DEAD_LETTER_BYTES,
            dead_ms: limits::DEAD_LETTER_MS,
            ended: limits::ENDED_MESSAGES,
            ended_ms: limits::ENDED_MESSAGE_MS,
        }
    }
}

impl Bounds {
    /// Until when a dead letter is kept with its words.
    pub fn dead_until(&self, entry: &Entry) -> u64 {
        entry.ended_at().saturating_add(self.dead_ms)
    }

    /// Until when a message that is over is remembered.
    pub fn ended_until(&self, entry: &Entry) -> u64 {
        entry.ended_at().saturating_add(self.ended_ms.max(entry.ttl.into()))
    }
}
