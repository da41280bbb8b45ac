//! All agents of the instance.
//!
//! Names are unique among those that run; one that is done keeps its record and its output until its
//! name is taken again or it is removed. The number is bounded. A name is reserved before anything is
//! started, so that two starts under one name cannot both succeed, and no lock is held while a keeper
//! starts or a tree is ended. Who may start or stop an agent is not decided here.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    environment::{self, Base},
    handle::{Agent, Screen},
    life::{Begin, Life, lock},
    order::{Order, Report},
    queue::Queue,
    ring::Ring,
    spawner::{Spawner, Start},
    terminal,
    token::{self, TokenHash},
    types::{Record, StartError, StartSpec, State, StopError},
};
use crate::{
    limits,
    sys::{
        poll::{self, Entry, Wake},
        process, pty, random,
        tty::Size,
    },
    wire::{clock::Clock, id::AgentId},
};

/// Time for a keeper to start its command.
const BEGIN: Duration = Duration::from_secs(10);

/// What an [`Agents`] needs to know; tests change parts of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the instance is reached: `http://127.0.0.1:<port>`.
    pub url: String,
    /// The soft limit of descriptors that agents get.
    pub descriptors: u64,
    /// The program that is started as keeper.
    pub program: PathBuf,
    /// Agents in all.
    pub most: usize,
}

impl Settings {
    /// Those of the running program.
    pub fn new(url: String, descriptors: u64) -> Self {
        Self { url, descriptors, program: "/proc/self/exe".into(), most: limits::AGENTS }
    }
}

/// All agents of the instance. Dropped, it ends their trees.
pub struct Agents {
    settings: Settings,
    clock: Arc<dyn Clock>,
    base: Base,
    spawner: Spawner,
    slots: Mutex<BTreeMap<AgentId, Slot>>,
    /// Where to look for a terminal's agent; it is there only if `slots` has it too.
    blocks: Mutex<HashMap<String, Weak<Agent>>>,
    ends: Arc<Ends>,
    stopping: AtomicBool,
}

enum Slot {
    /// Being started; the done agent that it will replace.
    Starting(Option<Arc<Agent>>),
    Here(Arc<Agent>),
}

type Callback = Arc<dyn Fn(&Agent) + Send + Sync>;

/// What the end of an agent changes.
#[derive(Default)]
struct Ends {
    tokens: Mutex<HashMap<TokenHash, Weak<Agent>>>,
    callbacks: Mutex<Vec<Callback>>,
}

impl Agents {
    /// None yet. Starts the thread "spawner". An orphan of a killed keeper reaches the instance
    /// only if it is subreaper: call `sys::process::become_subreaper` before.
    pub fn new(clock: Arc<dyn Clock>, url: String, descriptors: u64) -> io::Result<Arc<Self>> {
        Self::with(clock, Settings::new(url, descriptors))
    }

    /// As [`Agents::new`], with other settings.
    pub fn with(clock: Arc<dyn Clock>, settings: Settings) -> io::Result<Arc<Self>> {
        // Whatever our own parent left open in us is not for keepers.
        process::close_on_exec()?;
        Ok(Arc::new(Self {
            base: Base::take(&settings.program),
            spawner: Spawner::start(settings.program.clone())?,
            settings,
            clock,
            slots: Mutex::default(),
            blocks: Mutex::default(),
            ends: Arc::default(),
            stopping: AtomicBool::new(false),
        }))
    }

    /// Starts an agent; returns when its program runs. A done agent of that name is replaced.
    pub fn start(&self, spec: StartSpec) -> Result<Arc<Agent>, StartError> {
        environment::check(&spec)?;
        let name = spec.name.clone();
        self.reserve(&name)?;
        let launched = self.launch(spec);
        let mut slots = lock(&self.slots);
        let before = slots.remove(&name);
        match (launched, before) {
            (Ok(agent), _) => {
                slots.insert(name, Slot::Here(agent.clone()));
                drop(slots);
                if self.stopping.load(Ordering::SeqCst) {
                    // It came to be after all the others were told.
                    self.spawner.end(&agent.life);
                }
                Ok(agent)
            }
            (Err(e), Some(Slot::Starting(Some(done)))) => {
                slots.insert(name, Slot::Here(done));
                Err(e)
            }
            (Err(e), _) => Err(e),
        }
    }

    /// The agent of that name, running or done.
    pub fn get(&self, name: &str) -> Option<Arc<Agent>> {
        let name = AgentId::parse(name).ok()?;
        lock(&self.slots).get(&name).and_then(Slot::agent).cloned()
    }

