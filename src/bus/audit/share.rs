//! How much of the audit each class of caller may fill: a budget of bytes a day, sans-IO.
//!
//! The oldest entries make room for new ones, so whoever may write without end can push out what
//! was written about them. The owner and the operator write as much as they do; one agent, all
//! agents together, and those who are turned away each have a share that refills over a day, and
//! what goes beyond it is counted, and told by the next entry that is written (`unwritten_before`).

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::limits;

/// Microseconds of a day.
const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

/// Time between two looks for callers that owe nothing.
const SWEEP_MS: u64 = 1_000;

/// Whose share an entry uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payer<'a> {
    /// nobody's: the owner, the operator, the instance itself
    Free,
    /// this agent's, and that of all agents
    Agent(&'a str),
    /// that of all callers of other instances, whose names can be made up, and that of all agents
    Far,
    /// that of all who are turned away
    Refused,
}

impl<'a> Payer<'a> {
    /// By the caller as entries write it.
    pub fn of(caller: &'a str) -> Self {
        match caller {
            "owner" | "api" | "config" | "loopback" => Payer::Free,
            far if far == "peer" || far.contains('@') => Payer::Far,
            other => Payer::Agent(other),
        }
    }
}

/// All shares.
#[derive(Debug, Default)]
pub(super) struct Shares {
    agents: Bucket,
    far: Bucket,
    refused: Bucket,
    /// keyed by a hash with a random key, as the rates are
    each: HashMap<u64, Bucket>,
    /// when those that owe nothing are next looked for, monotonic ms: a full table is not gone
    /// through for each entry
    next_sweep: u64,
    hash: RandomState,
}

impl Shares {
    /// Takes `bytes` at `now` (monotonic ms): how many entries of this payer were left out before
    /// this one, or `None` where this one is left out too.
    #[must_use]
    pub fn take(&mut self, payer: Payer<'_>, bytes: usize, now: u64) -> Option<u64> {
        match payer {
            Payer::Free => Some(0),
            Payer::Refused => self.refused.take(bytes, limits::AUDIT_REFUSALS_A_DAY, now),
            Payer::Far => {
                if !self.agents.has_room(bytes, limits::AUDIT_AGENTS_A_DAY, now) {
                    self.far.left_out = self.far.left_out.saturating_add(1);
                    return None;
                }
                let left_out = self.far.take(bytes, limits::AUDIT_FAR_A_DAY, now)?;
                let _ = self.agents.take(bytes, limits::AUDIT_AGENTS_A_DAY, now);
                Some(left_out)
            }
            Payer::Agent(name) => {
                let key = self.hash.hash_one(name);
                let full = !self.each.contains_key(&key) && self.each.len() >= limits::AUDIT_SHARES;
                if full && now >= self.next_sweep {
                    self.next_sweep = now.saturating_add(SWEEP_MS);
                    self.each.retain(|_, bucket| !bucket.is_settled(now));
                }
                let Self { agents, each, .. } = self;
                if !each.contains_key(&key) && each.len() >= limits::AUDIT_SHARES {
                    return agents.take(bytes, limits::AUDIT_AGENTS_A_DAY, now);
                }
                let own = each.entry(key).or_default();
                if !agents.has_room(bytes, limits::AUDIT_AGENTS_A_DAY, now) {
                    own.left_out = own.left_out.saturating_add(1);
                    return None;
                }
                let left_out = own.take(bytes, limits::AUDIT_AGENT_A_DAY, now)?;
                let _ = agents.take(bytes, limits::AUDIT_AGENTS_A_DAY, now);
                Some(left_out)
            }
        }
    }
}

/// One budget.
#[derive(Debug, Default)]
struct Bucket {
    /// when all that was taken is paid off, in us of the monotonic clock
    paid: u64,
    left_out: u64,
}

impl Bucket {
    fn after(&self, bytes: usize, a_day: usize, now: u64) -> u64 {
        let cost = (bytes as u64).saturating_mul(DAY_US.div_ceil((a_day as u64).max(1)));
        self.paid.max(now.saturating_mul(1_000)).saturating_add(cost)
    }

    fn has_room(&self, bytes: usize, a_day: usize, now: u64) -> bool {
        self.after(bytes, a_day, now) <= now.saturating_mul(1_000).saturating_add(DAY_US)
    }

    fn take(&mut self, bytes: usize, a_day: usize, now: u64) -> Option<u64> {
        if !self.has_room(bytes, a_day, now) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.paid = self.after(bytes, a_day, now);
        Some(std::mem::take(&mut self.left_out))
    }

