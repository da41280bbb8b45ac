//! What a running swarm is given: who starts programs, the time, where events and messages are noted, where
//! its files are.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    agent::{MemberSpec, Sink},
    backend::{Backends, Policy, Running, StartFault, Told, form::Form},
    limits,
    swarm::{events::Hub, history::MessageLog, kept::Shelf, logs::Logs, skills::Skills},
    wire::clock::Clock,
};

/// What a [`super::Live`] needs of the instance.
#[derive(Clone)]
pub struct LiveParts {
    /// who starts programs
    pub launch: Arc<dyn Launch>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// where events are told
    pub hub: Arc<Hub>,
    /// where messages are noted, those of all swarms
    pub log: Arc<Mutex<MessageLog>>,
    /// where what agents say and print is kept
    pub logs: Arc<Logs>,
    /// where the directories of agents are
    pub shelf: Arc<Shelf>,
    /// what skills are deployed from
    pub skills: Arc<Skills>,
    /// called, never under a lock, when something is due before the time that the last
    /// [`super::Live::tick`] answered
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// Who starts a program on a backend.
pub trait Launch: Send + Sync {
    /// Starts it; returns when it runs. The sink may be called before.
    fn start(
        &self,
        form: &Form,
        spec: MemberSpec,
        told: Told<'_>,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartFault>;

    /// Which endpoint an agent may be led to, and who gets the key; without one nobody does.
    fn policy(&self) -> Option<&Policy> {
        None
    }

    /// Does this in a thread of its own, which ends with it: who asked must not wait for programs.
    fn thread(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        thread::Builder::new().name(name).stack_size(limits::THREAD_STACK).spawn(work).map(drop)
    }
}

impl Launch for Backends {
    fn policy(&self) -> Option<&Policy> {
        Some(Backends::policy(self))
    }

    fn start(
        &self,
        form: &Form,
        spec: MemberSpec,
        told: Told<'_>,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartFault> {
        Backends::start(self, form, spec, told, sink)
    }
}
