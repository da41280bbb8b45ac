//! Programs of a swarm being started, again and again where the policy says so.
//!
//! A start takes long and happens without the lock: its run's number is taken under it before and asked for
//! after, so that a node that was removed meanwhile, or a swarm that was stopped, gets no program. A whole swarm is
//! started by a few threads, so that one program that is slow holds up no other. Starts after a failure are
//! made by one thread, which is there only while there are any: neither the ticker nor an agent's own
//! thread may wait for a program.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use super::{
    Live,
    ear::{AgentEar, ObjectEar},
    ending::{GONE, NOT_GONE, Was},
    ground::{Ground, Plan},
    pass::Pass,
    table::{Body, Launching, Phase, Run, Table},
    tick::SCAN_MS,
};
use crate::{
    agent::{Exit, protocol::Listener},
    backend::{Running, Told, form::Form},
    limits,
    swarm::{
        config::{Handler, ObjectConfig},
        events::{Draft, Name},
        turn::State,
    },
    wire::node::NodeName,
};

/// Programs of one swarm that are started at once.
const AT_ONCE: usize = 8;
/// A pause after there was no thread for starts.
const NO_THREAD_MS: u64 = 1_000;

/// Why a node has no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotLaunched {
    /// there is nothing to be started: it is gone, or is being started already, or the swarm is over
    Gone,
    /// it could not be started, for this reason
    Failed(String),
    /// what ran under its name before is not gone
    NotGone,
}

impl NotLaunched {
    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Gone => "the swarm is stopped".into(),
            Self::Failed(reason) => reason.clone().into(),
            Self::NotGone => NOT_GONE.into(),
        }
    }
}

/// An agent's start: what was decided under the lock.
struct AgentStart {
    number: u64,
    plan: Plan,
    was: Was,
}

impl Table {
    /// Takes a number for the start of an agent's program, if the agent waits for it.
    fn agent_start(&mut self, name: &NodeName) -> Option<AgentStart> {
        let stopped = self.phase == Phase::Stopped;
        let waits = |agent: &&super::Agent| {
            matches!(agent.run, Run::None) && agent.turn.state() == State::Initializing && !stopped
        };
        let agent = self.agent(name).filter(waits)?;
        let plan = Plan::of(self, name, agent);
        let was = Was::Agent(Box::new(agent.config.clone()));
        let number = self.begin_launch(name);
        if let Some(agent) = self.agent_mut(name) {
            agent.run = Run::Starting { number };
        }
        Some(AgentStart { number, plan, was })
    }

    /// A number for a run that is being started now.
    pub fn begin_launch(&mut self, name: &NodeName) -> u64 {
        let number = self.next_run();
        self.launching.insert(number, Launching { name: name.clone(), ended: None });
        number
    }
}

