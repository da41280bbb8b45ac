//! The bus with other instances: made-up ones, which behave as they are told to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    mail::{Kind, Manner, State},
    rate::Sender,
    *,
};
use crate::{
    agent::Confinement,
    limits,
    registry::{
        Carry, Forwarded, Found, Letter, Listing, NotReached, Peer, PeerAgent, PeerInstance, Published,
        Speaks, There, Unsure,
    },
    store::{disk::testing::Model, journal::Settings},
    wire::{
        address::{Address, HomeId},
        clock::ManualClock,
        secret::Secret,
    },
};

mod asks;
mod audited;
mod confined;
mod held;
mod letters;
mod model;
mod sends;

const OWN: &str = "00000000000a";
const FAR: &str = "00000000000b";
const THIRD: &str = "00000000000c";

fn name(text: &str) -> AgentId {
    AgentId::parse(text).expect("a valid id")
}

fn home(text: &str) -> HomeId {
    HomeId::parse(text).expect("a home")
}

/// How an instance behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// takes what comes
    Takes,
    /// says so, but nobody hears it
    TakesUnheard,
    /// nothing comes of it, for three seconds
    Silent,
    Away(NotReached),
    Refuses(&'static str, bool),
}

/// A letter as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Came {
    to: String,
    at: Option<HomeId>,
    caller: String,
    carry: Carry,
    text: String,
    id: String,
    from: Option<String>,
    redelivered: bool,
    hops: u64,
    in_reply_to: Option<String>,
    correlation_id: Option<String>,
}

/// The other instances.
struct Others {
    home: HomeId,
    on: AtomicBool,
    clock: Arc<ManualClock>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    peers: Vec<Peer>,
    moods: HashMap<HomeId, Mood>,
    /// of what is for one name, or from one caller, whatever the home's is
    exceptions: HashMap<String, Mood>,
    /// what is wrong with the entries of all others
    trouble: Option<&'static str>,
    tries: BTreeMap<String, usize>,
    /// how often somebody was looked for
    looks: usize,
    came: Vec<Came>,
}

impl Others {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().expect("no panic")
    }
}

impl Elsewhere for Others {
    fn home(&self) -> &HomeId {
        &self.home
    }

    fn is_on(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }

    fn find(&self, to: &Address) -> Found {
        let mut told = self.told();
        told.looks += 1;
        let fits =
            |peer: &&Peer| peer.agent == to.name && to.home.as_ref().is_none_or(|home| *home == peer.home);
        let mut found: Vec<Peer> = told.peers.iter().filter(fits).cloned().collect();
        match found.len() {
            0 => Found::Nobody(told.trouble),
            1 => Found::One(Box::new(found.remove(0))),
            _ => Found::Several(found.into_iter().map(|peer| peer.home).collect()),
        }
    }

    fn forward(&self, peer: &Peer, letter: &Letter<'_>) -> Forwarded {
        let mut told = self.told();
        *told.tries.entry(letter.id.to_owned()).or_default() += 1;
        let exception = |of: &str| told.exceptions.get(of).copied();
        let mood = exception(peer.agent.as_str())
            .or_else(|| exception(letter.origin.caller))
            .or_else(|| told.moods.get(&peer.home).copied())
            .unwrap_or(Mood::Takes);
        if let Mood::Takes | Mood::TakesUnheard = mood {
            told.came.push(Came {
                to: format!("{}@{}", peer.agent, peer.home),
                at: letter.at.cloned(),
                caller: format!("{} of {}", letter.origin.caller, letter.origin.home),
                carry: letter.carry,
                text: letter.text.to_owned(),
                id: letter.id.to_owned(),
                from: letter.from.map(str::to_owned),
                redelivered: letter.redelivered,
                hops: letter.hops,
                in_reply_to: letter.in_reply_to.map(str::to_owned),
                correlation_id: letter.correlation_id.map(str::to_owned),
            });
        }
        match mood {
            Mood::Takes => Forwarded::Taken {
                body: json!({"success": true, "request_id": letter.id, "from": "there"}),
                there: There { outcome: Some("queued".to_owned()), ..There::default() },
            },
            Mood::TakesUnheard => Forwarded::Unsure(Unsure::Broken),
            Mood::Silent => {
                self.clock.advance(3_000);
                Forwarded::Unsure(Unsure::Silent)
            }
            Mood::Away(why) => Forwarded::NotReached(why),
            Mood::Refuses(code, lasting) => Forwarded::Refused {
                body: json!({"success": false, "code": code}),
                code: code.to_owned(),
                sentence: format!("no: {code}"),
                lasting,
            },
        }
    }

