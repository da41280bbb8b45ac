//! A hundred clients of the channel on one swarm of fifty busy agents: nobody sees a message twice or out of
//! order, whoever is slow is told exactly how much he missed, and the instance neither grows nor keeps anything.
//!
//! Half of the agents are given tasks, each as soon as one is done, and pass what they say on to the other
//! half. Every task is numbered, so that each client can tell for each agent what is missing. Clients that
//! have subscribed to everything count the places of the stream: those that they saw and those that they were
//! told to have missed must be as many for each of them. CHANNEL_LOAD_SECONDS says how long; `tests/run` runs
//! a minute, with the release binary in LOOPGATE_TEST_BIN.

#[path = "support/attack.rs"]
mod attack;
#[path = "support/frames.rs"]
mod frames;
mod support;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use attack::{LEFT_BEHIND, Size, back_at};
use frames::{Frame, Socket, TEXT};
use loopgate::limits;
use serde_json::{Value, json};
use support::{Instance, PATIENCE, until};

const CLIENTS: usize = 100;
/// Of the clients, those that have subscribed to everything; the last ones of them stop reading for a while.
const FULL: usize = 20;
const SLOW: usize = 4;
/// Authors, each with a reader of its own: half of the agents each.
const PAIRS: usize = 25;
/// Of the pairs, those of real processes; the others are mocks.
const PROCESSES: usize = 5;
/// Tasks that an author has at once.
const AHEAD: u64 = 2;
/// Threads that read for the clients.
const READERS: usize = 3;

/// What a slow client takes at once, and how long it waits then.
const SLOW_CHUNK: usize = 16 * 1024;
const SLOW_PAUSE: Duration = Duration::from_millis(250);
/// What the kernel keeps for it: two segments of loopback, or it would hardly be sent anything.
const SLOW_BUFFER: usize = 128 * 1024;
/// How often a client says that it is there.
const BEAT: Duration = Duration::from_secs(20);

/// What a client may cost while all goes on: its thread's stack as far as it is used, and its buffers.
const EACH_CLIENT: u64 = 128 * 1024;
/// What stays in memory, bounded: the newest of the stream, each agent's history and log, and what the allocator
/// keeps.
const HELD: u64 = (limits::SWARM_EVENTS_BYTES
    + 2 * PAIRS * (limits::SWARM_HISTORY_BYTES + limits::LOG_MEMORY)) as u64
    + LEFT_BEHIND;

const TOKEN: &str = "token-of-the-operator";
const BEARER: (&str, &str) = ("Authorization", "Bearer token-of-the-operator");
const TOPIC: &str = "swarm:load";

/// Says what it is told, and sends it on to the one it may.
const PASSING: &str = r#"while IFS= read -r line; do
    content=${line#*'"content":"'}; content=${content%%'"'*}
    [ -z "$TO" ] || printf '@%s: %s\n' "$TO" "$content"
    printf '%s\n<<TURN_COMPLETE>>\n' "$content"
done"#;

fn author(at: usize) -> String {
    format!("a{at:02}")
}

fn reader(at: usize) -> String {
    format!("r{at:02}")
}

fn swarm() -> Value {
    let agent = |at: usize, name: String, to: String| {
        if at < PROCESSES {
            let command = json!(["/bin/sh", "-c", PASSING]);
            return json!({"name": name, "backend": "local", "config": {"command": command, "env": {"TO": to}}});
        }
        let mut turn = vec!["{content}".to_owned()];
        if !to.is_empty() {
            turn.insert(0, format!("@{to}: {{content}}"));
        }
        json!({"name": name, "backend": "mock", "config": {"script": [turn]}})
    };
    let agents =
        (0..PAIRS).flat_map(|at| [agent(at, author(at), reader(at)), agent(at, reader(at), String::new())]);
    let edges = (0..PAIRS).map(|at| json!([author(at), reader(at)]));
    json!({"name": "load", "agents": agents.collect::<Vec<_>>(), "topology": edges.collect::<Vec<_>>()})
}

/// What all threads share.
struct Course {
    /// nothing takes longer
    end: Instant,
    /// no task is given any more, and then: none is under way
    fed: AtomicBool,
    idle: AtomicBool,
    /// the number of the first author's last task, once it is given; nobody waits for anything after it
    last: AtomicU64,
    failed: AtomicBool,
}

impl Course {
    fn new(long: Duration) -> Self {
        let [fed, idle, failed] = [(); 3].map(|()| AtomicBool::new(false));
        Self { end: Instant::now() + long, fed, idle, last: AtomicU64::new(0), failed }
    }

    fn goes_on(&self) -> bool {
        !self.failed.load(Ordering::SeqCst) && Instant::now() < self.end
    }

    /// Where one thread fails the others end too.
    fn stops_all<T>(&self, part: impl FnOnce() -> T) -> T {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(part)).unwrap_or_else(|panic| {
            self.failed.store(true, Ordering::SeqCst);
            std::panic::resume_unwind(panic)
        })
    }
}

