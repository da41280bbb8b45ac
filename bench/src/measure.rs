//! The measurements, one function each, and the order they run in.
//!
//! What is compared runs in turn in the same run, because figures of different runs on a shared machine say
//! little.

use std::{
    collections::VecDeque,
    io::{self, Write},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Options, channel, child,
    child::Server,
    egress, forward, http,
    instance::{self, Instance},
    live,
    load::{self, percentile, raise_descriptors},
    peers,
    report::{Goal, Report, median},
    sandbox, swarm,
};

/// How much of everything is done.
pub struct Size {
    pub rounds: usize,
    /// of one round of load
    pub round: Duration,
    starts: usize,
    idle: u32,
    /// injects, and messages and events of other kinds as many
    pub injects: usize,
    /// of a token in a ring
    pub hops: usize,
    lookups: usize,
    attack: Duration,
    lines: usize,
    /// in the mailbox
    messages: usize,
}

const FULL: Size = Size {
    rounds: 7,
    round: Duration::from_secs(2),
    starts: 50,
    idle: 200,
    injects: 1_000,
    hops: 20_000,
    lookups: 200,
    attack: Duration::from_secs(10),
    messages: 1_000_000,
    lines: 1_000_000,
};

const QUICK: Size = Size {
    rounds: 3,
    round: Duration::from_millis(300),
    starts: 10,
    idle: 200,
    injects: 100,
    hops: 2_000,
    lookups: 40,
    attack: Duration::from_secs(2),
    messages: 50_000,
    lines: 100_000,
};

/// Measures everything, prints the tables, writes the JSON.
pub fn all(options: &Options) -> io::Result<()> {
    raise_descriptors();
    let size = if options.quick { &QUICK } else { &FULL };
    let binary = match &options.loopgate {
        Some(path) => path.clone(),
        None => instance::build()?,
    };
    let mut report = Report::new(options.quick);
    type Measurement = fn(&Path, &Size, &mut Report) -> io::Result<()>;
    let parts: [(&str, Measurement); 17] = [
        ("throughput", throughput),
        ("start", start),
        ("memory", memory),
        ("inject", inject),
        ("forwarded inject", forward::inject),
        ("push to a waiting reader", live::push),
        ("output to those who watch", live::watchers),
        ("channel", channel::clients),
        ("peer look-up", peer_lookup),
        ("half heads", half_heads),
        ("swarm hops", swarm::hops),
        ("swarm REST", swarm::rest),
        ("isolation", sandbox::measure),
        ("mail", mail),
        ("forwarder", egress::forwarder),
        ("journal", journal),
        ("events", events),
    ];
    let mut failed = 0;
    for (name, part) in parts.into_iter().filter(|(name, _)| name.contains(&options.only)) {
        eprintln!("measuring: {name}");
        if let Err(error) = part(&binary, size, &mut report) {
            eprintln!("bench: {name}: {error}");
            failed += 1;
        }
    }
    print!("{}", report.table());
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", report.json()))?;
    }
    if failed > 0 {
        return Err(io::Error::other(format!("{failed} measurements failed")));
    }
    Ok(())
}

/// Requests a second and latencies at 2 and 64 keep-alive connections, all servers in turn.
fn throughput(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let ours = Instance::start(binary, &[])?;
    let axum = Server::peer("axum")?;
    let tiny = Server::peer("tiny_http")?;
    let address = ours.server.address;
    let subjects = [
        ("loopgate, owner key", &ours.server, http::get(address, "/agentmux/reactive/agents", &ours.key)),
        ("loopgate, health", &ours.server, http::get(address, "/", "")),
        ("axum", &axum, http::get(axum.address, "/", "")),
        ("tiny_http", &tiny, http::get(tiny.address, "/", "")),
    ];
    for round in 0..size.rounds {
        for connections in [2, 64] {
            for turn in 0..subjects.len() {
                // Another one begins in each round, so that none always runs after the same one.
                let (name, server, request) = &subjects[(round + turn) % subjects.len()];
                let before = child::cpu(server.pid())?;
                let run = load::run(server.address, request, connections, size.round)?;
                let cpu = child::cpu(server.pid())?.saturating_sub(before);
                report.run(name, connections, run, cpu, size.round);
            }
        }
    }
    report.ratio("loopgate, owner key", "axum", 2, Goal::AtLeast(1.5));
    report.ratio("loopgate, owner key", "axum", 64, Goal::AtLeast(0.85));
    report.ratio("loopgate, owner key", "tiny_http", 2, Goal::AtLeast(2.0));
    report.ratio("loopgate, owner key", "tiny_http", 64, Goal::AtLeast(1.2));
    report.ratio("loopgate, health", "axum", 2, Goal::None);
    report.ratio("loopgate, health", "axum", 64, Goal::None);
    report.ratio_p99("loopgate, owner key", "axum", 2, Goal::Below(1.0));
    report.ratio_p99("loopgate, owner key", "axum", 64, Goal::Below(1.0));
    Ok(())
}

