//! What every start of an agent has in common, whatever its standard streams are.
//!
//! A token and a keeper are made, the token holds before the program runs, the keeper is told what to
//! start, and somebody waits for its word. Whose token is whose, and which keepers there are, is known
//! here and nowhere else, from before an agent's first act until nothing of its tree is left.

use std::{
    collections::HashMap,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    cage::{Built, Cage, Held, Inside, User},
    environment::Base,
    life::{Begin, Life, lock},
    order::{Order, Report},
    spawner::{self, Given, Spawner},
    token::{self, TokenHash},
    types::StartError,
};
use crate::{
    limits,
    sys::{
        poll::{self, Entry, Wake},
        process,
        stage::Step,
    },
    wire::{clock::Clock, node::Holder},
};

/// Time for a keeper to start its command, and for that to be let into what it is put into.
const BEGIN: Duration = Duration::from_secs(10);
/// Time for what did not come to run to be gone.
const ABORT: Duration = Duration::from_secs(1);

/// What an [`super::Agents`] needs to know; tests change parts of it.
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
    /// Whom commands run as that are put into something, by an instance of root; `None`: as itself.
    pub user: Option<User>,
}

impl Settings {
    /// Those of the running program, but for its own limit of descriptors.
    pub fn new(url: String, descriptors: u64) -> Self {
        Self { url, descriptors, program: "/proc/self/exe".into(), most: limits::AGENTS, user: None }
    }

    /// The same with commands that are put into something run as this user.
    pub fn with_user(self, user: Option<User>) -> Self {
        Self { user, ..self }
    }

    /// The same with no more agents than this limit of our own descriptors has room for. Connections are let
    /// in or not by whom they are from, so what agents hold must not be what they would need.
    pub fn within(self, ours: u64) -> Self {
        let kept = limits::DESCRIPTORS_KEPT.min(ours / 2);
        let room = ours.saturating_sub(kept) / limits::DESCRIPTORS_OF_AN_AGENT;
        Self { most: usize::try_from(room).map_or(self.most, |room| self.most.min(room)), ..self }
    }
}

/// Starts agents and ends them.
pub(super) struct Launcher {
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
    base: Base,
    spawner: Spawner,
    holders: Arc<Holders>,
    stopping: AtomicBool,
}

/// Every agent that is not done, by its token.
#[derive(Default)]
pub(super) struct Holders(Mutex<HashMap<TokenHash, Holding>>);

struct Holding {
    holder: Holder,
    life: Arc<Life>,
    keeper_pid: u32,
}

/// What is to run.
pub(super) struct Program<'a> {
    pub holder: Holder,
    pub command: &'a [String],
    pub cwd: &'a Path,
    pub env: &'a [(String, String)],
    pub cage: Option<&'a dyn Cage>,
}

/// What runs.
pub(super) struct Running {
    pub token: TokenHash,
    pub life: Arc<Life>,
    pub keeper_pid: u32,
    pub pid: u32,
    pub started_at: u64,
    /// What it is in; for its thread, which drops it when nothing of the tree is left.
    pub held: Option<Held>,
}

/// An agent of whatever kind, as far as its end goes.
pub(super) trait Mortal {
    fn life(&self) -> &Arc<Life>;
    /// Waits for it to be done, until `end`; whether it is.
    fn wait_done(&self, end: Instant) -> bool;
}

/// What its keeper is to start.
struct Start {
    command: Vec<Vec<u8>>,
    cwd: Vec<u8>,
    env: Vec<Vec<u8>>,
    built: Option<Built>,
}

impl Start {
    /// What a cage has built starts in the root, with no variable: the program's are the cage's to hand on.
    fn in_cage(
        cage: &dyn Cage,
        command: &[String],
        env: Vec<Vec<u8>>,
        terminal: bool,
        descriptors: u64,
    ) -> Result<Self, StartError> {
        let mut built = cage.build(Inside { command, env, terminal, descriptors })?;
        let command = std::mem::take(&mut built.command);
        Ok(Self { command, cwd: b"/".to_vec(), env: Vec::new(), built: Some(built) })
    }
}

