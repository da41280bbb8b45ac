//! Two instances, a way between them that fails as it likes, and kills of both: nothing that was accepted
//! is lost, nothing is read twice unmarked, and what one sender sent comes in his order.

use super::*;
use crate::{bus::testing::Random, registry::Nowhere};

/// The way from the one instance to the other.
struct Way {
    home: HomeId,
    mood: Mutex<Mood>,
    far: Mutex<Arc<Bus>>,
    rooms: Rooms,
    clock: Arc<ManualClock>,
}

impl Way {
    fn far(&self) -> Arc<Bus> {
        Arc::clone(&self.far.lock().expect("no panic"))
    }

    fn arrive(&self, letter: &Letter<'_>) -> Forwarded {
        let shown = |name: &str| format!("{name}@{}", letter.origin.home);
        let agent = letter.origin.caller.strip_prefix("agent ").map(shown);
        let owner = shown(letter.origin.caller);
        let sender = agent.as_deref().map_or(Sender::FarOwner(&owner), Sender::FarAgent);
        let route = Route { path: letter.path, hops: letter.hops + 1, redelivered: letter.redelivered };
        let to = name("far");
        let message = Outgoing { ttl_ms: letter.ttl_ms, route, ..Outgoing::new(&to, letter.text, letter.id) };
        match self.far().receive(sender, message, &self.rooms) {
            Ok(sent) => Forwarded::Taken {
                body: Value::Null,
                there: There {
                    outcome: Some(sent.outcome.as_str().to_owned()),
                    duplicate: sent.duplicate,
                    ..There::default()
                },
            },
            Err(error) => Forwarded::Refused {
                body: Value::Null,
                code: error.answer().1.to_owned(),
                sentence: error.answer().2,
                lasting: false,
            },
        }
    }
}

impl Elsewhere for Way {
    fn home(&self) -> &HomeId {
        &self.home
    }

    fn is_on(&self) -> bool {
        true
    }

    fn find(&self, _: &Address) -> Found {
        match *self.mood.lock().expect("no panic") {
            Mood::Away(NotReached::Gone) => Found::Nobody(None),
            Mood::Away(_) | Mood::Takes | Mood::TakesUnheard | Mood::Silent | Mood::Refuses(..) => {
                Found::One(Box::new(Peer::made_up("far", FAR, Speaks::Loopgate)))
            }
        }
    }

