//! What waits for one agent: tasks and messages in one queue, bounded in number and in bytes.

use std::collections::VecDeque;

use crate::{agent::protocol::Item, limits};

/// Invariants: `bytes` is the sum of the items' texts, at most [`limits::SWARM_INBOX_BYTES`]; at most
/// [`limits::SWARM_INBOX`] items. One that was put back may be beyond both.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    items: VecDeque<Item>,
    bytes: usize,
}

/// No room.
pub(super) struct Full;

impl Inbox {
    pub fn push(&mut self, item: Item) -> Result<(), Full> {
        let bytes = self.bytes.saturating_add(size(&item));
        if self.items.len() >= limits::SWARM_INBOX || bytes > limits::SWARM_INBOX_BYTES {
            return Err(Full);
        }
        self.bytes = bytes;
        self.items.push_back(item);
        Ok(())
    }

    /// An item that was taken and could not be said comes next again. It was accepted: where its place was
    /// taken meanwhile, nothing else is until there is room.
    pub fn put_back(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(size(&item));
        self.items.push_front(item);
    }

    /// The next item, or the next message where tasks have to wait.
    pub fn take(&mut self, messages_only: bool) -> Option<Item> {
        let at = match messages_only {
            false => 0,
            true => self.items.iter().position(|item| matches!(item, Item::Message { .. }))?,
        };
        let item = self.items.remove(at)?;
        self.bytes = self.bytes.saturating_sub(size(&item));
        Some(item)
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Empties it; how many items there were.
    pub fn clear(&mut self) -> usize {
        let count = self.items.len();
        *self = Self::default();
        count
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Task { content } => content.len(),
        Item::Message { from, content } => from.len() + content.len(),
    }
}
