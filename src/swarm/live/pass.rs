//! One input and all that comes of it, under the lock.
//!
//! What the machines want done is worked off from a queue, first come first served, so that what one node does
//! keeps its order and no chain of nodes grows a stack. An object may send to objects, in circles too: a message
//! is dropped after [`limits::OBJECT_HOPS`] objects, and one input may cause so many messages of
//! objects and no more, because a circle that also forks would otherwise grow without end while everybody waits.

use std::{collections::VecDeque, sync::MutexGuard};

use super::{
    Live,
    jobs::{Job, Paper},
    table::{Agent, Phase, Run, Table},
};
use crate::{
    agent::{
        Exit,
        protocol::{Item, Spoken},
    },
    limits,
    swarm::{
        events::{Draft, Level, Name, Push},
        logs::Log,
        objects::Action,
        turn::{Effect, Now, Turn},
    },
    wire::node::NodeName,
};

/// One input being worked off. Holds the lock.
pub(super) struct Pass<'a> {
    pub live: &'a Live,
    pub table: MutexGuard<'a, Table>,
    pub now: Now,
    work: VecDeque<Work>,
    pub papers: Vec<Paper>,
    /// the logs of agents that were taken out
    pub logs_left: Vec<Log>,
    /// messages of objects that this input may still cause, and bytes in them
    left: (usize, usize),
    /// messages of objects that were dropped
    dropped: u64,
    wake: bool,
}

/// What is still to be done.
enum Work {
    /// an agent's machine wants it
    Effect(NodeName, Effect),
    /// an object wants it
    Action(Origin, Action),
}

/// Which object wants something, and because of what.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub object: NodeName,
    /// whose message it handled
    pub about: Option<NodeName>,
    /// objects that the message has passed, this one included
    pub hops: u32,
}

/// What is left to do without the lock.
#[must_use]
pub(super) struct After {
    papers: Vec<Paper>,
    noted: Vec<Log>,
    left: Vec<Log>,
    wake: bool,
    start: bool,
}

impl Live {
    /// Works off one input, and does what comes of it.
    pub(super) fn input<T>(&self, input: impl FnOnce(&mut Pass<'_>) -> T) -> T {
        let mut pass = Pass::begin(self);
        let result = input(&mut pass);
        let mut after = pass.finish();
        // Before it is told what came of it: who is told may look for it there.
        after.log();
        self.drain();
        self.after(after);
        result
    }

    pub(super) fn after(&self, mut after: After) {
        after.log();
        if after.start {
            self.begin_starter();
        }
        if after.wake {
            (self.parts.wake)();
        }
        self.write(after.papers);
    }
}

impl After {
    /// Logs what was noted, where that is not done yet.
    fn log(&mut self) {
        self.noted.drain(..).for_each(|log| log.catch_up());
        self.left.drain(..).for_each(|log| log.leave());
    }
}

impl<'a> Pass<'a> {
    /// Takes the lock.
    pub fn begin(live: &'a Live) -> Self {
        Self {
            table: live.lock(),
            // Under the lock: times never go back from one input to the next.
            now: Now::of(&*live.parts.clock),
            live,
            work: VecDeque::new(),
            papers: Vec::new(),
            logs_left: Vec::new(),
            left: (limits::OBJECT_MESSAGES, limits::OBJECT_BYTES),
            dropped: 0,
            wake: false,
        }
    }

    /// Works off what is left, and gives the lock back.
    pub fn finish(mut self) -> After {
        self.run();
        if self.dropped > 0 {
            let text =
                format!("{} messages of objects dropped: they went from object to object", self.dropped);
            let draft = Draft::new(Name::HopLimit, text).level(Level::Warning).with("count", self.dropped);
            self.tell(draft);
        }
        let may = !self.table.starter && self.now.ms >= self.table.starter_at;
        let start = may && !self.table.starts.is_empty();
        self.table.starter |= start;
        // Under the lock still: what others note is theirs to log.
        After {
            papers: self.papers,
            noted: self.live.log.noted(),
            left: self.logs_left,
            wake: self.wake,
            start,
        }
    }

