//! What a hop costs: a token goes round a ring of agents, each of which passes it to the next.
//!
//! A hop is the time from one agent's write of the line that sends the token to the next agent's read of the line that
//! brings it. Beside it, in turn, the same agents with a bare relay in the middle: one thread for each that reads its
//! lines and writes the token to the next, parsing nothing. Mock agents have no process: among them is one real
//! agent, which times whole rounds.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    child::end,
    http,
    instance::Instance,
    load::{self, percentile},
    measure::{Size, must, nanoseconds},
    peers::monotonic,
    report::{Goal, Report},
};

/// The swarm surface is opened with a token, as an operator would.
const TOKEN: &str = "bench-token-of-the-operator";
const BEARER: &str = "Authorization: Bearer bench-token-of-the-operator\r\n";
/// Agents of a ring of processes.
const RINGS: [usize; 3] = [2, 10, 100];
/// Agents of the ring without processes, the one that times them included.
const MOCKS: usize = 1_000;
/// How long a token may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Hops a second and the time of one, in rings of processes, by us and by a bare relay, and of mock agents.
pub fn hops(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let folder = Folder::new()?;
    for agents in RINGS {
        let hops = size.hops - size.hops % agents;
        for (who, run) in [("bare relay", bare as Ring), ("swarm", swarm as Ring)] {
            let mut timed = run(binary, &folder, agents, hops)?;
            show(report, &format!("{who}, {agents} agents"), &mut timed);
        }
    }
    let mut timed = mocks(binary, &folder, (size.hops / MOCKS).max(5))?;
    show(report, &format!("swarm, {MOCKS} mock agents"), &mut timed);
    Ok(())
}

/// Requests a second on the swarm surface.
pub fn rest(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let instance = start(binary, 100)?;
    let agent = |at| json!({"name": format!("m{at}"), "backend": "mock"});
    let config = json!({"name": "rest", "agents": (0..10).map(agent).collect::<Vec<_>>()});
    create(&instance, &config)?;
    let address = instance.server.address;
    let task = http::post(address, "/api/swarms/rest/agents/m1/task", BEARER, &json!({"task": "a word"}));
    // More callers at once would fill the agent's inbox, and be refused.
    let requests = [
        ("swarm REST: GET /api/swarms", http::get(address, "/api/swarms", BEARER), &[2, 64][..]),
        ("swarm REST: GET one agent", http::get(address, "/api/swarms/rest/agents/m0", BEARER), &[2, 64]),
        ("swarm REST: POST a task to a mock agent", task, &[2]),
    ];
    for (name, request, connections) in requests {
        for connections in connections.iter().copied() {
            let run = load::run(address, &request, connections, size.round)?;
            report.figure(&format!("{name}, {connections} connections"), run.rate, "/s", Goal::None);
            report.figure(&format!("{name}, {connections} connections, p99"), run.p99, "us", Goal::None);
        }
    }
    Ok(())
}

type Ring = fn(&Path, &Folder, usize, usize) -> io::Result<Timed>;

/// What a ring gave.
struct Timed {
    /// of one hop each, or of a round shared by its hops
    nanoseconds: Vec<u32>,
    hops: usize,
    took: Duration,
}

fn show(report: &mut Report, who: &str, timed: &mut Timed) {
    let rate = timed.hops as f64 / timed.took.as_secs_f64();
    report.figure(&format!("{who}: hops a second"), rate, "/s", Goal::None);
    for (which, share) in [("p50", 0.5), ("p99", 0.99)] {
        let value = percentile(&mut timed.nanoseconds, share) / 1e3;
        report.figure(&format!("{who}: one hop, {which}"), value, "us", Goal::None);
    }
}

fn start(binary: &Path, nodes: usize) -> io::Result<Instance> {
    let nodes = nodes.to_string();
    Instance::start(binary, &[("GENSWARMS_API_TOKEN", TOKEN), ("LOOPGATE_MAX_AGENTS_PER_SWARM", &nodes)])
}