    fn publish(&self, _: &AgentId, _: Duration) -> Published {
        Published::Done
    }

    fn changed(&self) {}

    fn rekey(&self, _: Secret, _: Duration) -> bool {
        true
    }

    fn listing(&self) -> Listing {
        let told = self.told();
        let instance = |peer: &Peer| PeerInstance {
            home: peer.home.clone(),
            instance: peer.instance.clone(),
            at: peer.at,
            pid: peer.pid,
            speaks: peer.speaks,
            channel: String::new(),
            agents: vec![PeerAgent {
                name: peer.agent.clone(),
                block_id: peer.block_id.clone(),
                updated_at: 0,
            }],
        };
        Listing { instances: told.peers.iter().map(instance).collect(), ..Listing::default() }
    }
}

/// An agent here: who may type into it, and into whom it may type elsewhere.
struct Room {
    accepts: Vec<String>,
    may: Vec<String>,
    confinement: Confinement,
}

/// The agents here.
#[derive(Default)]
struct Rooms {
    rows: Mutex<BTreeMap<String, Room>>,
    typed: Mutex<Vec<String>>,
}

impl Terminals for Rooms {
    fn deliver(&self, block_id: &str, text: &str, _: Option<Submit>) -> Option<Delivery> {
        self.typed.lock().expect("no panic").push(format!("{block_id}: {text}"));
        Some(Delivery::Delivered)
    }

    fn offer(&self, block_id: &str, text: &str, _: Duration) -> Option<Offer> {
        self.deliver(block_id, text, None).map(Offer::Settled)
    }

    fn terminal(&self, agent: &AgentId) -> Option<Terminal> {
        let rows = self.rows.lock().expect("no panic");
        let room = rows.get(agent.as_str())?;
        Some(Terminal {
            block_id: format!("block of {agent}"),
            accept_typed_from: room.accepts.clone(),
            confinement: room.confinement,
            quiet: true,
            started_at: 0,
        })
    }

    fn confinement(&self, agent: &AgentId) -> Confinement {
        let rows = self.rows.lock().expect("no panic");
        rows.get(agent.as_str()).map(|room| room.confinement).unwrap_or_default()
    }

    fn knows(&self, agent: &AgentId) -> bool {
        self.rows.lock().expect("no panic").contains_key(agent.as_str())
    }

    fn may_type_into(&self, agent: &AgentId) -> Vec<String> {
        self.rows
            .lock()
            .expect("no panic")
            .get(agent.as_str())
            .map(|room| room.may.clone())
            .unwrap_or_default()
    }

    fn running(&self) -> Vec<AgentId> {
        self.rows.lock().expect("no panic").keys().map(|agent| name(agent)).collect()
    }
}

/// One instance, and the others around it.
struct Rig {
    clock: Arc<ManualClock>,
    disk: Model,
    bus: Bus,
    others: Arc<Others>,
    rooms: Rooms,
}

impl Rig {
    fn new() -> Self {
        let clock = ManualClock::at(1_000_000);
        let others = Arc::new(Others {
            home: home(OWN),
            on: AtomicBool::new(true),
            clock: Arc::clone(&clock),
            told: Mutex::default(),
        });
        let disk = Model::new();
        let bus = bus(&disk, &clock, Arc::clone(&others) as _);
        Self { clock, disk, bus, others, rooms: Rooms::default() }
    }

    /// With an agent of another instance that understands letters.
    fn with(self, agent: &str, home: &str) -> Self {
        self.others.told().peers.push(Peer::made_up(agent, home, Speaks::Loopgate));
        self
    }

    /// With one that knows typing only.
    fn with_agentmux(self, agent: &str, home: &str) -> Self {
        self.others.told().peers.push(Peer::made_up(agent, home, Speaks::AgentMux));
        self
    }

    /// With that agent kept so far from the machine.
    fn confined(self, agent: &str, confinement: Confinement) -> Self {
        let mut rows = self.rooms.rows.lock().expect("no panic");
        rows.get_mut(agent).expect("an agent").confinement = confinement;
        drop(rows);
        self
    }

