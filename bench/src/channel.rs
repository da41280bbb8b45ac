//! The swarm channel: what an agent says, to a hundred clients that have joined its swarm.
//!
//! From the agent's write of the line that ends its turn to the arrival at each client and at the last of
//! them, at a stated rate. Beside it, in turn, the same bytes from a bare loop: a process that reads a line
//! and writes one frame to a hundred sockets, one after the other, and does nothing else.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    path::Path,
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::{
    child::end,
    http,
    instance::Instance,
    load::percentile,
    measure::{Size, must, nanoseconds},
    peers::monotonic,
    report::{Goal, Report},
};

/// Who have joined.
const CLIENTS: usize = 100;
/// Turns a second; the time of the last one's arrival is no part of the pause.
const RATE: u64 = 100;
/// Rounds of each, in turn.
const ROUNDS: usize = 4;
/// How long anything may take before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(10);
const TOKEN: &str = "bench-token-of-the-operator";
const BEARER: &str = "Authorization: Bearer bench-token-of-the-operator\r\n";

/// From what an agent says, or a bare loop, to a hundred clients.
pub fn clients(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let mut swarm = Swarm::start(binary)?;
    // A few turns first, which also tell how many bytes one brings.
    let length = swarm.round(10)?.length / 10;
    let mut bare = Bare::start(length)?;
    let turns = (size.injects / ROUNDS).max(1);
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            ours.add(swarm.round(turns)?);
            theirs.add(bare.round(turns)?);
        } else {
            theirs.add(bare.round(turns)?);
            ours.add(swarm.round(turns)?);
        }
    }
    let named = format!("{RATE} events/s of {length} bytes");
    for (who, times, goal) in
        [("channel", &mut ours, Goal::Below(5.0)), ("bare loop over 100 sockets", &mut theirs, Goal::None)]
    {
        for (what, times, goal) in
            [("each", &mut times.each, Goal::None), ("the last", &mut times.last, goal)]
        {
            for (which, share, goal) in [("p50", 0.5, Goal::None), ("p99", 0.99, goal)] {
                let name = format!("{who}, {named}: to {what} of {CLIENTS} clients, {which}");
                report.figure(&name, percentile(times, share) / 1e6, "ms", goal);
            }
        }
    }
    Ok(())
}

/// How long it took, in nanoseconds.
#[derive(Default)]
struct Times {
    each: Vec<u32>,
    last: Vec<u32>,
    /// bytes that came to one client
    length: usize,
}

impl Times {
    fn add(&mut self, other: Times) {
        self.each.extend(other.each);
        self.last.extend(other.last);
    }
}

/// A swarm of one agent, and its clients.
struct Swarm {
    instance: Instance,
    connection: TcpStream,
    clients: Vec<Client>,
}

impl Swarm {
    fn start(binary: &Path) -> io::Result<Self> {
        let instance = Instance::start(binary, &[("GENSWARMS_API_TOKEN", TOKEN)])?;
        let address = instance.server.address;
        let mut connection = http::connect(address)?;
        let agent = json!({
            "name": "source", "backend": "local", "config": {"command": [std::env::current_exe()?, "tell"]},
        });
        let config = json!({"config": {"name": "bench", "agents": [agent]}});
        must(&mut connection, &http::post(address, "/api/swarms", BEARER, &config), 201)?;
        let clients = (0..CLIENTS).map(|_| Client::join(address)).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { instance, connection, clients })
    }

    fn round(&mut self, turns: usize) -> io::Result<Times> {
        let address = self.instance.server.address;
        let task =
            http::post(address, "/api/swarms/bench/agents/source/task", BEARER, &json!({"task": "now"}));
        // The answer is read when all have heard: nothing waits for it.
        let connection = &mut self.connection;
        measured(&mut self.clients, turns, |heard| {
            if heard { must(connection, b"", 200).map(|_| ()) } else { connection.write_all(&task) }
        })
    }
}

/// The bare loop, and its clients.
struct Bare {
    child: Child,
    input: ChildStdin,
    clients: Vec<Client>,
}

