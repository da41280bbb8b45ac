//! All agents of the instance.
//!
//! Names are unique among those that run; one that is done keeps its record and its output until its
//! name is taken again or it is removed. The number is bounded. A name is reserved before anything is
//! started, so that two starts under one name cannot both succeed, and no lock is held while a keeper
//! starts or a tree is ended. Who may start or stop an agent is not decided here.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use super::{
    Confinement,
    cage::User,
    environment,
    handle::Agent,
    launch::{Launcher, Mortal, Program, Settings},
    life::lock,
    member::Members,
    terminal,
    types::{Record, StartError, StartSpec, State, StopError},
};
use crate::{
    limits,
    sys::tty::Size,
    wire::{clock::Clock, id::AgentId, node::Holder},
};

/// All agents of the instance. Dropped, it ends their trees.
pub struct Agents {
    pub(super) launcher: Launcher,
    pub(super) table: Arc<Mutex<Table>>,
    /// Where to look for a terminal's agent; a loose one is there only if `table` has it too.
    blocks: Mutex<HashMap<String, Weak<Agent>>>,
    callbacks: Arc<Mutex<Vec<Callback>>>,
}

/// Every agent that counts. Invariant: together at most `Settings::most`.
#[derive(Default)]
pub(super) struct Table {
    loose: BTreeMap<AgentId, Slot>,
    pub members: Members,
}

enum Slot {
    /// Being started; the done agent that it will replace, and how far the new one is kept from the machine: its
    /// program may speak before it is here.
    Starting(Option<Arc<Agent>>, Confinement),
    Here(Arc<Agent>),
}

type Callback = Arc<dyn Fn(&Agent) + Send + Sync>;

