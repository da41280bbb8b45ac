//! Messages that are over and still kept for a while: bounded, in number, bytes and time.
//!
//! When there are too many, the greediest sender loses his oldest. So nobody can push another's out by
//! making many of his own.

use std::collections::{BTreeSet, HashMap};

use super::names::Name;

#[derive(Debug, Default)]
struct Share {
    /// until when (unix ms), and which
    list: BTreeSet<(u64, u64)>,
    bytes: usize,
}

/// One kind of them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// `None`: of all callers of other instances, who can call themselves what they like
    shares: HashMap<Option<Name>, Share>,
    count: usize,
    bytes: usize,
}

impl Kept {
    /// Keeps a message until `until`.
    pub fn insert(&mut self, payer: Option<Name>, until: u64, number: u64, bytes: usize) {
        let share = self.shares.entry(payer).or_default();
        if share.list.insert((until, number)) {
            share.bytes += bytes;
            self.bytes += bytes;
            self.count += 1;
        }
    }

    /// Keeps it no more.
    pub fn remove(&mut self, payer: Option<Name>, until: u64, number: u64, bytes: usize) {
        let Some(share) = self.shares.get_mut(&payer) else { return };
        if share.list.remove(&(until, number)) {
            share.bytes -= bytes;
            self.bytes -= bytes;
            self.count -= 1;
            if share.list.is_empty() {
                self.shares.remove(&payer);
            }
        }
    }

    /// One whose time is over.
    pub fn due(&self, now: u64) -> Option<u64> {
        self.shares
            .values()
            .filter_map(|share| share.list.first())
            .find(|(until, _)| *until <= now)
            .map(|(_, number)| *number)
    }

    /// The one to drop where more than `count` or `bytes` are kept.
    pub fn over(&self, count: usize, bytes: usize) -> Option<u64> {
        let share = if self.bytes > bytes {
            self.shares.values().max_by_key(|share| share.bytes)
        } else if self.count > count {
            self.shares.values().max_by_key(|share| share.list.len())
        } else {
            None
        };
        share?.list.first().map(|(_, number)| *number)
    }

    /// All of them, in no order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.shares.values().flat_map(|share| share.list.iter().map(|(_, number)| *number))
    }
}
