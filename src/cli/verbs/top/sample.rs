//! One answer about all agents, and the rates that two of them make.
//!
//! The instance counts and does not say how fast: of two answers with different moments comes what happened in a
//! second in between. Names and states come from outside and are made plain here, once: what is in a sample may be
//! shown, and each of its characters is one column wide.

use std::{cmp::Reverse, collections::BTreeMap};

use serde_json::Value;

use crate::cli::display;

/// Longest name or state that is kept.
const LONGEST: usize = 160;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// the moment that it is of, on the instance's clock
    pub at_ms: u64,
    pub uptime_ms: u64,
    pub connections: Option<u64>,
    /// the instance's own, in bytes
    pub memory: Option<u64>,
    /// events so far
    pub events: u64,
    pub event_rate: Option<f64>,
    pub swarms: u64,
    pub swarms_running: u64,
    pub agents: Vec<Row>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    pub name: String,
    pub swarm: Option<String>,
    pub state: String,
    /// messages so far
    pub messages: u64,
    pub rate: Option<f64>,
    /// ms of its last turn
    pub last: Option<u64>,
    /// ms that half of its newest turns did not exceed, and 99 in a hundred
    pub p50: Option<u64>,
    pub p99: Option<u64>,
    pub waiting: u64,
    /// of its processes, in bytes
    pub memory: Option<u64>,
    pub pid: Option<u64>,
    /// its place in the answer
    pub at: usize,
}

/// By what the agents are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Name,
    State,
    Rate,
    Latency,
    Memory,
}

impl Order {
    /// The words that mean one, each by its own first letter.
    pub const WORDS: [&str; 5] = ["name", "state", "rate", "latency", "memory"];

    const ALL: [Self; 5] = [Self::Name, Self::State, Self::Rate, Self::Latency, Self::Memory];

    /// The order that this word, or the key with its first letter, means.
    pub fn find(fits: impl Fn(&str) -> bool) -> Option<Self> {
        let words = Self::WORDS.iter().zip(Self::ALL);
        words.filter(|(word, _)| fits(word)).map(|(_, order)| order).next()
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Rate => "rate",
            Self::Latency => "latency",
            Self::Memory => "memory",
        }
    }
}

impl Sample {
    /// Reads an answer; what is missing or something else counts as not known. With a swarm, its agents only.
    pub fn of(answer: &Value, swarm: Option<&str>) -> Self {
        let number = |path: &str| answer.pointer(path).and_then(Value::as_u64);
        let agents = answer.get("agents").and_then(Value::as_array).into_iter().flatten();
        let wanted = |row: &Row| swarm.is_none() || row.swarm.as_deref() == swarm;
        Self {
            at_ms: number("/at_ms").unwrap_or(0),
            uptime_ms: number("/uptime_ms").unwrap_or(0),
            connections: number("/connections"),
            memory: number("/memory_bytes"),
            events: number("/events").unwrap_or(0),
            event_rate: None,
            swarms: number("/swarms/all").unwrap_or(0),
            swarms_running: number("/swarms/running").unwrap_or(0),
            agents: agents.enumerate().map(Row::of).filter(wanted).collect(),
        }
    }

    /// Puts the agents in order: the most of what is asked for first, and of the same by name.
    pub fn sort(&mut self, order: Order) {
        let by_name = |one: &Row, other: &Row| one.name.cmp(&other.name);
        match order {
            Order::Name => self.agents.sort_by(by_name),
            Order::State => {
                self.agents.sort_by(|a, b| urgency(a).cmp(&urgency(b)).then_with(|| by_name(a, b)))
            }
            Order::Rate => {
                let rate = |row: &Row| row.rate.unwrap_or(-1.0);
                self.agents.sort_by(|a, b| rate(b).total_cmp(&rate(a)).then_with(|| by_name(a, b)));
            }
            Order::Latency => {
                self.agents.sort_by(|a, b| (Reverse(a.last), &a.name).cmp(&(Reverse(b.last), &b.name)))
            }
            Order::Memory => {
                self.agents.sort_by(|a, b| (Reverse(a.memory), &a.name).cmp(&(Reverse(b.memory), &b.name)))
            }
        }
    }
}