    fn forward(&self, _: &Peer, letter: &Letter<'_>) -> Forwarded {
        let mood = *self.mood.lock().expect("no panic");
        match mood {
            Mood::Takes => self.arrive(letter),
            Mood::TakesUnheard => {
                self.arrive(letter);
                Forwarded::Unsure(Unsure::Broken)
            }
            Mood::Silent => {
                self.clock.advance(3_000);
                Forwarded::Unsure(Unsure::Silent)
            }
            Mood::Away(why) => Forwarded::NotReached(why),
            Mood::Refuses(code, lasting) => {
                let (code, sentence) = (code.to_owned(), String::new());
                Forwarded::Refused { body: Value::Null, code, sentence, lasting }
            }
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
        Listing::default()
    }
}

struct World {
    random: Random,
    clock: Arc<ManualClock>,
    way: Arc<Way>,
    rooms: Rooms,
    disks: [Model; 2],
    near: Arc<Bus>,
    /// by sender: the ids that were accepted, in order
    accepted: BTreeMap<&'static str, Vec<String>>,
    sent: u64,
    /// what was read there: sender and id, and whether marked
    read: Vec<(String, bool)>,
}

const SENDERS: [(&str, Sender<'static>); 2] = [("owner", OWNER), ("near", Sender::Agent("near"))];
const MOODS: [Mood; 7] = [
    Mood::Takes,
    Mood::Takes,
    Mood::TakesUnheard,
    Mood::Silent,
    Mood::Away(NotReached::NoConnection),
    Mood::Away(NotReached::Gone),
    Mood::Refuses("mailbox_full", false),
];

fn rooms(agent: &str) -> Rooms {
    let rooms = Rooms::default();
    let room = Room { accepts: Vec::new(), may: Vec::new(), confinement: Confinement::None };
    rooms.rows.lock().expect("no panic").insert(agent.to_owned(), room);
    rooms
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = ManualClock::at(1_000_000);
        let disks = [Model::new(), Model::new()];
        let far = Arc::new(bus(&disks[1], &clock, Arc::new(Nowhere::default())));
        let way = Arc::new(Way {
            home: home(OWN),
            mood: Mutex::new(Mood::Takes),
            far: Mutex::new(far),
            rooms: rooms("far"),
            clock: Arc::clone(&clock),
        });
        let near = Arc::new(bus(&disks[0], &clock, Arc::clone(&way) as _));
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            clock,
            way,
            rooms: rooms("near"),
            disks,
            near,
            accepted: BTreeMap::new(),
            sent: 0,
            read: Vec::new(),
        }
    }

    fn send(&mut self) {
        let (who, sender) = SENDERS[self.random.below(2) as usize];
        let id = self.sent.to_string();
        self.sent += 1;
        self.send_one(who, sender, &id);
    }

    fn send_one(&mut self, who: &'static str, sender: Sender<'_>, id: &str) {
        let to = name("far");
        let result = self.near.send(sender, Outgoing::new(&to, id, id), &self.rooms);
        let all = self.accepted.entry(who).or_default();
        match result {
            Ok(sent) if sent.duplicate => assert!(all.iter().any(|known| known == id)),
            Ok(sent) => {
                assert!(sent.held == (sent.outcome == SendOutcome::Waiting), "{sent:?}");
                all.push(id.to_owned());
            }
            // An agent's message for a name that nobody has now.
            Err(error) => assert_eq!((error.answer().1, who), ("agent_not_found", "near")),
        }
    }

    fn send_again(&mut self) {
        let (who, sender) = SENDERS[self.random.below(2) as usize];
        let Some(all) = self.accepted.get(who).filter(|all| !all.is_empty()) else { return };
        let id = all[self.random.below(all.len() as u64) as usize].clone();
        self.send_one(who, sender, &id);
    }

    fn read(&mut self, limit: usize, taken: bool) {
        let far = self.way.far();
        let handed = far.mail.take(&name("far"), Manner::Final, limit, 1 << 20).expect("a disk in memory");
        for message in &handed.messages {
            assert_eq!(message.text, message.id);
            self.read.push((format!("{} {}", message.from, message.id), message.redelivered));
        }
        if taken {
            handed.sent();
        }
    }

    fn kill(&mut self, which: usize) {
        self.disks[which] = self.disks[which].after_kill();
        let disk = &self.disks[which];
        if which == 0 {
            self.near = Arc::new(bus(disk, &self.clock, Arc::clone(&self.way) as _));
        } else {
            let far = Arc::new(bus(disk, &self.clock, Arc::new(Nowhere::default())));
            *self.way.far.lock().expect("no panic") = far;
        }
    }

    fn step(&mut self) {
        self.clock.advance(100);
        match self.random.below(16) {
            0..=5 => self.send(),
            6 => self.send_again(),
            7 | 8 => {
                let mood = MOODS[self.random.below(MOODS.len() as u64) as usize];
                *self.way.mood.lock().expect("no panic") = mood;
            }
            9..=11 => {
                let pause = self.near.forward_held(&self.rooms);
                self.clock.advance(pause.as_millis().min(5_000) as u64);
            }
            12 => {
                let (limit, taken) = (1 + self.random.below(3) as usize, self.random.below(3) > 0);
                self.read(limit, taken);
            }
            13 => {
                self.near.mail.maintain();
                self.way.far().mail.maintain();
            }
            14 => self.kill(0),
            _ => self.kill(1),
        }
    }

    fn settle(&mut self) {
        *self.way.mood.lock().expect("no panic") = Mood::Takes;
        for _ in 0..4 {
            self.clock.advance(limits::HELD_PAUSE_MS);
            self.near.forward_held(&self.rooms);
        }
        assert_eq!(self.near.mail.held_in_all(), 0);
        self.read(usize::MAX, true);
    }

    fn check(&self, seed: u64) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, (message, marked)) in self.read.iter().enumerate() {
            let again = first.contains_key(message.as_str());
            assert!(*marked || !again, "{seed}: {message} was read twice unmarked");
            first.entry(message).or_insert(at);
        }
        for (who, all) in &self.accepted {
            let at: Vec<usize> = all
                .iter()
                .map(|id| {
                    let message = format!("{who}@{OWN} {id}");
                    *first.get(message.as_str()).unwrap_or_else(|| panic!("{seed}: {message} is lost"))
                })
                .collect();
            assert!(at.is_sorted(), "{seed}: {who}'s came in another order: {:?}", self.read);
        }
    }
}

#[test]
fn whatever_fails_between_two_instances_nothing_is_lost_repeated_unmarked_or_out_of_order() {
    for seed in 1..=150 {
        let mut world = World::new(seed);
        for _ in 0..120 {
            world.step();
        }
        world.settle();
        world.check(seed);
    }
}
