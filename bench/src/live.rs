//! What reaches those who wait: a message to its reader, and output to a hundred who watch.
//!
//! As much of a WebSocket client as that needs: frames are not taken apart, but looked through for what
//! was sent. Times are of the machine's monotonic clock, so that they compare across processes.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    http,
    instance::Instance,
    load::percentile,
    measure::{Size, must, nanoseconds},
    peers,
    report::{Goal, Report},
};

/// Who watch one agent.
const WATCHERS: usize = 100;
/// How long anything may take before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// From an accepted send to the message's arrival at a name that waits on `/ws`.
pub fn push(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let ours = Instance::start(binary, &[])?;
    let address = ours.server.address;
    let mut reader = Socket::open(address, &ours.key)?;
    reader.send(&json!({ "type": "bus:register", "agent_id": "reader" }))?;
    reader.until(|seen| contains(seen, b"bus:registered"))?;
    let mut connection = http::connect(address)?;
    let (mut sent, mut accepted) = (Vec::new(), Vec::new());
    for at in 0..size.injects {
        std::thread::sleep(Duration::from_millis(5));
        let id = format!("push-{at}.");
        let body = json!({ "text": "a message of the usual size, which is a line or two", "id": id });
        let request = http::post(address, "/api/v1/agents/reader/send", &ours.key, &body);
        let from = peers::monotonic();
        // The answer and the message may come in either order: each is timed where it is read.
        let (answered, arrived) = std::thread::scope(|scope| {
            let arrival = scope.spawn(|| {
                reader.until(|seen| contains(seen, id.as_bytes()))?;
                Ok::<_, io::Error>(peers::monotonic())
            });
            let answered = must(&mut connection, &request, 200).map(|_| peers::monotonic());
            let arrived = arrival.join().unwrap_or_else(|_| Err(io::Error::other("the reader panicked")));
            Ok::<_, io::Error>((answered?, arrived?))
        })?;
        reader.seen.clear();
        sent.push(nanoseconds(arrived.saturating_sub(from)));
        accepted.push(nanoseconds(arrived.saturating_sub(answered)));
    }
    let ms = |values: &mut [u32], share| percentile(values, share) / 1e6;
    report.figure("push: accepted send to the waiting reader, p50", ms(&mut accepted, 0.5), "ms", Goal::None);
    let p99 = ms(&mut accepted, 0.99);
    report.figure("push: accepted send to the waiting reader, p99", p99, "ms", Goal::Below(5.0));
    report.figure("push: request, with its fsync, to the reader, p50", ms(&mut sent, 0.5), "ms", Goal::None);
    report.figure("push: request, with its fsync, to the reader, p99", ms(&mut sent, 0.99), "ms", Goal::None);
    Ok(())
}

/// From a program's write to its terminal to the last of a hundred WebSockets that show it.
pub fn watchers(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let ours = Instance::start(binary, &[])?;
    let address = ours.server.address;
    let mut connection = http::connect(address)?;
    let exe = std::env::current_exe()?;
    let spec = json!({ "name": "source", "command": [exe, "shout", "now"], "cwd": "/" });
    let answer = must(&mut connection, &http::post(address, "/api/v1/agents", &ours.key, &spec), 201)?;
    let record: Value = serde_json::from_slice(answer.body())?;
    let scope = format!("block:{}", record["block_id"].as_str().unwrap_or_default());
    let data = json!({ "event": "blockfile", "scopes": [scope], "from": 0 });
    let subscribe = json!({ "wscommand": "rpc", "message": { "command": "eventsub", "data": data } });
    let mut sockets = Vec::new();
    for _ in 0..WATCHERS {
        let mut socket = Socket::open(address, &ours.key)?;
        socket.send(&subscribe)?;
        // Its first word: the program is ready, and this one watches.
        socket.until(|seen| shouted(seen).is_some())?;
        socket.seen.clear();
        sockets.push(socket);
    }
    let mut last = Vec::new();
    for _ in 0..size.injects {
        std::thread::sleep(Duration::from_millis(5));
        let request = http::post(address, "/api/v1/agents/source/input", &ours.key, &json!({ "text": "x" }));
        must(&mut connection, &request, 200)?;
        let (told, arrived) = all_heard(&mut sockets)?;
        last.push(nanoseconds(arrived.saturating_sub(told)));
    }
    let name = |share| format!("event: terminal to the last of {WATCHERS} WebSockets, {share}");
    report.figure(&name("p50"), percentile(&mut last, 0.5) / 1e6, "ms", Goal::None);
    report.figure(&name("p99"), percentile(&mut last, 0.99) / 1e6, "ms", Goal::Below(5.0));
    Ok(())
}