/// From before fork and exec to the ready line.
fn start(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let mut times = Vec::new();
    for _ in 0..size.starts {
        times.push(Instance::start(binary, &[])?.ready_after.as_secs_f64() * 1e3);
    }
    report.figure("exec to ready line, median", median(&mut times), "ms", Goal::AtMost(5.0));
    Ok(())
}

/// Resident memory, idle and for each further idle connection.
fn memory(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let ours = Instance::start(binary, &[])?;
    let address = ours.server.address;
    let request = http::get(address, "/agentmux/reactive/agents", &ours.key);
    report.figure("loopgate: threads, idle", child::threads(ours.server.pid())? as f64, "", Goal::None);
    let (idle, each) = child::memory(ours.server.pid(), address, &request, size.idle)?;
    report.figure("loopgate: resident, idle", idle as f64 / 1e6, "MB", Goal::Below(4.0));
    report.figure("loopgate: resident, each idle connection", each / 1024.0, "KiB", Goal::Below(24.0));
    for name in ["axum", "tiny_http"] {
        let peer = Server::peer(name)?;
        let request = http::get(peer.address, "/", "");
        // tiny_http keeps a thread for each connection, and takes as many as come.
        let (idle, each) = child::memory(peer.pid(), peer.address, &request, size.idle)?;
        report.figure(&format!("{name}: resident, idle"), idle as f64 / 1e6, "MB", Goal::None);
        report.figure(&format!("{name}: resident, each idle connection"), each / 1024.0, "KiB", Goal::None);
    }
    Ok(())
}

/// From an inject's first byte sent to the text being read by the program in the terminal.
fn inject(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    const AGENTS: usize = 10;
    let ours = Instance::start(binary, &[])?;
    let address = ours.server.address;
    let path = std::env::temp_dir().join(format!("loopgate-bench-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let result = (|| {
        let mut connection = http::connect(address)?;
        let exe = std::env::current_exe()?;
        for at in 0..AGENTS {
            let spec = json!({
                "name": format!("bench{at}"), "command": [exe, "agent", path], "cwd": "/", "submit": "once",
            });
            must(&mut connection, &http::post(address, "/api/v1/agents", &ours.key, &spec), 201)?;
            receive(&socket, "ready")?;
        }
        let (mut typed, mut answered) = (Vec::new(), Vec::new());
        for at in 0..size.injects {
            // 10 a second for a target and for a source name, 100 for the owner: 83 in all is within all.
            std::thread::sleep(Duration::from_millis(12));
            let text = format!("message {at}.");
            let body = json!({
                "target_agent": format!("bench{}", at % AGENTS), "source_agent": format!("s{}", at % AGENTS),
                "message": text, "submit": "once",
            });
            let request = http::post(address, "/agentmux/reactive/inject", &ours.key, &body);
            let from = peers::monotonic();
            let answer = must(&mut connection, &request, 200)?;
            let until = peers::monotonic();
            let body: Value = serde_json::from_slice(answer.body())?;
            if body["success"] != true {
                return Err(io::Error::other(format!("an inject failed: {body}")));
            }
            typed.push(nanoseconds(receive(&socket, &text)?.saturating_sub(from)));
            answered.push(nanoseconds(until - from));
        }
        Ok((typed, answered))
    })();
    let _ = std::fs::remove_file(&path);
    let (mut typed, mut answered) = result?;
    let ms = |values: &mut [u32], share| percentile(values, share) / 1e6;
    report.figure("inject: request to bytes in the terminal, p50", ms(&mut typed, 0.5), "ms", Goal::None);
    report.figure(
        "inject: request to bytes in the terminal, p99",
        ms(&mut typed, 0.99),
        "ms",
        Goal::Below(1.0),
    );
    report.figure("inject: request to answer, p50", ms(&mut answered, 0.5), "ms", Goal::None);
    report.figure("inject: request to answer, p99", ms(&mut answered, 0.99), "ms", Goal::None);
    Ok(())
}

