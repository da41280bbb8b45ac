//! What a swarm is, or would become: the state that the gate decides about, and the configuration that is run.
//!
//! Both say the same, and one is made of the other; every change passes the gate as a whole state before anything
//! of it is done. Pure.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    swarm::{
        Fault,
        config::{self, AgentConfig, Config, Foreign, ObjectConfig},
        ir::{self, Event, Op, State, gate, gate::Passed},
    },
    wire::node::NodeName,
};

/// A swarm that has passed the gate.
pub(super) struct Shape {
    /// as the gate sees it
    pub state: State,
    /// as it is run
    pub config: Config,
}

/// What one operation makes of a swarm.
pub(super) struct After {
    /// the swarm
    pub shape: Arc<Shape>,
    /// what leads there, as one line of the overlay
    pub line: Value,
}

/// Where an overlay stopped fitting.
pub(super) struct Misfit {
    /// the number of the change
    pub seq: u64,
    /// why
    pub reason: String,
}

impl Shape {
    /// A swarm from its configuration.
    pub fn of(config: Config, cap: usize) -> Result<Arc<Self>, Fault> {
        let state = gate::start(&config.to_value(), cap).map_err(refused)?;
        Ok(Arc::new(Self { state, config }))
    }

    /// What an operation makes of it.
    pub fn after(&self, op: impl FnOnce(&State) -> Result<Passed, ir::Error>) -> Result<After, Fault> {
        let passed = op(&self.state).map_err(refused)?;
        let shape = Arc::new(self.with(passed.state)?);
        Ok(After { shape, line: line(&passed.ops) })
    }

    /// Itself with the changes of an overlay, each of which passes the gate again.
    pub fn replay(self: &Arc<Self>, lines: &[(u64, Value)], cap: usize) -> Result<Arc<Self>, Misfit> {
        if lines.is_empty() {
            return Ok(self.clone());
        }
        let mut events = Vec::new();
        for (seq, line) in lines {
            events.extend(events_of(*seq, line).map_err(|reason| Misfit { seq: *seq, reason })?);
        }
        let stopped = |stopped: ir::Stopped| Misfit { seq: stopped.seq, reason: stopped.reason.to_string() };
        let whole = |events: &[Event]| {
            let shape = self.with(gate::replay(&self.state, events, cap).map_err(stopped)?);
            let shape = shape.and_then(|shape| shape.runs_only_what(&self.config).map(|()| shape));
            let seq = events.last().map_or(0, |event| event.seq);
            shape.map_err(|fault| Misfit { seq, reason: fault.to_string() })
        };
        whole(&events).map(Arc::new).map_err(|misfit| {
            // What no single operation shows: the first after which the whole does not fit.
            let ends = (1..=events.len()).find_map(|count| whole(events.get(..count)?).err());
            ends.unwrap_or(misfit)
        })
    }

    fn with(&self, state: State) -> Result<Self, Fault> {
        let value = ir::untranslate(&state)
            .ok_or_else(|| Fault::Refused { reason: "no configuration says this".to_owned() })?;
        let mut config = Config::of_running(&value).map_err(Fault::of_config)?;
        config.autostart = self.config.autostart;
        Ok(Self { state, config })
    }

    /// No program and no backend but those of the seed: whoever wrote it could run anything, later calls could
    /// not.
    fn runs_only_what(&self, seed: &Config) -> Result<(), Fault> {
        let (what, name) = match config::foreign(&self.config, seed) {
            None => return Ok(()),
            Some(Foreign::Program(name)) => ("command", name),
            Some(Foreign::Backend(name)) => ("backend", name),
        };
        Err(Fault::Refused { reason: format!("the configuration does not have the {what} of {name}") })
    }

    /// The agent of that name.
    pub fn agent(&self, name: &str) -> Result<&AgentConfig, Fault> {
        self.config.agents.iter().find(|agent| agent.name.as_str() == name).ok_or(Fault::AgentNotFound)
    }

    /// The object of that name.
    pub fn object(&self, name: &str) -> Result<&ObjectConfig, Fault> {
        self.config.objects.iter().find(|object| object.name.as_str() == name).ok_or(Fault::ObjectNotFound)
    }

    /// How many nodes it has.
    pub fn nodes(&self) -> usize {
        self.state.nodes()
    }

    /// To whom a node may send, and who may send to it.
    pub fn neighbours(&self, name: &NodeName) -> (Vec<NodeName>, Vec<NodeName>) {
        let to = self.config.topology.iter().filter(|edge| edge.from == *name).map(|edge| edge.to.clone());
        let from = self.config.topology.iter().filter(|edge| edge.to == *name).map(|edge| edge.from.clone());
        (to.collect(), from.collect())
    }
}

/// One line of the overlay: all or nothing of it is there.
pub(super) fn line(ops: &[Op]) -> Value {
    let event = |op: &Op| json!({"op": op.name(), "payload": op.payload()});
    json!({"events": ops.iter().map(event).collect::<Vec<_>>()})
}

/// The operations of a line, as they are shown: op and payload.
pub(super) fn shown(line: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let events = line.get("events").and_then(Value::as_array).into_iter().flatten();
    events.filter_map(|event| Some((event.get("op")?.as_str()?, event.get("payload")?)))
}

fn events_of(seq: u64, line: &Value) -> Result<Vec<Event>, String> {
    let count = line.get("events").and_then(Value::as_array).map_or(0, Vec::len);
    let events: Result<Vec<Event>, String> = shown(line)
        .map(|(op, payload)| {
            Op::parse(op, payload).map(|op| Event { seq, op }).map_err(|error| error.to_string())
        })
        .collect();
    let events = events?;
    if events.len() == count && count > 0 { Ok(events) } else { Err("it cannot be read".to_owned()) }
}

/// What a word of the gate is to the caller.
pub(super) fn refused(error: ir::Error) -> Fault {
    match error {
        ir::Error::AgentCapExceeded { cap, .. } => {
            Fault::AgentLimit { most: usize::try_from(cap).unwrap_or(usize::MAX) }
        }
        ir::Error::AgentNotFound(_) => Fault::AgentNotFound,
        ir::Error::ObjectNotFound(_) | ir::Error::TargetNotFound(_) => Fault::ObjectNotFound,
        ir::Error::AgentExists(name) => Fault::NameTaken { code: "agent_exists", name: name.to_string() },
        ir::Error::ObjectExists(name) => Fault::NameTaken { code: "object_exists", name: name.to_string() },
        ir::Error::UnknownEdgeEndpoint(name) => Fault::UnknownEndpoint { name: name.to_string() },
        ir::Error::NoTemplate(base) => Fault::NoTemplate { base: base.to_string() },
        other => Fault::Refused { reason: other.to_string() },
    }
}
