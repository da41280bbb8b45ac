//! `bwrap`: a process in namespaces of its own, with a workspace, a read-only system and nothing else of the host.
//!
//! Each part is a value before it is a sandbox: what is asked for ([`sandbox`]), the words that bubblewrap is told
//! ([`words`]), what is shown of the system ([`system`]), which other places may be shown ([`binds`]), what the host
//! must not be made to run ([`guard`]), what may be used ([`limits`]), and which bubblewrap is trusted with it
//! ([`program`]). [`cage`] puts them together for one start.

mod binds;
mod books;
mod cage;
mod guard;
mod limits;
pub mod program;
mod sandbox;
pub mod system;
mod variables;
mod way;
pub mod words;

use std::{borrow::Cow, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Running, StartFault, local};
use crate::{
    agent::{
        Agents, Full, MemberSpec, Sink, StartError,
        cage::{Cage, User},
        protocol::Item,
    },
    egress::{
        forwarder::{Account, Snapshot},
        policy::Policy,
    },
    store::Home,
};
use books::Books;
pub use books::{Destination, Egress, Listener, News, place};
use cage::{BwrapCage, Facts};
use guard::Guards;
pub use sandbox::{Asked, Letters, Network, Sandbox};
use way::Way;

/// The home directory of the program inside, in memory.
pub const HOME: &str = "/home/agent";
/// Where it works.
pub const WORKSPACE: &str = "/workspace";
/// Where it puts its letters.
pub const OUTBOX: &str = "/run/loopgate/outbox";
/// Where it finds what was delivered.
pub const INBOX: &str = "/run/loopgate/inbox";
/// Where it finds the answers to what it asks.
pub const REPLIES: &str = "/run/loopgate/inbox/replies";
/// Where it finds its skills.
pub const SKILLS: &str = "/run/loopgate/skills";

/// What all sandboxes of an instance share.
pub struct Sandboxes {
    guards: Arc<Guards>,
    home: PathBuf,
    user: Option<User>,
    books: Arc<Books>,
}

/// Whether this machine has a filter of system calls that was written for it.
const IS_SUPPORTED: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
const UNSUPPORTED: StartError = StartError::Sandbox {
    code: "unsupported_network",
    reason: Cow::Borrowed("\"isolated\" is for x86_64 and aarch64 machines only"),
};

/// What is in force of one sandbox, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// "open" or "isolated"
    pub network: &'static str,
    /// each layer by its name, beside the namespaces
    pub layers: Vec<String>,
    /// options whose limits this machine cannot keep
    pub limits_not_kept: Vec<&'static str>,
    /// what went through its one way out
    pub egress: Option<Snapshot>,
}

impl InForce {
    /// As the API shows it.
    pub fn to_value(&self) -> Value {
        let egress = self.egress.as_ref().map(Snapshot::json);
        json!({
            "network": self.network, "layers": self.layers, "limits_not_kept": self.limits_not_kept,
            "egress": egress,
        })
    }
}

impl Sandboxes {
    /// Those of the instance in this home; what a killed one has left in workspaces is removed. Only under the home's
    /// lock. `user` is whom they run as where we are root.
    pub fn open(home: &Arc<Home>, user: Option<User>) -> Self {
        let guards = Guards::open(Arc::clone(home));
        Self { guards, home: home.path().to_owned(), user, books: Arc::default() }
    }

    /// What a program is put into; `name` is the agent's, for its account.
    pub fn cage(&self, sandbox: Sandbox, policy: &Policy, name: &str) -> Result<Arc<dyn Cage>, StartError> {
        Ok(self.caged(sandbox, policy, name)?)
    }

    /// The account of the agent of this name, where it has had a way out.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.books.account(name)
    }

    /// The way out of the agent of this name, where it has had one.
    pub fn egress(&self, name: &str) -> Option<Egress> {
        self.books.egress(name)
    }

    /// Whom to tell of refusals and of ends from now on. The first call counts.
    pub fn listen(&self, listener: Box<Listener>) {
        self.books.listen(listener);
    }

    /// Where isolated agents that run now are led, and how many they are.
    pub fn destinations(&self) -> (usize, Vec<Destination>) {
        self.books.destinations()
    }

    fn caged(&self, sandbox: Sandbox, policy: &Policy, name: &str) -> Result<Arc<BwrapCage>, StartError> {
        let way = match &sandbox.network {
            Network::Open => None,
            Network::Isolated(_) if !IS_SUPPORTED => return Err(UNSUPPORTED),
            Network::Isolated(asked) => Some(Way::admit(policy, asked, &self.books, name)?),
        };
        Ok(Arc::new(BwrapCage {
            sandbox,
            way,
            guards: Arc::clone(&self.guards),
            home: self.home.clone(),
            user: self.user,
            facts: Arc::default(),
        }))
    }

    /// Starts an agent of a swarm in a sandbox.
    pub(super) fn start(
        &self,
        agents: &Arc<Agents>,
        sandbox: Sandbox,
        policy: &Policy,
        mut spec: MemberSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<Arc<dyn Running>, StartFault> {
        let network = sandbox.network.name();
        let cage = self.caged(sandbox, policy, &spec.name.to_string())?;
        let facts = Arc::clone(&cage.facts);
        let account = cage.way.as_ref().map(|way| Arc::clone(way.account()));
        spec.cage = Some(cage);
        let inner = local::start(agents, spec, sink)?;
        Ok(Arc::new(Caged { inner, facts, network, account }))
    }
}

/// An agent in a sandbox: a process like any other, and what is in force of the sandbox.
struct Caged {
    inner: Arc<dyn Running>,
    facts: Arc<Facts>,
    network: &'static str,
    account: Option<Arc<Account>>,
}

impl Running for Caged {
    fn say(&self, item: &Item) -> Result<(), Full> {
        self.inner.say(item)
    }

    fn raw(&self, line: Vec<u8>) -> Result<(), Full> {
        self.inner.raw(line)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.inner.has_room(bytes)
    }

    fn begin_end(&self) {
        self.inner.begin_end();
    }

    fn end(&self, within: Duration) -> bool {
        self.inner.end(within)
    }

    fn freeze(&self) -> bool {
        self.inner.freeze()
    }

    fn thaw(&self) -> bool {
        self.inner.thaw()
    }

    fn pid(&self) -> Option<u32> {
        self.inner.pid()
    }

    fn block_id(&self) -> Option<String> {
        self.inner.block_id()
    }

    fn in_force(&self) -> Option<InForce> {
        let known = self.facts.now();
        let layers = known.layers_shown();
        let egress = self.account.as_ref().map(|account| account.snapshot());
        Some(InForce { network: self.network, layers, limits_not_kept: known.not_kept, egress })
    }
}
