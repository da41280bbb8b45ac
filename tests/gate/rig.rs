//! A service that shows what reached it, a gate in front of it, and a client that hides nothing.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use loopgate::{
    gate::{self, Decision, Gate, Reply, Response, Service, Settings, Stream, Upgrade},
    limits,
    wire::{
        clock::{Clock, ManualClock},
        head::{Head, HeadError, Name},
    },
};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the answer is yes.
#[track_caller]
pub fn until(what: &str, mut asked: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !asked() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The service. A path says what it does; `X-AuthKey: key` makes a caller known.
#[derive(Default)]
pub struct Echo {
    /// method, path and body of what reached a handler
    pub handled: Mutex<Vec<(String, Vec<u8>)>>,
    /// connections that got a place
    pub opened: AtomicU64,
    /// heads that were decided on
    pub decided: AtomicU64,
    /// what the answers of `/told` learnt of their fate
    pub told: Arc<Mutex<Vec<bool>>>,
    /// handlers that noticed that their peer was gone
    pub noticed: AtomicU64,
    /// handlers inside `/wait`
    pub waiting: AtomicU64,
    /// streams that were begun
    pub streaming: Arc<AtomicU64>,
    released: Arc<(Mutex<bool>, Condvar)>,
}

impl Echo {
    /// Lets everybody in `/wait` go, now and later.
    pub fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }

    fn wait(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        wait_for(&self.released);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// An answer of as many bytes as the query says.
    fn told(&self, head: &Head, peer: &gate::Peer<'_>) -> Reply {
        let path = head.path().to_owned();
        if path == "/told-gone" {
            until("the peer's end", || peer.is_gone());
        }
        let told = Arc::clone(&self.told);
        let response = Response::bytes(200, "application/octet-stream", vec![0; number(head)]);
        Reply::Told(
            response,
            Box::new(move |taken| {
                told.lock().unwrap().push(taken);
                assert!(path != "/told-panics", "as the test asked");
            }),
        )
    }

    /// `first`, and once it is released `last`.
    fn stream(&self) -> Stream {
        let (released, streaming) = (Arc::clone(&self.released), Arc::clone(&self.streaming));
        Stream {
            response: Response::bytes(200, "text/plain", b"fir".to_vec()),
            run: Box::new(move |mut upgraded| {
                streaming.fetch_add(1, Ordering::SeqCst);
                let _ = upgraded.stream.write_all(b"st\n");
                upgraded.stream.set_nonblocking(true).unwrap();
                wait_for(&released);
                let _ = upgraded.stream.write_all(b"last\n");
            }),
        }
    }

    pub fn labels(&self) -> Vec<String> {
        self.handled.lock().unwrap().iter().map(|(label, _)| label.clone()).collect()
    }
}

impl Service for Echo {
    type Conn = u32;
    type Ticket = String;

    fn open(&self, _peer: SocketAddr, _local: SocketAddr) -> u32 {
        self.opened.fetch_add(1, Ordering::SeqCst);
        0
    }

    fn decide(&self, conn: &mut u32, head: &Head) -> Decision<String> {
        self.decided.fetch_add(1, Ordering::SeqCst);
        *conn += 1;
        match head.path() {
            "/refused" => {
                return Decision::Refuse(Response::error(401, "unauthorized", "who are you"));
            }
            "/decide-panics" => panic!("as the test asked"),
            _ => {}
        }
        Decision::Admit {
            ticket: head.label(),
            body_limit: if head.path() == "/large" { limits::BODY_LARGEST } else { limits::BODY_SMALL },
            admitted: head.text_of(Name::AuthKey) == Some("key"),
        }
    }

    fn handle(
        &self,
        conn: &mut u32,
        ticket: &String,
        head: &Head,
        body: &[u8],
        peer: &gate::Peer<'_>,
    ) -> Reply {
        self.handled.lock().unwrap().push((ticket.clone(), body.to_vec()));
        Reply::Response(match head.path() {
            "/count" => Response::bytes(200, "text/plain", conn.to_string().into_bytes()),
            "/wait" => {
                self.wait();
                Response::empty(200)
            }
            "/panics" => panic!("as the test asked"),
            "/empty" => Response::empty(204),
            "/zeroes" => Response::bytes(200, "application/octet-stream", vec![0; number(head)]),
            "/told" | "/told-gone" | "/told-panics" => return self.told(head, peer),
            "/is-gone" => Response::bytes(200, "text/plain", peer.is_gone().to_string().into_bytes()),
            "/until-gone" => {
                until("the peer's end", || peer.is_gone());
                self.noticed.fetch_add(1, Ordering::SeqCst);
                Response::empty(200)
            }
            "/stack" => Response::bytes(200, "text/plain", own_stack().to_string().into_bytes()),
            "/upgrade" => return Reply::Upgrade(backwards()),
            "/stream" => return Reply::Stream(self.stream()),
            "/stream-panics" => {
                let run = Box::new(|_| panic!("as the test asked"));
                return Reply::Stream(Stream { response: Response::empty(200), run });
            }
            _ => Response::bytes(200, "text/plain", body.to_vec()).with("X-Label", ticket.clone()),
        })
    }

    fn malformed(&self, error: HeadError) -> Response {
        let (status, code, sentence) = error.answer();
        Response::error(status, code, sentence)
    }

    fn refused(&self, status: u16, ticket: Option<&String>) -> Response {
        let response = Response::error(status, "refused", "the gate refused");
        match ticket {
            Some(label) => response.with("X-Label", label.clone()),
            None => response,
        }
    }
}

fn wait_for((released, release): &(Mutex<bool>, Condvar)) {
    let guard = released.lock().unwrap();
    drop(release.wait_timeout_while(guard, PATIENCE, |released| !*released).unwrap());
}

/// The query as a number.
fn number(head: &Head) -> usize {
    head.query().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Sends every byte back plus one, first those that came early.
fn backwards() -> Upgrade {
    Upgrade {
        response: Response::empty(101).with("Connection", "Upgrade").with("Upgrade", "plus-one"),
        run: Box::new(|mut upgraded| {
            let mut bytes = upgraded.rest;
            let mut more = [0; 1024];
            loop {
                bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                if upgraded.stream.write_all(&bytes).is_err() {
                    return;
                }
                match upgraded.stream.read(&mut more) {
                    Ok(count) if count > 0 => bytes = more[..count].to_vec(),
                    _ => return,
                }
            }
        }),
    }
}

/// Bytes of the mapping that this thread's stack is in.
fn own_stack() -> usize {
    let local = 0_u8;
    let here = &raw const local as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines()
        .filter_map(|line| line.split_once(' ')?.0.split_once('-'))
        .filter_map(|(from, to)| {
            Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
        })
        .find(|(from, to)| (*from..*to).contains(&here))
        .map_or(0, |(from, to)| to - from)
}

/// A gate and what is behind it.
pub struct Rig {
    pub gate: Gate<Echo>,
    pub service: Arc<Echo>,
    pub clock: Arc<ManualClock>,
}

impl Rig {
    /// With the limits of the program, but a clock that stands still.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = ManualClock::at(1_000_000);
        let mut settings =
            Settings { tick: Duration::from_millis(1), clock: clock.clone(), ..Settings::default() };
        change(&mut settings);
        let service = Arc::new(Echo::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Gate::start(listener, Arc::clone(&service), settings).unwrap();
        Self { gate, service, clock }
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.gate.local_addr())
    }

    /// A connection that is in the table.
    pub fn seated(&self) -> Peer {
        let before = self.opened();
        let peer = self.connect();
        until("a place", || self.opened() > before);
        peer
    }

    /// Connections that ever got a place.
    fn opened(&self) -> u64 {
        self.service.opened.load(Ordering::SeqCst)
    }

    /// One of the gate's counters.
    pub fn count(&self, which: impl Fn(&loopgate::gate::Counters) -> &AtomicU64) -> u64 {
        which(&self.gate.counters()).load(Ordering::SeqCst)
    }

    /// What the clock shows.
    pub fn clock_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.count(|counters| &counters.open)
    }

    /// Sends `bytes` on a new connection and nothing behind them; all that comes back.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut peer = self.connect();
        peer.send(bytes);
        let _ = peer.stream.shutdown(Shutdown::Write);
        peer.answers_to_the_end()
    }
}

