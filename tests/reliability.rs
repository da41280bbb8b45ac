//! Kills the instance at a random moment, again and again, and holds the messages that it accepted
//! against those that were read: none lost, none read twice without being marked, no id accepted
//! twice, no answered acknowledgement taken back (docs/messages.md, docs/reliability.md).
//!
//! In each run 16 senders send over both surfaces, with ids and without; two readers share a mailbox
//! that they read destructively; one is pushed to over `/ws`; and one agent reads with a cursor and
//! acknowledges. SIGKILL comes after a random number of answers, so in the middle of the traffic. Then
//! an instance starts on the same home, what was not answered is sent again where it has an id, and all
//! mailboxes are emptied.
//!
//! `LOOPGATE_RELIABILITY_RUNS` says how often (300), `LOOPGATE_RELIABILITY_SEED` with which seed; a
//! failure prints the seed.

#[path = "support/frames.rs"]
mod frames;
#[path = "support/kept.rs"]
mod kept;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    net::{SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread,
    time::Instant,
};

use frames::{Got, Socket, TEXT};
use kept::{Client, Random, Reading, runs_and_seed};
use serde_json::{Value, json};
use support::{Instance, PATIENCE};

const SENDERS: usize = 16;
/// Most messages of one sender in one run.
const EACH: usize = 30;
/// The kill comes after one to this many answers: more than half of the runs are cut in full flow.
const ANSWERS: u64 = 240;
/// Runs in one home, so that the journal grows over several starts.
const RUNS_OF_A_HOME: u64 = 50;
/// Mailboxes: read by two, pushed to, read with a cursor.
const BOXES: [&str; 3] = ["shared", "pushed", "cursor"];

#[test]
fn kill_9_loses_no_accepted_message_and_repeats_none_unmarked() {
    let (runs, seed) = runs_and_seed("LOOPGATE_RELIABILITY_RUNS", 300);
    let begun = Instant::now();
    let mut totals = Totals::default();
    let pool = Pool::start();
    let mut instance = Instance::start();
    for run in 0..runs {
        if run > 0 && run % RUNS_OF_A_HOME == 0 {
            instance = Instance::start();
        }
        let mut random = Random::of_run(seed, run);
        Run { number: run, seed }.go(&mut instance, &pool, &mut random, &mut totals);
    }
    println!("{totals:?} in {:.1} s", begun.elapsed().as_secs_f32());
    assert!(totals.accepted > 0 && totals.unanswered > 0, "the kills come in the middle: {totals:?}");
}

/// What was seen in all runs together.
#[derive(Debug, Default)]
struct Totals {
    accepted: u64,
    unanswered: u64,
    read: u64,
    marked: u64,
    resent: u64,
    acknowledged: u64,
    longest_start_ms: u128,
}

/// One run, and how to repeat it.
struct Run {
    number: u64,
    seed: u64,
}

/// One message, as its sender knows it.
#[derive(Debug, Clone)]
struct Sent {
    to: &'static str,
    /// its own, or none: then nobody can send it again
    id: Option<String>,
    /// no other message has this
    text: String,
    accepted: bool,
}

impl Run {
    fn go(&self, instance: &mut Instance, pool: &Pool, random: &mut Random, totals: &mut Totals) {
        let agent = instance.home.path().join(format!("run-{}", self.number));
        fs::create_dir(&agent).expect("a directory for the agent");
        let program = std::env::current_exe().expect("this program");
        let start = json!({
            "name": "cursor",
            "command": [program, "--exact", "helper_cursor_reader"],
            "cwd": agent,
        });
        let started = instance.call("POST", "/api/v1/agents", &start);
        assert_eq!(started.status, 201, "{}", String::from_utf8_lossy(&started.body));

        let (mut sent, before) = pool.work(self, instance, random);
        let log = CursorLog::read(&agent);
        let begun = Instant::now();
        instance.start_again();
        totals.longest_start_ms = totals.longest_start_ms.max(begun.elapsed().as_millis());
        totals.unanswered += sent.iter().filter(|sent| !sent.accepted).count() as u64;
        let mut client = Client::new(instance.address, &instance.key);
        totals.resent += self.send_again(&mut client, &mut sent, random);
        let after = self.drain(&mut client);

        totals.accepted += sent.iter().filter(|sent| sent.accepted).count() as u64;
        totals.acknowledged += log.acknowledged.len() as u64;
        totals.read += (before.len() + log.got.len() + after.len()) as u64;
        let all = before.iter().chain(&log.got).chain(&after);
        totals.marked += all.filter(|read| read.redelivered).count() as u64;
        self.judge(&sent, &before, &log, &after);
        self.ids(&mut client, &sent);
        fs::remove_dir_all(&agent).expect("removed");
    }

