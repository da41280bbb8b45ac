//! Kills two instances in turn while each forwards to the other, and holds what was accepted against what
//! was read: none lost, none read twice without being marked, none of a sender out of its order.
//!
//! In a run four senders at each instance send 250 messages each, 1,000 in all each way, to two names that
//! the other one has, while one reader for each name empties its mailbox. After a random number of answers
//! one of the instances gets SIGKILL, in the middle of the traffic both ways; another one starts in its
//! home, its names are registered again, and its senders send again, under the same id, what was not
//! answered. Six times in a run, in turn.
//!
//! `LOOPGATE_FORWARD_RUNS` says how many runs (1), `LOOPGATE_RELIABILITY_SEED` with which seed; a failure
//! prints the seed.

#[path = "support/kept.rs"]
mod kept;
#[path = "support/neighbours.rs"]
mod neighbours;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use kept::{Client, Random, Reading, runs_and_seed};
use neighbours::{neighbour, register, shared, waiting};
use serde_json::{Value, json};
use support::{Instance, PATIENCE};

const SENDERS: usize = 4;
/// Messages of one sender.
const EACH: usize = 250;
const NAMES: usize = 2;
const KILLS: u64 = 6;
/// How long after the last message was accepted all of them must have been read: what is held is tried
/// again every two seconds.
const SETTLED: Duration = Duration::from_secs(90);

#[test]
fn two_instances_killed_in_turn_lose_nothing_that_they_accepted_for_each_other() {
    let (runs, seed) = runs_and_seed("LOOPGATE_FORWARD_RUNS", 1);
    let begun = Instant::now();
    let registry = shared();
    let mut pair = [neighbour(registry.path()), neighbour(registry.path())];
    let mut totals = Totals::default();
    for run in 0..runs {
        let mut random = Random::of_run(seed, run);
        let run = Run {
            number: run,
            seed,
            sides: [0, 1].map(|side| Side::of(&pair[side])),
            accepted: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        run.go(&mut pair, &mut random, &mut totals);
    }
    println!("{totals:?} in {:.1} s", begun.elapsed().as_secs_f32());
    assert!(totals.held > 0 && totals.sent_again > 0, "the kills come in the middle: {totals:?}");
}

/// What was seen in all runs together.
#[derive(Debug, Default)]
struct Totals {
    accepted: u64,
    /// of them, those that waited at their sender's instance first
    held: u64,
    sent_again: u64,
    read: u64,
    marked: u64,
    settled_after_ms: u128,
}

/// Where an instance is now.
#[derive(Clone)]
struct At {
    address: SocketAddr,
    key: String,
}

struct Side {
    at: Mutex<At>,
}

impl Side {
    fn of(instance: &Instance) -> Self {
        Self { at: Mutex::new(At { address: instance.address, key: instance.key.clone() }) }
    }

    fn at(&self) -> At {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn moved(&self, instance: &Instance) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) =
            At { address: instance.address, key: instance.key.clone() };
    }
}

struct Run {
    number: u64,
    seed: u64,
    sides: [Side; 2],
    /// messages of both ways
    accepted: AtomicU64,
    /// the readers are to end
    over: AtomicBool,
}

/// What a sender did.
#[derive(Default)]
struct Sent {
    texts: Vec<String>,
    held: u64,
    again: u64,
}

/// The name that the instance of that number has.
fn name(side: usize, at: usize) -> String {
    format!("box-{side}-{at}")
}