fn create(instance: &Instance, config: &Value) -> io::Result<()> {
    post(instance, "/api/swarms", &json!({ "config": config }), 201)
}

fn post(instance: &Instance, path: &str, body: &Value, status: u16) -> io::Result<()> {
    let address = instance.server.address;
    let mut connection = http::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    must(&mut connection, &http::post(address, path, BEARER, body), status).map(|_| ())
}

/// The edges of a ring.
fn ring(agents: usize) -> Vec<Value> {
    (0..agents).map(|at| json!([name(at), name((at + 1) % agents)])).collect()
}

fn name(at: usize) -> String {
    format!("place_{at}")
}

/// A swarm of processes.
fn swarm(binary: &Path, folder: &Folder, agents: usize, hops: usize) -> io::Result<Timed> {
    let (socket, path) = folder.socket()?;
    let exe = std::env::current_exe()?;
    let agent = |at| {
        let next = name((at + 1) % agents);
        json!({"name": name(at), "backend": "local", "config": {"command": [exe, "hop", path, next]}})
    };
    let config = json!({
        "name": "ring", "agents": (0..agents).map(agent).collect::<Vec<_>>(), "topology": ring(agents),
    });
    let instance = start(binary, agents)?;
    create(&instance, &config)?;
    let ready = |_| wait(&socket, "ready").map(|_| ());
    (0..agents).try_for_each(ready)?;
    let begin = json!({"task": format!("token 0 {hops} 0")});
    post(&instance, "/api/swarms/ring/agents/place_0/task", &begin, 200)?;
    let took = Duration::from_nanos(wait(&socket, "took")?);
    for at in 0..agents {
        post(
            &instance,
            &format!("/api/swarms/ring/agents/{}/task", name(at)),
            &json!({"task": "dump"}),
            200,
        )?;
    }
    Ok(Timed { nanoseconds: collect(&socket, agents)?, hops, took })
}

/// Agents without a process, and one that has one.
fn mocks(binary: &Path, folder: &Folder, rounds: usize) -> io::Result<Timed> {
    let (socket, path) = folder.socket()?;
    let exe = std::env::current_exe()?;
    let agent = |at| match at {
        0 => json!({"name": name(0), "backend": "local", "config": {"command": [exe, "hop", path, name(1)]}}),
        at => {
            let line = format!("@{}: {{content}}", name((at + 1) % MOCKS));
            json!({"name": name(at), "backend": "mock", "config": {"script": [[line]]}})
        }
    };
    let config = json!({
        "name": "ring", "agents": (0..MOCKS).map(agent).collect::<Vec<_>>(), "topology": ring(MOCKS),
    });
    let instance = start(binary, MOCKS)?;
    create(&instance, &config)?;
    wait(&socket, "ready")?;
    let begin = json!({"task": format!("token 0 {rounds} 0")});
    post(&instance, "/api/swarms/ring/agents/place_0/task", &begin, 200)?;
    let took = Duration::from_nanos(wait(&socket, "took")?);
    post(&instance, "/api/swarms/ring/agents/place_0/task", &json!({"task": "dump"}), 200)?;
    let mut nanoseconds = collect(&socket, 1)?;
    nanoseconds.iter_mut().for_each(|round| *round /= MOCKS as u32);
    Ok(Timed { nanoseconds, hops: rounds * MOCKS, took })
}

/// The same processes, and nothing between them but a thread for each that passes its tokens on.
fn bare(_: &Path, folder: &Folder, agents: usize, hops: usize) -> io::Result<Timed> {
    let (socket, path) = folder.socket()?;
    let mut children = Children(Vec::new());
    let mut inputs: Vec<Arc<Mutex<ChildStdin>>> = Vec::new();
    let mut outputs = Vec::new();
    for at in 0..agents {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["hop".as_ref(), path.as_os_str(), name((at + 1) % agents).as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        inputs.push(Arc::new(Mutex::new(child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?)));
        outputs.push(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        children.0.push(child);
    }
    (0..agents).try_for_each(|_| wait(&socket, "ready").map(|_| ()))?;
    for (at, output) in outputs.into_iter().enumerate() {
        let next = Arc::clone(&inputs[(at + 1) % agents]);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The content goes on as it is; the marker of a turn's end goes nowhere.
                if line.contains("token") && write(&next, &line).is_err() {
                    return;
                }
            }
        });
    }
    write(&inputs[0], &json!({"content": format!("token 0 {hops} 0")}).to_string())?;
    let took = Duration::from_nanos(wait(&socket, "took")?);
    for input in &inputs {
        write(input, r#"{"content":"dump"}"#)?;
    }
    Ok(Timed { nanoseconds: collect(&socket, agents)?, hops, took })
}