    /// What has an id and was not answered is sent again, and some that were answered too.
    fn send_again(&self, client: &mut Client, sent: &mut [Sent], random: &mut Random) -> u64 {
        let mut count = 0;
        for message in sent.iter_mut() {
            let again = !message.accepted || random.below(8) == 0;
            let Some(id) = message.id.clone().filter(|_| again) else { continue };
            let body = json!({ "text": message.text, "id": id });
            let answer = client
                .call("POST", &format!("/api/v1/agents/{}/send", message.to), &body)
                .unwrap_or_else(|| self.fail("no answer to a message sent again"));
            let json = answer.json();
            if answer.status != 200 {
                self.fail(&format!("{id} sent again: {} {json}", answer.status));
            }
            if message.accepted && json["duplicate"] != true {
                self.fail(&format!("{id} was accepted before the kill and again after it: {json}"));
            }
            message.accepted = true;
            count += 1;
        }
        count
    }

    /// Everything that still waits, in all mailboxes.
    fn drain(&self, client: &mut Client) -> Vec<Reading> {
        let mut found = Vec::new();
        for name in BOXES {
            loop {
                let read = client
                    .messages(name, 500)
                    .unwrap_or_else(|| self.fail("no answer to the last read of a mailbox"));
                if read.is_empty() {
                    break;
                }
                found.extend(read);
            }
        }
        found
    }

    /// The four promises.
    fn judge(&self, sent: &[Sent], before: &[Reading], log: &CursorLog, after: &[Reading]) {
        let mut reads: BTreeMap<&str, (usize, usize, bool)> = BTreeMap::new();
        for read in before.iter().chain(&log.got) {
            let entry = reads.entry(&read.text).or_default();
            entry.0 += 1;
            entry.1 += usize::from(!read.redelivered);
        }
        for read in after {
            let entry = reads.entry(&read.text).or_default();
            if entry.0 > 0 && !read.redelivered {
                self.fail(&format!("{:?} was read before the kill and comes again unmarked", read.text));
            }
            if log.acknowledged.contains(&read.text) {
                self.fail(&format!("{:?} was acknowledged, answered, and comes again", read.text));
            }
            entry.0 += 1;
            entry.1 += usize::from(!read.redelivered);
        }
        for message in sent {
            let (times, unmarked, _) = reads.remove(message.text.as_str()).unwrap_or_default();
            if message.accepted && times == 0 {
                self.fail(&format!("lost: {message:?}"));
            }
            if unmarked > 1 {
                self.fail(&format!("{unmarked} times unmarked: {message:?}"));
            }
        }
        if let Some((text, _)) = reads.pop_first() {
            self.fail(&format!("nobody sent {text:?} in this run"));
        }
    }