impl Sample {
    /// Leaves in the answer that it was made of the agents that are here, in the order in which they are here.
    pub fn arrange(&self, answer: &mut Value) {
        if let Some(Value::Array(agents)) = answer.get_mut("agents") {
            *agents = self.agents.iter().filter_map(|row| agents.get(row.at).cloned()).collect();
        }
    }
}

/// Who needs somebody comes first, who is over last.
fn urgency(row: &Row) -> usize {
    const STATES: [&str; 9] =
        ["error", "working", "running", "initializing", "paused", "waiting_input", "idle", "stopped", "done"];
    STATES.iter().position(|state| *state == row.state).unwrap_or(STATES.len())
}

impl Row {
    fn of((at, answer): (usize, &Value)) -> Self {
        let number = |path: &str| answer.pointer(path).and_then(Value::as_u64);
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(plain);
        let paused = answer.get("paused").and_then(Value::as_bool) == Some(true);
        let state = if paused { Some("paused".to_owned()) } else { text("state") };
        Self {
            name: text("name").unwrap_or_default(),
            swarm: text("swarm"),
            state: state.unwrap_or_default(),
            messages: number("/messages").unwrap_or(0),
            rate: None,
            last: number("/latency_ms/last"),
            p50: number("/latency_ms/p50"),
            p99: number("/latency_ms/p99"),
            waiting: number("/waiting").unwrap_or(0),
            memory: number("/memory_bytes"),
            pid: number("/pid"),
            at,
        }
    }
}

/// Names and states are ASCII by their rules: anything else is somebody's who wants to be shown as another.
fn plain(text: &str) -> String {
    let shown = display::line(text);
    let ascii = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    shown.chars().take(LONGEST).map(ascii).collect()
}

/// What was counted at the last moment, and the rates that came of it.
#[derive(Debug, Default)]
pub struct Rates {
    at_ms: Option<u64>,
    events: (u64, Option<f64>),
    messages: BTreeMap<String, (u64, Option<f64>)>,
}

