//! What came out, as tables for people and as JSON.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde_json::{Value, json};

use crate::load::Run;

/// What a figure has to reach (design section 12).
#[derive(Clone, Copy)]
pub enum Goal {
    /// nothing: shown for comparison
    None,
    /// reached at this value and above
    AtLeast(f64),
    /// reached at this value and below
    AtMost(f64),
    /// reached below this value
    Below(f64),
}

impl Goal {
    fn reached(self, value: f64) -> Option<bool> {
        match self {
            Goal::None => None,
            Goal::AtLeast(goal) => Some(value >= goal),
            Goal::AtMost(goal) => Some(value <= goal),
            Goal::Below(goal) => Some(value < goal),
        }
    }

    fn text(self) -> String {
        match self {
            Goal::None => String::new(),
            Goal::AtLeast(goal) => format!(">= {goal}"),
            Goal::AtMost(goal) => format!("<= {goal}"),
            Goal::Below(goal) => format!("< {goal}"),
        }
    }
}

struct Round {
    run: Run,
    /// of the server, for each answer
    cpu_us: f64,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
}

/// All figures of one run of the program.
pub struct Report {
    quick: bool,
    /// by server and connections, one entry for each round
    rounds: BTreeMap<(String, usize), Vec<Round>>,
    order: Vec<String>,
    figures: Vec<Figure>,
}

impl Report {
    /// An empty one.
    pub fn new(quick: bool) -> Self {
        Self { quick, rounds: BTreeMap::new(), order: Vec::new(), figures: Vec::new() }
    }

    /// One round of load on one server.
    pub fn run(&mut self, server: &str, connections: usize, run: Run, cpu: Duration, time: Duration) {
        if !self.order.iter().any(|known| known == server) {
            self.order.push(server.to_owned());
        }
        let cpu_us = cpu.as_secs_f64() * 1e6 / (run.rate * time.as_secs_f64()).max(1.0);
        self.rounds.entry((server.to_owned(), connections)).or_default().push(Round { run, cpu_us });
    }

    /// Requests a second of one server over those of another: the median of the rounds' ratios.
    pub fn ratio(&mut self, a: &str, b: &str, connections: usize, goal: Goal) {
        self.compare("requests/s", a, b, connections, goal, |round| round.run.rate);
    }

    /// The same for the 99th percentile of latency.
    pub fn ratio_p99(&mut self, a: &str, b: &str, connections: usize, goal: Goal) {
        self.compare("p99", a, b, connections, goal, |round| round.run.p99);
    }

    fn compare(
        &mut self,
        what: &str,
        a: &str,
        b: &str,
        connections: usize,
        goal: Goal,
        of: fn(&Round) -> f64,
    ) {
        let rounds = |name: &str| self.rounds.get(&(name.to_owned(), connections));
        let (Some(ours), Some(theirs)) = (rounds(a), rounds(b)) else { return };
        let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| of(a) / of(b)).collect();
        let value = median(&mut ratios);
        self.figure(&format!("{what} at {connections}: {a} / {b}"), value, "x", goal);
    }

    /// One figure.
    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str, goal: Goal) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, goal });
    }

    fn medians(&self, server: &str, connections: usize) -> Option<[f64; 6]> {
        let rounds = self.rounds.get(&(server.to_owned(), connections))?;
        let of = |field: fn(&Round) -> f64| median(&mut rounds.iter().map(field).collect::<Vec<_>>());
        Some([
            of(|round| round.run.rate),
            of(|round| round.run.p50),
            of(|round| round.run.p99),
            of(|round| round.cpu_us),
            of(|round| round.run.served as f64),
            of(|round| round.run.busy),
        ])
    }

    /// Markdown, as docs/performance.md shows it.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n\n", machine());
        if self.quick {
            text.push_str("(quick: a look, not a figure to print)\n\n");
        }
        text.push_str(
            "| server | connections | requests/s | p50 us | p99 us | server CPU us/request | served | generator busy |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for connections in [2, 64] {
            for server in &self.order {
                let Some([rate, p50, p99, cpu, served, busy]) = self.medians(server, connections) else {
                    continue;
                };
                let _ = writeln!(
                    text,
                    "| {server} | {connections} | {rate:.0} | {p50:.0} | {p99:.0} | {cpu:.1} | {served:.0} | {:.0} % |",
                    busy * 100.0
                );
            }
        }
        text.push_str("\n| figure | value | goal | |\n|---|---|---|---|\n");
        for Figure { name, value, unit, goal } in &self.figures {
            let word = match goal.reached(*value) {
                None => "",
                Some(true) => "reached",
                Some(false) => "missed",
            };
            let value = if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") };
            let _ = writeln!(text, "| {name} | {value} {unit} | {} | {word} |", goal.text());
        }
        text
    }

    /// Everything, every round too.
    pub fn json(&self) -> Value {
        let mut runs = Vec::new();
        for ((server, connections), rounds) in &self.rounds {
            for (at, round) in rounds.iter().enumerate() {
                runs.push(json!({
                    "server": server, "connections": connections, "round": at,
                    "requests_per_second": round.run.rate, "p50_us": round.run.p50, "p99_us": round.run.p99,
                    "cpu_us_per_request": round.cpu_us, "served": round.run.served,
                    "generator_busy": round.run.busy,
                }));
            }
        }
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name, "value": figure.value, "unit": figure.unit,
                    "goal": figure.goal.text(), "reached": figure.goal.reached(figure.value),
                })
            })
            .collect();
        json!({ "quick": self.quick, "machine": machine(), "rounds": runs, "figures": figures })
    }
}

/// What it ran on, in one line.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    format!(
        "{} x {}, Linux {}, load {} when it ended",
        cores,
        model.unwrap_or("unknown CPU"),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or_default()
    )
}

/// The middle value; 0 without values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