impl Live {
    /// Starts these nodes' programs, a few at a time.
    pub(super) fn launch_each(&self, names: &[NodeName], launch: impl Fn(&NodeName) + Sync) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::SeqCst)) {
                launch(name);
            }
        };
        thread::scope(|scope| {
            for _ in 1..names.len().min(AT_ONCE) {
                let thread = thread::Builder::new().name(format!("start-{}", self.name));
                // Where there is no thread, those that there are do its work.
                if thread.stack_size(limits::THREAD_STACK).spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }

    /// Starts the program of an agent that waits for it; returns when it runs.
    pub(super) fn launch_agent(&self, name: &NodeName) -> Result<(), NotLaunched> {
        let start = self.lock().agent_start(name).ok_or(NotLaunched::Gone)?;
        self.launch(name, start)
    }

    fn launch(&self, name: &NodeName, start: AgentStart) -> Result<(), NotLaunched> {
        let AgentStart { number, plan, was } = start;
        let started = self.start_agent(name, number, &plan);
        self.launched(name, number, was, started)
    }

    fn start_agent(
        &self,
        name: &NodeName,
        number: u64,
        plan: &Plan,
    ) -> Result<Arc<dyn Running>, NotLaunched> {
        // Two programs under one name would share its directories.
        if !self.end_of(name, Some(number)) {
            return Err(NotLaunched::NotGone);
        }
        let old = self.lock().agent_mut(name).and_then(|agent| agent.place.take());
        if let Some(old) = old {
            self.last_letters(name, number, &old);
            old.close();
        }
        let Ground { spec, place, letters } = self.ground(plan).map_err(NotLaunched::Failed)?;
        if let Some(agent) = self.lock().agent_mut(name).filter(|agent| agent.run.is(number)) {
            agent.place.clone_from(&place);
        }
        let log = self.lock().agent(name).map(|agent| agent.log.clone()).ok_or(NotLaunched::Gone)?;
        // What it prints first may come before its start is told.
        log.begin();
        let ear = AgentEar {
            live: self.me.clone(),
            name: name.clone(),
            run: number,
            place,
            log,
            screen: Mutex::default(),
            listener: Mutex::new(Listener::new()),
        };
        let config = &plan.config;
        let told = Told {
            script: config.script.as_ref(),
            config: Some(&config.config),
            letters: letters.as_ref(),
            of_operator: config.workspace.as_ref().is_some_and(|path| path.starts_with('/')),
        };
        let started = self.parts.launch.start(&config.backend, spec, told, Arc::new(ear));
        started.map_err(|fault| NotLaunched::Failed(fault.to_string()))
    }

    /// Starts the process of an object that waits for it; one that is built in has none.
    pub(super) fn launch_object(&self, name: &NodeName) -> Result<(), NotLaunched> {
        let (number, config) = {
            let mut table = self.lock();
            let stopped = table.phase == Phase::Stopped;
            let thing = table.object_mut(name).filter(|_| !stopped).ok_or(NotLaunched::Gone)?;
            let config = thing.config.clone();
            match &thing.body {
                Body::BuiltIn(_) => return Ok(()),
                Body::Process { run: Run::None, .. } => {}
                Body::Process { .. } | Body::Broken(_) => return Err(NotLaunched::Gone),
            }
            let number = table.begin_launch(name);
            if let Some(run) = table.nodes.get_mut(name).and_then(|node| node.run_mut()) {
                *run = Run::Starting { number };
            }
            (number, config)
        };
        let started = self.start_object(number, &config);
        self.launched(name, number, Was::Object(Box::new(config)), started)
    }

    /// Starts a process for an object, whatever its node looks like.
    pub(super) fn start_object(
        &self,
        number: u64,
        config: &ObjectConfig,
    ) -> Result<Arc<dyn Running>, NotLaunched> {
        let name = &config.name;
        let Handler::Process { command } = &config.handler else { return Err(NotLaunched::Gone) };
        if !self.end_of(name, Some(number)) {
            return Err(NotLaunched::NotGone);
        }
        let spec = self.object_ground(config, command).map_err(NotLaunched::Failed)?;
        let ear = ObjectEar { live: self.me.clone(), name: name.clone(), run: number };
        let form = config.backend.as_ref().unwrap_or(&Form::Local);
        let started = self.parts.launch.start(form, spec, Told::default(), Arc::new(ear));
        started.map_err(|fault| NotLaunched::Failed(fault.to_string()))
    }

    /// A start has come to its end.
    fn launched(
        &self,
        name: &NodeName,
        number: u64,
        was: Was,
        started: Result<Arc<dyn Running>, NotLaunched>,
    ) -> Result<(), NotLaunched> {
        let running = started.as_ref().ok().cloned();
        let (result, paused) = self.input(|pass| {
            let ended = pass.table.launching.remove(&number).and_then(|one| one.ended);
            let stopped = pass.table.phase == Phase::Stopped;
            let result = match started {
                Ok(running) if !stopped => pass.started(name, number, running, ended),
                Ok(_) => Err(NotLaunched::Gone),
                Err(why) => {
                    pass.failed(name, number, &why.reason());
                    Err(why)
                }
            };
            if let (Err(_), Some(running)) = (&result, &running) {
                // Nobody waits for it any more, but for its end.
                pass.table.ends_later(name, was, number, running.clone());
            }
            (result, pass.table.phase == Phase::Paused)
        });
        // Before anything is waited for: whoever waits for this start waits for no more of it.
        self.changed.notify_all();
        match (&result, running) {
            (Ok(()), Some(running)) if paused => self.settle(&*running),
            (Ok(()), _) | (_, None) => {}
            (Err(_), Some(_)) => {
                let limit = Instant::now().checked_add(GONE).unwrap_or_else(Instant::now);
                self.end_runs(&[number].into(), limit);
            }
        }
        result
    }

    /// Holds a program still that was started during a pause. Where that pause ended before it stood still, nobody
    /// else lets it go on.
    pub(super) fn settle(&self, running: &dyn Running) {
        let _ = running.freeze();
        let mut held = true;
        while self.is_paused() != held {
            held = !held;
            let _ = if held { running.freeze() } else { running.thaw() };
        }
    }

    /// Starts the thread that starts programs again.
    pub(super) fn begin_starter(&self) {
        let thread = self.me.upgrade().map(|live| {
            self.parts.launch.thread(format!("start-{}", self.name), Box::new(move || live.start_again()))
        });
        if !matches!(thread, Some(Ok(()))) {
            // No thread now: the ticker tries again.
            let again = self.parts.clock.monotonic_ms().saturating_add(NO_THREAD_MS);
            let after = {
                let mut pass = Pass::begin(self);
                (pass.table.starter, pass.table.starter_at) = (false, again);
                pass.due(Some(again));
                pass.finish()
            };
            self.after(after);
        }
    }

    fn start_again(&self) {
        loop {
            let next = {
                let mut table = self.lock();
                // In one step with the number of its run: nobody else starts it meanwhile.
                let next = table.starts.pop_front().map(|name| (table.agent_start(&name), name));
                table.starter = next.is_some();
                next
            };
            match next {
                Some((Some(start), name)) => drop(self.launch(&name, start)),
                // It is gone, or was started otherwise.
                Some((None, _)) => {}
                None => return self.changed.notify_all(),
            }
        }
    }
}

impl Pass<'_> {
    /// A program runs.
    fn started(
        &mut self,
        name: &NodeName,
        number: u64,
        running: Arc<dyn Running>,
        ended: Option<Option<Exit>>,
    ) -> Result<(), NotLaunched> {
        let Some(node) = self.table.nodes.get_mut(name) else { return Err(NotLaunched::Gone) };
        let is_agent = node.agent().is_some();
        let run = node.run_mut().filter(|run| run.is(number)).ok_or(NotLaunched::Gone)?;
        *run = Run::Here { number, running };
        if is_agent {
            let scan = self.now.ms.saturating_add(SCAN_MS);
            if let Some(agent) = self.table.agent_mut(name) {
                agent.reason = None;
                let due = agent.place.is_some().then_some(scan);
                self.due(due);
            }
            self.turn(name, |turn, now| ((), turn.started(now)));
        } else {
            self.tell(Draft::new(Name::ObjectStarted, format!("object {name} started")).agent(name));
        }
        if let Some(exit) = ended {
            // It was over before it was known to have begun.
            self.run();
            self.ended(name, number, exit);
        }
        Ok(())
    }

    /// A program could not be started.
    fn failed(&mut self, name: &NodeName, number: u64, reason: &str) {
        let Some(run) = self.table.nodes.get_mut(name).and_then(|node| node.run_mut()) else { return };
        if !run.is(number) {
            return;
        }
        *run = Run::None;
        if let Some(agent) = self.table.agent_mut(name) {
            agent.reason = Some(reason.to_owned());
            self.turn(name, |turn, now| ((), turn.failed(reason, now)));
        } else if let Some(thing) = self.table.object_mut(name) {
            thing.body = Body::Broken(reason.to_owned());
            let text = format!("object {name} could not be started: {reason}");
            self.tell(Draft::new(Name::ObjectError, text).agent(name));
        }
    }
}
