//! Messages on their way to a reader.
//!
//! Whoever holds them says when the reader has them, or that he certainly has not; dropped before that
//! they go back, and come again marked. So no way out of a function, and no thread that ends early, can lose a message or call one
//! delivered that was not.

use std::{fmt, sync::Arc};

use super::{
    Shared,
    record::Record,
    types::{Message, State},
};
use crate::wire::{address::HomeId, id::AgentId};

/// Messages that were taken. Nobody else gets them for as long as this lives.
#[must_use = "dropped without `sent` the messages go back"]
pub struct Handed {
    /// what was taken, in the order in which it is to be handed over
    pub messages: Vec<Message>,
    /// none where nothing was taken
    shared: Option<Arc<Shared>>,
    /// not 0
    holder: u32,
    /// they are out of the mailbox once they are sent
    last: bool,
}

impl Handed {
    pub(super) fn new(shared: &Arc<Shared>, messages: Vec<Message>, holder: u32, last: bool) -> Self {
        Self { messages, shared: Some(Arc::clone(shared)), holder, last }
    }

    pub(super) fn nothing() -> Self {
        Self { messages: Vec::new(), shared: None, holder: 0, last: false }
    }

    /// The reader has them. Written lazily: were it lost, they would come again, marked.
    pub fn sent(mut self) {
        if self.last {
            return self.over(State::Delivered, None, false);
        }
        let Some(shared) = self.shared.take() else { return };
        let (numbers, now) = (self.numbers(), shared.clock.unix_ms());
        let mut inner = shared.lock();
        shared.append_lazily(&mut inner, &Record::Got { at: now, of: numbers.clone() });
        inner.table.delivered(&numbers, self.holder, now);
        // A cursor that was kept from what stands above them may have it now.
        self.tell(&inner.readers);
    }

    /// The instance of this home has them. Written lazily: were it lost, they would be handed over again,
    /// and known there.
    pub fn forwarded(mut self, home: &HomeId) {
        self.over(State::Forwarded, Some(home.as_str()), false);
    }

    /// They are given up, and kept with their words where they are to be dead letters.
    pub fn failed(mut self, reason: &str, dead: bool) {
        self.over(State::Failed, Some(reason), dead);
    }

    /// They are given up, and their sender is told that they were not taken: that is on disk when this
    /// returns, as far as the disk takes it, or the next start would hand them over all the same.
    pub fn refused(mut self, reason: &str) {
        let shared = self.shared.clone();
        self.over(State::Failed, Some(reason), false);
        if let Some(Err(error)) = shared.map(|shared| shared.journal.flush()) {
            log::warn!("mail: that a message was refused is not on disk yet: {error}");
        }
    }

    /// Nothing of them has left: they go back as if they had not been taken. What was marked before
    /// stays so.
    pub fn unsent(mut self) {
        let Some(shared) = self.shared.take() else { return };
        let clean: Vec<u64> = self
            .messages
            .iter()
            .filter(|message| !message.redelivered)
            .map(|message| message.number)
            .collect();
        let mut inner = shared.lock();
        let of = inner.table.still_held(&clean, self.holder);
        if !of.is_empty() && shared.append_lazily(&mut inner, &Record::Back { of: of.clone() }) {
            inner.table.unmark(&of);
        }
        inner.table.release(&self.numbers(), self.holder);
        self.tell(&inner.readers);
    }

    fn over(&mut self, state: State, reason: Option<&str>, dead: bool) {
        let Some(shared) = self.shared.take() else { return };
        let (numbers, now) = (self.numbers(), shared.clock.unix_ms());
        let mut inner = shared.lock();
        let over = inner.table.still_held(&numbers, self.holder);
        if !over.is_empty() {
            let reason = reason.map(Into::into);
            shared.append_lazily(&mut inner, &Record::End { at: now, of: over.clone(), state, dead, reason });
        }
        for number in over {
            inner.table.end(number, state, reason, dead, now);
        }
        // What its reader has acknowledged meanwhile is on its way out another way.
        inner.table.release(&numbers, self.holder);
    }

    fn numbers(&self) -> Vec<u64> {
        self.messages.iter().map(|message| message.number).collect()
    }

    fn tell(&self, readers: &super::Readers) {
        let mut told: Option<&AgentId> = None;
        for message in &self.messages {
            if told != Some(&message.to) {
                readers.tell(&message.to);
                told = Some(&message.to);
            }
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut inner = shared.lock();
        inner.table.release(&self.numbers(), self.holder);
        self.tell(&inner.readers);
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}
