//! Random days of an agent against a model of its own: what was accepted is said once, in each sender's order,
//! never while the agent works, is paused or has ended, and nothing grows without an end.

use std::collections::VecDeque;

use super::*;
use crate::bus::testing::Random;

const SENDERS: [&str; 3] = ["", "b", "c"];
const WAIT_MS: u64 = 5_000;

/// What the agent must be doing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Starts,
    Waits,
    Works,
    Nothing,
}

struct World {
    random: Random,
    turn: Turn,
    rules: Rules,
    now: u64,
    does: Does,
    paused: bool,
    /// accepted and not said: sender (none for a task) and text
    waiting: VecDeque<(&'static str, String)>,
    /// until when an answer is waited for; no time passes in a pause
    answer: Option<u64>,
    paused_at: u64,
    turns: u64,
    serial: u64,
    said: u64,
    last: Option<(Item, u64)>,
    /// the state that was told last
    told: State,
}

impl World {
    fn new(seed: u64, rules: Rules) -> Self {
        Self {
            random: Random(seed),
            turn: agent(rules.clone()),
            rules,
            now: 0,
            does: Does::Starts,
            paused: false,
            waiting: VecDeque::new(),
            answer: None,
            paused_at: 0,
            turns: 0,
            serial: 0,
            said: 0,
            last: None,
            told: State::Initializing,
        }
    }