/// What one client has seen, to its end.
#[derive(Debug)]
struct Found {
    client: usize,
    /// of all authors together
    outputs: u64,
    /// places of the stream that it saw; only the full ones see all
    entries: u64,
    missed: u64,
    gaps: u64,
}

/// Numbers that rise by one, but for what a gap told of.
#[derive(Clone, Copy, Default)]
struct Row {
    last: Option<u64>,
    /// a gap was told since the last one
    gap: bool,
}

impl Row {
    /// The next number; how many are missing before it.
    #[track_caller]
    fn next(&mut self, number: u64, what: &str) -> u64 {
        let Some(last) = self.last.replace(number) else {
            self.gap = false;
            return 0;
        };
        assert!(number > last, "{what}: {number} after {last}");
        let missing = number - last - 1;
        assert!(missing == 0 || self.gap, "{what}: {number} after {last}, and no gap was told");
        self.gap = false;
        missing
    }
}

/// What one client has seen so far.
struct Seen {
    client: usize,
    /// for each author: what it said, what its reader said, what went between them
    rows: [[Row; PAIRS]; 3],
    events: Row,
    log: Row,
    found: Found,
    /// the last task's output came, which is the last of its place
    done: bool,
}

impl Seen {
    fn new(client: usize) -> Self {
        // The first task is number 1.
        let row = Row { last: Some(0), gap: false };
        let found = Found { client, outputs: 0, entries: 0, missed: 0, gaps: 0 };
        let (events, log) = (Row::default(), Row::default());
        Self { client, rows: [[row; PAIRS]; 3], events, log, found, done: false }
    }

    /// A text from the server that is a push; an answer is given back.
    fn take<'a>(&mut self, text: &'a str, course: &Course) -> Option<&'a str> {
        let Some((event, payload)) = text.strip_prefix(PUSH).and_then(|rest| rest.split_once("\",")) else {
            return Some(text);
        };
        if self.done {
            return None;
        }
        match event {
            "agent_output" => {
                let agent = between(payload, "\"agent\":\"", "\"");
                let (author, number) = numbered(payload);
                self.row(usize::from(agent.starts_with('r')), author, number);
                self.found.outputs += u64::from(agent.starts_with('a'));
                let last = course.last.load(Ordering::SeqCst);
                self.done = agent == "a00" && number == last && last > 0;
            }
            "message_routed" => {
                let (author, number) = numbered(payload);
                self.row(2, author, number);
            }
            "agent_status" => self.found.entries += 1,
            "event" => {
                self.found.entries += 1;
                let missing = self.events.next(id(payload), "event");
                assert!(missing <= self.found.missed, "{missing} events are missing");
            }
            "log_entry" => drop(self.log.next(id(payload), "log entry")),
            "gap" => {
                self.found.missed += between(payload, "\"missed\":", "}").parse::<u64>().expect("a number");
                self.found.gaps += 1;
                let rows = self.rows.as_flattened_mut().iter_mut();
                rows.chain([&mut self.events, &mut self.log]).for_each(|row| row.gap = true);
            }
            other => panic!("nothing else happens: {other} {payload}"),
        }
        None
    }

    #[track_caller]
    fn row(&mut self, sort: usize, author: usize, number: u64) {
        let what = ["said by", "read of", "sent by"][sort];
        let missing = self.rows[sort][author].next(number, what);
        assert!(
            missing <= self.found.missed,
            "client {}: {missing} {what} {author} are missing",
            self.client
        );
    }
}

