//! What is kept for other instances: which of it is to be handed over next, and that nothing of it left.
//!
//! A message is among these from the moment that it waits until somebody has it: a reader of its name here,
//! or another instance. One that a cursor was handed stays here for good.

use super::{Entry, NEVER, Name, Phase, Table, entry};
use crate::bus::mail::types::State;

/// How the reasons of those begin that were not handed over.
pub(in crate::bus) const NOT_FORWARDED: &str = "not forwarded";

/// A message that may be handed to another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Held<'a> {
    /// of the message
    pub number: u64,
    pub caller: &'a str,
    /// the home of the instance that it is for
    pub via: Option<&'a str>,
    /// nobody does something with it just now
    pub free: bool,
}

impl Table {
    /// The mailboxes that hold such messages.
    pub fn names_held(&self) -> impl Iterator<Item = &str> {
        let held = self.boxes.iter().filter(|(_, held)| !held.held.is_empty());
        held.map(|(name, _)| self.names.text(*name))
    }

    /// How many there are.
    pub fn held_in_all(&self) -> usize {
        self.boxes.values().map(|held| held.held.len()).sum()
    }

    /// Those of one mailbox, in the order in which they are to be handed over.
    pub fn held(&self, to: &str) -> impl Iterator<Item = Held<'_>> {
        let orders = self.mailbox(to).into_iter().flat_map(|held| held.held.iter());
        orders.filter_map(|order| {
            let number = entry::number_of(*order);
            let entry = self.entry(number)?;
            let text = |name: Name| self.names.text(name);
            let (caller, via) = (text(entry.caller), entry.via.map(text));
            Some(Held { number, caller, via, free: entry.is_free() })
        })
    }

    /// Why a message was not handed over and its sender was told so at once: it was not accepted, and he
    /// may send it again under its id.
    pub fn refusal(&self, entry: &Entry) -> Option<&str> {
        let over = entry.hold && entry.phase == Phase::Ended && entry.state == State::Failed;
        let reason = self.names.text(entry.reason.filter(|_| over)?);
        reason.starts_with(NOT_FORWARDED).then_some(reason)
    }

    /// Nothing of these left: they come unmarked.
    pub fn unmark(&mut self, numbers: &[u64]) {
        for number in numbers {
            let Some(entry) = self.entries.get_mut(number).filter(|entry| entry.is_held()) else { continue };
            (entry.handed, entry.taken) = (false, NEVER);
            if entry.state == State::Delivering && entry.holder == 0 {
                entry.state = State::Accepted;
            }
        }
    }
}