impl Launcher {
    pub fn new(clock: Arc<dyn Clock>, settings: Settings) -> io::Result<Self> {
        // Whatever our own parent left open in us is not for keepers.
        process::close_on_exec()?;
        Ok(Self {
            base: Base::take(&settings.program),
            spawner: Spawner::start(settings.program.clone())?,
            settings,
            clock,
            holders: Arc::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// No agent is started from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether [`Launcher::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whose token this is; a done agent's token is nobody's.
    pub fn holder_of_token(&self, token: &[u8]) -> Option<Holder> {
        self.holders.of(token)
    }

    /// The keepers of all agents that are not done.
    pub fn keepers(&self) -> Vec<(u32, Holder)> {
        self.holders.keepers()
    }

    /// Runs a program under a keeper, which gives it the streams of `given`; returns when it runs. Its
    /// thread, which is to be started next, is woken by `wake`.
    pub fn run(&self, program: &Program<'_>, given: Given, wake: Arc<Wake>) -> Result<Running, StartError> {
        let token = token::fresh().map_err(|_| StartError::Failed("randomness"))?;
        let hash = TokenHash::of(token.expose());
        let life = Arc::new(Life::new(wake));
        let terminal = matches!(given, Given::Terminal(_));
        let env = self.base.of_agent(program, &token, &self.settings.url, terminal);
        let start = match program.cage {
            None => Start {
                command: program.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
                cwd: program.cwd.as_os_str().as_bytes().to_vec(),
                env,
                built: None,
            },
            Some(cage) => Start::in_cage(cage, program.command, env, terminal, self.settings.descriptors)?,
        };
        // One moment for all that has to happen until it runs.
        let end = Instant::now() + BEGIN;
        let Start { command, cwd, env, built } = start;
        let (caged, user, descriptors, enter) = match built {
            None => (false, None, Vec::new(), None),
            Some(built) => (true, built.user, built.descriptors, Some(built.enter)),
        };
        let pipes = !terminal;
        let order = Order { pipes, caged, user, descriptors: self.settings.descriptors, cwd, command, env };
        let (keeper_pid, to_keeper) = self.keeper(given, descriptors, &life)?;
        // The token holds before the program runs: its first act may be to use it.
        self.holders.add(hash, Holding { holder: program.holder.clone(), life: life.clone(), keeper_pid });
        let begun = self.begin(&life, order, &to_keeper, end).and_then(|pid| {
            // Started is what the program is put into, and not yet the program.
            let held = enter.map(|enter| enter(end)).transpose().inspect_err(|_| self.abort(&life, end))?;
            Ok((pid, held))
        });
        match begun {
            Ok((pid, held)) => {
                let started_at = self.clock.unix_ms();
                Ok(Running { token: hash, life, keeper_pid, pid, started_at, held })
            }
            Err(error) => {
                self.holders.remove(&hash);
                Err(error)
            }
        }
    }

    /// Ends the tree of what did not come to run; returns when nothing of it is left, or when that takes
    /// longer than it may: it is gone on with then.
    fn abort(&self, life: &Arc<Life>, end: Instant) {
        self.spawner.end(life);
        if !life.wait_gone(end.max(Instant::now() + ABORT)) {
            self.spawner.kill(life);
        }
    }

    /// Starts the thread of what runs; where there can be none, ends it.
    pub fn thread(
        &self,
        running: &Running,
        name: String,
        run: impl FnOnce(&Holders) + Send + 'static,
    ) -> Result<(), StartError> {
        let holders = self.holders.clone();
        let thread = thread::Builder::new().name(name).stack_size(limits::THREAD_STACK);
        if thread.spawn(move || run(&holders)).is_err() {
            self.spawner.end(&running.life);
            self.holders.remove(&running.token);
            return Err(StartError::Failed("threads"));
        }
        Ok(())
    }

    /// Ends what came to be after all the others were told that no more may. To be called once it can be
    /// found by whoever tells them.
    pub fn end_if_stopping(&self, life: &Arc<Life>) {
        if self.is_stopping() {
            self.spawner.end(life);
        }
    }

    /// Tells an agent's keeper to end the tree.
    pub fn begin_end(&self, life: &Arc<Life>) {
        self.spawner.end(life);
    }

    /// Ends these agents' trees: tells the keepers, and kills those that do not do as told. Whether all
    /// are gone; an agent whose last output is not heard yet when the time is over may still be.
    pub fn end(&self, agents: &[&dyn Mortal], within: Duration) -> bool {
        let begin = Instant::now();
        let limits = [begin + within / 3 * 2, begin + within];
        agents.iter().for_each(|agent| self.spawner.end(agent.life()));
        let mut all = true;
        for (last, limit) in [false, true].into_iter().zip(limits) {
            all = true;
            for agent in agents {
                let gone = agent.wait_done(limit) || agent.life().end().is_some();
                all &= gone;
                if !gone && !last {
                    self.spawner.kill(agent.life());
                }
            }
        }
        all
    }

    /// Starts a keeper; its number, and where to send it its order.
    fn keeper(
        &self,
        given: Given,
        descriptors: Vec<OwnedFd>,
        life: &Arc<Life>,
    ) -> Result<(u32, UnixStream), StartError> {
        let none_left = |_| StartError::Failed("descriptors");
        let (ours, theirs) = UnixStream::pair().map_err(none_left)?;
        let copy = ours.try_clone().map_err(none_left)?;
        let (answer, answered) = mpsc::channel();
        self.spawner.keeper(spawner::Start { ours, theirs, given, descriptors, life: life.clone(), answer });
        let pid = answered.recv().ok().and_then(Result::ok).ok_or(StartError::Failed("keeper"))?;
        Ok((pid, copy))
    }

    /// Lets the keeper start the agent's program, and waits until it runs; its number.
    fn begin(
        &self,
        life: &Arc<Life>,
        mut order: Order,
        to_keeper: &UnixStream,
        end: Instant,
    ) -> Result<u32, StartError> {
        let mut bytes = order.encode();
        let sent = send(to_keeper, &bytes);
        // It holds the agent's token, which nobody needs to find here later.
        bytes.fill(0);
        order.env.iter_mut().for_each(|line| line.fill(0));
        std::hint::black_box((&bytes, &order));
        if sent.is_err() {
            self.spawner.kill(life);
            return Err(StartError::Failed("keeper"));
        }
        match life.wait_for_begin(end) {
            Begin::Told(Report::Started(pid)) => Ok(pid),
            Begin::Told(Report::NoDirectory(_)) => Err(StartError::NoSuchDirectory),
            Begin::Told(Report::NotStarted(errno)) => Err(not_started(errno)),
            Begin::Told(Report::Ended(_)) | Begin::Nothing => Err(StartError::Failed("keeper")),
            Begin::Late => {
                self.spawner.kill(life);
                Err(StartError::Failed("keeper"))
            }
        }
    }
}

impl Holders {
    fn add(&self, hash: TokenHash, held: Holding) {
        lock(&self.0).insert(hash, held);
    }

    /// The agent with this token has ended.
    pub fn remove(&self, hash: &TokenHash) {
        lock(&self.0).remove(hash);
    }

    fn of(&self, token: &[u8]) -> Option<Holder> {
        let held = lock(&self.0);
        let held = held.get(&TokenHash::of(token))?;
        held.life.end().is_none().then(|| held.holder.clone())
    }

    fn keepers(&self) -> Vec<(u32, Holder)> {
        let held = lock(&self.0);
        let running = held.values().filter(|held| held.life.end().is_none());
        running.map(|held| (held.keeper_pid, held.holder.clone())).collect()
    }
}

/// Why the system did not run the command.
pub fn not_started(errno: i32) -> StartError {
    if let Some(step) = Step::of(errno) {
        return not_staged(step);
    }
    let error = io::Error::from_raw_os_error(errno);
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => StartError::Failed("processes"),
        io::ErrorKind::NotFound => StartError::NoSuchCommand {
            reason: "there is no such program, or not the one that it is a script of",
        },
        io::ErrorKind::PermissionDenied => StartError::NoSuchCommand { reason: "it may not be run" },
        io::ErrorKind::ArgumentListTooLong => {
            StartError::NoSuchCommand { reason: "its words and variables are too long for the system" }
        }
        _ => StartError::NoSuchCommand { reason: "the system does not run it" },
    }
}

/// Why an instance of root could not start the command as another user.
fn not_staged(step: Step) -> StartError {
    let (code, reason) = match step {
        Step::Mounts => ("sandbox_mounts", "root may not make a view of the mounts of its own here"),
        Step::Source => ("sandbox_source", "a directory that is to be shown in the sandbox is not there"),
        Step::Tmp => ("sandbox_tmp", "nothing can be mounted over /tmp for the sandbox"),
        Step::Place => ("sandbox_place", "a directory cannot be mounted for the sandbox"),
        Step::User => ("sandbox_user", "the program cannot be started as the user of the agents"),
    };
    StartError::Sandbox { code, reason: reason.into() }
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