/// What each push begins with: the first ref of each client is that of its join.
const PUSH: &str = "[\"1\",null,\"swarm:load\",\"";

#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let part = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    part.unwrap_or_else(|| panic!("no {before} in {text}")).0
}

/// The author and the number of `#7:123;`, which is what all agents say.
#[track_caller]
fn numbered(payload: &str) -> (usize, u64) {
    let (author, number) = between(payload, "#", ";").split_once(':').expect("two numbers");
    (author.parse().expect("an author"), number.parse().expect("a number"))
}

/// An event's or a log entry's.
#[track_caller]
fn id(payload: &str) -> u64 {
    between(payload, "\"id\":", ",").trim_matches('"').parse().expect("an id")
}

/// A socket that is joined, and subscribed as it is to be.
fn join(instance: &Instance, client: usize) -> Socket {
    let socket = Socket::open(instance.address, "/swarm/websocket?vsn=2.0.0", &[BEARER]);
    let mut socket = socket.unwrap_or_else(|answer| panic!("client {client}: {answer:?}"));
    let mut asked = vec![("phx_join", json!({}))];
    if client < FULL {
        asked.extend([("subscribe_events", json!({})), ("subscribe_logs", json!({}))]);
    }
    for (at, (event, payload)) in asked.into_iter().enumerate() {
        let reference = (at + 1).to_string();
        socket.text(&json!(["1", reference, TOPIC, event, payload]).to_string()).expect("sent");
        let answer: Value = serde_json::from_str(&socket.next_text()).expect("JSON");
        assert_eq!([&answer[1], &answer[4]["status"]], [&json!(reference), &json!("ok")], "{answer}");
    }
    socket
}

/// A task for an author, put at the end of `out`.
fn task(out: &mut Vec<u8>, at: usize, number: u64) {
    let payload = json!({"agent": author(at), "task": format!("#{at}:{number};")});
    let text = json!(["1", "task", TOPIC, "send_task", payload]).to_string();
    Frame::of(TEXT, text.as_bytes()).write(out);
}

/// A client that waits for nobody: what came is taken when its thread comes by.
struct Listener {
    stream: TcpStream,
    seen: Seen,
    /// what came and is not taken yet
    bytes: Vec<u8>,
    beat: Instant,
    /// takes little at once, and waits for `again` then
    slow: bool,
    again: Instant,
}

impl Listener {
    fn new(socket: Socket, client: usize) -> Self {
        assert!(socket.stream.buffer().is_empty(), "nothing happens yet");
        let stream = socket.stream.into_inner();
        stream.set_nonblocking(true).expect("it can be");
        let now = Instant::now();
        let slow = (FULL - SLOW..FULL).contains(&client);
        if slow {
            socket2::SockRef::from(&stream).set_recv_buffer_size(SLOW_BUFFER).expect("a size");
        }
        Self { stream, seen: Seen::new(client), bytes: Vec::new(), beat: now + BEAT, slow, again: now }
    }

