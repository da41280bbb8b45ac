//! What wrong credentials cost: a bucket per peer, sans-IO (design section 5, step 5).
//!
//! A right credential never pays and is never held up, so guessing cannot lock the owner out.
//! Bounded: when the table is full of peers that still owe, the others share one bucket.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{Admission, Refusal, refusal::payer};
use crate::limits;

/// Milliseconds that one wrong credential weighs.
const COST_MS: u64 = 1_000 / limits::WRONG_CREDENTIALS_PER_SECOND as u64;

/// Most that a peer may owe, in the same unit.
const BURST_MS: u64 = COST_MS * limits::WRONG_CREDENTIALS_BURST as u64;

/// Debts of peers.
#[derive(Debug, Default)]
pub struct Penalties {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// when each peer's debt is paid off, in ms; at most [`limits::PENALTY_PEERS`] entries
    peers: BTreeMap<IpAddr, u64>,
    /// the same for all peers that found no place
    others: u64,
}

impl Penalties {
    /// Nobody owes anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Charges `ip` for one wrong credential at `now` (monotonic ms). `Some(seconds)`: the bucket
    /// is empty, and this is how long it is until it holds one again.
    #[must_use]
    pub fn charge(&self, ip: IpAddr, now: u64) -> Option<u64> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = payer(ip);
        if !table.peers.contains_key(&ip) && table.peers.len() >= limits::PENALTY_PEERS {
            table.peers.retain(|_, paid| *paid > now);
        }
        let room = table.peers.len() < limits::PENALTY_PEERS;
        let Table { peers, others } = &mut *table;
        let paid = match (peers.contains_key(&ip), room) {
            (true, _) | (false, true) => peers.entry(ip).or_insert(0),
            (false, false) => others,
        };
        let next = (*paid).max(now).saturating_add(COST_MS);
        let over = next.saturating_sub(now).saturating_sub(BURST_MS);
        if over > 0 {
            return Some(over.div_ceil(1_000));
        }
        *paid = next;
        None
    }

    /// Lets an outcome of [`super::admit`] pay for its wrong credential, if it had one: where the
    /// peer has nothing left, the answer becomes 429.
    pub fn settle(
        &self,
        outcome: Result<Admission, Refusal>,
        ip: IpAddr,
        now: u64,
    ) -> Result<Admission, Refusal> {
        let (surface, cors) = match &outcome {
            Ok(admission) if admission.wrong_credential() => (admission.surface, &admission.cors),
            Err(refusal) if refusal.wrong_credential() => (refusal.surface(), refusal.cors()),
            Ok(_) | Err(_) => return outcome,
        };
        match self.charge(ip, now) {
            Some(seconds) => Err(Refusal::throttled(surface, cors.clone(), seconds)),
            None => outcome,
        }
    }

    /// How many peers are remembered.
    pub fn remembered(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).peers.len()
    }
}