    /// Whether forgetting it changes nothing.
    fn is_settled(&self, now: u64) -> bool {
        self.left_out == 0 && self.paid <= now.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1_000;

    /// How many entries of 500 bytes pass of those that come for so long, one each 50 ms.
    fn passed(shares: &mut Shares, payer: Payer<'_>, from: u64, ms: u64) -> usize {
        (from..from + ms).step_by(50).filter(|now| shares.take(payer, 500, *now).is_some()).count()
    }

    #[test]
    fn an_agent_fills_no_more_of_the_audit_than_its_share() {
        let mut shares = Shares::default();
        let first = passed(&mut shares, Payer::Agent("agent a"), 0, HOUR);
        let share = limits::AUDIT_AGENT_A_DAY / 500;
        assert!(first >= share && first <= share + share / 20, "{first}");
        let rest = passed(&mut shares, Payer::Agent("agent a"), HOUR, 10 * HOUR);
        assert!(rest <= share * 10 / 20, "{rest}: it refills over a day");
        assert!(shares.take(Payer::Agent("agent b"), 500, 11 * HOUR).is_some(), "another has its own");
        let _ = shares.take(Payer::Agent("agent a"), 500, 12 * HOUR);
        while shares.take(Payer::Agent("agent a"), 500, 12 * HOUR).is_some() {}
        let more = (0..9).filter(|_| shares.take(Payer::Agent("agent a"), 500, 12 * HOUR).is_none()).count();
        let told = shares.take(Payer::Agent("agent a"), 500, 13 * HOUR);
        assert_eq!((more, told), (9, Some(10)), "what was left out is told by the next that is written");
    }

    #[test]
    fn all_agents_together_fill_no_more_of_the_audit_than_theirs() {
        let mut shares = Shares::default();
        let names: Vec<String> = (0..100).map(|n| format!("agent {n}")).collect();
        let bytes: usize = names
            .iter()
            .flat_map(|name| std::iter::repeat_n(name, 10_000))
            .filter(|name| shares.take(Payer::Agent(name), 500, 1).is_some())
            .count()
            * 500;
        assert!(bytes <= limits::AUDIT_AGENTS_A_DAY && bytes > limits::AUDIT_AGENTS_A_DAY / 100 * 99);
        assert_eq!(shares.take(Payer::Free, 500, 1), Some(0), "the owner's entries are all written");
    }

    #[test]
    fn made_up_callers_of_other_instances_leave_the_agents_their_audit() {
        let mut shares = Shares::default();
        let payers: Vec<String> = (0..100).map(|n| format!("agent a{n}@{n:012x}")).collect();
        let owners = ["owner@0123456789ab", "api@0123456789ab", "peer"];
        let bytes: usize = payers
            .iter()
            .map(String::as_str)
            .chain(owners)
            .flat_map(|name| std::iter::repeat_n(name, 1_000))
            .filter(|name| shares.take(Payer::of(name), 500, 1).is_some())
            .count()
            * 500;
        assert!(bytes <= limits::AUDIT_FAR_A_DAY && bytes > limits::AUDIT_FAR_A_DAY / 100 * 99, "{bytes}");
        assert!(shares.each.is_empty(), "and take no agent's place among those remembered");
        assert_eq!(shares.take(Payer::of("agent a"), 500, 1), Some(0), "an agent here writes on");
        let told = shares.take(Payer::of("owner@0123456789ab"), 500, 1 + HOUR);
        assert!(told.is_some_and(|left_out| left_out > 80_000), "what was left out is told: {told:?}");
    }

    #[test]
    fn those_who_are_turned_away_fill_no_more_of_the_audit_than_their_share() {
        let mut shares = Shares::default();
        let bytes = 500 * passed(&mut shares, Payer::Refused, 0, HOUR);
        assert!(bytes <= limits::AUDIT_REFUSALS_A_DAY + limits::AUDIT_REFUSALS_A_DAY / 20, "{bytes}");
        assert!(shares.take(Payer::Agent("agent a"), 500, HOUR).is_some());
    }

    #[test]
    fn shares_are_remembered_for_a_bounded_number_of_callers() {
        let mut shares = Shares::default();
        for n in 0..3 * limits::AUDIT_SHARES {
            let _ = shares.take(Payer::Agent(&format!("agent {n}")), 500, n as u64);
            assert!(shares.each.len() <= limits::AUDIT_SHARES);
        }
        let much_later = 48 * HOUR;
        assert_eq!(shares.take(Payer::Agent("agent new"), 500, much_later), Some(0));
        assert!(shares.each.len() < limits::AUDIT_SHARES, "those that owe nothing are forgotten");
    }
}
