//! The mailbox against a model that is too simple to be wrong: a list of messages. Random steps,
//! restarts among them; after each, everything that a user can see is compared.

use std::collections::BTreeMap;

use super::*;
use crate::{bus::testing::Random, wire::address::HomeId};

/// A message as the model has it.
#[derive(Debug, Clone)]
struct Known {
    number: u64,
    id: String,
    to: &'static str,
    caller: &'static str,
    text: &'static str,
    rank: u64,
    ttl: u64,
    expires: u64,
    had: bool,
    position: Option<u64>,
    /// it may be handed to another instance
    hold: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Dead,
    Over,
}

const NAMES: [&str; 2] = ["a", "b"];
const CALLERS: [&str; 3] = ["owner", "agent x", "agent y"];
const TEXTS: [&str; 2] = ["one text", "another text"];
const TTLS: [u64; 3] = [2_000, 60_000, 3_600_000];
const PRIORITIES: [Priority; 3] = [Priority::Normal, Priority::High, Priority::Urgent];
const MAILBOX: usize = 9;
const OF_AGENTS: usize = 7;
const OF_ONE_AGENT: usize = 4;

struct Compared {
    rig: Rig,
    known: Vec<Known>,
    /// the last position given out, by mailbox
    last: BTreeMap<&'static str, u64>,
    random: Random,
}

impl Compared {
    fn new(seed: u64) -> Self {
        let bounds = table::Bounds {
            mailbox: MAILBOX,
            mailbox_agents: OF_AGENTS,
            mailbox_agent: OF_ONE_AGENT,
            ..table::Bounds::default()
        };
        let settings = Settings { segment_bytes: 4 * 1024, ..Settings::default() };
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { rig: Rig::with(settings, bounds), known: Vec::new(), last: BTreeMap::new(), random }
    }

    fn now(&self) -> u64 {
        self.rig.clock.unix_ms()
    }

    fn waiting(&self, to: &str) -> Vec<usize> {
        let all = self.known.iter().enumerate();
        all.filter(|(_, m)| m.phase == Phase::Waiting && m.to == to).map(|(at, _)| at).collect()
    }

