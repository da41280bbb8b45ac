//! What isolation costs: from the request for an isolated agent to its first instruction, beside bubblewrap alone
//! around the same program, and what a hundred of them take of memory.
//!
//! The program says by the system's clock when it runs, in a file of its workspace. Where bubblewrap is missing
//! there is nothing to measure, and that is an error.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    http,
    instance::Instance,
    load::percentile,
    measure::{Size, must, nanoseconds},
    report::{Goal, Report},
};

/// Says when it runs, and stays.
const PROGRAM: &str = "date +%s%N > /workspace/.first && mv /workspace/.first /workspace/first; exec cat";
/// Agents at once.
const MANY: usize = 100;
/// How long one may take to run.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of it.
pub fn measure(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let folder = Folder::new()?;
    let home = folder.0.join("home");
    let home = home.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    let most = (MANY + 1).to_string();
    let env = [
        ("LOOPGATE_HOME", home),
        ("LOOPGATE_MAX_AGENTS_PER_SWARM", most.as_str()),
        // Never dialled: nobody asks for anything.
        ("LOOPGATE_LLM_ENDPOINT", "http://127.0.0.1:9/v1"),
    ];
    let instance = Instance::start(binary, &env)?;
    call(&instance, "/api/swarms", &json!({"config": {"name": "sand", "agents": [agent("seed")]}}), 201)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..size.rounds.max(3) * 10 {
        bare.push(bubblewrap(&folder.0, round)?);
        let name = format!("a{round}");
        ours.push(isolated(&instance, Path::new(home), &name)?);
    }
    let (ours, bare) = (percentile(&mut ours, 0.5) / 1e6, percentile(&mut bare, 0.5) / 1e6);
    report.figure("bubblewrap alone: start to first instruction, p50", bare, "ms", Goal::None);
    report.figure("isolated agent: start to first instruction, p50", ours, "ms", Goal::None);
    report.figure("isolation over bubblewrap's own, p50", ours - bare, "ms", Goal::Below(25.0));
    many(&instance, report)
}

/// Our memory for each of many isolated agents: what the instance grew by, and their keepers.
fn many(instance: &Instance, report: &mut Report) -> io::Result<()> {
    let pid = instance.server.pid();
    let before = shared_out(pid)?;
    let keepers = || children(pid).into_iter().map(shared_out).sum::<io::Result<u64>>();
    let keepers_before = keepers()?;
    let from = Instant::now();
    let agents: Vec<Value> = (0..MANY).map(|at| agent(&format!("m{at}"))).collect();
    call(instance, "/api/swarms", &json!({"config": {"name": "many", "agents": agents}}), 201)?;
    let took = from.elapsed();
    let grown = shared_out(pid)?.saturating_sub(before);
    let held = keepers()?.saturating_sub(keepers_before);
    let each = |bytes: u64| bytes as f64 / MANY as f64 / 1024.0;
    let name = |what: &str| format!("{MANY} isolated agents: {what}");
    report.figure(&name("until all run"), took.as_secs_f64(), "s", Goal::None);
    report.figure(&name("of the instance, each"), each(grown), "KiB", Goal::None);
    report.figure(&name("of its keeper, each"), each(held), "KiB", Goal::None);
    report.figure(&name("of ours, each"), each(grown + held), "KiB", Goal::None);
    Ok(())
}

fn agent(name: &str) -> Value {
    json!({"name": name, "backend": "bwrap",
           "config": {"network": "isolated", "command": ["sh", "-c", PROGRAM]}})
}

fn isolated(instance: &Instance, home: &Path, name: &str) -> io::Result<u32> {
    let first = home.join("swarms/sand/agents").join(name).join("workspace/first");
    let from = now()?;
    call(instance, "/api/swarms/sand/agents", &agent(name), 201)?;
    let took = after(&first, from)?;
    let address = instance.server.address;
    let path = format!("/api/swarms/sand/agents/{name}");
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    must(&mut patient(instance)?, request.as_bytes(), 200)?;
    Ok(took)
}

/// The same program in a sandbox that is much the same, without anything of ours.
fn bubblewrap(folder: &Path, round: usize) -> io::Result<u32> {
    let workspace = folder.join(format!("w{round}"));
    fs::create_dir(&workspace)?;
    let mut command = Command::new("bwrap");
    command.args([
        "--unshare-user",
        "--unshare-all",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
    ]);
    command.args(["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    for place in ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"] {
        command.args(["--ro-bind-try", place, place]);
    }
    command.arg("--bind").arg(&workspace).args(["/workspace", "--", "sh", "-c", PROGRAM]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let from = now()?;
    let mut child = command.spawn()?;
    let took = after(&workspace.join("first"), from);
    child.kill()?;
    child.wait()?;
    took
}

/// Nanoseconds from then to what the program has written.
fn after(first: &Path, from: u64) -> io::Result<u32> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(first) {
            let at: u64 = text.trim().parse().map_err(|_| io::Error::other("no time in the file"))?;
            return Ok(nanoseconds(at.saturating_sub(from)));
        }
        if Instant::now() > end {
            return Err(io::Error::other(format!("{} was not written", first.display())));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn now() -> io::Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    u64::try_from(since.as_nanos()).map_err(io::Error::other)
}

fn call(instance: &Instance, path: &str, body: &Value, status: u16) -> io::Result<()> {
    let request = http::post(instance.server.address, path, "", body);
    must(&mut patient(instance)?, &request, status).map(|_| ())
}

fn patient(instance: &Instance) -> io::Result<std::net::TcpStream> {
    let connection = http::connect(instance.server.address)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(connection)
}

/// Bytes of a process, where what it shares counts in parts.
fn shared_out(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no Pss"))
}

/// Processes whose parent it is.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    listed
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("loopgate-bench-sandbox-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