/// A program in a terminal that tells the time whenever a key is typed, and once before.
pub fn shout() -> ExitCode {
    if !peers::raw_mode() {
        return ExitCode::FAILURE;
    }
    let mut key = [0];
    loop {
        let mut out = io::stdout().lock();
        // One write, so that it is one piece of output.
        if out.write_all(format!("{};", peers::monotonic()).as_bytes()).and_then(|()| out.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        if !matches!(io::stdin().lock().read(&mut key), Ok(1..)) {
            return ExitCode::SUCCESS;
        }
    }
}

/// Waits until every socket has shown the next time; that, and when the last one had.
fn all_heard(sockets: &mut [Socket]) -> io::Result<(u64, u64)> {
    let end = peers::monotonic() + u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
    let mut waiting: Vec<usize> = (0..sockets.len()).collect();
    let mut told = 0;
    while !waiting.is_empty() {
        if peers::monotonic() > end {
            return Err(io::Error::other(format!("{} sockets heard nothing", waiting.len())));
        }
        let mut polls: Vec<libc::pollfd> = waiting
            .iter()
            .map(|at| libc::pollfd { fd: sockets[*at].stream.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        // SAFETY: `polls` is an array of that many pollfds, whose descriptors `sockets` keeps open.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 1_000) };
        let ready: Vec<bool> = polls.iter().map(|one| one.revents != 0).collect();
        let mut at = 0;
        let mut failed = None;
        waiting.retain(|socket| {
            at += 1;
            if !ready[at - 1] {
                return true;
            }
            let socket = &mut sockets[*socket];
            if let Err(error) = socket.more() {
                failed = Some(error);
                return false;
            }
            match shouted(&socket.seen) {
                Some(time) => {
                    told = time;
                    socket.seen.clear();
                    false
                }
                None => true,
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok((told, peers::monotonic()))
}

/// A WebSocket, as far as it is needed.
struct Socket {
    stream: TcpStream,
    /// of what came, since it was last cleared
    seen: Vec<u8>,
}

impl Socket {
    fn open(address: SocketAddr, key: &str) -> io::Result<Self> {
        let mut stream = http::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let headers = format!(
            "{key}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        stream.write_all(&http::get(address, "/ws", &headers))?;
        let mut socket = Self { stream, seen: Vec::new() };
        // The first frame: the head of the answer is past then.
        socket.until(|seen| contains(seen, b"fullconfig"))?;
        if !socket.seen.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&socket.seen).into_owned()));
        }
        socket.seen.clear();
        Ok(socket)
    }

    /// Sends a text message, masked with zeroes.
    fn send(&mut self, message: &Value) -> io::Result<()> {
        let text = message.to_string();
        let length = u16::try_from(text.len()).map_err(io::Error::other)?;
        let mut frame = vec![0x81];
        // A length that is longer than it need be is refused.
        match u8::try_from(length) {
            Ok(short @ ..126) => frame.push(0x80 | short),
            Ok(_) | Err(_) => {
                frame.push(0xfe);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame)
    }

    /// Reads until enough has come, and forgets it then.
    fn until(&mut self, enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        while !enough(&self.seen) {
            self.more()?;
        }
        Ok(())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.seen.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

/// The time that output tells, once it is there to its end.
fn shouted(seen: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(seen);
    let mut output = Vec::new();
    for part in text.split("\"data64\":\"").skip(1) {
        output.extend(decoded(part.split_once('"')?.0));
    }
    String::from_utf8(output).ok()?.split_once(';')?.0.parse().ok()
}

/// Base64 of what is known to be base64.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for value in text.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