fn write(to: &Mutex<ChildStdin>, line: &str) -> io::Result<()> {
    let mut to = to.lock().map_err(|_| io::ErrorKind::BrokenPipe)?;
    to.write_all(format!("{line}\n").as_bytes())
}

struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(end);
    }
}

/// The next number that comes behind this word.
fn wait(socket: &UnixDatagram, word: &str) -> io::Result<u64> {
    let mut buffer = [0; 64];
    loop {
        let count = socket.recv(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..count]);
        if let Some(number) = text.strip_prefix(word) {
            return number.trim().parse().map_err(io::Error::other);
        }
    }
}

/// The times that so many agents send: a count first, then each.
fn collect(socket: &UnixDatagram, agents: usize) -> io::Result<Vec<u32>> {
    let mut all = Vec::new();
    let mut ends = 0;
    let mut buffer = [0; 4096];
    while ends < agents {
        let count = socket.recv(&mut buffer)?;
        match &buffer[..count] {
            b"end" => ends += 1,
            times => all.extend(
                times.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])),
            ),
        }
    }
    Ok(all)
}

/// One agent of a ring: `token HOP LAST SENT` goes on to `next` with its hop and time; the last one says how long all
/// took since the first. `dump` hands the times over.
pub fn hop(socket: &str, next: &str) -> ExitCode {
    let Ok(out) = UnixDatagram::unbound() else { return ExitCode::FAILURE };
    if out.connect(socket).is_err() || out.send(b"ready 0").is_err() {
        return ExitCode::FAILURE;
    }
    let mut times: Vec<u32> = Vec::new();
    let mut began = 0;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let now = monotonic();
        let Ok(Value::Object(item)) = serde_json::from_str(&line) else { continue };
        let content = item.get("content").and_then(Value::as_str).unwrap_or_default();
        let words: Vec<&str> = content.split(' ').collect();
        let mut answer = String::new();
        match words.as_slice() {
            ["token", hop, last, sent] => {
                let [hop, last, sent] = [hop, last, sent].map(|word| word.parse::<u64>().unwrap_or(0));
                match sent {
                    0 => began = now,
                    sent => times.push(nanoseconds(now.saturating_sub(sent))),
                }
                // The first one counts its own rounds: others between may not count.
                if hop < last {
                    let content = format!("token {} {last} {}", hop + 1, monotonic());
                    answer = format!("{}\n", json!({"type": "send", "to": next, "content": content}));
                } else if out.send(format!("took {}", now.saturating_sub(began)).as_bytes()).is_err() {
                    return ExitCode::FAILURE;
                }
            }
            ["dump"] => {
                let bytes: Vec<u8> = times.drain(..).flat_map(u32::to_le_bytes).collect();
                let sent = bytes.chunks(4096).try_for_each(|chunk| out.send(chunk).map(|_| ()));
                if sent.and_then(|()| out.send(b"end")).is_err() {
                    return ExitCode::FAILURE;
                }
            }
            _ => {}
        }
        answer.push_str("<<TURN_COMPLETE>>\n");
        if io::stdout().write_all(answer.as_bytes()).is_err() {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::SUCCESS
}

/// A private directory; removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("loopgate-bench-swarm-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// A fresh socket, and where it is.
    fn socket(&self) -> io::Result<(UnixDatagram, PathBuf)> {
        let path = self.0.join("bench.sock");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok((socket, path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