    /// An id is one message, whatever was sent again.
    fn ids(&self, client: &mut Client, sent: &[Sent]) {
        for id in sent.iter().filter_map(|sent| sent.id.as_ref()).step_by(5) {
            let answer = client
                .call("GET", &format!("/api/v1/messages/{id}"), &Value::Null)
                .unwrap_or_else(|| self.fail("no answer about an id"));
            let json = answer.json();
            if json["messages"].as_array().map(Vec::len) != Some(1) {
                self.fail(&format!("{id} is not one message: {} {json}", answer.status));
            }
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let Self { number, seed } = self;
        panic!(
            "run {number}: {what}\nagain: LOOPGATE_RELIABILITY_SEED={seed} LOOPGATE_RELIABILITY_RUNS={} \
             cargo test --test reliability",
            number + 1
        );
    }
}

/// What a thread does with each order.
type Work = Box<dyn Fn(&Order, &mpsc::Sender<Told>) + Send>;

/// The threads, which live over all runs.
struct Pool {
    senders: Vec<mpsc::Sender<Order>>,
    readers: Vec<mpsc::Sender<Order>>,
    told: mpsc::Receiver<Told>,
}

#[derive(Clone)]
struct Order {
    address: SocketAddr,
    key: String,
    run: u64,
    seed: u64,
}

enum Told {
    /// a sender was answered
    Answer,
    /// a sender has sent all that it may, or was cut off
    Sent(Vec<Sent>),
    /// a reader was cut off
    Read(Vec<Reading>),
    /// anything that no kill explains
    Fault(String),
}

impl Pool {
    fn start() -> Self {
        let (tell, told) = mpsc::channel();
        let spawn = |work: Work| {
            let (order, orders) = mpsc::channel::<Order>();
            let tell = tell.clone();
            thread::spawn(move || {
                for order in orders {
                    let done = catch_unwind(AssertUnwindSafe(|| work(&order, &tell)));
                    if done.is_err() {
                        let _ = tell.send(Told::Fault("a thread of the test failed, as told above".into()));
                    }
                }
            });
            order
        };
        let senders = (0..SENDERS)
            .map(|at| spawn(Box::new(move |order, tell| send_until_cut_off(at, order, tell))))
            .collect();
        let readers = vec![
            spawn(Box::new(|order, tell| read_until_cut_off(order, 1, tell))),
            spawn(Box::new(|order, tell| read_until_cut_off(order, 7, tell))),
            spawn(Box::new(be_pushed_to_until_cut_off)),
        ];
        Self { senders, readers, told }
    }

    /// All of them at work on `instance`, until it is killed.
    fn work(&self, run: &Run, instance: &mut Instance, random: &mut Random) -> (Vec<Sent>, Vec<Reading>) {
        let kill_after = 1 + random.below(ANSWERS);
        for (at, thread) in self.readers.iter().chain(&self.senders).enumerate() {
            let seed = random.next() ^ at as u64;
            let key = instance.key.clone();
            let order = Order { address: instance.address, key, run: run.number, seed };
            thread.send(order).expect("a thread that lives");
        }
        let (mut answers, mut at_work) = (0, self.senders.len() + self.readers.len());
        let (mut sent, mut read) = (Vec::new(), Vec::new());
        let mut killed = false;
        while at_work > 0 {
            match self.told.recv_timeout(PATIENCE) {
                Ok(Told::Answer) => answers += 1,
                Ok(Told::Sent(more)) => {
                    at_work -= 1;
                    sent.extend(more);
                }
                Ok(Told::Read(more)) => {
                    at_work -= 1;
                    read.extend(more);
                }
                Ok(Told::Fault(what)) => run.fail(&what),
                Err(_) => run.fail("the instance does not answer"),
            }
            if !killed && (answers >= kill_after || at_work == self.readers.len()) {
                instance.kill();
                killed = true;
            }
        }
        (sent, read)
    }
}

fn send_until_cut_off(sender: usize, order: &Order, tell: &mpsc::Sender<Told>) {
    let mut random = Random(order.seed | 1);
    let mut client = Client::new(order.address, &order.key);
    let mut sent: Vec<Sent> = Vec::new();
    for count in 0..EACH {
        let to = BOXES[random.below(BOXES.len() as u64) as usize];
        let text = format!("run {} sender {sender} message {count}", order.run);
        // A third each: with an id, without one, and over the other surface, which has none.
        let kind = random.below(3);
        let id = (kind == 0).then(|| format!("r{}-s{sender}-m{count}", order.run));
        let (path, body) = match (kind, &id) {
            (_, Some(id)) => (format!("/api/v1/agents/{to}/send"), json!({ "text": text, "id": id })),
            (1, None) => (format!("/api/v1/agents/{to}/send"), json!({ "text": text })),
            (_, None) => ("/api/bus/send".to_owned(), json!({ "from": "tester", "to": to, "payload": text })),
        };
        sent.push(Sent { to, id, text, accepted: false });
        let Some(answer) = client.call("POST", &path, &body) else { break };
        let json = answer.json();
        if answer.status != 200 || json["status"] == "error" {
            let _ = tell.send(Told::Fault(format!("{path}: {} {json}", answer.status)));
            break;
        }
        sent.last_mut().expect("just pushed").accepted = true;
        let _ = tell.send(Told::Answer);
    }
    let _ = tell.send(Told::Sent(sent));
}

fn read_until_cut_off(order: &Order, limit: usize, tell: &mpsc::Sender<Told>) {
    let mut client = Client::new(order.address, &order.key);
    let mut all = Vec::new();
    while let Some(read) = client.messages("shared", limit) {
        if read.is_empty() {
            thread::yield_now();
        }
        all.extend(read);
    }
    let _ = tell.send(Told::Read(all));
}

fn be_pushed_to_until_cut_off(order: &Order, tell: &mpsc::Sender<Told>) {
    let mut all = Vec::new();
    if let Ok(stream) = TcpStream::connect(order.address)
        && let Ok(Ok(mut socket)) = Socket::over(stream, "/ws", &[("X-AuthKey", &order.key)])
        && socket.text(&json!({ "type": "bus:register", "agent_id": "pushed" }).to_string()).is_ok()
    {
        loop {
            match socket.message() {
                Got::Frame { opcode: TEXT, payload, .. } => {
                    let json: Value = serde_json::from_slice(&payload).expect("JSON");
                    if json["type"] == "bus:message" {
                        all.push(Reading::of(&json["data"]));
                    }
                }
                Got::Frame { .. } => {}
                Got::End | Got::Reset => break,
                Got::Late => {
                    let _ = tell.send(Told::Fault("nothing is pushed, not even a ping".into()));
                    break;
                }
            }
        }
    }
    let _ = tell.send(Told::Read(all));
}

const LOG: &str = "log";

/// What the agent noted, each line before its consequence: `got <redelivered> <position> <text>`,
/// `acking <position>` before the request, `acked <position>` after its answer.
#[derive(Default)]
struct CursorLog {
    got: Vec<Reading>,
    /// texts up to a position whose acknowledgement was answered
    acknowledged: BTreeSet<String>,
}

impl CursorLog {
    fn read(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join(LOG)).unwrap_or_default();
        let mut log = Self::default();
        let mut positions: BTreeMap<u64, String> = BTreeMap::new();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let mut words = line.splitn(4, ' ');
            let (kind, first) = (words.next(), words.next());
            match (kind, first, words.next(), words.next()) {
                (Some("got"), Some(redelivered), Some(position), Some(text)) => {
                    let position = position.parse().expect("a position");
                    positions.insert(position, text.to_owned());
                    log.got.push(Reading { text: text.to_owned(), redelivered: redelivered == "true" });
                }
                (Some("acked"), Some(through), None, None) => {
                    let through: u64 = through.parse().expect("a position");
                    log.acknowledged.extend(positions.range(..=through).map(|(_, text)| text.clone()));
                }
                (Some("acking"), Some(_), None, None) => {}
                _ => panic!("the agent says {line:?}"),
            }
        }
        log
    }
}

