//! Agents of swarms: programs that are spoken to over three pipes, or in a terminal.
//!
//! They share the keeper, the token and the count of all agents with those that run alone, and are in
//! none of their lists: a swarm knows its own, by the handle that a start gives. What a member says goes
//! to its [`Sink`] line by line from a thread of its own, and what it is told waits in a bounded queue: one
//! that floods or reads nothing is only slow itself. What the lines mean is decided elsewhere.

mod lines;
mod outgoing;
mod pipe;
mod places;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

pub use lines::Lines;
pub use outgoing::Full;
pub(super) use places::Members;
pub use places::Place;

use super::{
    cage::Cage,
    environment,
    handle::Agent,
    launch::{Mortal, Program, Running},
    life::{Life, lock},
    registry::Agents,
    terminal, tree,
    types::{Controller, Delivery, Exit, Offer, StartError, StartSpec, Submit},
};
use crate::{
    sys::tty::Size,
    wire::{
        id::AgentId,
        node::{FullName, Holder},
    },
};

/// A member that is to be started.
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// Its name.
    pub name: FullName,
    /// The program, looked up in the agent's PATH where it has no slash, and its arguments.
    pub command: Vec<String>,
    /// Where it starts; absolute.
    pub cwd: PathBuf,
    /// Variables beside what every agent gets (design section 10). Of two of one name the later counts.
    pub env: Vec<(String, String)>,
    /// How it is spoken to.
    pub controller: Controller,
    /// What it is put into, where it is.
    pub cage: Option<Arc<dyn Cage>>,
}

/// One of a member's two ways out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Who hears of one member. Called from the member's own thread without any lock held, and possibly
/// before its start has returned; while a call lasts, nothing more is read of the member. No call may
/// wait for the member's end.
pub trait Sink: Send + Sync {
    /// A line without its newline, agent tokens replaced; pipe only. With `cut` it was longer than
    /// `AGENT_LINE`, and the rest was thrown away.
    fn line(&self, stream: Stream, line: &[u8], cut: bool);
    /// What its terminal showed, as it came and in any pieces, agent tokens replaced; terminal only.
    fn shown(&self, _output: &[u8]) {}
    /// Nothing was shown or typed for `QUIET_MS`, after something was, or after the start, and nothing is
    /// left to type; terminal only.
    fn quiet(&self);
    /// Nothing of its tree is left. Once, and after everything else; `None` where its keeper could not tell
    /// how it ended.
    fn ended(&self, exit: Option<Exit>);
}

/// A member, running or done. Dropping it does not end it.
pub struct Member {
    name: FullName,
    pid: u32,
    keeper_pid: u32,
    keeper: Option<tree::Identity>,
    started_at: u64,
    life: Arc<Life>,
    hands: Hands,
}

/// What it is spoken to with.
enum Hands {
    Pipe(Arc<pipe::Desk>),
    Terminal(Arc<Agent>, Submit),
}

impl Agents {
    /// Starts an agent of a swarm; returns when its program runs. Names are the swarms' business.
    pub fn start_member(&self, spec: MemberSpec, sink: Arc<dyn Sink>) -> Result<Arc<Member>, StartError> {
        environment::check_program(&spec.command, &spec.cwd, &spec.env)?;
        let place = self.place()?;
        let number = place.number();
        let member = Arc::new(match spec.controller {
            Controller::Pipe => self.start_piped(&spec, place, sink)?,
            Controller::Pty { rows, cols, submit } => {
                environment::check_screen(rows, cols).map_err(StartError::OutOfBounds)?;
                self.start_in_terminal(&spec, Size { rows, cols }, submit, place, sink)?
            }
        });
        lock(&self.table).members.is_here(number, &member);
        self.launcher.end_if_stopping(&member.life);
        Ok(member)
    }

    /// Has a member's tree ended, and waits for nothing. Its keeper is not killed where it does not do as
    /// told: that is [`Agents::end_members`]'.
    pub fn begin_end(&self, member: &Member) {
        self.launcher.begin_end(&member.life);
    }

    /// Ends these members' trees; returns when all are gone, or when the time is over. Whether all are.
    /// Not to be called from a member's own thread, which would wait for itself.
    pub fn end_members(&self, members: &[Arc<Member>], within: Duration) -> bool {
        let members: Vec<_> = members.iter().map(|member| &**member as &dyn Mortal).collect();
        self.launcher.end(&members, within)
    }

    /// Takes a place among all agents for one that has no process.
    pub fn place(&self) -> Result<Place, StartError> {
        let mut table = lock(&self.table);
        self.has_room(&table)?;
        Ok(Place::new(&mut table.members, self.table.clone()))
    }

    fn start_piped(
        &self,
        spec: &MemberSpec,
        place: Place,
        sink: Arc<dyn Sink>,
    ) -> Result<Member, StartError> {
        let (mut running, pipes) = pipe::open(&self.launcher, &spec.program())?;
        let desk = Arc::new(pipe::Desk::default());
        let (own, life, token) = (desk.clone(), running.life.clone(), running.token);
        let held = running.held.take();
        self.launcher.thread(&running, format!("pipe-{}", spec.name.agent), move |holders| {
            pipe::run(&own, &life, pipes, &*sink, |exit| {
                holders.remove(&token);
                drop((held, place));
                sink.ended(exit);
            });
        })?;
        Ok(Member::new(spec, &running, Hands::Pipe(desk)))
    }