/// One answer as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    pub fn closes(&self) -> bool {
        self.header("Connection") == Some("close")
    }
}

/// A client.
pub struct Peer {
    pub stream: TcpStream,
    /// read and not yet used
    pub ahead: Vec<u8>,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, ahead: Vec::new() }
    }

    /// Sends as much as the gate takes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Asks for `target` with GET.
    pub fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        self.answer()
    }

    /// The same as a caller that is known.
    pub fn known_get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\nX-AuthKey: key\r\n\r\n"));
        self.answer()
    }

    /// The next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer(true).expect("an answer")
    }

    /// The answer to a HEAD.
    #[track_caller]
    pub fn answer_without_body(&mut self) -> Answer {
        self.try_answer(false).expect("an answer")
    }

    fn try_answer(&mut self, with_body: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(self.ahead.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.ahead));
                return None;
            }
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("Content-Length").map_or(0, |length| length.parse().unwrap());
        while with_body && self.ahead.len() < length {
            assert!(self.more(), "a body that ends early");
        }
        if with_body {
            answer.body = self.ahead.drain(..length).collect();
        }
        Some(answer)
    }

    /// Every answer until the end of the connection.
    pub fn answers_to_the_end(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.try_answer(true)).collect()
    }

    /// Whether the connection ends here without another byte.
    pub fn is_at_its_end(&mut self) -> bool {
        self.ahead.is_empty() && !self.more()
    }

    /// Reads once; `false` at the end, or when the gate has reset the connection.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.ahead.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the gate said nothing for too long")
            }
            Err(_) => false,
        }
    }
}
