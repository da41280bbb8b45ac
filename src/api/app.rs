//! The program behind the gate: what all handlers share.
//!
//! It decides from a head alone whether its request is admitted (`admit` has the rules, this has the
//! world that they ask about: tokens, keepers, the kernel's word on the peer), finds the route, and hands
//! the admitted request with its `Caller` to the handler. Refusals are counted here, and written to the
//! audit at a bounded rate. Tests put other agents, other peers and another clock in its place.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    controller::Statuses, elsewhere::FarAgents, fleet::Fleet, request::Fault, rotate::KeyFileHook, top::Top,
    waiting::Waiting,
};
use crate::{
    admit::{PeerAddr, PeerFacts, Penalties, Policy, TreeFact},
    bus::{
        Bus,
        audit::{self, AgentHappened, Audit},
        mail::Mail,
    },
    exposure::Declared,
    gate::Counters,
    limits,
    registry::Elsewhere,
    store::Beneath,
    swarm::{Swarms, skills::Skills},
    sys::random,
    wire::{clock::Clock, id::AgentId},
    ws::Sockets,
};

/// What the kernel says of the process at the other end of a connection.
pub trait Peers: Send + Sync {
    /// For the token-less rule and the audit; `keepers` are the processes that hold agents' trees.
    fn facts(&self, at: &PeerAddr, keepers: &dyn Fn() -> Vec<u32>, now: u64) -> PeerFacts;

    /// Whether it belongs to the tree that this keeper holds.
    fn tree(&self, at: &PeerAddr, keeper: u32, now: u64) -> TreeFact;
}

/// What an [`App`] is made of.
pub struct AppParts {
    /// who may call
    pub policy: Policy,
    /// the agents
    pub fleet: Arc<dyn Fleet>,
    /// who is at the other end
    pub peers: Box<dyn Peers>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// the instance's id
    pub instance: String,
    /// what is open, keepers excepted
    pub declared: Declared,
    /// what was typed and sent, and who was refused
    pub audit: Arc<Audit>,
    /// what waits
    pub mail: Arc<Mail>,
    /// the agents of other instances
    pub elsewhere: Arc<dyn Elsewhere>,
    /// the key file
    pub key_file: KeyFileHook,
    /// the swarms
    pub swarms: Arc<Swarms>,
    /// the skills that agents can be given
    pub skills: Skills,
    /// beneath which callers may name configurations; `None`: nowhere
    pub config_dir: Option<Beneath>,
}

/// The program behind the gate.
pub struct App {
    pub(super) policy: Policy,
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) peers: Box<dyn Peers>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) instance: String,
    pub(super) declared: Declared,
    pub(super) key_file: KeyFileHook,
    pub(super) swarms: Arc<Swarms>,
    pub(super) skills: Skills,
    pub(super) config_dir: Option<Beneath>,
    pub(super) bus: Arc<Bus>,
    pub(super) penalties: Penalties,
    pub(super) refusals: Refusals,
    pub(super) waiters: Waiting,
    pub(super) file_reads: Places,
    pub(super) far: FarAgents,
    pub(super) statuses: Arc<Statuses>,
    pub(super) sockets: Arc<Sockets>,
    pub(super) top: Top,
    pub(super) gate_counters: OnceLock<Arc<Counters>>,
    /// monotonic ms
    pub(super) started: u64,
}

impl App {
    /// Puts the parts together; from here on an agent that ends is forgotten by the directory.
    pub fn new(parts: AppParts) -> Arc<Self> {
        let AppParts {
            policy,
            fleet,
            peers,
            clock,
            instance,
            declared,
            audit,
            mail,
            elsewhere,
            key_file,
            swarms,
            skills,
            config_dir,
        } = parts;
        let bus = Arc::new(Bus::new(Arc::clone(&clock), audit, mail, elsewhere));
        let statuses = Arc::new(Statuses::new(Arc::clone(&bus.events)));
        let (ended, ends) = (Arc::clone(&bus), Arc::clone(&statuses));
        fleet.on_exit(Box::new(move |record| {
            ends.ended(record);
            ended.state().directory.unregister_block(&record.block_id);
            ended.elsewhere.changed();
            let (name, block_id) = (record.name.as_str().to_owned(), record.block_id.clone());
            let happened = AgentHappened::Ended;
            ended.audit.agent(audit::Agent { happened, name, block_id, by: None });
        }));
        let started = clock.monotonic_ms();
        Arc::new(Self {
            policy,
            fleet,
            peers,
            clock,
            instance,
            declared,
            key_file,
            swarms,
            skills,
            config_dir,
            bus,
            penalties: Penalties::new(),
            refusals: Refusals::default(),
            waiters: Waiting::new(),
            file_reads: Places::new(limits::FILE_READS),
            far: FarAgents::new(),
            statuses,
            sockets: Sockets::new(limits::WS_CONNECTIONS),
            top: Top::default(),
            gate_counters: OnceLock::new(),
            started,
        })
    }

    /// Lets `status` show what the gate counts. The first call counts.
    pub fn show_counters(&self, counters: Arc<Counters>) {
        let _ = self.gate_counters.set(counters);
    }

    /// The WebSockets, for the instance's end: they say 1001 before the gate closes them.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// What was typed and sent, and who was refused.
    pub fn audit(&self) -> &Arc<Audit> {
        &self.bus.audit
    }

    /// Types what waits for agents that run now; returns when to be called again at the latest.
    pub fn drain(&self) -> Duration {
        self.bus.drain(&*self.fleet)
    }

    /// Writes down what terminals have taken; for the end, when nothing more is to be typed.
    pub fn settle(&self) {
        self.bus.settle();
    }

    /// Who is registered here, with the block of each.
    pub fn registered_here(&self) -> Vec<(AgentId, String)> {
        let state = self.bus.state();
        let all = state.directory.list().into_iter();
        all.map(|one| (one.agent_id.clone(), one.block_id.clone())).collect()
    }

    /// Hands over what is held for other instances; returns when to be called again at the latest.
    pub fn forward_held(&self) -> Duration {
        self.bus.forward_held(&*self.fleet)
    }

    /// Waits for that long at most, less where something new is held. `false`: the instance ends.
    pub fn pause_forwarding(&self, most: Duration) -> bool {
        self.bus.pause_forwarding(most)
    }

    /// Ends all pauses of whoever hands over what is held.
    pub fn end_forwarding(&self) {
        self.bus.end_forwarding();
    }

    /// A fresh UUIDv4.
    pub(super) fn fresh_id(&self) -> Result<String, Fault> {
        random::uuid().map_err(|_| Fault::new(500, "no_randomness", "the system gives no random bytes"))
    }
}

/// How often each code was the answer of a refusal. The codes are ours, so their number is bounded.
/// Written only for a code's first time, so that a flood of refusals waits for nobody.
#[derive(Debug, Default)]
pub(super) struct Refusals(RwLock<BTreeMap<&'static str, AtomicU64>>);

impl Refusals {
    pub(super) fn count(&self, code: &'static str) {
        if let Some(count) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(code) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counts.entry(code).or_default().fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn to_json(&self) -> Value {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let counts: BTreeMap<_, _> =
            counts.iter().map(|(code, count)| (*code, count.load(Ordering::Relaxed))).collect();
        json!(counts)
    }
}

/// A number of places, taken and given back.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<AtomicUsize>,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(places)) }
    }

    /// A place until it is dropped.
    pub(super) fn enter(&self) -> Option<Place> {
        self.free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1))
            .ok()
            .map(|_| Place(Arc::clone(&self.free)))
    }
}

/// One taken place.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
