//! Programs of a swarm being started, again and again where the policy says so, and ended.
//!
//! A start takes long and happens without the lock: its run's number is taken under it before and asked for
//! after, so that a node that was removed meanwhile, or a swarm that was stopped, gets no program. Starts after
//! a failure are made by one thread, which is there only while there are any: neither the ticker nor an
//! agent's own thread may wait for a program.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{
    Live,
    ear::{AgentEar, ObjectEar},
    ground::Plan,
    parts::sentence,
    pass::Pass,
    table::{Body, Phase, Run},
    tick::SCAN_MS,
};
use crate::{
    agent::protocol::Listener,
    backend::{Running, form::Form},
    limits,
    swarm::{
        config::Handler,
        events::{Draft, Name},
        turn::State,
    },
    wire::node::NodeName,
};

/// Time for a program's tree to be gone.
pub(super) const GONE: Duration = Duration::from_millis(limits::STOP_MS);

/// Why a node has no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotLaunched {
    /// there is nothing to be started: it is gone, or is being started already, or the swarm is over
    Gone,
    /// it could not be started, for this reason
    Failed(String),
}

impl Live {
    /// Starts the program of an agent that waits for it; returns when it runs.
    pub(super) fn launch_agent(&self, name: &NodeName) -> Result<(), NotLaunched> {
        let (number, plan) = {
            let mut table = self.lock();
            let number = table.next_run();
            let stopped = table.phase == Phase::Stopped;
            let waits = |agent: &&super::Agent| {
                matches!(agent.run, Run::None) && agent.turn.state() == State::Initializing && !stopped
            };
            let agent = table.agent(name).filter(waits).ok_or(NotLaunched::Gone)?;
            let plan = Plan::of(&table, name, agent);
            if let Some(agent) = table.agent_mut(name) {
                agent.run = Run::Starting { number, ended: None };
            }
            table.launching = table.launching.saturating_add(1);
            (number, plan)
        };
        let started = self.start_agent(name, number, &plan);
        self.launched(name, number, started)
    }

    fn start_agent(&self, name: &NodeName, number: u64, plan: &Plan) -> Result<Arc<dyn Running>, String> {
        let (spec, place) = self.ground(plan)?;
        if let Some(agent) = self.lock().agent_mut(name).filter(|agent| agent.run.is(number)) {
            agent.place.clone_from(&place);
        }
        let ear = AgentEar {
            live: self.me.clone(),
            name: name.clone(),
            run: number,
            place,
            listener: Mutex::new(Listener::new()),
        };
        let script = plan.config.script.as_ref();
        let started = self.parts.launch.start(&plan.config.backend, spec, script, Arc::new(ear));
        started.map_err(|fault| sentence(&fault))
    }

    /// Starts the process of an object that waits for it; one that is built in has none.
    pub(super) fn launch_object(&self, name: &NodeName) -> Result<(), NotLaunched> {
        let (number, form, command) = {
            let mut table = self.lock();
            let number = table.next_run();
            let stopped = table.phase == Phase::Stopped;
            let thing = table.object_mut(name).filter(|_| !stopped).ok_or(NotLaunched::Gone)?;
            let Handler::Process { command } = &thing.config.handler else { return Ok(()) };
            let command = command.clone();
            let form = thing.config.backend.clone().unwrap_or(Form::Local);
            let Body::Process { run: run @ Run::None, .. } = &mut thing.body else {
                return Err(NotLaunched::Gone);
            };
            *run = Run::Starting { number, ended: None };
            table.launching = table.launching.saturating_add(1);
            (number, form, command)
        };
        let started = self.start_object(name, number, &form, &command);
        self.launched(name, number, started)
    }

    /// Starts a process for an object, whatever its node looks like.
    pub(super) fn start_object(
        &self,
        name: &NodeName,
        number: u64,
        form: &Form,
        command: &[String],
    ) -> Result<Arc<dyn Running>, String> {
        let spec = self.object_ground(name, command)?;
        let ear = ObjectEar { live: self.me.clone(), name: name.clone(), run: number };
        let started = self.parts.launch.start(form, spec, None, Arc::new(ear));
        started.map_err(|fault| sentence(&fault))
    }

    /// A start has come to its end.
    fn launched(
        &self,
        name: &NodeName,
        number: u64,
        started: Result<Arc<dyn Running>, String>,
    ) -> Result<(), NotLaunched> {
        let running = started.as_ref().ok().cloned();
        let (result, paused) = self.input(|pass| {
            let stopped = pass.table.phase == Phase::Stopped;
            let result = match started {
                Ok(running) if !stopped => pass.started(name, number, running),
                Ok(_) => Err(NotLaunched::Gone),
                Err(reason) => {
                    pass.failed(name, number, &reason);
                    Err(NotLaunched::Failed(reason))
                }
            };
            (result, pass.table.phase == Phase::Paused)
        });
        match (&result, running) {
            (Ok(()), Some(running)) if paused => self.settle(&*running),
            (Ok(()), _) | (_, None) => {}
            // Nobody waits for it any more.
            (Err(_), Some(running)) => _ = running.end(GONE),
        }
        // Only now: who waits for starts is to find nothing of one that came too late.
        let mut table = self.lock();
        table.launching = table.launching.saturating_sub(1);
        drop(table);
        self.changed.notify_all();
        result
    }

    /// Holds a program still that was started during a pause. Where that pause ended before it stood still, nobody
    /// else lets it go on.
    fn settle(&self, running: &dyn Running) {
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
            let builder = thread::Builder::new().name(format!("start-{}", self.name));
            builder.stack_size(limits::THREAD_STACK).spawn(move || live.start_again())
        });
        if !matches!(thread, Some(Ok(_))) {
            // No thread now: the next input tries again.
            self.lock().starter = false;
        }
    }

    fn start_again(&self) {
        loop {
            let next = {
                let mut table = self.lock();
                let next = table.starts.pop_front().filter(|_| table.phase != Phase::Stopped);
                table.starter = next.is_some();
                next
            };
            match next {
                Some(name) => drop(self.launch_agent(&name)),
                None => return self.changed.notify_all(),
            }
        }
    }

    /// Ends these programs, all at once; whether all are gone in time. None of them may be the caller's own.
    pub(super) fn end_all(programs: &[Arc<dyn Running>], within: Duration) -> bool {
        let limit = Instant::now().checked_add(within);
        let left = || limit.map_or(within, |limit| limit.saturating_duration_since(Instant::now()));
        programs.iter().for_each(|program| program.begin_end());
        // Each is waited for, also after one that was not gone.
        programs.iter().filter(|program| !program.end(left())).count() == 0
    }

    /// Waits until no program is being started; whether that came in time.
    pub(super) fn wait_for_starts(&self, limit: Instant) -> bool {
        let mut table = self.lock();
        while table.launching > 0 {
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            table =
                self.changed.wait_timeout(table, left).map_or_else(|e| e.into_inner().0, |(table, _)| table);
        }
        true
    }
}

impl Pass<'_> {
    /// A program runs.
    fn started(
        &mut self,
        name: &NodeName,
        number: u64,
        running: Arc<dyn Running>,
    ) -> Result<(), NotLaunched> {
        let Some(node) = self.table.nodes.get_mut(name) else { return Err(NotLaunched::Gone) };
        let is_agent = node.agent().is_some();
        let run = node.run_mut().filter(|run| run.is(number)).ok_or(NotLaunched::Gone)?;
        let ended = match std::mem::replace(run, Run::Here { number, running }) {
            Run::Starting { ended, .. } => ended,
            Run::None | Run::Here { .. } => None,
        };
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