    fn start_in_terminal(
        &self,
        spec: &MemberSpec,
        size: Size,
        submit: Submit,
        place: Place,
        sink: Arc<dyn Sink>,
    ) -> Result<Member, StartError> {
        let name = AgentId::parse(spec.name.agent.as_str()).map_err(|_| StartError::OutOfBounds("name"))?;
        let (mut running, opened) = terminal::open(&self.launcher, &spec.program(), size)?;
        let shown = StartSpec {
            name,
            command: spec.command.clone(),
            cwd: spec.cwd.clone(),
            env: Vec::new(),
            rows: size.rows,
            cols: size.cols,
            accept_typed_from: Vec::new(),
            may_type_into: Vec::new(),
            submit,
            cage: None,
        };
        let agent = Agent::new(shown, &running, &opened, self.launcher.clock.clone()).of_swarm();
        let agent = Arc::new(agent);
        self.remember_block(&agent);
        let (own, token, held) = (agent.clone(), running.token, running.held.take());
        self.launcher.thread(&running, format!("term-{}", spec.name.agent), move |holders| {
            terminal::run(&own, opened, Some(&*sink), |agent| {
                holders.remove(&token);
                drop((held, place));
                sink.ended(agent.life.exit());
            });
        })?;
        Ok(Member::new(spec, &running, Hands::Terminal(agent, submit)))
    }
}

impl MemberSpec {
    fn program(&self) -> Program<'_> {
        let holder = Holder::Member(self.name.clone());
        let cage = self.cage.as_deref();
        Program { holder, command: &self.command, cwd: &self.cwd, env: &self.env, cage }
    }
}

impl Member {
    fn new(spec: &MemberSpec, running: &Running, hands: Hands) -> Self {
        Self {
            name: spec.name.clone(),
            pid: running.pid,
            keeper_pid: running.keeper_pid,
            keeper: tree::Identity::of(running.keeper_pid),
            started_at: running.started_at,
            life: running.life.clone(),
            hands,
        }
    }

    /// Its name.
    pub fn name(&self) -> &FullName {
        &self.name
    }

    /// The process of the command; after its end the number means nothing.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process that holds its tree; gone once the member is done.
    pub fn keeper_pid(&self) -> u32 {
        self.keeper_pid
    }

    /// When it was started, unix ms.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// Whether something of its tree is left.
    pub fn is_running(&self) -> bool {
        self.life.end().is_none()
    }

    /// Its terminal's id, if it is in one.
    pub fn block_id(&self) -> Option<&str> {
        match &self.hands {
            Hands::Pipe(_) => None,
            Hands::Terminal(agent, _) => Some(agent.block_id()),
        }
    }

    /// Says something to it, in a pipe as one line: a newline is added, and one inside becomes a space. In a
    /// terminal the text, which the caller has sanitised, is typed and submitted. Never waits: what the
    /// member does not take is queued, up to `SAY_QUEUE` or `TERMINAL_QUEUE`. Also refused by one that has
    /// ended, or reads nothing any more.
    pub fn say(&self, bytes: Vec<u8>) -> Result<(), Full> {
        if !self.is_running() {
            return Err(Full);
        }
        match &self.hands {
            Hands::Pipe(desk) => {
                desk.say(bytes)?;
                self.life.wake();
                Ok(())
            }
            Hands::Terminal(agent, submit) => {
                let text = String::from_utf8_lossy(&bytes);
                match agent.offer(&text, *submit, Duration::ZERO) {
                    Offer::Settled(Delivery::Failed(_)) => Err(Full),
                    Offer::Settled(Delivery::Delivered | Delivery::Queued) | Offer::Queued(_) => Ok(()),
                }
            }
        }
    }

    /// Whether [`Member::say`] would take so many bytes now, as far as a pipe goes: what a terminal does not
    /// take is seen when it is typed.
    pub fn has_room(&self, bytes: usize) -> bool {
        match &self.hands {
            Hands::Pipe(desk) => desk.has_room(bytes),
            Hands::Terminal(..) => true,
        }
    }

    /// Ends its input, once what was said is written: the end of the file in a pipe, EOT (^D) in a
    /// terminal.
    pub fn close_input(&self) {
        match &self.hands {
            Hands::Pipe(desk) => {
                desk.close();
                self.life.wake();
            }
            Hands::Terminal(agent, _) => {
                // One that takes no keys is as good as told: its queue is full, or it has ended.
                let _ = agent.input(b"\x04");
            }
        }
    }

    /// Stops every process of its tree (SIGSTOP), and waits up to a second until they stand still; whether
    /// they do. A stopped tree can still be ended.
    pub fn freeze(&self) -> bool {
        if let Hands::Terminal(agent, _) = &self.hands {
            agent.hold(true);
        }
        self.is_running() && self.keeper.is_some_and(tree::stop_all)
    }

    /// Lets every process of its tree go on (SIGCONT), also those that the member itself has stopped.
    pub fn thaw(&self) -> bool {
        let done = self.is_running() && self.keeper.is_some_and(tree::continue_all);
        if let Hands::Terminal(agent, _) = &self.hands {
            agent.hold(false);
        }
        done
    }
}

impl Mortal for Member {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn wait_done(&self, end: Instant) -> bool {
        match &self.hands {
            Hands::Pipe(desk) => desk.wait_done(end),
            Hands::Terminal(agent, _) => agent.wait_done(end),
        }
    }
}