    /// The agent with that terminal.
    pub fn by_block(&self, block_id: &str) -> Option<Arc<Agent>> {
        let agent = lock(&self.blocks).get(block_id)?.upgrade()?;
        let slots = lock(&self.slots);
        let here = slots.get(agent.name()).and_then(Slot::agent)?;
        Arc::ptr_eq(here, &agent).then(|| Arc::clone(here))
    }

    /// The same, and also one that was removed while somebody still watches it.
    pub fn by_block_or_watched(&self, block_id: &str) -> Option<Arc<Agent>> {
        lock(&self.blocks).get(block_id)?.upgrade()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Agent>> {
        lock(&self.slots).values().filter_map(Slot::agent).cloned().collect()
    }

    /// Ends the agent's tree, within `STOP_MS`, and forgets the agent.
    pub fn stop(&self, name: &AgentId) -> Result<Record, StopError> {
        let agent = self.get(name.as_str()).ok_or(StopError::NotFound)?;
        self.end(std::slice::from_ref(&agent), Duration::from_millis(limits::STOP_MS));
        let record = agent.record();
        if record.state != State::Done {
            return Err(StopError::StillThere);
        }
        let mut slots = lock(&self.slots);
        match slots.get_mut(name) {
            Some(Slot::Here(now)) if Arc::ptr_eq(now, &agent) => {
                slots.remove(name);
            }
            // The name stays taken: an agent that starts under it must not be lost to another one.
            Some(Slot::Starting(before)) if before.as_ref().is_some_and(|now| Arc::ptr_eq(now, &agent)) => {
                *before = None;
            }
            Some(_) | None => {}
        }
        Ok(record)
    }

    /// Ends every agent's tree; returns when all are gone or the time is over. None is started
    /// from now on.
    pub fn stop_all(&self, within: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        self.end(&self.list(), within);
    }

    /// Whose token this is; a done agent's token is nobody's.
    pub fn agent_of_token(&self, token: &[u8]) -> Option<AgentId> {
        let agent = lock(&self.ends.tokens).get(&TokenHash::of(token))?.upgrade()?;
        (agent.life.end().is_none()).then(|| agent.name().clone())
    }

    /// The keepers of all agents that are not done.
    pub fn keeper_pids(&self) -> Vec<u32> {
        let agents = self.list();
        agents.iter().filter(|agent| agent.life.end().is_none()).map(|agent| agent.keeper_pid).collect()
    }

    /// `callback` is called once for each agent that is done from now on, in its terminal's
    /// thread: after its state has become done, before anybody waiting for its end goes on.
    pub fn on_exit(&self, callback: impl Fn(&Agent) + Send + Sync + 'static) {
        lock(&self.ends.callbacks).push(Arc::new(callback));
    }

    fn reserve(&self, name: &AgentId) -> Result<(), StartError> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(StartError::Failed("stopping"));
        }
        let mut slots = lock(&self.slots);
        let done = match slots.get(name) {
            None if slots.len() >= self.settings.most => return Err(StartError::Limit),
            None => None,
            Some(Slot::Here(agent)) if agent.state() == State::Done => Some(agent.clone()),
            Some(Slot::Here(_) | Slot::Starting(_)) => return Err(StartError::Exists),
        };
        slots.insert(name.clone(), Slot::Starting(done));
        Ok(())
    }

    fn launch(&self, mut spec: StartSpec) -> Result<Arc<Agent>, StartError> {
        let token = token::fresh().map_err(|_| StartError::Failed("randomness"))?;
        let block_id = random::uuid().map_err(|_| StartError::Failed("randomness"))?;
        let size = Size { rows: spec.rows, cols: spec.cols };
        let pty = pty::open(size).map_err(|_| StartError::Failed("terminal"))?;
        let wake = Arc::new(Wake::new().map_err(|_| StartError::Failed("descriptors"))?);
        let life = Arc::new(Life::new(Arc::clone(&wake)));
        let order = Order {
            descriptors: self.settings.descriptors,
            cwd: spec.cwd.as_os_str().as_bytes().to_vec(),
            command: spec.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
            env: self.base.of_agent(&spec, &token, &self.settings.url),
        };
        let (keeper_pid, to_keeper) = self.keeper(pty.slave, &life)?;
        // Their values may be secrets, and are not needed again.
        spec.env.clear();
        let master = Arc::new(pty.master);
        let agent = Arc::new(Agent {
            spec,
            block_id,
            pid: OnceLock::new(),
            keeper_pid,
            started_at: self.clock.unix_ms(),
            token: TokenHash::of(token.expose()),
            clock: self.clock.clone(),
            life,
            queue: Mutex::new(Queue::default()),
            screen: Mutex::new(Screen {
                ring: Ring::default(),
                active: self.clock.monotonic_ms(),
                size,
                ended: false,
                master: Some(master.clone()),
            }),
            changed: Condvar::new(),
            watchers: Arc::default(),
        });
        self.remember_block(&agent);
        // The token holds before the program runs: its first act may be to use it.
        lock(&self.ends.tokens).insert(agent.token, Arc::downgrade(&agent));
        if let Err(error) = self.begin(&agent, order, &to_keeper) {
            lock(&self.ends.tokens).remove(&agent.token);
            return Err(error);
        }
        let (ends, own) = (self.ends.clone(), agent.clone());
        let thread = thread::Builder::new()
            .name(format!("term-{}", agent.name()))
            .stack_size(limits::THREAD_STACK)
            .spawn(move || terminal::run(&own, wake, master, |agent| ends.ended(agent)));
        if thread.is_err() {
            self.spawner.end(&agent.life);
            lock(&self.ends.tokens).remove(&agent.token);
            return Err(StartError::Failed("threads"));
        }
        Ok(agent)
    }

    /// Lets an agent be found by its block, and forgets the blocks of those who are no more.
    fn remember_block(&self, agent: &Arc<Agent>) {
        let mut blocks = lock(&self.blocks);
        blocks.retain(|_, agent| agent.strong_count() > 0);
        blocks.insert(agent.block_id.clone(), Arc::downgrade(agent));
    }

    /// Starts a keeper; its number, and where to send it its order.
    fn keeper(&self, slave: OwnedFd, life: &Arc<Life>) -> Result<(u32, UnixStream), StartError> {
        let descriptors = |_| StartError::Failed("descriptors");
        let (ours, theirs) = UnixStream::pair().map_err(descriptors)?;
        let copy = ours.try_clone().map_err(descriptors)?;
        let (answer, answered) = mpsc::channel();
        self.spawner.keeper(Start { ours, theirs, slave, life: life.clone(), answer });
        let pid = answered.recv().ok().and_then(Result::ok).ok_or(StartError::Failed("keeper"))?;
        Ok((pid, copy))
    }

    /// Lets the keeper start the agent's program, and waits until it runs.
    fn begin(&self, agent: &Agent, mut order: Order, to_keeper: &UnixStream) -> Result<(), StartError> {
        let mut bytes = order.encode();
        let sent = send(to_keeper, &bytes);
        // It holds the agent's token, which nobody needs to find here later.
        bytes.fill(0);
        order.env.iter_mut().for_each(|line| line.fill(0));
        std::hint::black_box((&bytes, &order));
        if sent.is_err() {
            self.spawner.kill(&agent.life);
            return Err(StartError::Failed("keeper"));
        }
        match agent.life.wait_for_begin(BEGIN) {
            Begin::Told(Report::Started(pid)) => {
                // Set once: a keeper starts one program.
                let _ = agent.pid.set(pid);
                Ok(())
            }
            Begin::Told(Report::NoDirectory(_)) => Err(StartError::NoSuchDirectory),
            Begin::Told(Report::NotStarted(errno)) => Err(not_started(errno)),
            Begin::Told(Report::Ended(_)) | Begin::Nothing => Err(StartError::Failed("keeper")),
            Begin::Late => {
                self.spawner.kill(&agent.life);
                Err(StartError::Failed("keeper"))
            }
        }
    }

    /// Ends these agents' trees: tells the keepers, and kills those that do not do as told.
    fn end(&self, agents: &[Arc<Agent>], within: Duration) {
        let begin = Instant::now();
        let limits = [begin + within / 3 * 2, begin + within];
        agents.iter().for_each(|agent| self.spawner.end(&agent.life));
        for (last, limit) in [false, true].into_iter().zip(limits) {
            for agent in agents {
                if !agent.wait_done(limit) && !last {
                    self.spawner.kill(&agent.life);
                }
            }
        }
    }
}

impl Slot {
    fn agent(&self) -> Option<&Arc<Agent>> {
        match self {
            Self::Here(agent) | Self::Starting(Some(agent)) => Some(agent),
            Self::Starting(None) => None,
        }
    }
}

impl Ends {
    fn ended(&self, agent: &Agent) {
        lock(&self.tokens).remove(&agent.token);
        // Called without the lock: a callback may ask for anything here.
        let callbacks = lock(&self.callbacks).clone();
        callbacks.iter().for_each(|callback| callback(agent));
    }
}

/// Why the system did not run the command.
fn not_started(errno: i32) -> StartError {
    let error = io::Error::from_raw_os_error(errno);
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => StartError::Failed("processes"),
        _ => {
            let text = error.to_string();
            let reason = text.split(" (os error").next().unwrap_or_default().to_owned();
            StartError::NoSuchCommand { reason }
        }
    }
}

/// Sends all of it; the socket does not block, and a keeper that reads nothing is given up.
fn send(mut to: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if poll::poll(&mut [Entry::new(to.as_fd(), false, true)], Some(BEGIN))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