/// What the token-less rule costs: a request on a new connection, with the look-up and with a token.
fn peer_lookup(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let without = Instance::start(binary, &[])?;
    let with = Instance::start(binary, &[("GENSWARMS_API_TOKEN", TOKEN)])?;
    let requests = [
        (without.server.address, http::get(without.server.address, "/api/swarms", "")),
        (
            with.server.address,
            http::get(with.server.address, "/api/swarms", &format!("Authorization: Bearer {TOKEN}\r\n")),
        ),
    ];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..size.lookups {
        for ((address, request), times) in requests.iter().zip(&mut times) {
            // At most 50 process scans a second.
            std::thread::sleep(Duration::from_millis(15));
            let from = Instant::now();
            let answer = http::exchange(&mut http::connect(*address)?, request)?;
            times.push(nanoseconds(u64::try_from(from.elapsed().as_nanos()).unwrap_or(u64::MAX)));
            if answer.status == 401 {
                return Err(io::Error::other(String::from_utf8_lossy(answer.body()).into_owned()));
            }
        }
    }
    let [mut looked, mut token] = times;
    for (name, times) in [("with the peer look-up", &mut looked), ("with a token", &mut token)] {
        for (which, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = percentile(times, share) / 1e6;
            report.figure(&format!("new connection {name}, {which}"), value, "ms", Goal::None);
        }
    }
    Ok(())
}

/// How long an admitted caller waits while 2,000 connections hold half a head each, the oldest of them
/// always replaced by a new one.
fn half_heads(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let ours = Instance::start(binary, &[])?;
    let address = ours.server.address;
    let request = http::get(address, "/agentmux/reactive/agents", &ours.key);
    let over = AtomicBool::new(false);
    let (mut kept, mut new, mut refused) = (Vec::new(), Vec::new(), 0_u32);
    let attempts = std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let mut held = VecDeque::new();
            let mut attempts = 0_u64;
            while !over.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(address) else { continue };
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1");
                held.push_back(stream);
                attempts += 1;
                if held.len() > 2_000 {
                    held.pop_front();
                }
                // What one program can do while it leaves the caller a core.
                std::thread::sleep(Duration::from_micros(50));
            }
            attempts
        });
        let result = (|| {
            let mut connection = http::connect(address)?;
            let end = Instant::now() + size.attack;
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
                let from = Instant::now();
                must(&mut connection, &request, 200)?;
                kept.push(nanoseconds(from.elapsed().as_nanos() as u64));
                let from = Instant::now();
                match http::connect(address).and_then(|mut fresh| must(&mut fresh, &request, 200)) {
                    Ok(_) => new.push(nanoseconds(from.elapsed().as_nanos() as u64)),
                    Err(_) => refused += 1,
                }
            }
            Ok::<_, io::Error>(())
        })();
        over.store(true, Ordering::Relaxed);
        let attempts = attack.join().unwrap_or(0);
        result.map(|()| attempts)
    })?;
    report.figure("half heads: opened", attempts as f64, "", Goal::None);
    let (kept, new) = (percentile(&mut kept, 0.99) / 1e6, percentile(&mut new, 0.99) / 1e6);
    report.figure("half heads: admitted caller, kept connection, p99", kept, "ms", Goal::Below(50.0));
    report.figure("half heads: admitted caller, new connection, p99", new, "ms", Goal::Below(50.0));
    report.figure(
        "half heads: new connections of the caller that failed",
        refused.into(),
        "",
        Goal::AtMost(0.0),
    );
    Ok(())
}

/// Events told while the journal takes them.
fn events(_: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    crate::events::measure(size.rounds, size.round, report)
}

/// The journal beside bare calls, and how long it opens.
fn journal(_: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    crate::journal::measure(size.rounds, size.round, size.lines, report)
}

/// The mailbox; see [`crate::mail`].
fn mail(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    crate::mail::mail(binary, size.messages, report)
}

/// One answer of that status.
pub fn must(connection: &mut TcpStream, request: &[u8], status: u16) -> io::Result<http::Answer> {
    let answer = http::exchange(connection, request)?;
    if answer.status == status {
        return Ok(answer);
    }
    Err(io::Error::other(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body()))))
}

/// Waits for the datagram that holds `text`; its time.
pub fn receive(socket: &UnixDatagram, text: &str) -> io::Result<u64> {
    let mut buffer = [0; 8192];
    loop {
        let n = socket.recv(&mut buffer)?;
        let line = String::from_utf8_lossy(&buffer[..n]);
        if let Some((time, bytes)) = line.split_once(' ')
            && bytes.contains(text)
        {
            return time.parse().map_err(io::Error::other);
        }
    }
}

/// As the percentiles take it.
pub fn nanoseconds(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
