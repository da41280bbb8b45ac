//! How all agents do, at one glance: what `loopgate top` shows.
//!
//! Names, states, counts, lengths of turns and memory; no command line, no path, no text. Looking at every agent
//! and at the machine's processes costs something, so that it is done a few times a second at most, by one caller
//! at a time, for a tenth of a processor at most; whoever asks in between is given the last answer again, with the
//! moment it is of. Rates are made by whoever asks, of the counts of two answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use super::{
    App, VERSION,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::Caller,
    agent::{Lengths, Pace, State, Took},
    limits,
    swarm::view::AgentPace,
    sys::usage::{self, Usage},
    wire::{clock::Clock, node::Holder},
};

/// `GET /api/v1/top`.
pub(super) fn top(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    let answer = app.top.answer(&*app.clock, || look(app));
    // As good as never: the very first two at the same moment.
    let answer = answer.ok_or_else(|| Fault::new(503, "busy", "somebody else looks just now: try again"))?;
    ok(&answer)
}

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct Top {
    last: Mutex<Option<Last>>,
    /// somebody is making another one
    looking: AtomicBool,
}

#[derive(Debug, Clone)]
struct Last {
    /// it is given until then, monotonic ms
    until: u64,
    answer: Arc<Value>,
}

impl Top {
    /// The last answer while it is new enough, or while somebody else makes another one; else a new one.
    fn answer(&self, clock: &dyn Clock, look: impl FnOnce() -> Value) -> Option<Arc<Value>> {
        let began = clock.monotonic_ms();
        let last = self.last();
        if let Some(last) = last.as_ref().filter(|last| began < last.until) {
            return Some(Arc::clone(&last.answer));
        }
        let Some(_looking) = Looking::begin(&self.looking) else { return Some(last?.answer) };
        let answer = Arc::new(look());
        let took = clock.monotonic_ms().saturating_sub(began);
        let pause = took.saturating_mul(10).max(limits::TOP_PAUSE_MS);
        let last = Last { until: began.saturating_add(pause), answer: Arc::clone(&answer) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Some(answer)
    }

    fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The one who looks, until he is done.
struct Looking<'a>(&'a AtomicBool);

impl<'a> Looking<'a> {
    fn begin(looking: &'a AtomicBool) -> Option<Self> {
        (!looking.swap(true, Ordering::AcqRel)).then(|| Self(looking))
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn look(app: &App) -> Value {
    let now = app.clock.monotonic_ms();
    let trees = Trees::look(app);
    let loose = app.fleet.paces();
    let members = app.swarms.paces();
    let swarms = app.swarms.list();
    let running = swarms.iter().filter(|swarm| swarm.status == "running").count();
    let loose = loose.into_iter().map(|pace| Row::loose(app, &trees, pace));
    let members = members.into_iter().map(|pace| Row::member(&trees, pace));
    let agents: Vec<Value> = loose.chain(members).map(|row| row.to_value()).collect();
    json!({
        "version": VERSION,
        "instance": app.instance,
        "pid": std::process::id(),
        "at_ms": now,
        "uptime_ms": now.saturating_sub(app.started),
        "connections": app.gate_counters.get().map(|counters| counters.open.load(Ordering::Relaxed)),
        "memory_bytes": usage::own(),
        "events": app.swarms.events().last(),
        "swarms": { "all": swarms.len(), "running": running },
        "agents": agents,
    })
}

/// One agent.
struct Row {
    name: String,
    swarm: Option<String>,
    state: &'static str,
    paused: bool,
    pid: Option<u32>,
    messages: u64,
    waiting: usize,
    took: Took,
    usage: Option<Usage>,
}

impl Row {
    fn loose(app: &App, trees: &Trees, pace: Pace) -> Self {
        Self {
            name: pace.name.as_str().to_owned(),
            swarm: None,
            state: pace.state.as_str(),
            paused: false,
            // after the end the number means nothing
            pid: (pace.state != State::Done).then_some(pace.pid),
            messages: pace.messages,
            waiting: app.bus.mail.waiting(&pace.name),
            took: pace.took,
            usage: trees.of(&Holder::Loose(pace.name)),
        }
    }

    fn member(trees: &Trees, pace: AgentPace) -> Self {
        Self {
            name: pace.name.to_string(),
            swarm: Some(pace.name.swarm.as_str().to_owned()),
            state: pace.state,
            paused: pace.paused,
            pid: pace.pid,
            messages: pace.message_count,
            waiting: pace.inbox_size,
            took: pace.took,
            usage: trees.of(&Holder::Member(pace.name)),
        }
    }

    fn to_value(&self) -> Value {
        let lengths = |ms: Lengths| json!({ "last": ms.last, "p50": ms.p50, "p99": ms.p99 });
        json!({
            "name": self.name,
            "swarm": self.swarm,
            "state": self.state,
            "paused": self.paused,
            "pid": self.pid,
            "messages": self.messages,
            "waiting": self.waiting,
            "turns": self.took.turns,
            "latency_ms": self.took.ms.map(lengths),
            "memory_bytes": self.usage.map(|usage| usage.memory),
            "processes": self.usage.map(|usage| usage.processes),
        })
    }
}

/// What the trees of all agents have.
struct Trees {
    keepers: BTreeMap<Holder, u32>,
    usage: BTreeMap<u32, Usage>,
}

impl Trees {
    fn look(app: &App) -> Self {
        let keepers: BTreeMap<Holder, u32> =
            app.fleet.keepers().into_iter().map(|(pid, holder)| (holder, pid)).collect();
        let roots: BTreeSet<u32> = keepers.values().copied().collect();
        // Without agents there is nothing to look for; what cannot be read is not known.
        let usage = match roots.is_empty() {
            true => None,
            false => usage::below(&roots, limits::TOP_PROCESSES).ok().flatten(),
        };
        Self { keepers, usage: usage.unwrap_or_default() }
    }

    /// Nothing for an agent without a process, and where it is not known.
    fn of(&self, holder: &Holder) -> Option<Usage> {
        self.usage.get(self.keepers.get(holder)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::wire::clock::ManualClock;

    #[test]
    fn top_looks_a_few_times_a_second_and_gives_the_last_answer_in_between() {
        let (top, clock, looks) = (Top::default(), ManualClock::at(0), AtomicU64::new(0));
        let ask = |takes: u64| {
            let look = || {
                clock.advance(takes);
                json!(looks.fetch_add(1, Ordering::Relaxed))
            };
            top.answer(&*clock, look).expect("nobody else looks").as_u64()
        };
        assert_eq!((ask(0), ask(0)), (Some(0), Some(0)));
        clock.advance(limits::TOP_PAUSE_MS - 1);
        assert_eq!(ask(0), Some(0));
        clock.advance(1);
        // one that takes long is not repeated soon
        assert_eq!(ask(100), Some(1));
        clock.advance(899);
        assert_eq!(ask(0), Some(1));
        clock.advance(1);
        assert_eq!(ask(0), Some(2));
    }

    #[test]
    fn one_caller_looks_at_a_time_and_the_others_get_what_there_is() {
        let (top, clock) = (Top::default(), ManualClock::at(0));
        let none = || panic!("looked at");
        let inner = |top: &Top| top.answer(&*clock, none).map(|answer| (*answer).clone());
        let first = top.answer(&*clock, || json!({ "meanwhile": inner(&top) }));
        assert_eq!(first.as_deref(), Some(&json!({ "meanwhile": null })), "there is nothing yet");
        clock.advance(limits::TOP_PAUSE_MS);
        let second = top.answer(&*clock, || json!({ "meanwhile": inner(&top) }));
        assert_eq!(second.as_deref(), Some(&json!({ "meanwhile": { "meanwhile": null } })));
        clock.advance(limits::TOP_PAUSE_MS);
        let panics = || top.answer(&*clock, || panic!("in the middle"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(top.answer(&*clock, || json!(3)).as_deref(), Some(&json!(3)), "and it goes on");
    }
}