impl Rates {
    /// Writes the rates into a sample, and keeps what it counts for the next one. An answer of the same moment is
    /// the same answer, with the same rates.
    pub fn rate(&mut self, sample: &mut Sample) {
        let same = self.at_ms == Some(sample.at_ms);
        let over = self.at_ms.and_then(|before| sample.at_ms.checked_sub(before)).filter(|over| *over > 0);
        let rated = |now: u64, before: Option<(u64, Option<f64>)>| {
            let (before, rate) = before?;
            if same {
                return rate;
            }
            // Fewer than before: it is another one of that name.
            Some(now.checked_sub(before)? as f64 * 1000.0 / over? as f64)
        };
        sample.event_rate = rated(sample.events, self.at_ms.map(|_| self.events));
        let mut messages = BTreeMap::new();
        for row in &mut sample.agents {
            row.rate = rated(row.messages, self.messages.get(&row.name).copied());
            messages.insert(row.name.clone(), (row.messages, row.rate));
        }
        (self.at_ms, self.events) = (Some(sample.at_ms), (sample.events, sample.event_rate));
        self.messages = messages;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(at: u64, messages: u64) -> Value {
        json!({"at_ms": at, "events": messages * 10, "agents": [{"name": "a", "state": "idle", "messages": messages}]})
    }

    #[test]
    fn rates_are_made_of_two_answers_of_different_moments() {
        let mut rates = Rates::default();
        let mut rate = |at, messages| {
            let mut sample = Sample::of(&answer(at, messages), None);
            rates.rate(&mut sample);
            (sample.agents[0].rate, sample.event_rate)
        };
        assert_eq!(rate(1_000, 5), (None, None), "one answer says nothing");
        assert_eq!(rate(3_000, 9), (Some(2.0), Some(20.0)));
        assert_eq!(rate(3_000, 9), (Some(2.0), Some(20.0)), "the same answer again");
        assert_eq!(rate(4_000, 9), (Some(0.0), Some(0.0)));
        assert_eq!(rate(5_000, 1), (None, None), "another agent of that name");
        assert_eq!(rate(2_000, 9), (None, None), "another instance");
        assert_eq!(rate(3_000, 10), (Some(1.0), Some(10.0)));
    }

    #[test]
    fn what_is_missing_or_something_else_is_not_known() {
        for odd in [json!(null), json!([]), json!({"agents": 7}), json!({"at_ms": -1, "agents": [null, 7]})] {
            let sample = Sample::of(&odd, None);
            assert!(
                sample.agents.iter().all(|row| *row == Row { at: row.at, ..Row::default() }),
                "{sample:?}"
            );
        }
        let row =
            json!({"name": 7, "state": ["x"], "latency_ms": "soon", "memory_bytes": 1.5, "paused": "yes"});
        assert_eq!(Sample::of(&json!({ "agents": [row] }), None).agents, [Row::default()]);
    }

    #[test]
    fn names_and_states_are_plain_and_bounded() {
        let hostile = json!({"agents": [{
            "name": "\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}evil\u{4e2d}\u{200b}\n\r\u{9b}31m",
            "state": "x".repeat(5_000),
        }]});
        let row = &Sample::of(&hostile, None).agents[0];
        assert!(row.name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{:?}", row.name);
        assert!(row.name.contains("evil"), "{:?}", row.name);
        assert_eq!(row.state.len(), LONGEST);
    }

    #[test]
    fn agents_are_ordered_by_what_is_asked_for_and_then_by_name() {
        let row = |name: &str, state: &str, last, memory, rate| Row {
            name: name.to_owned(),
            state: state.to_owned(),
            last,
            memory,
            rate,
            ..Row::default()
        };
        let agents = vec![
            row("d", "idle", None, Some(5), Some(0.5)),
            row("c", "error", Some(1), None, None),
            row("b", "working", Some(9), Some(5), Some(7.0)),
            row("a", "odd", Some(1), Some(50), Some(0.5)),
        ];
        let mut sample = Sample { agents, ..Sample::default() };
        for (order, names) in
            [("name", "abcd"), ("state", "cbda"), ("rate", "badc"), ("latency", "bacd"), ("memory", "abdc")]
        {
            sample.sort(Order::find(|word| word == order).expect("an order"));
            let found: String = sample.agents.iter().map(|row| row.name.as_str()).collect();
            assert_eq!(found, names, "{order}");
        }
        for word in Order::WORDS {
            assert_eq!(Order::find(|found| found == word).map(Order::word), Some(word));
        }
    }

    #[test]
    fn an_answer_is_arranged_as_the_table_is() {
        let agents = json!([{"name": "s/a", "swarm": "s", "memory_bytes": 1}, {"name": "t/a", "swarm": "t"},
                            {"name": "s/b", "swarm": "s", "memory_bytes": 2, "more": "kept"}]);
        let mut answer = json!({"at_ms": 1, "agents": agents});
        let mut sample = Sample::of(&answer, Some("s"));
        sample.sort(Order::Memory);
        sample.arrange(&mut answer);
        assert_eq!(answer, json!({"at_ms": 1, "agents": [agents[2], agents[0]]}));
        for odd in [json!(null), json!({"agents": 7}), json!([])] {
            let mut answer = odd.clone();
            Sample::of(&odd, None).arrange(&mut answer);
            assert_eq!(answer, odd);
        }
    }

    #[test]
    fn one_swarm_is_its_own_agents() {
        let agents = json!([{"name": "s/a", "swarm": "s"}, {"name": "t/a", "swarm": "t"}, {"name": "a", "swarm": null}]);
        let answer = json!({ "agents": agents });
        assert_eq!(Sample::of(&answer, None).agents.len(), 3);
        let one = Sample::of(&answer, Some("t")).agents;
        assert_eq!(one.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["t/a"]);
    }
}
