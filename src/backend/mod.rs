//! Where an agent runs: what each backend makes of an agent of a swarm before `agent` starts it.
//!
//! Here are `local`, a process of this user without any boundary, `bwrap`, the same in a sandbox, and `mock`, which
//! has no process and answers from a script. Every other name is refused with a word that says so: nothing falls back to a
//! weaker backend (spec genswarms L.1.5).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod bwrap;
pub mod form;
mod local;
mod loose;
pub mod mock;
pub mod options;
pub mod script;
pub mod user;
mod values;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use serde_json::{Map, Value};

pub use crate::egress::policy::{Policy, PolicyError};
use crate::{
    agent::{Agents, Full, MemberSpec, Sink, StartError, protocol::Item},
    egress::forwarder::Snapshot,
    store::Home,
};
use bwrap::Sandbox;
pub use bwrap::{Destination, Egress, InForce, Letters, News, Sandboxes};
use form::Form;
pub use loose::NotCaged;
use mock::Mocks;
use script::Script;
use user::User;

/// An agent that runs, wherever that is. Dropping it does not end it.
pub trait Running: Send + Sync {
    /// Tells it something, as a line of the protocol or typed. Never waits.
    fn say(&self, item: &Item) -> Result<(), Full>;
    /// One line as it stands, for process objects. Never waits.
    fn raw(&self, line: Vec<u8>) -> Result<(), Full>;
    /// Whether it would take a line of so many bytes now.
    fn has_room(&self, bytes: usize) -> bool;
    /// Has it ended, and waits for nothing.
    fn begin_end(&self);
    /// Ends it; waits until nothing of it is left, at most `within`. Whether nothing is. Not to be called
    /// from its own sink.
    fn end(&self, within: Duration) -> bool;
    /// Holds all of its processes; whether it reached them.
    fn freeze(&self) -> bool;
    /// Lets them go on.
    fn thaw(&self) -> bool;
    /// Its program's process.
    fn pid(&self) -> Option<u32>;
    /// Its terminal's id, if it is in one.
    fn block_id(&self) -> Option<String>;
    /// What is in force of its sandbox, if it is in one.
    fn in_force(&self) -> Option<InForce> {
        None
    }
}

/// All backends that are built.
pub struct Backends {
    agents: Arc<Agents>,
    mocks: Mocks,
    policy: Policy,
    sandboxes: Option<Arc<Sandboxes>>,
}

/// What an agent is told beside its program.
#[derive(Clone, Copy, Default)]
pub struct Told<'a> {
    /// what a mock answers
    pub script: Option<&'a Script>,
    /// its config: options of the backend among its own business
    pub config: Option<&'a Map<String, Value>>,
    /// its directories, for a sandbox; the one that it works in is the spec's
    pub letters: Option<&'a Letters>,
    /// the operator has named the directory that it works in
    pub of_operator: bool,
}

const NO_SANDBOXES: StartError =
    StartError::Sandbox { code: "sandbox_unavailable", reason: Cow::Borrowed("there are no sandboxes here") };

/// A backend that is known by name, and does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotBuilt(pub &'static str);

impl fmt::Display for NotBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {} is not built in yet; use local, bwrap or mock", self.0)
    }
}

/// Why an agent was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFault {
    /// its backend is not there
    NotBuilt(NotBuilt),
    /// its program could not be started
    Start(StartError),
}

/// For whoever looks at the agent: no path, and nothing of the caller's.
impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt(not_built) => not_built.fmt(f),
            Self::Start(error) => match error {
                StartError::Exists => f.write_str("an agent of this name runs"),
                StartError::Reserved => f.write_str("the name is reserved"),
                StartError::Limit { most } => write!(f, "{most} agents are there already, the most at once"),
                StartError::NoSuchCommand { reason } => write!(f, "its command cannot be run: {reason}"),
                StartError::NoSuchDirectory => f.write_str("its workspace cannot be entered"),
                StartError::OutOfBounds(field) => write!(f, "{field} is outside its bounds"),
                StartError::Sandbox { reason, .. } => f.write_str(reason),
                StartError::Failed(step) => write!(f, "the system refused ({step})"),
            },
        }
    }
}

impl From<StartError> for StartFault {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl Backends {
    /// Over these agents, which are led to their models by that policy.
    pub fn new(agents: Arc<Agents>, policy: Policy) -> Self {
        Self { agents, mocks: Mocks::default(), policy, sandboxes: None }
    }

    /// The same with sandboxes, for the instance in this home. What a killed one has left in the workspaces of
    /// sandboxes is removed. Only under the home's lock.
    pub fn with_sandboxes(self, home: &Arc<Home>) -> Self {
        let sandboxes = Sandboxes::open(home, self.agents.user());
        Self { sandboxes: Some(Arc::new(sandboxes)), ..self }
    }

    /// The sandboxes, where there are any.
    pub fn sandboxes(&self) -> Option<&Arc<Sandboxes>> {
        self.sandboxes.as_ref()
    }

    /// The way out of an isolated agent of this name, whose config asks for that endpoint.
    pub fn egress(&self, name: &str, asked: Option<&str>) -> Egress {
        let had = self.sandboxes.as_ref().and_then(|sandboxes| sandboxes.egress(name));
        had.unwrap_or_else(|| {
            let admitted = self.policy.admit(asked).ok();
            let endpoint = admitted.map(|admitted| bwrap::place(admitted.endpoint()));
            Egress { endpoint, account: Snapshot::default() }
        })
    }

    /// Which endpoint an agent may be led to, and who gets the key.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whom the commands of sandboxes run as; `None`: as the instance itself, which is not root then.
    pub fn user(&self) -> Option<User> {
        self.agents.user()
    }

    /// Whether agents of this backend can be started at all.
    pub fn check(form: &Form) -> Result<(), NotBuilt> {
        match form {
            Form::Local | Form::Mock | Form::Bwrap { .. } => Ok(()),
            Form::Docker { .. } | Form::AppleContainer { .. } | Form::Ssh { .. } => {
                Err(NotBuilt(form.name()))
            }
        }
    }

    /// Starts an agent; `sink` hears of it. A mock answers from its script, and needs no command.
    pub fn start(
        &self,
        form: &Form,
        spec: MemberSpec,
        told: Told<'_>,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartFault> {
        match form {
            Form::Local => local::start(&self.agents, spec, sink),
            Form::Mock => {
                let place = self.agents.place()?;
                Ok(self.mocks.start(place, told.script.cloned(), sink)?)
            }
            Form::Bwrap { opts } => {
                let sandboxes = self.sandboxes.as_ref().ok_or(NO_SANDBOXES)?;
                let options = options::merged(told.config, opts);
                let (workspace, own) = (spec.cwd.clone(), !told.of_operator);
                let sandbox = Sandbox::read(&options, workspace, own, told.letters.cloned())?;
                sandboxes.start(&self.agents, sandbox, &self.policy, spec, sink)
            }
            Form::Docker { .. } | Form::AppleContainer { .. } | Form::Ssh { .. } => {
                Err(StartFault::NotBuilt(NotBuilt(form.name())))
            }
        }
    }
}

#[cfg(test)]
mod tests;