    /// Works off what there is to do.
    pub fn run(&mut self) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Effect(name, effect) => self.effect(&name, effect),
                Work::Action(origin, action) => self.action(&origin, action),
            }
        }
    }

    /// Tells of something that happened in this swarm.
    pub fn tell(&mut self, draft: Draft) {
        self.table.jobs.push_back(Job::Tell(draft.swarm(&self.live.name)));
    }

    /// Tells an agent's machine something; nothing where there is no such agent.
    pub fn turn<T>(
        &mut self,
        name: &NodeName,
        say: impl FnOnce(&mut Turn, Now) -> (T, Vec<Effect>),
    ) -> Option<T> {
        let now = self.now;
        let agent = self.table.agent_mut(name)?;
        let (result, effects) = say(&mut agent.turn, now);
        let deadline = agent.turn.deadline();
        self.due(deadline);
        self.want(name, effects);
        Some(result)
    }

    /// An agent's machine wants these done.
    pub fn want(&mut self, name: &NodeName, effects: Vec<Effect>) {
        self.work.extend(effects.into_iter().map(|effect| Work::Effect(name.clone(), effect)));
    }

    /// An object wants these done.
    pub fn act(&mut self, origin: &Origin, actions: Vec<Action>) {
        self.work.extend(actions.into_iter().map(|action| Work::Action(origin.clone(), action)));
    }

    /// Something is due then.
    pub fn due(&mut self, at: Option<u64>) {
        if let Some(at) = at.filter(|at| *at < self.table.promised) {
            self.table.promised = at;
            self.wake = true;
        }
    }

    /// Something that a program said.
    pub fn spoken(&mut self, name: &NodeName, run: u64, spoken: Vec<Spoken>) {
        for one in spoken {
            if self.table.phase == Phase::Stopped || !self.table.is_run(name, run) {
                return;
            }
            self.turn(name, |turn, now| ((), turn.spoken(one, now)));
            self.run();
        }
    }

    /// Its terminal is quiet.
    pub fn quiet(&mut self, name: &NodeName, run: u64) {
        if self.table.phase != Phase::Stopped && self.table.is_run(name, run) {
            self.turn(name, |turn, now| ((), turn.quiet(now)));
        }
    }

    /// Nothing is left of a program.
    pub fn ended(&mut self, name: &NodeName, run: u64, exit: Option<Exit>) {
        if let Some(launching) = self.table.launching.get_mut(&run) {
            // Before its start was told.
            launching.ended = Some(exit);
            return;
        }
        self.table.ending.retain(|one| one.run != run);
        if !self.table.is_run(name, run) {
            return;
        }
        if let Some(agent) = self.table.agent_mut(name) {
            agent.run = Run::None;
            self.turn(name, |turn, now| ((), turn.ended(exit, now)));
        } else {
            self.object_ended(name, exit);
        }
    }

    /// A program did not take what was to be said. It waits again, also where the program has ended meanwhile
    /// and another will be asked; an agent that took the place of a removed one has no part in it.
    pub fn not_said(&mut self, name: &NodeName, run: u64, item: Item, turn: u64) {
        if self.is_one_of(name, run) {
            self.turn(name, |machine, now| ((), machine.not_said(item, turn, now)));
        }
    }

    /// Something that was written by a run of that agent, which may be over. It is the agent's word as long as the
    /// agent is the one that ran then.
    pub fn written(&mut self, name: &NodeName, run: u64, spoken: Spoken) {
        if self.table.phase != Phase::Stopped && self.is_one_of(name, run) {
            self.turn(name, |turn, now| ((), turn.spoken(spoken, now)));
        }
    }

    /// Whether this is a run of the agent that has the name now, and not of one before it.
    pub fn is_one_of(&self, name: &NodeName, run: u64) -> bool {
        self.table.agent(name).is_some_and(|agent| agent.since < run)
    }

    /// Whether one more message of an object may go its way.
    pub fn object_may_send(&mut self, hops: u32, bytes: usize) -> bool {
        let (count, room) = (self.left.0.checked_sub(1), self.left.1.checked_sub(bytes));
        match (count, room) {
            (Some(count), Some(room)) if hops <= limits::OBJECT_HOPS => {
                self.left = (count, room);
                true
            }
            _ => {
                self.dropped = self.dropped.saturating_add(1);
                false
            }
        }
    }

    fn effect(&mut self, name: &NodeName, effect: Effect) {
        match effect {
            Effect::Say { item, turn } => self.say(name, item, turn),
            // Refused or not, the sender is told by an event and the machines by their own means.
            Effect::Send { to, content } => drop(self.send(name, &to, content, 0)),
            Effect::Broadcast { content } => drop(self.broadcast(name, &content, None, 0)),
            Effect::Ask { to, content, id } => self.asked(name, &to, content, &id),
            Effect::AutoReply { to, content } => self.auto_reply(name, &to, content),
            // Told as an event by the machine.
            Effect::TurnDone { .. } => {}
            Effect::Restart => self.table.starts.push_back(name.clone()),
            Effect::Stop => {
                if let Some(running) = self.table.agent(name).and_then(|agent| agent.run.running()) {
                    let end = Job::End(running.clone());
                    self.table.jobs.push_back(end);
                }
            }
            Effect::Event(draft) => self.table.jobs.push_back(Job::Tell(draft)),
            // In the same queue: followers see states and events in the order of things.
            Effect::State(state) => {
                self.table.jobs.push_back(Job::Push(name.clone(), Push::State { state: state.as_str() }));
            }
        }
    }

    fn say(&mut self, name: &NodeName, item: Item, turn: u64) {
        let job = match self.table.agent(name) {
            Some(Agent { run: Run::Here { number, running }, config, .. }) => Job::Say {
                to: running.clone(),
                agent: name.clone(),
                run: *number,
                item,
                turn,
                typed: super::is_typed(config),
            },
            // Gone in this same pass: the machine has been told, or will be.
            Some(_) | None => {
                self.turn(name, |machine, now| ((), machine.not_said(item, turn, now)));
                return;
            }
        };
        self.table.jobs.push_back(job);
    }
}
