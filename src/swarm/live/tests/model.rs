//! Whole swarms against a model: programs that do anything at any time, edges that come and go. Whatever
//! happens, a message that was accepted is said once, to whom it was for, by an edge that was there; what waits
//! is said in its order, one thing at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rig::{Rig, mocks, name};
use crate::{
    swarm::{
        config::Edge,
        view::{Answer, Speech},
    },
    wire::node::NodeName,
};

const AGENTS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn agent(&mut self) -> &'static str {
        AGENTS[self.below(AGENTS.len() as u64) as usize]
    }
}

/// What has to come of it.
#[derive(Default)]
struct Model {
    edges: BTreeSet<(String, String)>,
    /// messages that wait for each agent, in order
    messages: BTreeMap<String, VecDeque<String>>,
    /// tasks, which an expected answer may hold up
    tasks: BTreeMap<String, VecDeque<String>>,
    /// agents to which something was said that they have not answered
    working: BTreeSet<String>,
    paused: bool,
    sent: u64,
}

impl Model {
    fn reaches(&self, from: &str, to: &str) -> bool {
        self.edges.contains(&(from.to_owned(), to.to_owned()))
    }

    fn sends(&mut self, from: &str, to: &str, content: &str) {
        if self.reaches(from, to) {
            self.messages.entry(to.to_owned()).or_default().push_back(format!("{from}: {content}"));
        }
    }

    fn targets(&self, from: &str) -> Vec<String> {
        self.edges.iter().filter(|(one, _)| one == from).map(|(_, to)| to.clone()).collect()
    }

    fn text(&mut self) -> String {
        self.sent += 1;
        format!("m{}", self.sent)
    }

    /// What each program heard is what it had to hear.
    fn check(&mut self, rig: &Rig, what: &str) {
        for agent in AGENTS {
            for heard in rig.program(agent).heard() {
                assert!(!self.paused, "{what}: {agent} heard {heard} while held still");
                assert!(
                    self.working.insert(agent.to_owned()),
                    "{what}: {agent} heard {heard} while it works"
                );
                let queue = if heard.starts_with("task: ") { &mut self.tasks } else { &mut self.messages };
                let due = queue.get_mut(agent).and_then(VecDeque::pop_front);
                assert_eq!(due.as_ref(), Some(&heard), "{what}: {agent}");
            }
            let waiting = [&self.messages, &self.tasks].map(|all| all.get(agent).map_or(0, VecDeque::len));
            assert_eq!(rig.waiting(agent), waiting.iter().sum::<usize>(), "{what}: {agent} waits for");
        }
    }
}

fn step(rig: &Rig, model: &mut Model, dice: &mut Dice) -> String {
    let (from, to) = (dice.agent(), dice.agent());
    let text = model.text();
    match dice.below(12) {
        0..=2 => {
            rig.program(from).says(&[&format!("@{to}: {text}")]);
            model.sends(from, to, &text);
            format!("{from} prints to {to}")
        }
        3 => {
            rig.program(from).says(&[&format!("@all: {text}")]);
            for to in model.targets(from) {
                model.sends(from, &to, &text);
            }
            format!("{from} broadcasts")
        }
        4 => {
            let speech = Speech::Send { to: to.to_owned(), content: text.clone() };
            let answer = rig.live.speak(&name(from), speech);
            assert_eq!(answer.is_ok(), model.reaches(from, to));
            model.sends(from, to, &text);
            format!("{from} speaks to {to}")
        }
        5 => {
            let answer = rig.live.speak(&name(from), Speech::Broadcast { content: text.clone() }).unwrap();
            let to: Vec<NodeName> = model.targets(from).iter().map(|to| name(to)).collect();
            assert_eq!(answer, Answer::Broadcast { to: to.clone() });
            to.iter().for_each(|to| model.sends(from, to.as_str(), &text));
            format!("{from} speaks to all")
        }
        6 => {
            assert_eq!(rig.live.message(from, to, &text).is_ok(), model.reaches(from, to));
            model.sends(from, to, &text);
            format!("the operator sends from {from} to {to}")
        }
        7 => {
            rig.task(to, &text).unwrap();
            model.tasks.entry(to.to_owned()).or_default().push_back(format!("task: {text}"));
            format!("a task for {to}")
        }
        8 | 9 => {
            model.working.remove(from);
            rig.program(from).done();
            format!("{from} is done")
        }
        10 => change(rig, model, dice, (from, to)),
        _ => {
            rig.passes(dice.below(3) * 50_000);
            "time passes".to_owned()
        }
    }
}

fn change(rig: &Rig, model: &mut Model, dice: &mut Dice, (from, to): (&str, &str)) -> String {
    let edge = [Edge { from: name(from), to: name(to) }];
    let key = (from.to_owned(), to.to_owned());
    match dice.below(4) {
        0 | 1 => {
            let added = usize::from(model.edges.insert(key));
            assert_eq!(rig.live.change_edges(&edge, &[]), Ok((added, 0)));
            format!("edge {from}>{to}")
        }
        2 => {
            let removed = usize::from(model.edges.remove(&key));
            assert_eq!(rig.live.change_edges(&[], &edge), Ok((0, removed)));
            format!("no edge {from}>{to}")
        }
        _ => {
            model.paused = !model.paused;
            let done = if model.paused { rig.live.pause() } else { rig.live.resume() };
            assert_eq!(done, Ok(AGENTS.len()));
            format!("paused: {}", model.paused)
        }
    }
}

#[test]
fn every_accepted_message_is_said_once_and_along_an_edge() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let (rig, mut model) = (Rig::new(&mocks(&AGENTS.join(" "), "")), Model::default());
        for at in 0..200 {
            let did = step(&rig, &mut model, &mut dice);
            model.check(&rig, &format!("seed {seed}, step {at}: {did}"));
        }
        // To the end: nothing may be left that was accepted.
        if model.paused {
            model.paused = false;
            rig.live.resume().unwrap();
        }
        model.check(&rig, &format!("seed {seed}: the end"));
        let left =
            |model: &Model| model.messages.values().chain(model.tasks.values()).any(|all| !all.is_empty());
        while left(&model) {
            for agent in AGENTS {
                model.working.remove(agent);
                rig.program(agent).done();
                model.check(&rig, &format!("seed {seed}: {agent} works off what waits"));
            }
            // Tasks behind an answer that does not come.
            rig.passes(100_000);
            model.check(&rig, &format!("seed {seed}: time passes"));
        }
    }
}