    /// What came back is what may come back, and the model goes along.
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(
                self.does != Does::Nothing
                    || matches!(effect, Effect::Event(_) | Effect::Stop | Effect::State(_)),
                "{effect:?}"
            );
            match effect {
                Effect::Say { item, turn } => self.say(item, turn),
                Effect::Event(draft) => match draft.event_type {
                    Name::AgentStopped | Name::AgentError => self.does = Does::Nothing,
                    Name::AgentRestarting => self.does = Does::Starts,
                    Name::InboxDropped => {
                        assert_eq!(draft.metadata["count"], self.waiting.len());
                        self.waiting.clear();
                    }
                    _ => {}
                },
                Effect::Restart => assert!(self.does == Does::Starts && !self.paused),
                Effect::Stop => assert!(self.rules.max_turns.is_some_and(|most| self.turns >= most)),
                Effect::TurnDone { output, .. } => assert!(output.len() <= limits::TURN_TEXT),
                Effect::AutoReply { to, .. } => assert_eq!(self.rules.reply_to, Some(to)),
                Effect::Send { .. } | Effect::Broadcast { .. } | Effect::Ask { .. } => {}
                Effect::State(state) => assert_ne!(std::mem::replace(&mut self.told, state), state),
            }
        }
        if self.does == Does::Nothing {
            self.waiting.clear();
        }
        let facts = self.turn.facts();
        assert_eq!(facts.state, self.told, "each change of state is told");
        assert_eq!(facts.inbox_size, self.waiting.len(), "nothing is lost and nothing made up");
        assert!(facts.inbox_size <= limits::SWARM_INBOX + 1);
        let state = match self.does {
            Does::Starts => State::Initializing,
            Does::Waits => State::Idle,
            Does::Works => State::Working,
            Does::Nothing => facts.state,
        };
        assert_eq!(facts.state, state);
        assert_eq!(self.does == Does::Nothing, matches!(facts.state, State::Stopped | State::Error));
    }

    fn say(&mut self, item: Item, turn: u64) {
        assert_eq!((self.does, self.paused), (Does::Waits, false), "{item:?}");
        let (from, content) = match &item {
            Item::Task { content } => ("", content),
            Item::Message { from, content } => (from.as_str(), content),
        };
        let first = self.waiting.iter().position(|(sender, _)| *sender == from).expect("it was accepted");
        let (_, oldest) = self.waiting.remove(first).unwrap();
        assert_eq!(&oldest, content, "each sender's order is kept");
        match (from, self.answer) {
            ("", Some(until)) => assert!(until <= self.now, "a task waits for the answer"),
            ("", None) => {}
            _ => self.answer = None,
        }
        self.does = Does::Works;
        self.said += 1;
        self.last = Some((item, turn));
    }

    fn step(&mut self) {
        let now = at(self.now);
        match self.random.below(24) {
            0..=3 => self.task(),
            4..=7 => self.message(),
            8..=10 => {
                if self.does == Does::Works {
                    self.turns += 1;
                    self.does = Does::Waits;
                }
                let effects = self.turn.spoken(Spoken::TurnComplete, now);
                self.take(effects);
            }
            11 | 12 => {
                let text = self.words();
                let effects = self.turn.spoken(output(&text), now);
                self.take(effects);
            }
            13 => {
                let expects = self.random.below(2) == 0;
                let (to, sort) =
                    (self.random.one_of(&["gw", "b"]), self.random.one_of(&[Sort::Direct, Sort::Ask]));
                let effects = self.turn.sent(&node(to), "x", sort, expects, now);
                if expects && sort == Sort::Direct && self.does != Does::Nothing {
                    self.answer = Some(self.now + WAIT_MS);
                }
                self.take(effects);
            }
            14 => self.pause(),
            15 | 16 => self.resume(),
            17 => self.exit(),
            18 => self.start(),
            19 => self.order(),
            20 => self.cannot_be_said(),
            _ => self.wait(),
        }
    }

    fn words(&mut self) -> String {
        let piece = self.random.one_of(&[
            "\u{e4}",
            "429 ",
            "<<TURN_COMPLETE>>",
            "\n",
            "\u{0}",
            "> ",
            "{\"type\":\"send\"}",
        ]);
        let times = self.random.one_of(&[0, 1, 3, 50, 2_000]);
        piece.repeat(times)
    }

    fn next_text(&mut self) -> String {
        self.serial += 1;
        format!("{} {}", self.serial, self.random.one_of(&["", "x", "<<TURN_COMPLETE>>"]))
    }

    fn task(&mut self) {
        for _ in 0..self.random.one_of(&[1, 1, 1, 1, 1, 1, 1, 300]) {
            let text = self.next_text();
            // Accepted before its effects say it.
            self.waiting.push_back(("", text.clone()));
            match self.turn.task(&text, at(self.now)) {
                Ok(effects) => self.take(effects),
                Err(why) => {
                    self.waiting.pop_back();
                    self.refused(why);
                }
            }
        }
    }

    fn message(&mut self) {
        let from = SENDERS[1 + self.random.below(2) as usize];
        let text = self.next_text();
        self.waiting.push_back((from, text.clone()));
        let (result, effects) = self.turn.message(from, &text, at(self.now));
        if let Err(why) = result {
            assert_ne!(why, Refused::Initializing);
            self.waiting.pop_back();
            self.refused(why);
            assert_eq!(events(&effects).len(), 1, "a lost message is told");
        }
        self.take(effects);
    }

    fn refused(&self, why: Refused) {
        let through = self.rules.max_turns.is_some_and(|most| self.turns >= most);
        match why {
            Refused::Initializing => assert_eq!(self.does, Does::Starts),
            Refused::Error | Refused::Stopped => assert!(self.does == Does::Nothing || through),
            Refused::InboxFull => assert!(self.waiting.len() >= limits::SWARM_INBOX),
            Refused::TooLong => panic!("it is short"),
        }
    }

    fn pause(&mut self) {
        if !self.paused {
            (self.paused, self.paused_at) = (true, self.now);
        }
        self.turn.pause(at(self.now));
        assert_eq!(self.turn.deadline(), None);
    }

    fn resume(&mut self) {
        if std::mem::take(&mut self.paused) {
            let held = self.now - self.paused_at;
            self.answer = self.answer.map(|until| until + held);
        }
        let effects = self.turn.resume(at(self.now));
        self.take(effects);
    }

    fn exit(&mut self) {
        if self.random.below(6) > 0 {
            return;
        }
        let exit =
            self.random.one_of(&[Some(Exit::Code(0)), Some(Exit::Code(1)), Some(Exit::Signal(9)), None]);
        let effects = self.turn.ended(exit, at(self.now));
        self.answer = None;
        self.take(effects);
    }

    fn start(&mut self) {
        let effects = if self.random.below(8) == 0 {
            self.turn.failed("no such file", at(self.now))
        } else {
            if self.does == Does::Starts {
                self.does = Does::Waits;
            }
            self.turn.started(at(self.now))
        };
        self.take(effects);
    }

    /// Orders from outside: rare, or nothing else would happen.
    fn order(&mut self) {
        match self.random.below(30) {
            0 => {
                let effects = self.turn.stop(at(self.now));
                self.take(effects);
                assert_eq!(self.turn.state(), State::Stopped);
            }
            1..=4 => {
                let effects = self.turn.restarted(at(self.now));
                // A text that waited to be delivered goes first.
                let may = |effect: &Effect| matches!(effect, Effect::AutoReply { .. } | Effect::State(_));
                assert!(effects.iter().all(may));
                (self.does, self.turns, self.answer) = (Does::Starts, 0, None);
                self.take(effects);
            }
            _ => {}
        }
    }

    fn cannot_be_said(&mut self) {
        let Some((item, turn)) = self.last.take().filter(|_| self.does == Does::Works) else { return };
        let from = match &item {
            Item::Task { .. } => "",
            Item::Message { from, .. } => SENDERS[1 + usize::from(from == "c")],
        };
        self.waiting.push_front((from, item.parts().1.to_owned()));
        self.does = Does::Waits;
        let effects = self.turn.not_said(item, turn, at(self.now));
        self.take(effects);
    }

    /// Time passes, to the next deadline or anywhere.
    fn wait(&mut self) {
        let far = self.random.one_of(&[0, 1, 700, 3_000, 70_000]);
        self.now = match self.turn.deadline() {
            Some(deadline) if self.random.below(2) == 0 => deadline.max(self.now),
            Some(_) | None => self.now + far,
        };
        if !self.paused {
            self.answer = self.answer.filter(|until| *until > self.now);
        }
        let effects = self.turn.tick(at(self.now));
        self.take(effects);
        let deadline = self.turn.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "what was due is done: {deadline:?}");
    }

    /// Left alone, the agent takes all that it has accepted.
    fn drain(&mut self) {
        self.resume();
        let most = 4 * limits::SWARM_INBOX;
        for _ in 0..most {
            if self.does == Does::Nothing || (self.waiting.is_empty() && self.does == Does::Waits) {
                break;
            }
            match self.does {
                Does::Works => {
                    self.turns += 1;
                    self.does = Does::Waits;
                    let effects = self.turn.spoken(Spoken::TurnComplete, at(self.now));
                    self.take(effects);
                }
                Does::Starts => {
                    self.does = Does::Waits;
                    let effects = self.turn.started(at(self.now));
                    self.take(effects);
                }
                Does::Waits | Does::Nothing => {
                    self.now = self.turn.deadline().expect("it waits for something").max(self.now);
                    let effects = self.turn.tick(at(self.now));
                    self.take(effects);
                }
            }
        }
        assert!(self.waiting.is_empty(), "{} left in {:?}", self.waiting.len(), self.turn.facts());
        let size = |lines: Vec<Value>| {
            lines.iter().map(|line| line["content"].as_str().unwrap().len()).sum::<usize>()
        };
        assert!(size(self.turn.history(usize::MAX)) <= limits::SWARM_HISTORY_BYTES);
        assert!(conversation(&self.turn).concat().len() <= limits::LOG_MEMORY);
    }
}

fn rules_of(seed: u64) -> Rules {
    let bit = |at: u64| seed >> at & 1 == 1;
    Rules {
        reply_wait_ms: WAIT_MS,
        max_turns: seed.is_multiple_of(5).then_some(3 + seed % 40),
        turn_timeout_ms: bit(1).then_some(2_000),
        reply_to: bit(2).then(|| node("gw")),
        reply_grace_ms: if bit(3) { 1_000 } else { 0 },
        restart: if bit(4) || bit(5) { Restart::OnFailure } else { Restart::Never },
        pty: false,
    }
}

#[test]
fn what_is_accepted_is_said_once_in_order_and_never_out_of_turn() {
    let (mut said, mut survived) = (0, 0);
    for seed in 1..=150 {
        let mut world = World::new(seed, rules_of(seed));
        for _ in 0..300 {
            world.step();
        }
        world.drain();
        said += world.said;
        survived += u64::from(world.does != Does::Nothing);
    }
    // The test would keep its promise without ever looking at a turn.
    assert!(said > 5_000 && survived > 20, "{said} {survived}");
}