impl Agents {
    /// None yet. Starts the thread "spawner". An orphan of a killed keeper reaches the instance
    /// only if it is subreaper: call `sys::process::become_subreaper` before.
    pub fn new(clock: Arc<dyn Clock>, settings: Settings) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            launcher: Launcher::new(clock, settings)?,
            table: Arc::default(),
            blocks: Mutex::default(),
            callbacks: Arc::default(),
        }))
    }

    /// Whom commands run as that are put into something; `None`: as the instance itself.
    pub fn user(&self) -> Option<User> {
        self.launcher.settings.user
    }

    /// Starts a loose agent; returns when its program runs. A done agent of that name is replaced.
    pub fn start(&self, spec: StartSpec) -> Result<Arc<Agent>, StartError> {
        environment::check(&spec)?;
        let name = spec.name.clone();
        self.reserve(&name, Confinement::of(spec.cage.as_deref()))?;
        let launched = self.launch(spec);
        let mut table = lock(&self.table);
        let before = table.loose.remove(&name);
        match (launched, before) {
            (Ok(agent), _) => {
                table.loose.insert(name, Slot::Here(agent.clone()));
                drop(table);
                self.launcher.end_if_stopping(agent.life());
                Ok(agent)
            }
            (Err(e), Some(Slot::Starting(Some(done), _))) => {
                table.loose.insert(name, Slot::Here(done));
                Err(e)
            }
            (Err(e), _) => Err(e),
        }
    }

    /// The loose agent of that name, running or done.
    pub fn get(&self, name: &str) -> Option<Arc<Agent>> {
        let name = AgentId::parse(name).ok()?;
        lock(&self.table).loose.get(&name).and_then(Slot::agent).cloned()
    }

    /// How far the loose agent of that name is kept from the machine, also one that is being started.
    pub fn confinement(&self, name: &AgentId) -> Option<Confinement> {
        Some(match lock(&self.table).loose.get(name)? {
            Slot::Here(agent) => agent.confinement(),
            Slot::Starting(None, new) => *new,
            // Either may be who speaks.
            Slot::Starting(Some(done), new) => done.confinement().max(*new),
        })
    }

    /// The agent with that terminal: a loose one, or one of a swarm.
    pub fn by_block(&self, block_id: &str) -> Option<Arc<Agent>> {
        let agent = lock(&self.blocks).get(block_id)?.upgrade()?;
        if agent.is_member() {
            return Some(agent);
        }
        let table = lock(&self.table);
        let here = table.loose.get(agent.name()).and_then(Slot::agent)?;
        Arc::ptr_eq(here, &agent).then(|| Arc::clone(here))
    }

    /// The same, and also one that was removed while somebody still watches it.
    pub fn by_block_or_watched(&self, block_id: &str) -> Option<Arc<Agent>> {
        lock(&self.blocks).get(block_id)?.upgrade()
    }

    /// All loose ones, by name.
    pub fn list(&self) -> Vec<Arc<Agent>> {
        lock(&self.table).loose.values().filter_map(Slot::agent).cloned().collect()
    }

    /// Ends a loose agent's tree, within `STOP_MS`, and forgets the agent.
    pub fn stop(&self, name: &AgentId) -> Result<Record, StopError> {
        let agent = self.get(name.as_str()).ok_or(StopError::NotFound)?;
        self.launcher.end(&[&*agent], Duration::from_millis(limits::STOP_MS));
        let record = agent.record();
        if record.state != State::Done {
            return Err(StopError::StillThere);
        }
        let mut table = lock(&self.table);
        match table.loose.get_mut(name) {
            Some(Slot::Here(now)) if Arc::ptr_eq(now, &agent) => {
                table.loose.remove(name);
            }
            // The name stays taken: an agent that starts under it must not be lost to another one.
            Some(Slot::Starting(before, _))
                if before.as_ref().is_some_and(|now| Arc::ptr_eq(now, &agent)) =>
            {
                *before = None;
            }
            Some(_) | None => {}
        }
        Ok(record)
    }

    /// Ends every agent's tree; returns when all are gone or the time is over. None is started
    /// from now on.
    pub fn stop_all(&self, within: Duration) {
        self.launcher.stop();
        let (loose, members) = (self.list(), lock(&self.table).members.all());
        let loose = loose.iter().map(|agent| &**agent as &dyn Mortal);
        let members = members.iter().map(|member| &**member as &dyn Mortal);
        self.launcher.end(&loose.chain(members).collect::<Vec<_>>(), within);
    }

    /// Whose token this is; a done agent's token is nobody's.
    pub fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        self.launcher.holder_of_token(token)
    }

    /// The keepers of all agents that are not done, and whose they are.
    pub fn keepers(&self) -> Vec<(u32, Holder)> {
        self.launcher.keepers()
    }

    /// `callback` is called once for each loose agent that is done from now on, in its terminal's
    /// thread: after its state has become done, before anybody waiting for its end goes on.
    pub fn on_exit(&self, callback: impl Fn(&Agent) + Send + Sync + 'static) {
        lock(&self.callbacks).push(Arc::new(callback));
    }

    fn reserve(&self, name: &AgentId, confinement: Confinement) -> Result<(), StartError> {
        let mut table = lock(&self.table);
        let done = match table.loose.get(name) {
            None => {
                self.has_room(&table)?;
                None
            }
            Some(_) if self.launcher.is_stopping() => return Err(StartError::Failed("stopping")),
            Some(Slot::Here(agent)) if agent.state() == State::Done => Some(agent.clone()),
            Some(Slot::Here(_) | Slot::Starting(..)) => return Err(StartError::Exists),
        };
        table.loose.insert(name.clone(), Slot::Starting(done, confinement));
        Ok(())
    }

    /// Whether one more agent may be started.
    pub(super) fn has_room(&self, table: &Table) -> Result<(), StartError> {
        if self.launcher.is_stopping() {
            return Err(StartError::Failed("stopping"));
        }
        let all = table.loose.len() + table.members.len();
        let most = self.launcher.settings.most;
        if all < most { Ok(()) } else { Err(StartError::Limit { most }) }
    }

    fn launch(&self, mut spec: StartSpec) -> Result<Arc<Agent>, StartError> {
        let program = Program {
            holder: Holder::Loose(spec.name.clone()),
            command: &spec.command,
            cwd: &spec.cwd,
            env: &spec.env,
            cage: spec.cage.as_deref(),
        };
        let size = Size { rows: spec.rows, cols: spec.cols };
        let (mut running, terminal) = terminal::open(&self.launcher, &program, size)?;
        // Their values may be secrets, and are not needed again.
        spec.env.clear();
        // It may hold a key, and is not needed again either.
        let cage = spec.cage.take();
        let agent = Agent::new(spec, &running, &terminal, self.launcher.clock.clone());
        let agent = Arc::new(match cage.as_deref() {
            Some(cage) => agent.within(cage),
            None => agent,
        });
        drop(cage);
        self.remember_block(&agent);
        let (own, token, callbacks) = (agent.clone(), running.token, self.callbacks.clone());
        let held = running.held.take();
        self.launcher.thread(&running, format!("term-{}", agent.name()), move |holders| {
            terminal::run(&own, terminal, None, |agent| {
                holders.remove(&token);
                drop(held);
                // Called without the lock: a callback may ask for anything here.
                let callbacks = lock(&callbacks).clone();
                callbacks.iter().for_each(|callback| callback(agent));
            });
        })?;
        Ok(agent)
    }

    /// Lets an agent be found by its block, and forgets the blocks of those who are no more.
    pub(super) fn remember_block(&self, agent: &Arc<Agent>) {
        let mut blocks = lock(&self.blocks);
        blocks.retain(|_, agent| agent.strong_count() > 0);
        blocks.insert(agent.block_id().to_owned(), Arc::downgrade(agent));
    }
}

impl Slot {
    fn agent(&self) -> Option<&Arc<Agent>> {
        match self {
            Self::Here(agent) | Self::Starting(Some(agent), _) => Some(agent),
            Self::Starting(None, _) => None,
        }
    }
}
