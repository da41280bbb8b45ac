//! The one thread that forks and reaps: starts keepers, hears their reports, sees them end.
//!
//! It lives as long as the process, polls and never waits for a single one of them. When a keeper
//! did not end by itself, the kernel has handed its tree to the instance (if that is subreaper),
//! and what this thread finds there it kills, until nothing is left but keepers.

use std::{
    collections::HashSet,
    io::{self, Read},
    mem,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, TryRecvError},
    },
    thread,
    time::Duration,
};

use super::{life::Life, order::Report, tree};
use crate::{
    limits,
    sys::{
        inherited,
        poll::{self, Entry, Wake},
        process::{self, PidFd},
        signal,
    },
};

/// Between two looks for orphans while there are some.
const SWEEP: Duration = Duration::from_millis(5);
/// How often in a row no orphan must be found: one look can miss who moves at that moment.
const CLEAN_LOOKS: u32 = 3;

/// What the thread is asked to do.
enum Ask {
    Start(Start),
    /// Tell this agent's keeper to end the tree.
    End(Arc<Life>),
    /// Kill this agent's keeper, which did not do as told; the tree falls to us.
    Kill(Arc<Life>),
}

/// What a keeper is given for its agent's standard streams.
pub(super) enum Given {
    /// All three are this terminal.
    Terminal(OwnedFd),
    /// The agent's ends of three pipes, in the order of its descriptors.
    Pipes([OwnedFd; 3]),
}

/// A keeper to be started.
pub(super) struct Start {
    /// Our side of the socket pair; the caller keeps a copy until the order is sent.
    pub ours: UnixStream,
    /// The keeper's side.
    pub theirs: UnixStream,
    /// The agent's standard streams.
    pub given: Given,
    /// What it inherits beside them.
    pub descriptors: Vec<OwnedFd>,
    /// Where its reports go.
    pub life: Arc<Life>,
    /// Gets the keeper's pid.
    pub answer: mpsc::Sender<io::Result<u32>>,
}

/// The handle of the thread. Dropped, it ends all trees.
pub(super) struct Spawner {
    asks: Option<mpsc::Sender<Ask>>,
    wake: Arc<Wake>,
}

impl Spawner {
    /// Starts the thread; `program` is what it starts as keeper.
    pub fn start(program: PathBuf) -> io::Result<Self> {
        let (asks, inbox) = mpsc::channel();
        let wake = Arc::new(Wake::new()?);
        let thread = Thread {
            program,
            inbox,
            wake: wake.clone(),
            keepers: Vec::new(),
            bereaved: Vec::new(),
            clean: 0,
            killed: HashSet::new(),
            growing: false,
        };
        thread::Builder::new()
            .name("spawner".to_owned())
            .stack_size(limits::THREAD_STACK)
            .spawn(|| thread.run())?;
        Ok(Self { asks: Some(asks), wake })
    }

    /// Starts a keeper.
    pub fn keeper(&self, start: Start) {
        self.ask(Ask::Start(start));
    }

    /// Has an agent's keeper end its tree.
    pub fn end(&self, agent: &Arc<Life>) {
        self.ask(Ask::End(agent.clone()));
    }

    /// Kills an agent's keeper.
    pub fn kill(&self, agent: &Arc<Life>) {
        self.ask(Ask::Kill(agent.clone()));
    }

    fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            // The thread ends only when this sender is gone.
            let _ = asks.send(ask);
            self.wake.wake();
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.asks = None;
        self.wake.wake();
    }
}

struct Keeper {
    child: Child,
    ended: PidFd,
    control: UnixStream,
    /// The keeper's side is closed: nothing more will come.
    silent: bool,
    inbox: Vec<u8>,
    life: Arc<Life>,
}

struct Thread {
    program: PathBuf,
    inbox: mpsc::Receiver<Ask>,
    wake: Arc<Wake>,
    keepers: Vec<Keeper>,
    /// Agents whose keeper did not end by itself, while their tree may still be there.
    bereaved: Vec<Arc<Life>>,
    clean: u32,
    /// The orphans of the last look.
    killed: HashSet<u32>,
    /// Whether the last look found one that the look before had not.
    growing: bool,
}

impl Thread {
    fn run(mut self) {
        loop {
            self.wake.clear();
            let closing = self.take_asks();
            if closing && self.keepers.is_empty() && self.bereaved.is_empty() {
                return;
            }
            self.wait();
            self.sweep();
        }
    }

