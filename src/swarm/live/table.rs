//! What a running swarm consists of: its nodes, its edges, and what waits to be done.
//!
//! All of it stands under the swarm's one lock. A node's program is known by the number of its run, so that a
//! word of a program that was replaced, or of a node that was removed, is nobody's.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{ending::Ending, jobs::Job, place::Place};
use crate::{
    agent::Exit,
    backend::Running,
    swarm::{
        config::{AgentConfig, ObjectConfig},
        history::Conversation,
        logs::Log,
        objects::Object,
        router::Topology,
        turn::Turn,
    },
    wire::node::{FullName, NodeName},
};

/// Everything that changes in a running swarm.
pub(super) struct Table {
    /// agents and objects, by name
    pub nodes: BTreeMap<NodeName, Node>,
    /// who may send to whom
    pub topology: Topology,
    /// whether it runs
    pub phase: Phase,
    /// what is to be done without the lock, in this order
    pub jobs: VecDeque<Job>,
    /// somebody does it
    pub draining: bool,
    /// agents whose programs are to be started again
    pub starts: VecDeque<NodeName>,
    /// the thread that does it runs
    pub starter: bool,
    /// there was no thread for it: not before then, monotonic ms
    pub starter_at: u64,
    /// runs that are being started now
    pub launching: BTreeMap<u64, Launching>,
    /// programs that are no node's any more, until they are gone
    pub ending: Vec<Ending>,
    /// the number of the last run
    pub runs: u64,
    /// until when nobody will look at the clock; `u64::MAX`: not at all
    pub promised: u64,
    /// when the outboxes are looked at next
    pub scan: u64,
    /// when answers that nobody fetched are looked for next
    pub prune: u64,
    /// what the configuration says beside the nodes
    pub options: Map<String, Value>,
}

/// Whether a swarm runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// it does
    Running,
    /// it is held still
    Paused,
    /// it is over, for good
    Stopped,
}

/// One node.
pub(super) enum Node {
    /// an agent
    Agent(Box<Agent>),
    /// an object
    Object(Box<Thing>),
}

/// An agent.
pub(super) struct Agent {
    pub config: AgentConfig,
    pub turn: Turn,
    /// the number of the last run before it was there
    pub since: u64,
    pub run: Run,
    /// its directories, once its program was started; none where it has no process
    pub place: Option<Arc<Place>>,
    /// where what it says and prints is kept
    pub log: Log,
    /// why it is in state `error`
    pub reason: Option<String>,
}

/// A run that is being started.
pub(super) struct Launching {
    /// whose
    pub name: NodeName,
    /// its program has ended before its start was told
    pub ended: Option<Option<Exit>>,
}

/// An object.
pub(super) struct Thing {
    pub config: ObjectConfig,
    pub body: Body,
    /// what its process wrote on its standard error
    pub heard: Conversation,
}

/// What an object is made of.
pub(super) enum Body {
    /// a handler that is built in
    BuiltIn(Box<dyn Object>),
    /// a process
    Process {
        run: Run,
        /// what it was last told
        last: Option<Last>,
    },
    /// it takes no messages, for this reason
    Broken(String),
}

/// What a process that is an object was last told: what it says then comes of that, for a while.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// whose message it was
    pub from: NodeName,
    /// objects that it had passed, this one included
    pub hops: u32,
    /// when, monotonic ms
    pub at: u64,
}

/// A node's program.
pub(super) enum Run {
    /// there is none
    None,
    /// it is being started
    Starting { number: u64 },
    /// it is there
    Here { number: u64, running: Arc<dyn Running> },
}

impl Run {
    /// Whether this is the run of that number.
    pub fn is(&self, wanted: u64) -> bool {
        match self {
            Self::None => false,
            Self::Starting { number } | Self::Here { number, .. } => *number == wanted,
        }
    }

    /// The program, where it is there.
    pub fn running(&self) -> Option<&Arc<dyn Running>> {
        match self {
            Self::None | Self::Starting { .. } => None,
            Self::Here { running, .. } => Some(running),
        }
    }
}

impl Node {
    /// Its program, where it has one.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Agent(agent) => Some(&agent.run),
            Self::Object(thing) => thing.run(),
        }
    }

    /// The same, to be changed.
    pub fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Agent(agent) => Some(&mut agent.run),
            Self::Object(thing) => match &mut thing.body {
                Body::Process { run, .. } => Some(run),
                Body::BuiltIn(_) | Body::Broken(_) => None,
            },
        }
    }

    /// The agent, if it is one.
    pub fn agent(&self) -> Option<&Agent> {
        match self {
            Self::Agent(agent) => Some(agent),
            Self::Object(_) => None,
        }
    }

    /// The object, if it is one.
    pub fn object(&self) -> Option<&Thing> {
        match self {
            Self::Agent(_) => None,
            Self::Object(thing) => Some(thing),
        }
    }
}

impl Thing {
    pub fn new(config: ObjectConfig, body: Body) -> Self {
        let mut heard = Conversation::default();
        heard.begin();
        Self { config, body, heard }
    }

    /// Its program, where it has one.
    pub fn run(&self) -> Option<&Run> {
        match &self.body {
            Body::Process { run, .. } => Some(run),
            Body::BuiltIn(_) | Body::Broken(_) => None,
        }
    }
}

impl Table {
    /// The agent of that name.
    pub fn agent(&self, name: &NodeName) -> Option<&Agent> {
        self.nodes.get(name).and_then(Node::agent)
    }

    /// The same, to be changed.
    pub fn agent_mut(&mut self, name: &NodeName) -> Option<&mut Agent> {
        match self.nodes.get_mut(name) {
            Some(Node::Agent(agent)) => Some(agent),
            Some(Node::Object(_)) | None => None,
        }
    }

    /// The object of that name, to be changed.
    pub fn object_mut(&mut self, name: &NodeName) -> Option<&mut Thing> {
        match self.nodes.get_mut(name) {
            Some(Node::Object(thing)) => Some(thing),
            Some(Node::Agent(_)) | None => None,
        }
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = (&NodeName, &Agent)> {
        self.nodes.iter().filter_map(|(name, node)| Some((name, node.agent()?)))
    }

    /// All programs that are there.
    pub fn programs(&self) -> Vec<Arc<dyn Running>> {
        self.nodes.values().filter_map(|node| node.run()?.running().cloned()).collect()
    }

    /// Whether this is the run of that node now.
    pub fn is_run(&self, name: &NodeName, run: u64) -> bool {
        self.nodes.get(name).and_then(Node::run).is_some_and(|now| now.is(run))
    }

    /// A number for a new run.
    pub fn next_run(&mut self) -> u64 {
        self.runs = self.runs.saturating_add(1);
        self.runs
    }
}

/// The full name of a node.
pub(super) fn full(swarm: &NodeName, agent: &NodeName) -> FullName {
    FullName { swarm: swarm.clone(), agent: agent.clone() }
}
