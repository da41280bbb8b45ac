//! What is kept for other instances, as the thread sees it that hands it over.
//!
//! Looking changes nothing; a message is claimed before it leaves, like one that is typed.

use super::{Mail, table};
use crate::wire::{address::HomeId, id::AgentId};

/// A message that is to be handed over before all others of its sender to that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// of this instance's mailbox
    pub number: u64,
    /// who sent it, as admission named him
    pub caller: String,
    /// the home of the instance that it is for; `None`: of any
    pub via: Option<HomeId>,
    /// nobody does something with it just now
    pub free: bool,
}

impl From<table::Held<'_>> for Held {
    fn from(held: table::Held<'_>) -> Self {
        let via = held.via.and_then(|via| HomeId::parse(via).ok());
        Self { number: held.number, caller: held.caller.to_owned(), via, free: held.free }
    }
}

impl Mail {
    /// The names for which something is kept that may be handed over, in order.
    pub fn names_held(&self) -> Vec<AgentId> {
        let inner = self.shared.lock();
        let mut names: Vec<AgentId> =
            inner.table.names_held().filter_map(|name| AgentId::parse(name).ok()).collect();
        drop(inner);
        names.sort();
        names
    }

    /// How much is kept in all that may be handed over.
    pub fn held_in_all(&self) -> usize {
        self.shared.lock().table.held_in_all()
    }

    /// The first message of each sender to a name, for each home that it named; of the first `most` of
    /// those.
    pub fn first_held(&self, to: &AgentId, most: usize) -> Vec<Held> {
        let inner = self.shared.lock();
        let mut first: Vec<Held> = Vec::new();
        for held in inner.table.held(to.as_str()) {
            if first.len() >= most {
                break;
            }
            let held = Held::from(held);
            if first.iter().all(|other| other.caller != held.caller || other.via != held.via) {
                first.push(held);
            }
        }
        first
    }

    /// The one that comes after it when it is gone.
    pub fn next_held(&self, to: &AgentId, before: &Held) -> Option<Held> {
        let inner = self.shared.lock();
        let via = before.via.as_ref().map(HomeId::as_str);
        let mut same = inner.table.held(to.as_str()).filter(|held| held.caller == before.caller);
        same.find(|held| held.via == via).map(Held::from)
    }

    /// Whether a sender's message to this name waits that one more may not overtake.
    pub fn has_held(&self, caller: &str, to: &AgentId, via: Option<&HomeId>) -> bool {
        let via = via.map(HomeId::as_str);
        self.shared
            .lock()
            .table
            .held(to.as_str())
            .any(|held| held.caller == caller && (held.via == via || held.via.is_none() || via.is_none()))
    }
}