    /// Writes all of it, a few KiB at most.
    fn write(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        let end = Instant::now() + PATIENCE;
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < end, "client {}: it takes nothing", self.seen.client);
                    let mut poll = [self.poll(libc::POLLOUT)];
                    wait(&mut poll);
                }
                Err(error) => panic!("client {}: {error}: {:?}", self.seen.client, self.seen.found),
            }
        }
    }

    fn poll(&self, events: i16) -> libc::pollfd {
        libc::pollfd { fd: self.stream.as_raw_fd(), events, revents: 0 }
    }

    /// What it waits for now: a slow one waits for its time first.
    fn waits(&mut self, now: Instant, course: &Course) -> libc::pollfd {
        if now > self.beat {
            let mut out = Vec::new();
            Frame::of(TEXT, br#"[null,"beat","phoenix","heartbeat",{}]"#).write(&mut out);
            self.write(&out);
            self.beat = now + BEAT;
        }
        // At the end it has been slow for long enough.
        self.slow &= course.last.load(Ordering::SeqCst) == 0;
        let reads = !self.slow || now >= self.again;
        self.poll(if reads { libc::POLLIN } else { 0 })
    }

    /// Takes what came; of what came to a slow one, a little. A part of a frame waits for its rest.
    fn read(&mut self, chunk: &mut [u8], course: &Course) {
        let chunk = if self.slow { &mut chunk[..SLOW_CHUNK] } else { chunk };
        match self.stream.read(chunk) {
            Ok(0) => panic!("client {} was cut off: {:?}", self.seen.client, self.seen.found),
            Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("client {}: {error}: {:?}", self.seen.client, self.seen.found),
        }
        self.again = Instant::now() + SLOW_PAUSE;
        let mut at = 0;
        while let Some((opcode, payload, length)) = frame(&self.bytes[at..]) {
            assert_eq!(opcode, TEXT, "client {}: {:?}", self.seen.client, String::from_utf8_lossy(payload));
            let text = std::str::from_utf8(payload).expect("UTF-8");
            if let Some(answer) = self.seen.take(text, course) {
                assert!(answer.contains("\"status\":\"ok\""), "{answer}");
            }
            at += length;
        }
        self.bytes.drain(..at);
    }
}

/// The first frame of these bytes, if it is all there: what the server sends, whole and without a mask.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [first, second, ..] = *bytes else { return None };
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    Some((first & 0x0f, bytes.get(head..head + length)?, head + length))
}

fn wait(polls: &mut [libc::pollfd]) {
    // SAFETY: it is an array of that many pollfds, whose descriptors their owners keep open.
    let ready = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 50) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
}

/// Reads for all of these until each has seen the end. Those that are done stay connected until all are.
fn listen(mut all: Vec<Listener>, course: &Course) -> Vec<Found> {
    let mut chunk = vec![0; 64 * 1024];
    while course.goes_on() && all.iter().any(|listener| !listener.seen.done) {
        let now = Instant::now();
        let mut polls: Vec<_> = all.iter_mut().map(|listener| listener.waits(now, course)).collect();
        wait(&mut polls);
        for (listener, poll) in all.iter_mut().zip(&polls) {
            if poll.revents != 0 {
                listener.read(&mut chunk, course);
            }
        }
    }
    all.into_iter().map(|listener| listener.seen.found).collect()
}

/// One client gives the tasks as well: to each author the next one as soon as one is done. Gives also how
/// many it were.
fn feed(mut listener: Listener, course: &Course, long: Duration) -> (Found, u64) {
    let over = Instant::now() + long;
    let mut chunk = vec![0; 64 * 1024];
    let (mut given, mut gaps) = ([0_u64; PAIRS], 0);
    while course.goes_on() && !listener.seen.done {
        let mut out = Vec::new();
        // What a gap hid may have been the last word of an author: one more for each, so that it goes on.
        let again = listener.seen.found.gaps > gaps;
        gaps = listener.seen.found.gaps;
        for (at, given) in given.iter_mut().enumerate() {
            let done = listener.seen.rows[0][at].last.unwrap_or(0);
            let most = if again { *given + 1 } else { done + AHEAD };
            while Instant::now() < over && *given < most {
                *given += 1;
                task(&mut out, at, *given);
            }
        }
        if course.idle.load(Ordering::SeqCst) && course.last.load(Ordering::SeqCst) == 0 {
            // Behind everything.
            given[0] += 1;
            course.last.store(given[0], Ordering::SeqCst);
            task(&mut out, 0, given[0]);
        }
        course.fed.store(Instant::now() >= over, Ordering::SeqCst);
        listener.write(&out);
        let mut poll = [listener.waits(Instant::now(), course)];
        wait(&mut poll);
        listener.read(&mut chunk, course);
    }
    (listener.seen.found, given.iter().sum())
}

