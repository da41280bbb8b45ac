//! How fast text may be typed: fixed windows of one second (spec agentmux E.5), by sender, by
//! target and in all, so that no sender and no target can starve the others (design section 6). All
//! but the owner share what is not his: however many agents type, he can.
//!
//! `now` is a parameter. Memory is bounded without counting: an entry exists only for an inject
//! that was let through, of which there are at most [`limits::INJECT_TOTAL`] a second.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::limits;

/// Who sends, as far as the limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender<'a> {
    /// the owner, under a source name that is his to choose; all of them together have a limit too
    Owner(&'a str),
    /// an agent, whom its token names
    Agent(&'a str),
    /// the operator, by the API token
    Api,
    /// another instance, whoever it speaks for
    Peer,
    /// the owner or the operator, at another instance, or who has its peer key; the name that is shown:
    /// `owner@HOME`
    FarOwner(&'a str),
    /// an agent of another instance; the name that is shown: `NAME@HOME`
    FarAgent(&'a str),
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// of this sender
    Sender,
    /// of the owner over all source names
    Owner,
    /// of all but the owner
    Others,
    /// of all other instances
    Far,
    /// of this target
    Target,
    /// of the instance
    Total,
    /// messages of this agent, typed or not
    Sends,
    /// messages of all other instances, typed or not
    FarSends,
}

impl Reached {
    /// The limit, in words.
    pub fn sentence(self) -> String {
        match self {
            Reached::Sender => format!("{} a second from one sender", limits::INJECT_PER_SENDER),
            Reached::Owner => format!("{} a second from the owner", limits::INJECT_OWNER),
            Reached::Others => format!("{} a second from all but the owner", limits::INJECT_OTHERS),
            Reached::Far => format!("{} a second from other instances", limits::INJECT_FAR),
            Reached::Target => format!("{} a second to one target", limits::INJECT_PER_TARGET),
            Reached::Total => format!("{} a second in all", limits::INJECT_TOTAL),
            Reached::Sends => format!("{} messages a second from one agent", limits::SENDS_PER_AGENT),
            Reached::FarSends => format!("{} messages a second from other instances", limits::SENDS_FAR),
        }
    }
}

/// The windows of all senders and targets.
#[derive(Debug, Default)]
pub struct Rates {
    total: Window,
    owner: Window,
    /// all but the owner
    others: Window,
    /// of those, other instances: whoever speaks for one can make names up
    far: Window,
    /// Keyed by a hash with a random key: names of any length take the same room, and nobody can
    /// aim at another's window.
    senders: HashMap<u64, Window>,
    targets: HashMap<u64, Window>,
    hash: RandomState,
}

impl Rates {
    /// Counts one message that waited for this target and is typed now, in the share of the target that
    /// is the owner's or the others': its sender's share was taken when he sent it.
    pub fn take_waiting(&mut self, owner: bool, target: &str, now: u64) -> Result<(), Reached> {
        let key = self.hash.hash_one((owner, target));
        if self.targets.get(&key).map_or(0, |window| window.used(now)) >= limits::INJECT_PER_TARGET {
            return Err(Reached::Target);
        }
        if !owner && self.others.used(now) >= limits::INJECT_OTHERS {
            return Err(Reached::Others);
        }
        if self.total.used(now) >= limits::INJECT_TOTAL {
            return Err(Reached::Total);
        }
        self.total.count(now);
        if !owner {
            self.others.count(now);
        }
        count(&mut self.targets, key, now);
        Ok(())
    }

    /// Counts one inject, or says which limit forbids it. What is refused counts nowhere.
    pub fn take(&mut self, sender: Sender<'_>, target: &str, now: u64) -> Result<(), Reached> {
        let sender_key = self.hash.hash_one(sender);
        let owner = matches!(sender, Sender::Owner(_));
        let far = matches!(sender, Sender::Peer | Sender::FarOwner(_) | Sender::FarAgent(_));
        // Apart, or an agent that may type somewhere could keep the owner from typing there.
        let target_key = self.hash.hash_one((owner, target));
        let used = |windows: &HashMap<u64, Window>, key| windows.get(key).map_or(0, |w| w.used(now));
        let (class, most, reached) = match owner {
            true => (&mut self.owner, limits::INJECT_OWNER, Reached::Owner),
            false => (&mut self.others, limits::INJECT_OTHERS, Reached::Others),
        };
        for (used, limit, reached) in [
            (used(&self.senders, &sender_key), limits::INJECT_PER_SENDER, Reached::Sender),
            (class.used(now), most, reached),
            (if far { self.far.used(now) } else { 0 }, limits::INJECT_FAR, Reached::Far),
            (used(&self.targets, &target_key), limits::INJECT_PER_TARGET, Reached::Target),
            (self.total.used(now), limits::INJECT_TOTAL, Reached::Total),
        ] {
            if used >= limit {
                return Err(reached);
            }
        }
        self.total.count(now);
        class.count(now);
        if far {
            self.far.count(now);
        }
        count(&mut self.senders, sender_key, now);
        count(&mut self.targets, target_key, now);
        Ok(())
    }
}

fn count(windows: &mut HashMap<u64, Window>, key: u64, now: u64) {
    if windows.len() >= SWEEP_AT {
        windows.retain(|_, window| window.used(now) > 0);
    }
    windows.entry(key).or_default().count(now);
}

/// The messages of agents and of other instances, typed or not. The owner's and the operator's are not
/// counted. Whoever speaks for another instance can make names and homes up: they have one limit in all.
#[derive(Debug, Default)]
pub struct Sends {
    each: HashMap<String, Window>,
    far: Window,
}

impl Sends {
    /// Counts one message, or says that this sender has sent as many as it may.
    pub fn take(&mut self, sender: Sender<'_>, now: u64) -> Result<(), Reached> {
        let (name, far) = match sender {
            Sender::Owner(_) | Sender::Api | Sender::Peer => return Ok(()),
            Sender::Agent(name) => (Some(name), false),
            Sender::FarAgent(name) => (Some(name), true),
            Sender::FarOwner(_) => (None, true),
        };
        if far && self.far.used(now) >= limits::SENDS_FAR {
            return Err(Reached::FarSends);
        }
        if let Some(name) = name {
            // As many as there are agents at once, and those of the second before.
            if self.each.len() >= 2 * limits::AGENTS && !self.each.contains_key(name) {
                self.each.retain(|_, window| window.used(now) > 0);
            }
            let window = self.each.entry(name.to_owned()).or_default();
            if !window.take(limits::SENDS_PER_AGENT, now) {
                return Err(Reached::Sends);
            }
        }
        if far {
            self.far.count(now);
        }
        Ok(())
    }
}

/// Over twice what two windows let through, so that a sweep always finds enough to drop.
const SWEEP_AT: usize = 4 * limits::INJECT_TOTAL as usize;

const WINDOW_MS: u64 = 1_000;

/// A window begins with the first use after the last one ended.
#[derive(Debug, Default, Clone, Copy)]
pub struct Window {
    since: u64,
    used: u32,
}

impl Window {
    /// Uses within the window that `now` is in.
    pub fn used(&self, now: u64) -> u32 {
        if now.saturating_sub(self.since) < WINDOW_MS { self.used } else { 0 }
    }

    /// Counts one use.
    pub fn count(&mut self, now: u64) {
        if self.used(now) == 0 {
            *self = Window { since: now, used: 0 };
        }
        self.used = self.used.saturating_add(1);
    }

    /// Counts one use unless `limit` is reached.
    #[must_use]
    pub fn take(&mut self, limit: u32, now: u64) -> bool {
        let free = self.used(now) < limit;
        if free {
            self.count(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_l29_a_limit_passes_as_many_as_it_says() {
        let mut window = Window::default();
        assert!((0..3).all(|_| window.take(3, 5)));
        let mut window = Window::default();
        assert!(window.take(2, 5) && window.take(2, 5) && !window.take(2, 5));
        assert!(!window.take(2, 1_004) && window.take(2, 1_005), "the window lasts one second");
    }

    #[test]
    fn the_eleventh_inject_of_a_sender_within_a_second_is_refused() {
        for sender in [Sender::Owner("a"), Sender::Agent("a"), Sender::Peer, Sender::Api] {
            let mut rates = Rates::default();
            for n in 0..10 {
                assert_eq!(rates.take(sender, &format!("t{n}"), 0), Ok(()));
            }
            assert_eq!(rates.take(sender, "t10", 999), Err(Reached::Sender));
            assert_eq!(rates.take(sender, "t10", 1_000), Ok(()));
        }
    }

    #[test]
    fn the_owner_is_limited_over_all_source_names() {
        let mut rates = Rates::default();
        for n in 0..100 {
            assert_eq!(rates.take(Sender::Owner(&format!("s{n}")), &format!("t{n}"), 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Owner("another"), "t", 0), Err(Reached::Owner));
        assert_eq!(rates.take(Sender::Agent("a"), "t", 0), Ok(()), "the owner does not use up the agents'");
    }

    #[test]
    fn the_eleventh_inject_to_a_target_within_a_second_is_refused() {
        let mut rates = Rates::default();
        for n in 0..10 {
            assert_eq!(rates.take(Sender::Agent(&format!("s{n}")), "t", 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Agent("s10"), "t", 0), Err(Reached::Target));
        assert_eq!(rates.take(Sender::Agent("s10"), "u", 0), Ok(()));
    }

    #[test]
    fn agents_do_not_use_up_the_owners_share_of_a_target() {
        let mut rates = Rates::default();
        for _ in 0..10 {
            assert_eq!(rates.take(Sender::Agent("a"), "t", 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Api, "t", 0), Err(Reached::Target));
        for n in 0..10 {
            assert_eq!(rates.take(Sender::Owner(&format!("s{n}")), "t", 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Owner("s10"), "t", 0), Err(Reached::Target));
    }

    #[test]
    fn what_waited_is_typed_no_faster_than_what_is_sent() {
        let mut rates = Rates::default();
        for _ in 0..10 {
            assert_eq!(rates.take_waiting(false, "t", 0), Ok(()));
        }
        assert_eq!(rates.take_waiting(false, "t", 999), Err(Reached::Target));
        assert_eq!(rates.take(Sender::Agent("a"), "t", 999), Err(Reached::Target));
        assert_eq!(rates.take(Sender::Owner("a"), "t", 999), Ok(()), "the owner's share is his");
        let all = |rates: &mut Rates, owner| -> Vec<_> {
            (0..200).filter_map(|n| rates.take_waiting(owner, &format!("u{n}"), 0).err()).collect()
        };
        assert!(all(&mut rates, false).iter().all(|reached| *reached == Reached::Others));
        assert!(all(&mut rates, true).contains(&Reached::Total));
    }

    #[test]
    fn injects_are_limited_in_all() {
        let mut rates = Rates::default();
        for n in 0..limits::INJECT_TOTAL {
            assert_eq!(rates.take_waiting(true, &format!("t{n}"), 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Agent("s"), "t", 0), Err(Reached::Total));
        assert_eq!(rates.take(Sender::Owner("s"), "t", 999), Err(Reached::Total));
        assert_eq!(rates.take(Sender::Agent("s"), "t", 1_000), Ok(()));
    }

    #[test]
    fn all_others_together_leave_the_owner_his_share() {
        let mut rates = Rates::default();
        for n in 0..limits::INJECT_OTHERS / 2 {
            assert_eq!(rates.take(Sender::Agent(&format!("s{n}")), &format!("t{n}"), 0), Ok(()));
            assert_eq!(rates.take_waiting(false, &format!("u{n}"), 0), Ok(()));
        }
        for sender in [Sender::Agent("s"), Sender::Api, Sender::Peer] {
            assert_eq!(rates.take(sender, "t", 0), Err(Reached::Others));
        }
        assert_eq!(rates.take_waiting(false, "t", 0), Err(Reached::Others));
        for n in 0..limits::INJECT_OWNER {
            assert_eq!(rates.take(Sender::Owner(&format!("s{n}")), &format!("t{n}"), 0), Ok(()), "{n}");
        }
    }

    #[test]
    fn an_agents_sends_are_limited_and_the_owners_are_not() {
        let mut sends = Sends::default();
        for _ in 0..limits::SENDS_PER_AGENT {
            assert_eq!(sends.take(Sender::Agent("a"), 0), Ok(()));
        }
        assert_eq!(sends.take(Sender::Agent("a"), 999), Err(Reached::Sends));
        assert_eq!(sends.take(Sender::Agent("b"), 999), Ok(()), "another has a window of its own");
        assert_eq!(sends.take(Sender::Agent("a"), 1_000), Ok(()));
        for sender in [Sender::Owner("a"), Sender::Api, Sender::Peer] {
            assert!((0..1_000).all(|_| sends.take(sender, 0).is_ok()), "{sender:?}");
        }
        for n in 0..10_000u64 {
            assert_eq!(sends.take(Sender::Agent(&format!("s{n}")), n * 1_000), Ok(()));
            assert!(sends.each.len() <= 2 * limits::AGENTS);
        }
    }

    #[test]
    fn messages_of_other_instances_are_limited_in_all_whatever_their_senders_are_called() {
        let mut sends = Sends::default();
        for n in 0..limits::SENDS_FAR {
            let name = format!("a{n}@{n:012x}");
            let sender = if n % 2 == 0 { Sender::FarAgent(&name) } else { Sender::FarOwner(&name) };
            assert_eq!(sends.take(sender, 0), Ok(()), "{name}");
        }
        for sender in [Sender::FarAgent("new@0123456789ab"), Sender::FarOwner("owner@0123456789ab")] {
            assert_eq!(sends.take(sender, 999), Err(Reached::FarSends));
        }
        assert_eq!(sends.take(Sender::Agent("a"), 999), Ok(()), "agents here have theirs");
        assert_eq!(sends.take(Sender::Owner(""), 999), Ok(()));
        for n in 0..20_000u64 {
            let _ = sends.take(Sender::FarAgent(&format!("b{n}@0123456789ab")), 1_000 + n / 1_000);
            assert!(sends.each.len() <= 2 * limits::AGENTS + limits::SENDS_FAR as usize);
        }
        assert_eq!(sends.take(Sender::FarOwner("owner@0123456789ab"), 5_000), Ok(()));
    }

    #[test]
    fn other_instances_leave_the_agents_half_of_the_injects() {
        let mut rates = Rates::default();
        for n in 0..limits::INJECT_FAR {
            let name = format!("a{n}@{n:012x}");
            let sender = match n {
                0..10 => Sender::Peer,
                10..30 => Sender::FarOwner(&name),
                _ => Sender::FarAgent(&name),
            };
            assert_eq!(rates.take(sender, &format!("t{n}"), 0), Ok(()), "{n}");
        }
        for sender in [Sender::FarOwner("owner@0123456789ab"), Sender::FarAgent("b@0123456789ab")] {
            assert_eq!(rates.take(sender, "t", 999), Err(Reached::Far));
        }
        for n in 0..limits::INJECT_OTHERS - limits::INJECT_FAR {
            assert_eq!(rates.take(Sender::Agent(&format!("b{n}")), &format!("u{n}"), 999), Ok(()), "{n}");
        }
        assert_eq!(rates.take(Sender::FarAgent("b@0123456789ab"), "t", 1_000), Ok(()));
    }

    #[test]
    fn an_owner_named_like_an_agent_has_a_window_of_its_own() {
        let mut rates = Rates::default();
        for n in 0..10 {
            assert_eq!(rates.take(Sender::Agent("a"), &format!("t{n}"), 0), Ok(()));
        }
        assert_eq!(rates.take(Sender::Owner("a"), "t", 0), Ok(()));
    }

    #[test]
    fn memory_is_bounded_whatever_names_are_used() {
        let mut rates = Rates::default();
        for n in 0..20_000u64 {
            let name = format!("s{n}");
            let _ = rates.take(Sender::Owner(&name), &name, n * 4);
            let _ = rates.take(Sender::Agent(&name), &name, n * 4);
            assert!(rates.senders.len() <= SWEEP_AT && rates.targets.len() <= SWEEP_AT);
        }
    }
}
