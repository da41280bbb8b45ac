//! The set of all swarms, with mock backends in temporary homes (spec genswarms M.6).

mod fit;
mod hard;
mod led;
mod life;
mod model;
mod nodes;
mod objects;
mod refused;
mod threads;
mod told;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Parts, Settings, Swarms};
use crate::{
    agent::{self, Agents},
    backend::Policy,
    store::testing::TempHome,
    swarm::{Fault, config::Config, events::Hub},
    sys::clock::SystemClock,
    wire::clock::Clock,
};

/// The swarms of a home, which can be opened again.
struct Rig {
    temp: TempHome,
    cap: usize,
    swarms: Arc<Swarms>,
}

impl Rig {
    fn new() -> Self {
        Self::capped(100)
    }

    fn capped(cap: usize) -> Self {
        let temp = TempHome::in_memory();
        let swarms = open(&temp, cap);
        Self { temp, cap, swarms }
    }

    /// A rig with this swarm, which runs.
    fn with(config: &Value) -> Self {
        let rig = Self::new();
        rig.create(config).expect("it is created");
        rig
    }

    fn create(&self, config: &Value) -> Result<(), Fault> {
        self.swarms.create(Config::of(config).map_err(Fault::of_config)?).map(drop)
    }

    /// The instance ends as if it were killed, and another one begins.
    fn reopen(self) -> Self {
        let Self { temp, cap, swarms } = self;
        drop(swarms);
        let swarms = open(&temp, cap);
        Self { temp, cap, swarms }
    }

    /// What a cleaning of all that rest removes.
    fn cleaned(&self, all: bool) -> Vec<String> {
        let cleaned = self.swarms.clean(None, all).expect("it cleans");
        assert!(cleaned.failed.is_empty(), "{cleaned:?}");
        cleaned.removed.iter().map(ToString::to_string).collect()
    }

    fn agents(&self) -> Vec<String> {
        agents(&self.swarms)
    }

    fn edges(&self) -> Vec<String> {
        edges(&self.swarms)
    }

    fn ops(&self) -> Vec<String> {
        self.swarms.overlay("s").expect("an overlay").into_iter().map(|row| row.op).collect()
    }
}

fn open(temp: &TempHome, cap: usize) -> Arc<Swarms> {
    open_with(temp, cap, Policy::default())
}

fn open_with(temp: &TempHome, cap: usize, policy: Policy) -> Arc<Swarms> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let url = "http://127.0.0.1:4000".to_owned();
    let agents = Agents::new(clock.clone(), agent::Settings::new(url.clone(), 1_024)).expect("a thread");
    let parts = Parts {
        home: Arc::new(temp.home()),
        agents,
        events: Arc::new(Hub::new(clock.clone())),
        clock,
        policy,
        settings: Settings { cap, url },
    };
    let (swarms, troubles) = Swarms::open(parts).expect("a home");
    assert!(troubles.is_empty(), "{troubles:?}");
    swarms
}

/// The agents of the swarm `s`, sorted.
fn agents(swarms: &Swarms) -> Vec<String> {
    let mut names: Vec<String> = swarms.agents("s").iter().map(|agent| agent.name.to_string()).collect();
    names.sort();
    names
}

/// The edges of the swarm `s`, sorted.
fn edges(swarms: &Swarms) -> Vec<String> {
    let rows = swarms.topology("s").expect("a swarm");
    let of = |row: crate::swarm::view::TopologyRow| {
        row.targets.into_iter().map(move |to| format!("{}>{to}", row.from))
    };
    let mut edges: Vec<String> = rows.into_iter().flat_map(of).collect();
    edges.sort();
    edges
}

/// The swarm `s`: two agents and a counter.
fn small() -> Value {
    json!({
        "name": "s",
        "agents": [{"name": "alpha", "backend": "mock"}, {"name": "beta", "backend": "mock"}],
        "objects": [{"name": "count", "handler": "counter"}],
        "topology": [["alpha", "beta"], ["beta", "count"]],
    })
}

fn mock(name: &str) -> Value {
    json!({"name": name, "backend": "mock"})
}

fn pairs(edges: &[(&str, &str)]) -> Vec<(String, String)> {
    edges.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

fn code<T: std::fmt::Debug>(result: Result<T, Fault>) -> &'static str {
    result.expect_err("a fault").code()
}