    /// With an agent here.
    fn with_agent(self, agent: &str, accepts: &[&str], may: &[&str]) -> Self {
        let all = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        self.rooms.rows.lock().expect("no panic").insert(
            agent.to_owned(),
            Room { accepts: all(accepts), may: all(may), confinement: Confinement::None },
        );
        self.bus
            .state()
            .directory
            .register(name(agent), &format!("block of {agent}"), None, 0)
            .expect("there is room");
        self
    }

    /// As after the process was killed.
    fn again(mut self) -> Self {
        self.disk = self.disk.after_kill();
        self.bus = bus(&self.disk, &self.clock, Arc::clone(&self.others) as _);
        self
    }

    fn is(&self, home_: &str, mood: Mood) {
        self.others.told().moods.insert(home(home_), mood);
    }

    /// Of what is for this name, or from this caller.
    fn is_for(&self, of: &str, mood: Mood) {
        self.others.told().exceptions.insert(of.to_owned(), mood);
    }

    fn send(&self, sender: Sender<'_>, to: &str, id: &str) -> Result<Sent, SendError> {
        self.send_as(sender, to, id, None)
    }

    fn send_as(&self, sender: Sender<'_>, to: &str, id: &str, hold: Option<bool>) -> Result<Sent, SendError> {
        let to = Address::parse(to).expect("an address");
        let text = format!("text of {id}");
        let message = Outgoing { home: to.home.as_ref(), hold, ..Outgoing::new(&to.name, &text, id) };
        self.bus.send(sender, message, &self.rooms)
    }

    fn inject(&self, sender: Sender<'_>, target: &str, hold: Option<bool>) -> InjectAnswer {
        let ask = Inject {
            target,
            message: "text",
            source: Some("label"),
            request_id: "r1",
            submit: None,
            hold,
            route: Route::default(),
        };
        self.bus.inject(sender, ask, &self.rooms)
    }

    /// What the thread `forward` does, some times, with time between.
    fn forwards(&self, rounds: usize) {
        for _ in 0..rounds {
            self.bus.forward_held(&self.rooms);
            self.clock.advance(limits::HELD_AGAIN_MS);
        }
    }

    /// What came to other instances: whom for, the id, whether marked.
    fn came(&self) -> Vec<(String, String, bool)> {
        let told = self.others.told();
        told.came.iter().map(|came| (came.to.clone(), came.id.clone(), came.redelivered)).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.came().into_iter().map(|(_, id, _)| id).collect()
    }

    fn looks(&self) -> usize {
        self.others.told().looks
    }

    fn letter(&self, at: usize) -> Came {
        self.others.told().came[at].clone()
    }

    fn tries(&self, id: &str) -> usize {
        self.others.told().tries.get(id).copied().unwrap_or(0)
    }

    fn state(&self, id: &str) -> (State, Option<String>) {
        let found = self.bus.mail.find(id).remove(0);
        (found.state, found.reason)
    }

    fn typed(&self) -> Vec<String> {
        self.rooms.typed.lock().expect("no panic").clone()
    }

    /// Reads destructively what waits here: id, sender, mark.
    fn read(&self, to: &str) -> Vec<(String, String, bool)> {
        let handed = self.bus.mail.take(&name(to), Manner::Final, 100, 1 << 20).expect("a disk in memory");
        let messages =
            handed.messages.iter().map(|m| (m.id.clone(), m.from.clone(), m.redelivered)).collect();
        handed.sent();
        messages
    }
}

fn bus(disk: &Model, clock: &Arc<ManualClock>, others: Arc<dyn Elsewhere>) -> Bus {
    let audit = Audit::in_memory(Secret::new(b"k".to_vec()), Arc::clone(clock) as _);
    bus_with(disk, clock, others, Arc::new(audit))
}

fn bus_with(disk: &Model, clock: &Arc<ManualClock>, others: Arc<dyn Elsewhere>, audit: Arc<Audit>) -> Bus {
    let (mail, loaded) =
        Mail::open(disk.disk(), Settings::default(), Arc::clone(clock) as _).expect("it opens");
    assert_eq!((loaded.unknown_in_all, loaded.journal.bad_in_all), (0, 0), "{loaded:?}");
    Bus::new(Arc::clone(clock) as _, audit, Arc::new(mail), others)
}

fn owned(came: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    came.iter().map(|(to, id, marked)| ((*to).to_owned(), (*id).to_owned(), *marked)).collect()
}

const OWNER: Sender<'static> = Sender::Owner("");
