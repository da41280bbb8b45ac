//! The members that count: each has a place from before its start until its tree is gone.
//!
//! They are counted together with the agents that run alone, so that swarms cannot start more of them than
//! the machine was said to bear.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::Member;
use crate::agent::{life::lock, registry::Table};

/// All members that are not done; `None` while one is being started, and for one without a process.
#[derive(Default)]
pub(in crate::agent) struct Members {
    next: u64,
    places: BTreeMap<u64, Option<Arc<Member>>>,
}

impl Members {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Those that run.
    pub fn all(&self) -> Vec<Arc<Member>> {
        self.places.values().flatten().cloned().collect()
    }

    /// The member of this place runs; it may have ended already, and given its place back.
    pub fn is_here(&mut self, number: u64, member: &Arc<Member>) {
        if let Some(place) = self.places.get_mut(&number) {
            *place = Some(member.clone());
        }
    }
}

/// A place among all agents; dropped, it is free again.
pub struct Place {
    number: u64,
    table: Arc<Mutex<Table>>,
}

impl Place {
    pub(in crate::agent) fn new(members: &mut Members, table: Arc<Mutex<Table>>) -> Self {
        let number = members.next;
        members.next = number.wrapping_add(1);
        members.places.insert(number, None);
        Self { number, table }
    }

    pub(in crate::agent) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.table).members.places.remove(&self.number);
    }
}
