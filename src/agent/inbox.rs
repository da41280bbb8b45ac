//! The inbox of an agent, in files: each message beside its delivery, and the answers to its asks (spec
//! genswarms E.5, J.2).
//!
//! The agent may do in these directories whatever it likes. They are opened anew for each file, written to
//! without following a link, and bounded: the oldest messages go first, and an answer that nobody fetched
//! goes after an hour.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use crate::{
    agent::outbox::is_reply_id,
    limits,
    store::{Lent, LentError},
    wire::{clock::Clock, date},
};

/// The directory's name in the agent's own.
pub const NAME: &str = "inbox";
/// The name, in there, of the directory of answers.
pub const REPLIES: &str = "replies";

/// An agent's inbox.
pub struct Inbox {
    /// the agent's own directory
    root: Arc<Lent>,
    clock: Arc<dyn Clock>,
    seq: u64,
    /// what was written and not removed, oldest first, with its size
    messages: VecDeque<(String, usize)>,
    bytes: usize,
    /// the same of answers, with the time
    replies: VecDeque<(String, u64)>,
}

impl Inbox {
    /// The inbox in an agent's own directory. What an earlier run left there is not touched.
    pub fn open(root: Arc<Lent>, clock: Arc<dyn Clock>) -> Self {
        Self { root, clock, seq: 0, messages: VecDeque::new(), bytes: 0, replies: VecDeque::new() }
    }

    /// Writes a message that is delivered to the agent now; the oldest ones go where there are too many.
    pub fn deliver(&mut self, from: &str, content: &str) -> Result<(), LentError> {
        let directory = self.root.below(NAME)?;
        let seq = self.seq.saturating_add(1);
        let name = format!("{seq:04}_{}.json", in_a_name(from));
        let timestamp = date::rfc3339(self.clock.unix_ms() / 1_000);
        let message =
            json!({"from": from, "content": content, "seq": seq, "timestamp": timestamp}).to_string();
        directory.write(&name, message.as_bytes())?;
        self.seq = seq;
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back((name, message.len()));
        while self.messages.len() > limits::INBOX_FILES || self.bytes > limits::INBOX_BYTES {
            let Some((name, size)) = self.messages.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size);
            // Where it cannot be removed, the agent sees to that itself.
            let _ = directory.remove(name.as_ref());
        }
        Ok(())
    }

    /// Writes the answer to an ask, as a whole; nothing where `id` is none.
    pub fn reply(&mut self, id: &str, envelope: &Value) -> Result<(), LentError> {
        if !is_reply_id(id) {
            return Err(LentError::Missing);
        }
        let directory = self.root.below(NAME)?.below(REPLIES)?;
        let name = format!("{id}.json");
        directory.write(&name, envelope.to_string().as_bytes())?;
        self.replies.push_back((name, self.clock.monotonic_ms()));
        self.prune_in(&directory);
        Ok(())
    }

    /// Removes answers that nobody fetched for too long.
    pub fn prune(&mut self) {
        if let Ok(directory) = self.root.below(NAME).and_then(|inbox| inbox.below(REPLIES)) {
            self.prune_in(&directory);
        }
    }

    fn prune_in(&mut self, directory: &Lent) {
        let now = self.clock.monotonic_ms();
        while let Some((name, written)) = self.replies.front()
            && (self.replies.len() > limits::REPLIES || now.saturating_sub(*written) >= limits::REPLY_KEPT_MS)
        {
            // An answer of the same id that came later stays.
            if !self.replies.iter().skip(1).any(|(later, _)| later == name) {
                let _ = directory.remove(name.as_ref());
            }
            self.replies.pop_front();
        }
    }
}

/// A sender's name as a part of a file's name.
fn in_a_name(from: &str) -> String {
    const LONGEST: usize = 64;
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    from.chars().map(plain).take(LONGEST).collect()
}

#[cfg(test)]
#[path = "inbox/tests.rs"]
mod tests;