    fn send(&mut self) {
        let (to, caller) = (self.random.one_of(&NAMES), self.random.one_of(&CALLERS));
        let (text, ttl) = (self.random.one_of(&TEXTS), self.random.one_of(&TTLS));
        let priority = self.random.one_of(&PRIORITIES);
        let id = self.random.below(200).to_string();
        let hold = self.random.below(3) == 0;
        let target = name(to);
        let new = NewMessage {
            caller,
            from: caller,
            to: &target,
            priority,
            ttl_ms: ttl,
            hold,
            ..self.rig.new_message(&id, text)
        };
        let result = self.rig.mail.accept(new).map(|accepted| (accepted.number, accepted.duplicate));
        let before = self.known.iter().find(|m| m.id == id && m.to == to && m.caller == caller);
        if let Some(before) = before {
            match result {
                Ok((number, duplicate)) => {
                    assert!(duplicate && number == before.number && text == before.text, "{before:?}");
                }
                Err(MailError::IdReused) => assert_ne!(text, before.text, "{before:?}"),
                Err(error) => panic!("{before:?}: {error:?}"),
            }
            return;
        }
        let held = self.waiting(to);
        let own = held.iter().filter(|at| self.known[**at].caller == caller).count();
        let agent = caller != "owner";
        let room = held.len() < if agent { OF_AGENTS } else { MAILBOX } && !(agent && own >= OF_ONE_AGENT);
        match result {
            Ok((number, duplicate)) => {
                assert!(room && !duplicate, "{caller} to {to}: {} wait, {own} of them his", held.len());
                let expires = self.now() + ttl;
                let (rank, phase) = (priority.rank(), Phase::Waiting);
                let (had, position) = (false, None);
                self.known.push(Known {
                    number,
                    id,
                    to,
                    caller,
                    text,
                    rank,
                    ttl,
                    expires,
                    had,
                    position,
                    hold,
                    phase,
                });
            }
            Err(MailError::Full(_)) => assert!(!room, "{caller} to {to}: {} wait, {own} his", held.len()),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn take(&mut self, cursor: bool) {
        let to = self.random.one_of(&NAMES);
        let last = self.last.get(to).copied().unwrap_or(0);
        let after = (cursor && self.random.below(2) == 0).then(|| self.random.below(last + 2));
        let limit = 1 + self.random.below(4) as usize;
        let manner = if cursor { Manner::UntilAcked { after } } else { Manner::Final };

        let mut expected = self.waiting(to);
        if cursor {
            let known = &self.known;
            let above = |m: &Known| m.position.is_none_or(|position| position > after.unwrap_or(0));
            expected.retain(|at| above(&known[*at]));
        }
        expected.sort_by_key(|at| {
            let m = &self.known[*at];
            let position = if cursor { m.position.unwrap_or(u64::MAX) } else { 0 };
            (position, m.rank, m.number)
        });
        expected.truncate(limit);
        if cursor {
            for at in &expected {
                let last = self.last.entry(to).or_default();
                let m = &mut self.known[*at];
                if m.position.is_none() {
                    *last += 1;
                    m.position = Some(*last);
                }
            }
        }

        let handed = self.rig.mail.take(&name(to), manner, limit, 1 << 20).expect("a disk in memory");
        let came: Vec<_> = handed.messages.iter().map(|m| (m.number, m.redelivered, m.position)).collect();
        let position = |m: &Known| if cursor { m.position } else { None };
        let should: Vec<_> =
            expected.iter().map(|at| &self.known[*at]).map(|m| (m.number, m.had, position(m))).collect();
        let came: Vec<_> =
            came.into_iter().map(|(number, had, at)| (number, had, at.filter(|_| cursor))).collect();
        assert_eq!(came, should, "{to}, {manner:?}, {limit}");
        let sent = self.random.below(3) > 0;
        if sent {
            handed.sent();
        } else {
            drop(handed);
        }
        for at in expected {
            let m = &mut self.known[at];
            m.had = true;
            if sent && !cursor {
                m.phase = Phase::Over;
            }
        }
    }

    /// What is to be handed to another instance next, of each sender.
    fn first_held(&self, to: &str) -> Vec<usize> {
        let mut held = self.waiting(to);
        held.retain(|at| self.known[*at].hold && self.known[*at].position.is_none());
        held.sort_by_key(|at| (self.known[*at].rank, self.known[*at].number));
        let mut first: Vec<usize> = Vec::new();
        for at in held {
            if first.iter().all(|other| self.known[*other].caller != self.known[at].caller) {
                first.push(at);
            }
        }
        first
    }

    fn hand_over(&mut self) {
        let to = self.random.one_of(&NAMES);
        let should = self.first_held(to);
        let first = self.rig.mail.first_held(&name(to), 100);
        let numbers: Vec<u64> = first.iter().map(|held| held.number).collect();
        assert_eq!(numbers, should.iter().map(|at| self.known[*at].number).collect::<Vec<_>>(), "{to}");
        let Some(at) = should.first().copied() else { return };
        let handed = self.rig.mail.claim(first[0].number).expect("a disk in memory").expect("it is free");
        assert_eq!(handed.messages[0].redelivered, self.known[at].had);
        match self.random.below(4) {
            0 => handed.unsent(),
            1 => {
                drop(handed);
                self.known[at].had = true;
            }
            2 => {
                handed.forwarded(&HomeId::of([1; 6]));
                (self.known[at].had, self.known[at].phase) = (true, Phase::Over);
            }
            _ => {
                handed.failed("no", true);
                (self.known[at].had, self.known[at].phase) = (true, Phase::Dead);
            }
        }
    }

    fn acknowledge(&mut self) {
        let to = self.random.one_of(&NAMES);
        let through = self.random.below(self.last.get(to).copied().unwrap_or(0) + 2);
        let count = self.rig.mail.ack(&name(to), Ack::Through(through)).expect("a disk in memory");
        let mut expected = self.waiting(to);
        expected.retain(|at| self.known[*at].position.is_some_and(|position| position <= through));
        assert_eq!(count, expected.len());
        expected.into_iter().for_each(|at| self.known[at].phase = Phase::Over);
    }

    fn delete(&mut self) {
        let (to, id) = (self.random.one_of(&NAMES), self.random.below(200).to_string());
        let count = self.rig.mail.delete(&name(to), &[&id]).expect("a disk in memory");
        let mut expected = self.waiting(to);
        expected.retain(|at| self.known[*at].id == id);
        assert_eq!(count, expected.len());
        expected.into_iter().for_each(|at| self.known[at].phase = Phase::Over);
    }

    fn pass_time(&mut self) {
        self.rig.clock.advance(self.random.below(3_000));
        self.rig.mail.maintain();
        let now = self.now();
        for m in self.known.iter_mut().filter(|m| m.phase == Phase::Waiting && m.expires <= now) {
            (m.phase, m.position) = (Phase::Dead, None);
        }
    }

    fn redeliver(&mut self) {
        let dead: Vec<usize> =
            (0..self.known.len()).filter(|at| self.known[*at].phase == Phase::Dead).collect();
        if dead.is_empty() {
            return;
        }
        let at = self.random.one_of(&dead);
        let (id, number, to) = (self.known[at].id.clone(), self.known[at].number, self.known[at].to);
        if dead.iter().any(|other| *other != at && self.known[*other].id == id) {
            assert_eq!(self.rig.mail.redeliver(&id, None), Err(MailError::Ambiguous));
        }
        let result = self.rig.mail.redeliver(&id, Some(number));
        // So few that no bound is near, whoever sent them.
        let room = self.waiting(to).len() < OF_AGENTS - OF_ONE_AGENT;
        match result {
            Ok(_) => {
                assert!(self.waiting(to).len() < MAILBOX);
                let now = self.now();
                let m = &mut self.known[at];
                (m.phase, m.expires) = (Phase::Waiting, now + m.ttl);
            }
            Err(MailError::Full(_)) => assert!(!room, "{id}"),
            Err(error) => panic!("{id}: {error:?}"),
        }
    }

    /// As after a kill, once what is written lazily is written.
    fn restart(self) -> Self {
        self.rig.mail.maintain();
        Self { rig: self.rig.again(), ..self }
    }

    fn compare(&self) {
        for to in NAMES {
            let mut should: Vec<u64> = self.waiting(to).into_iter().map(|at| self.known[at].number).collect();
            should.sort_unstable();
            let page = self.rig.mail.look(&name(to), 0, 100, 1 << 20).expect("a disk in memory");
            let seen: Vec<u64> = page.messages.iter().map(|m| m.number).collect();
            assert_eq!(seen, should, "{to}");
            assert_eq!(self.rig.mail.waiting(&name(to)), should.len());
        }
        let held = |m: &&Known| m.phase == Phase::Waiting && m.hold && m.position.is_none();
        assert_eq!(self.rig.mail.held_in_all(), self.known.iter().filter(held).count());
        let mut should: Vec<u64> =
            self.known.iter().filter(|m| m.phase == Phase::Dead).map(|m| m.number).collect();
        should.sort_unstable();
        let page = self.rig.mail.dead(0, 1_000).expect("a disk in memory");
        assert_eq!(page.messages.iter().map(|m| m.number).collect::<Vec<_>>(), should);
    }
}

#[test]
fn whatever_happens_the_mailbox_is_as_a_list_of_messages_would_be() {
    for seed in 1..=40 {
        let mut compared = Compared::new(seed);
        for _ in 0..150 {
            match compared.random.below(24) {
                0..=7 => compared.send(),
                8..=10 => compared.take(true),
                11 | 12 => compared.take(false),
                13 | 14 => compared.acknowledge(),
                15 => compared.delete(),
                16 | 17 => compared.pass_time(),
                18 => compared.redeliver(),
                20..=23 => compared.hand_over(),
                _ => compared = compared.restart(),
            }
            compared.compare();
        }
    }
}
