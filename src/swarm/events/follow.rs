//! A place in the stream: who follows holds a number and asks for what came after it.
//!
//! Nothing is queued for anybody, so a slow one holds up nobody, costs nothing, and is told how much it missed.

use std::sync::Arc;

use super::{Entry, Hub};
use crate::{agent::Watch, sys::poll::Wake};

/// A place in the stream. Dropping it ends the following.
pub struct Follow {
    hub: Arc<Hub>,
    /// the place of the next entry
    next: u64,
    /// with all that is pushed
    pushes: bool,
    _watch: Watch,
}

/// What came next.
#[derive(Debug, Default)]
pub struct Batch {
    /// entries that came before these, after the last batch, and are kept no more
    pub missed: u64,
    /// in their order
    pub entries: Vec<Arc<Entry>>,
}

impl Follow {
    pub(super) fn new(hub: Arc<Hub>, wake: Arc<Wake>, pushes: bool) -> Self {
        // First woken, then placed: nothing comes between the two.
        let watch = hub.watch(wake);
        let next = hub.join(pushes);
        Self { hub, next, pushes, _watch: watch }
    }

    /// What came since the last time, at most `most`; nothing where nothing did. The wake is to be cleared before
    /// this is asked, and asked again where there were `most`.
    pub fn next(&mut self, most: usize) -> Batch {
        let (missed, entries) = self.hub.after(self.next, most);
        let passed = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.next = self.next.saturating_add(missed).saturating_add(passed);
        Batch { missed, entries }
    }

    /// Gives entries back: the one of this place comes next again. No place that is still to come is skipped by it.
    pub fn back_to(&mut self, at: u64) {
        self.next = self.next.min(at);
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.hub.leave(self.pushes);
    }
}