    /// Does what was asked; whether nobody can ask any more.
    fn take_asks(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Ask::Start(start)) => self.start(start),
                Ok(Ask::End(agent)) => self.of(&agent).for_each(Keeper::end),
                Ok(Ask::Kill(agent)) => self.of(&agent).for_each(|keeper| {
                    let _ = keeper.ended.signal(signal::SIGKILL);
                }),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => {
                    self.keepers.iter().for_each(Keeper::end);
                    return true;
                }
            }
        }
    }

    fn of(&self, agent: &Arc<Life>) -> impl Iterator<Item = &Keeper> {
        self.keepers.iter().filter(move |keeper| Arc::ptr_eq(&keeper.life, agent))
    }

    fn start(&mut self, start: Start) {
        let Start { ours, theirs, given, descriptors, life, answer } = start;
        let started =
            ours.set_nonblocking(true).and_then(|()| spawn(&self.program, theirs, given, descriptors));
        let told = started.map(|(child, ended)| {
            let pid = child.id();
            self.keepers.push(Keeper { child, ended, control: ours, silent: false, inbox: Vec::new(), life });
            pid
        });
        // Nobody waits for the answer only if the thread that asked has panicked.
        let _ = answer.send(told);
    }

    /// Waits for something to happen, and hears the reports.
    fn wait(&mut self) {
        let mut entries = vec![Entry::new(self.wake.as_fd(), true, false)];
        for keeper in &self.keepers {
            entries.push(Entry::new(keeper.ended.as_fd(), true, false));
            entries.push(Entry::new(keeper.control.as_fd(), !keeper.silent, false));
        }
        let timeout = match (self.bereaved.is_empty(), self.growing) {
            (true, _) => None,
            // Who was not there a moment ago is being forked now: every wait gives the storm time.
            (false, true) => Some(Duration::ZERO),
            (false, false) => Some(SWEEP),
        };
        if poll::poll(&mut entries, timeout).is_err() {
            // Out of kernel memory, say: try again soon, but do not spin.
            thread::park_timeout(SWEEP);
        }
        let ready: Vec<bool> = entries.iter().skip(1).map(Entry::readable).collect();
        drop(entries);
        let mut index = 0;
        self.keepers.retain_mut(|keeper| {
            let [ended, spoke] = [index, index + 1].map(|at| ready.get(at).copied().unwrap_or(false));
            index += 2;
            if spoke || ended {
                keeper.hear();
            }
            if !ended {
                return true;
            }
            match keeper.child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    keeper.hear();
                    if status.success() || !process::is_subreaper() {
                        keeper.life.tree_is_gone();
                    } else {
                        self.bereaved.push(keeper.life.clone());
                        self.clean = 0;
                    }
                    false
                }
                // Not our child any more, though nobody else in this program reaps.
                Err(_) => {
                    self.bereaved.push(keeper.life.clone());
                    false
                }
            }
        });
    }

    /// Kills what has come to us from dead keepers.
    fn sweep(&mut self) {
        if self.bereaved.is_empty() {
            return;
        }
        let keepers: HashSet<u32> = self.keepers.iter().map(|keeper| keeper.child.id()).collect();
        let before = mem::take(&mut self.killed);
        self.growing = false;
        self.clean = match tree::kill_round(&keepers) {
            Ok(orphans) if orphans.is_empty() => self.clean + 1,
            Ok(orphans) => {
                for pid in &orphans {
                    let _ = process::reap(Some(*pid), false);
                }
                self.growing = orphans.iter().any(|pid| !before.contains(pid));
                self.killed = orphans.into_iter().collect();
                0
            }
            // Out of descriptors, say: who could not look has not seen that nothing is there.
            Err(_) => 0,
        };
        if self.clean >= CLEAN_LOOKS {
            self.bereaved.drain(..).for_each(|life| life.tree_is_gone());
        }
    }
}

impl Keeper {
    /// The end of our side is all that a keeper needs to be told.
    fn end(&self) {
        let _ = self.control.shutdown(Shutdown::Write);
    }

    fn hear(&mut self) {
        let mut chunk = [0; 64];
        loop {
            match self.control.read(&mut chunk) {
                Ok(0) => self.silent = true,
                Ok(count) => {
                    self.inbox.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => self.silent |= e.kind() != io::ErrorKind::WouldBlock,
            }
            break;
        }
        while let Some((&report, _)) = self.inbox.split_first_chunk::<{ Report::SIZE }>() {
            self.inbox.drain(..Report::SIZE);
            if let Some(report) = Report::decode(report) {
                self.life.hear(report);
            }
        }
    }
}

/// Starts a keeper in a process group of its own: what is typed at the terminal of the instance
/// does not reach it. A terminal is its descriptor 1; what else it is given has the numbers that it is told.
fn spawn(
    program: &Path,
    theirs: UnixStream,
    given: Given,
    descriptors: Vec<OwnedFd>,
) -> io::Result<(Child, PidFd)> {
    let mut command = Command::new(program);
    command.arg0("loopgate").arg("keeper").env_clear().current_dir("/").process_group(0);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let pipes = match given {
        Given::Terminal(terminal) => {
            command.stdout(terminal);
            Vec::new()
        }
        Given::Pipes(pipes) => Vec::from(pipes),
    };
    for descriptor in pipes.into_iter().chain(descriptors) {
        let number = inherited::pass(&mut command, descriptor);
        command.arg(number.to_string());
    }
    let mut child = command.spawn()?;
    // Our copies of the agent's streams go with it.
    drop(command);
    match PidFd::open(child.id()) {
        Ok(ended) => Ok((child, ended)),
        Err(e) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(e)
        }
    }
}