impl Bare {
    fn start(length: usize) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["loop", &length.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse().map_err(io::Error::other)?;
        let clients = (0..CLIENTS).map(|_| Client::open(address)).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { child, input, clients })
    }

    fn round(&mut self, turns: usize) -> io::Result<Times> {
        let input = &mut self.input;
        measured(&mut self.clients, turns, |heard| if heard { Ok(()) } else { input.write_all(b"now\n") })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Causes so many events at the rate, and takes the time of each at each client. `cause` is called for each
/// event, and once more when all have heard of it.
fn measured(
    clients: &mut [Client],
    turns: usize,
    mut cause: impl FnMut(bool) -> io::Result<()>,
) -> io::Result<Times> {
    let mut times = Times::default();
    let before = clients[0].count;
    let mut next = monotonic();
    for _ in 0..turns {
        next += 1_000_000_000 / RATE;
        std::thread::sleep(Duration::from_nanos(next.saturating_sub(monotonic())));
        cause(false)?;
        let mut took = heard(clients)?;
        times.last.extend(took.iter().max());
        times.each.append(&mut took);
        cause(true)?;
    }
    times.length = clients[0].count - before;
    Ok(times)
}

/// Waits until every client has heard of the next event: how long after it was told, for each.
fn heard(clients: &mut [Client]) -> io::Result<Vec<u32>> {
    let end = monotonic() + u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
    let mut waiting: Vec<usize> = (0..clients.len()).collect();
    let mut took = Vec::with_capacity(clients.len());
    while !waiting.is_empty() {
        let poll = |at: &usize| libc::pollfd {
            fd: clients[*at].stream.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut polls: Vec<libc::pollfd> = waiting.iter().map(poll).collect();
        // SAFETY: `polls` is an array of that many pollfds, whose descriptors `clients` keeps open.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 1_000) };
        let now = monotonic();
        if now > end {
            return Err(io::Error::other(format!("{} clients heard nothing", waiting.len())));
        }
        let mut still = Vec::new();
        for (client, poll) in waiting.into_iter().zip(&polls) {
            let told = if poll.revents == 0 { None } else { clients[client].more()? };
            match told {
                Some(told) => took.push(nanoseconds(now.saturating_sub(told))),
                None => still.push(client),
            }
        }
        waiting = still;
    }
    Ok(took)
}

/// One client, as far as it is needed: what comes is taken apart into frames and looked through for a time.
struct Client {
    stream: TcpStream,
    /// the beginning of a frame that is not all there
    rest: Vec<u8>,
    /// bytes that came
    count: usize,
}

impl Client {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = http::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, rest: Vec::new(), count: 0 })
    }

    /// One that has joined the swarm.
    fn join(address: SocketAddr) -> io::Result<Self> {
        let mut client = Self::open(address)?;
        let headers = format!(
            "{BEARER}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        client.stream.write_all(&http::get(address, "/swarm/websocket?vsn=2.0.0", &headers))?;
        // Nothing follows the head before the client has said something.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        let join = json!(["1", "1", "swarm:bench", "phx_join", {}]).to_string();
        let length = u8::try_from(join.len())
            .ok()
            .filter(|length| *length < 126)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // Masked with zeroes.
        client.stream.write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0], join.as_bytes()].concat())?;
        while !String::from_utf8_lossy(&client.rest).contains("\"status\":\"ok\"") {
            client.read()?;
        }
        client.rest.clear();
        Ok(client)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.count += count;
                self.rest.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }

    /// Reads what came; the time that one of the frames tells.
    fn more(&mut self) -> io::Result<Option<u64>> {
        self.read()?;
        let (mut at, mut told) = (0, None);
        while let Some([_, second]) = self.rest.get(at..at + 2) {
            let (head, length) = match (second, self.rest.get(at + 2..at + 4)) {
                (126, Some(two)) => (4, usize::from(u16::from_be_bytes([two[0], two[1]]))),
                (126.., _) => break,
                (short, _) => (2, usize::from(*short)),
            };
            let Some(frame) = self.rest.get(at + head..at + head + length) else { break };
            told = time(frame).or(told);
            at += head + length;
        }
        self.rest.drain(..at);
        Ok(told)
    }
}

/// `<123>`, which an agent said.
fn time(frame: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(frame).ok()?;
    text.split_once('<')?.1.split_once('>')?.0.parse().ok()
}

/// The agent: tells the time for each line that it reads.
pub fn tell() -> ExitCode {
    for _ in io::stdin().lock().lines().map_while(Result::ok) {
        // One write, so that it is one piece of output.
        let text = format!("<{}>\n<<TURN_COMPLETE>>\n", monotonic());
        if io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// The bare loop: for each line that it reads one frame of so many bytes, to each of its clients.
pub fn bare(length: &str) -> ExitCode {
    let Ok(length) = length.parse::<u16>() else { return ExitCode::from(2) };
    match relay(usize::from(length)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn relay(length: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let accept = |_| {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut clients = (0..CLIENTS).map(accept).collect::<io::Result<Vec<_>>>()?;
    // The head of a frame of 126 to 65,535 bytes.
    let payload = u16::try_from(length.saturating_sub(4).max(126)).map_err(io::Error::other)?;
    for line in io::stdin().lock().lines() {
        line?;
        let mut frame = vec![0x81, 126];
        frame.extend(payload.to_be_bytes());
        frame.extend(format!("{:<1$}", format!("<{}>", monotonic()), usize::from(payload)).into_bytes());
        clients.iter_mut().try_for_each(|client| client.write_all(&frame))?;
    }
    Ok(())
}