impl Run {
    fn go(&self, pair: &mut [Instance; 2], random: &mut Random, totals: &mut Totals) {
        for (side, instance) in pair.iter().enumerate() {
            self.register(side, instance);
        }
        let all = (2 * SENDERS * EACH) as u64;
        let mut kills: Vec<u64> = (0..KILLS).map(|_| 1 + random.below(all * 9 / 10)).collect();
        kills.sort_unstable();
        let (fault, faults) = mpsc::channel::<String>();
        thread::scope(|scope| {
            let _over = Over(&self.over);
            let senders: Vec<_> = (0..2 * SENDERS)
                .map(|at| {
                    let (fault, seed) = (fault.clone(), random.next());
                    scope.spawn(move || self.send(at / SENDERS, at % SENDERS, seed, &fault))
                })
                .collect();
            let (tell, told) = mpsc::channel::<(usize, usize, Reading)>();
            for at in 0..2 * NAMES {
                let (tell, seed) = (tell.clone(), random.next());
                scope.spawn(move || self.read(at / NAMES, at % NAMES, seed, &tell));
            }
            drop(tell);

            let mut victim = random.below(2) as usize;
            for kill in kills {
                self.wait(&faults, || self.accepted.load(Ordering::Relaxed) >= kill);
                pair[victim].kill();
                pair[victim].start_again();
                self.sides[victim].moved(&pair[victim]);
                self.register(victim, &pair[victim]);
                victim = 1 - victim;
            }
            self.wait(&faults, || senders.iter().all(thread::ScopedJoinHandle::is_finished));
            let sent: Vec<Sent> = senders
                .into_iter()
                .map(|sender| sender.join().unwrap_or_else(|_| self.fail("a sender failed, as told above")))
                .collect();
            let begun = Instant::now();
            let mut missing: BTreeSet<&str> =
                sent.iter().flat_map(|sent| &sent.texts).map(String::as_str).collect();
            let mut readings = Vec::new();
            let held = || -> Vec<Value> {
                (0..2 * NAMES)
                    .flat_map(|at| waiting(&pair[1 - at / NAMES], &name(at / NAMES, at % NAMES)))
                    .collect()
            };
            loop {
                while let Ok(reading) = told.try_recv() {
                    missing.remove(reading.2.text.as_str());
                    readings.push(reading);
                }
                if missing.is_empty() && held().is_empty() {
                    break;
                }
                if begun.elapsed() > SETTLED {
                    let some: Vec<&&str> = missing.iter().take(5).collect();
                    let count = missing.len();
                    self.fail(&format!("{count} not read, {some:?} among them; held: {:?}", held().first()));
                }
                thread::park_timeout(Duration::from_millis(5));
            }
            totals.settled_after_ms = totals.settled_after_ms.max(begun.elapsed().as_millis());
            self.over.store(true, Ordering::Relaxed);
            readings.extend(told);
            totals.accepted += self.accepted.load(Ordering::Relaxed);
            totals.held += sent.iter().map(|sent| sent.held).sum::<u64>();
            totals.sent_again += sent.iter().map(|sent| sent.again).sum::<u64>();
            totals.read += readings.len() as u64;
            totals.marked += readings.iter().filter(|(_, _, reading)| reading.redelivered).count() as u64;
            self.judge(&sent, &readings);
            self.ids(pair);
        });
    }

    fn register(&self, side: usize, instance: &Instance) {
        for at in 0..NAMES {
            register(instance, &name(side, at));
        }
    }

    /// Until `done`, or a fault, or patience runs out with nothing accepted.
    fn wait(&self, faults: &mpsc::Receiver<String>, done: impl Fn() -> bool) {
        let accepted = || self.accepted.load(Ordering::Relaxed);
        let (mut before, mut end) = (accepted(), Instant::now() + PATIENCE);
        while !done() {
            match faults.recv_timeout(Duration::from_millis(2)) {
                Ok(what) => self.fail(&what),
                Err(_) if accepted() != before => {
                    (before, end) = (accepted(), Instant::now() + PATIENCE);
                }
                Err(_) if Instant::now() > end => {
                    self.fail(&format!("{before} messages were accepted, and then no more"));
                }
                Err(_) => {}
            }
        }
    }