/// Not a test of its own: what the agent named cursor runs, in its own terminal and with its own token.
#[test]
fn helper_cursor_reader() {
    let (Ok(url), Ok(token)) = (std::env::var("LOOPGATE_URL"), std::env::var("LOOPGATE_AGENT_TOKEN")) else {
        return;
    };
    let address = url.trim_start_matches("http://").parse().expect("an address");
    let credential = format!("Bearer {token}");
    let mut client = Client::with(address, ("Authorization", &credential));
    let mut log = File::create(LOG).expect("a log");
    for round in 0_u64.. {
        let Some(answer) = client.call("GET", "/api/v1/self/inbox?limit=10&wait=1000", &Value::Null) else {
            return;
        };
        let json = answer.json();
        let mut last = None;
        let mut lines = String::new();
        for message in json["messages"].as_array().unwrap_or_else(|| panic!("{} {json}", answer.status)) {
            let position = message["position"].as_u64().expect("a position");
            let redelivered = message["redelivered"] == true;
            lines.push_str(&format!(
                "got {redelivered} {position} {}\n",
                message["text"].as_str().expect("a text")
            ));
            last = last.max(Some(position));
        }
        // Every third time what was read is left to come again.
        let Some(through) = last.filter(|_| round % 3 < 2) else {
            log.write_all(lines.as_bytes()).expect("noted");
            continue;
        };
        lines.push_str(&format!("acking {through}\n"));
        log.write_all(lines.as_bytes()).expect("noted");
        let Some(answer) = client.call("POST", "/api/v1/self/ack", &json!({ "through": through })) else {
            return;
        };
        assert_eq!(answer.status, 200, "{}", answer.json());
        log.write_all(format!("acked {through}\n").as_bytes()).expect("noted");
    }
}