#[track_caller]
fn all_idle(instance: &Instance) -> Option<()> {
    let answer = instance.call_as(&[BEARER], "GET", "/api/swarms/load/agents", &Value::Null).json();
    let agents = answer["agents"].as_array().expect("a list");
    (agents.len() == 2 * PAIRS && agents.iter().all(|agent| agent["state"] == "idle")).then_some(())
}

#[test]
fn a_hundred_clients_of_fifty_busy_agents_see_all_once_and_in_order_and_are_told_of_each_gap() {
    let seconds = std::env::var("CHANNEL_LOAD_SECONDS").ok().map(|text| text.parse().expect("seconds"));
    let long = Duration::from_secs(seconds.unwrap_or(10));
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", TOKEN)], &[]);
    let answer = instance.call_as(&[BEARER], "POST", "/api/swarms", &json!({"config": swarm()}));
    assert_eq!(answer.status, 201, "{:?}", String::from_utf8_lossy(&answer.body));
    until("all agents to be idle", || all_idle(&instance));
    let idle = Size::of(&instance);

    let mut sockets: Vec<Socket> = (0..CLIENTS).map(|client| join(&instance, client)).collect();
    let feeder = Listener::new(sockets.remove(0), 0);
    let mut parts: Vec<Vec<Listener>> = (0..READERS).map(|_| Vec::new()).collect();
    for (at, socket) in sockets.into_iter().enumerate() {
        parts[at % READERS].push(Listener::new(socket, at + 1));
    }
    let begun = Instant::now();
    let course = Course::new(long + 4 * PATIENCE);
    let mut largest = Size::of(&instance);
    let (found, given) = thread::scope(|scope| {
        let course = &course;
        let feeding = scope.spawn(move || course.stops_all(|| feed(feeder, course, long)));
        let parts: Vec<_> = parts
            .into_iter()
            .map(|all| scope.spawn(move || course.stops_all(|| listen(all, course))))
            .collect();
        while course.goes_on() && !parts.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = Size::of(&instance);
            largest.resident = largest.resident.max(now.resident);
            largest.threads = largest.threads.max(now.threads);
            if course.fed.load(Ordering::SeqCst) && all_idle(&instance).is_some() {
                course.idle.store(true, Ordering::SeqCst);
            }
            thread::park_timeout(Duration::from_millis(50));
        }
        let (first, given) = feeding.join().expect("the feeder");
        let others = parts.into_iter().flat_map(|part| part.join().expect("a part of the clients"));
        ([first].into_iter().chain(others).collect::<Vec<_>>(), given)
    });
    println!("{given} tasks in {:?}; {idle:?}, {largest:?} at most", begun.elapsed());
    found.iter().filter(|found| found.gaps > 0).for_each(|found| println!("{found:?}"));
    assert_eq!(found.len(), CLIENTS);
    assert!(course.goes_on(), "in time");

    // Those that were told of no gap saw all of it.
    let places = found[0].entries + found[0].missed;
    for found in &found {
        assert_eq!(found.gaps > 0, found.missed > 0, "{found:?}");
        assert!(found.outputs <= given && given - found.outputs <= found.missed, "{given}: {found:?}");
        if found.client < FULL {
            assert_eq!(found.entries + found.missed, places, "{found:?}");
        }
    }
    let most =
        idle.resident + HELD + CLIENTS as u64 * EACH_CLIENT + SLOW as u64 * limits::WS_QUEUE_BYTES as u64;
    assert!(largest.resident <= most, "{largest:?}, {most} at most");
    assert!(largest.threads <= idle.threads + CLIENTS as u64 + 2, "{largest:?} after {idle:?}");
    back_at(&instance, idle, HELD);
    until("all agents to be idle still", || all_idle(&instance));
}
