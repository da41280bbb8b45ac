//! One running swarm: machines, processes, directories and edges put together.
//!
//! One lock stands around the table of nodes. An input - a line, an end, a task, a message, a letter, a moment
//! of time - is worked off under it into effects ([`pass`], [`route`]), which are done without it
//! ([`jobs`]): nothing waits for a process or a disk under the lock. What a program says is heard in its own
//! thread ([`ear`]) and reaches its neighbour's input at once, by no timer. Only what the clock or an
//! outbox brings waits for [`Live::tick`].
//!
//! Whether a change may be made was decided before (ir/, manager/); here it is made whole or not at all.

mod ear;
mod edges;
mod ending;
mod ground;
mod jobs;
mod nodes;
mod objects;
mod parts;
mod pass;
mod place;
mod programs;
mod route;
mod say;
mod still;
mod table;
mod tick;
mod typed;
mod views;

#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
};

pub use parts::{Launch, LiveParts};
use table::{Agent, Phase, Run, Table, full};

use crate::{
    agent::Controller,
    swarm::{
        Fault,
        config::{AgentConfig, Config, Edge},
        events::{Draft, Name},
        logs::SwarmLog,
        router::{TooManyEdges, Topology},
        turn::{Rules, Turn},
    },
    wire::node::NodeName,
};

/// One running swarm. It runs until [`Live::stop`], and never again.
pub struct Live {
    name: NodeName,
    parts: LiveParts,
    /// when it was started, Unix ms
    started_at: u64,
    /// as the configuration says; it changes nothing here
    autostart: bool,
    me: Weak<Self>,
    /// what its agents say and print
    log: Arc<SwarmLog>,
    table: Mutex<Table>,
    /// a program was started or has ended
    changed: Condvar,
    /// some of what was to be done is done
    drained: Condvar,
}

impl Live {
    /// [`Live::prepare`] and [`Live::begin`] in one.
    pub fn start(parts: LiveParts, config: &Config) -> Result<Arc<Self>, Fault> {
        let live = Self::prepare(parts, config)?;
        live.begin();
        live.tell_started();
        Ok(live)
    }

    /// A swarm with its nodes and edges, and without programs: what is said to its agents waits. It can be
    /// shown, spoken to and stopped.
    pub fn prepare(parts: LiveParts, config: &Config) -> Result<Arc<Self>, Fault> {
        let edges = config.topology.iter().map(|Edge { from, to }| (from.clone(), to.clone()));
        let topology = Topology::new(edges).map_err(too_many_edges)?;
        // Where there is no thread for it, what they say is in memory alone until the next swarm starts.
        let _ = parts.logs.start();
        let live = Arc::new_cyclic(|me| Self {
            log: parts.logs.of(&config.name),
            name: config.name.clone(),
            started_at: parts.clock.unix_ms(),
            autostart: config.autostart,
            me: me.clone(),
            table: Mutex::new(Table {
                nodes: BTreeMap::new(),
                topology,
                phase: Phase::Running,
                jobs: VecDeque::new(),
                draining: false,
                starts: VecDeque::new(),
                starter: false,
                starter_at: 0,
                launching: BTreeMap::new(),
                ending: Vec::new(),
                runs: 0,
                promised: u64::MAX,
                scan: 0,
                prune: 0,
                options: config.options.clone(),
            }),
            changed: Condvar::new(),
            drained: Condvar::new(),
            parts,
        });
        // Not under the lock: the disk is asked.
        let agents: Vec<_> = config.agents.iter().map(|agent| live.new_agent(agent.clone(), 0)).collect();
        live.input(|pass| {
            for (agent, node) in config.agents.iter().zip(agents) {
                pass.table.nodes.insert(agent.name.clone(), table::Node::Agent(Box::new(node)));
            }
            // Once all nodes are there: the first words of an object are not lost.
            let objects = config.objects.iter().map(|object| pass.place_object(object.clone()));
            let opening: Vec<_> = objects.collect();
            opening.into_iter().for_each(|(origin, actions)| pass.act(&origin, actions));
        });
        Ok(live)
    }

    /// Starts its programs; returns when each runs or could not be started. One that could not leaves its
    /// agent in state `error`: the others run.
    pub fn begin(&self) {
        let (agents, objects): (Vec<_>, Vec<_>) = {
            let table = self.lock();
            let is_agent = |name: &NodeName| table.agent(name).is_some();
            table.nodes.keys().cloned().partition(is_agent)
        };
        // Why one could not be started its node says, for who looks. Objects first: they are asked.
        self.launch_each(&objects, |name| drop(self.launch_object(name)));
        self.launch_each(&agents, |name| drop(self.launch_agent(name)));
    }

    /// Tells that it runs, unless it is over already. Whoever asks because of it is to be shown one that runs.
    pub fn tell_started(&self) {
        self.input(|pass| {
            if pass.table.phase != Phase::Stopped {
                pass.tell(Draft::new(Name::SwarmStarted, format!("swarm {} started", self.name)));
            }
        });
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// When it was started, Unix ms.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// An agent whose program is to be started. Not to be called under the lock: the disk is asked for its log.
    fn new_agent(&self, config: AgentConfig, since: u64) -> Agent {
        let log = self.log.agent(&config.name);
        let turn = Turn::new(full(&self.name, &config.name), rules(&config), log.clone());
        Agent { config, turn, since, run: Run::None, place: None, log, reason: None }
    }
}

/// What a configuration says of an agent's turns.
fn rules(config: &AgentConfig) -> Rules {
    Rules {
        max_turns: config.max_turns,
        turn_timeout_ms: config.turn_timeout_ms,
        reply_to: config.reply_to.clone(),
        reply_grace_ms: config.reply_grace_ms,
        restart: config.restart,
        pty: is_typed(config),
        ..Rules::default()
    }
}

/// Whether what is said to an agent is typed into a terminal.
fn is_typed(config: &AgentConfig) -> bool {
    let terminal = match config.controller {
        Controller::Pty { .. } => true,
        Controller::Pipe => false,
    };
    terminal && ground::has_process(&config.backend)
}

fn too_many_edges(_: TooManyEdges) -> Fault {
    Fault::Wrong { sentence: format!("a swarm may have {} edges", crate::limits::IR_EDGES) }
}

/// Locks; a panic of another holder does not matter, because no lock here is held over a state that is half
/// changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