    /// One message after the other, each until it is accepted.
    fn send(&self, side: usize, sender: usize, seed: u64, fault: &mpsc::Sender<String>) -> Sent {
        let mut random = Random(seed | 1);
        let mut sent = Sent::default();
        let mut at = self.sides[side].at();
        let mut client = Client::new(at.address, &at.key);
        for count in 0..EACH {
            let to = name(1 - side, random.below(NAMES as u64) as usize);
            let text = format!("{side} {sender} {count} of run {}", self.number);
            let body = json!({ "text": text, "id": id(self.number, side, sender, count) });
            let path = format!("/api/v1/agents/{to}/send");
            loop {
                if self.over.load(Ordering::Relaxed) {
                    return sent;
                }
                let Some(answer) = client.call("POST", &path, &body) else {
                    // Killed: the next one is there in a moment.
                    sent.again += 1;
                    thread::park_timeout(Duration::from_millis(5));
                    drop(client);
                    at = self.sides[side].at();
                    client = Client::new(at.address, &at.key);
                    continue;
                };
                let json = answer.json();
                match (answer.status, json["outcome"].as_str()) {
                    (200, Some("forwarded")) => break,
                    (200, Some("waiting")) if json["held"] == true || json["duplicate"] == true => {
                        sent.held += 1;
                        break;
                    }
                    // Full for the moment; anything else is not explained by a kill.
                    (429 | 503, _) => {
                        thread::park_timeout(Duration::from_millis(20));
                    }
                    (status, _) => {
                        let _ = fault.send(format!("{to}: {status} {json}"));
                        return sent;
                    }
                }
            }
            sent.texts.push(text);
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Empties one mailbox again and again, and counts what came whole.
    fn read(&self, side: usize, at: usize, seed: u64, tell: &mpsc::Sender<(usize, usize, Reading)>) {
        let mut random = Random(seed | 1);
        let name = name(side, at);
        while !self.over.load(Ordering::Relaxed) {
            let now = self.sides[side].at();
            let mut client = Client::new(now.address, &now.key);
            while let Some(messages) = client.messages(&name, 1 + random.below(40) as usize) {
                let none = messages.is_empty();
                for message in messages {
                    let _ = tell.send((side, at, message));
                }
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                if none {
                    thread::park_timeout(Duration::from_millis(2));
                }
            }
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// The promises.
    fn judge(&self, sent: &[Sent], readings: &[(usize, usize, Reading)]) {
        let texts: BTreeSet<&str> = sent.iter().flat_map(|sent| &sent.texts).map(String::as_str).collect();
        let mut read: BTreeSet<&str> = BTreeSet::new();
        // By sender and mailbox: the last message that was new.
        let mut last: BTreeMap<(&str, &str, usize, usize), usize> = BTreeMap::new();
        for (side, at, reading) in readings {
            let text = reading.text.as_str();
            if !texts.contains(text) {
                self.fail(&format!("nobody sent {text:?} in this run"));
            }
            if !read.insert(text) {
                if !reading.redelivered {
                    self.fail(&format!("{text:?} comes again unmarked"));
                }
                continue;
            }
            let mut words = text.split(' ');
            let (from, sender) = (words.next().expect("a side"), words.next().expect("a sender"));
            let count: usize = words.next().and_then(|word| word.parse().ok()).expect("a number");
            if let Some(before) = last.insert((from, sender, *side, *at), count)
                && before > count
            {
                self.fail(&format!("{text:?} comes behind number {before} of the same sender"));
            }
        }
        if let Some(text) = texts.difference(&read).next() {
            self.fail(&format!("lost: {text:?}"));
        }
    }

    /// An id is one message at each end, and its sender is told that it went on.
    fn ids(&self, pair: &[Instance; 2]) {
        for at in (0..2 * SENDERS * EACH).step_by(41) {
            let (side, sender, count) = (at / (SENDERS * EACH), at / EACH % SENDERS, at % EACH);
            let id = id(self.number, side, sender, count);
            for (instance, state) in [(&pair[side], Some("forwarded")), (&pair[1 - side], None)] {
                let found = instance.call("GET", &format!("/api/v1/messages/{id}"), &Value::Null).json();
                let messages = found["messages"].as_array().map_or(0, Vec::len);
                let told = state.is_none_or(|state| found["messages"][0]["state"] == state);
                if messages != 1 || !told {
                    self.fail(&format!("{id} is not one message: {found}"));
                }
            }
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let Self { number, seed, .. } = self;
        panic!(
            "run {number}: {what}\nagain: LOOPGATE_RELIABILITY_SEED={seed} LOOPGATE_FORWARD_RUNS={} \
             cargo test --test registry_reliability",
            number + 1
        );
    }
}

fn id(run: u64, side: usize, sender: usize, count: usize) -> String {
    format!("r{run}-{side}-s{sender}-m{count}")
}

/// Ends the threads also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
