//! What it costs an isolated agent that a forwarder stands between it and its endpoint: the same requests
//! to one endpoint on loopback, straight and through a forwarder, in turn in one run.
//!
//! Endpoint and forwarder are threads of this process, so that nothing but the way differs; TLS is left out,
//! because an agent without a forwarder would pay for it too.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use loopgate::{
    client::upstream::{Authorities, Patience, Target, Upstream},
    egress::{
        endpoint::Endpoint,
        forwarder::{Account, Forwarder, Rules},
    },
    sys::clock::SystemClock,
};
use serde_json::json;

use crate::{
    http,
    load::percentile,
    measure::{Size, must, nanoseconds},
    peers,
    report::{Goal, Report, median},
};

/// A large answer.
const LARGE: usize = 64 * 1024 * 1024;
/// Events of one stream, and the pause between two.
const EVENTS: usize = 300;
const PAUSE: Duration = Duration::from_millis(2);

/// Latency of a small request, throughput of a large answer, delay of an event.
pub fn forwarder(_: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let endpoint = endpoint()?;
    let (way, _forwarder) = forwarded(endpoint)?;
    let ways = [endpoint, way];

    let mut small = [Vec::new(), Vec::new()];
    let mut connections = [http::connect(endpoint)?, http::connect(way)?];
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(1_000)}]});
    for round in 0..size.injects * 2 {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            let request = http::post(ways[at], "/v1/messages", "", &body);
            let from = peers::monotonic();
            must(&mut connections[at], &request, 200)?;
            small[at].push(nanoseconds(peers::monotonic().saturating_sub(from)));
        }
    }
    compare(report, "a small request", "p50", &mut small, 0.5, Goal::Below(0.3));
    compare(report, "a small request", "p99", &mut small, 0.99, Goal::None);

    let mut ratios = Vec::new();
    let mut speeds = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let [direct, through] = [large(ways[0])?, large(ways[1])?];
        ratios.push(through / direct);
        speeds[0].push(direct);
        speeds[1].push(through);
    }
    report.figure("64 MiB, straight", median(&mut speeds[0]), "MiB/s", Goal::None);
    report.figure("64 MiB, through the forwarder", median(&mut speeds[1]), "MiB/s", Goal::None);
    report.figure("64 MiB: through the forwarder / straight", median(&mut ratios), "x", Goal::AtLeast(0.5));

    let mut delays = [events(ways[0])?, events(ways[1])?];
    compare(report, "an event", "p50", &mut delays, 0.5, Goal::Below(1.0));
    compare(report, "an event", "p99", &mut delays, 0.99, Goal::None);
    Ok(())
}

fn compare(report: &mut Report, what: &str, which: &str, both: &mut [Vec<u32>; 2], share: f64, goal: Goal) {
    let [straight, through] = both;
    let (straight, through) = (percentile(straight, share) / 1e6, percentile(through, share) / 1e6);
    report.figure(&format!("{what}, straight, {which}"), straight, "ms", Goal::None);
    report.figure(&format!("{what}, through the forwarder, {which}"), through, "ms", Goal::None);
    report.figure(&format!("the forwarder adds to {what}, {which}"), through - straight, "ms", goal);
}

/// MiB a second of one large answer.
fn large(at: SocketAddr) -> io::Result<f64> {
    let mut stream = http::connect(at)?;
    let from = peers::monotonic();
    stream.write_all(&http::get(at, "/v1/models/large", ""))?;
    let mut piece = vec![0; 256 * 1024];
    let mut left = LARGE;
    while left > 0 {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            // The head is a few bytes of it.
            count => left = left.saturating_sub(count),
        }
    }
    let seconds = peers::monotonic().saturating_sub(from) as f64 / 1e9;
    Ok(LARGE as f64 / f64::from(1_u32 << 20) / seconds)
}

/// From the endpoint's write to the agent's read, of each event of a stream.
fn events(at: SocketAddr) -> io::Result<Vec<u32>> {
    let mut stream = http::connect(at)?;
    stream.write_all(&http::get(at, "/v1/models/events", ""))?;
    let (mut bytes, mut delays, mut piece) = (Vec::new(), Vec::new(), [0; 4096]);
    while delays.len() < EVENTS {
        let count = stream.read(&mut piece)?;
        let now = peers::monotonic();
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..count]);
        while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
            let event = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes.drain(..end + 2);
            let told = event.rsplit("data: ").next().and_then(|text| text.trim().parse::<u64>().ok());
            let told = told.ok_or_else(|| io::Error::other(format!("no event: {event}")))?;
            delays.push(nanoseconds(now.saturating_sub(told)));
        }
    }
    Ok(delays)
}

fn forwarded(endpoint: SocketAddr) -> io::Result<(SocketAddr, Forwarder)> {
    let target = Target { https: false, host: endpoint.ip().to_string(), port: endpoint.port() };
    let upstream = Upstream::new(
        target,
        vec![endpoint],
        Box::new(|| None),
        &Authorities::Known,
        None,
        Patience::default(),
    );
    let upstream = upstream.map_err(io::Error::other)?;
    let routes = Endpoint::parse("https://api.example/v1").map_err(|_| io::ErrorKind::InvalidInput)?.routes();
    let rules = Rules { requests_per_minute: u32::MAX, ..Rules::new(routes.allowed) };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let account = Account::new(Arc::new(SystemClock), Box::new(|_| ()));
    Ok((at, Forwarder::start(listener, Arc::new(upstream), rules, Arc::new(account), "bench")?))
}

/// An endpoint that lives as long as the process.
fn endpoint() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // It ends with the connection.
                let _ = serve(stream);
            });
        }
    });
    Ok(at)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let whole = bytes.windows(4).position(|four| four == b"\r\n\r\n").and_then(|end| {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let whole = end + 4 + length.unwrap_or(0_usize);
            (bytes.len() >= whole).then_some((head, whole))
        });
        let Some((head, whole)) = whole else {
            match stream.read(&mut piece)? {
                0 => return Ok(()),
                count => bytes.extend_from_slice(&piece[..count]),
            }
            continue;
        };
        bytes.drain(..whole);
        if head.starts_with("get /v1/models/large") {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")?;
            let piece = vec![0; 256 * 1024];
            for _ in 0..LARGE / piece.len() {
                stream.write_all(&piece)?;
            }
        } else if head.starts_with("get /v1/models/events") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for _ in 0..EVENTS {
                thread::sleep(PAUSE);
                let event = format!("data: {}\n\n", peers::monotonic());
                stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
            }
            stream.write_all(b"0\r\n\r\n")?;
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")?;
        }
    }
}
