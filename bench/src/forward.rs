//! What it costs that an agent is at another instance: the same inject, into the same terminals, asked
//! of the instance that runs them and of others that find it by the registry, in turn in one run.
//!
//! An owner of another instance may inject ten times a second, so several instances take turns.

use std::{
    fs,
    io::{self, ErrorKind},
    net::TcpStream,
    os::unix::{fs::DirBuilderExt, net::UnixDatagram},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    http,
    instance::Instance,
    load::percentile,
    measure::{Size, must, nanoseconds, receive},
    peers,
    report::{Goal, Report},
};

/// Terminals, and source names.
const AGENTS: usize = 10;
/// Instances that forward.
const OTHERS: usize = 5;

/// One who is asked to inject.
struct Asked {
    instance: Instance,
    connection: TcpStream,
    /// to the bytes in the terminal, and to the answer
    typed: Vec<u32>,
    answered: Vec<u32>,
}

impl Asked {
    fn start(binary: &Path, registry: &str) -> io::Result<Self> {
        let instance = Instance::start(binary, &[("LOOPGATE_REGISTRY", registry)])?;
        let connection = http::connect(instance.server.address)?;
        Ok(Self { instance, connection, typed: Vec::new(), answered: Vec::new() })
    }

    fn post(&mut self, path: &str, body: &Value, status: u16) -> io::Result<Value> {
        let request = http::post(self.instance.server.address, path, &self.instance.key, body);
        Ok(serde_json::from_slice(must(&mut self.connection, &request, status)?.body())?)
    }

    fn inject(&mut self, at: usize, text: &str, socket: &UnixDatagram) -> io::Result<()> {
        // Within what one sender, one target and all of them may do in a second.
        std::thread::sleep(Duration::from_millis(13));
        let body = json!({
            "target_agent": format!("bench{}", at % AGENTS), "source_agent": format!("s{}", at % AGENTS),
            "message": text, "submit": "once",
        });
        let from = peers::monotonic();
        let answer = self.post("/agentmux/reactive/inject", &body, 200)?;
        let until = peers::monotonic();
        if answer["success"] != true {
            return Err(io::Error::other(format!("an inject failed: {answer}")));
        }
        self.typed.push(nanoseconds(receive(socket, text)?.saturating_sub(from)));
        self.answered.push(nanoseconds(until.saturating_sub(from)));
        Ok(())
    }
}

/// From an inject's first byte sent to the text in the terminal and to the answer, here and by another
/// instance, and the difference.
pub fn inject(binary: &Path, size: &Size, report: &mut Report) -> io::Result<()> {
    let folder = Folder::new()?;
    let registry = folder.0.join("agents");
    let registry = registry.to_str().ok_or(ErrorKind::InvalidData)?;
    let path = folder.0.join("agents.sock");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;

    let mut here = Asked::start(binary, registry)?;
    let exe = std::env::current_exe()?;
    for at in 0..AGENTS {
        let spec = json!({
            "name": format!("bench{at}"), "command": [exe, "agent", path], "cwd": "/", "submit": "once",
        });
        here.post("/api/v1/agents", &spec, 201)?;
        receive(&socket, "ready")?;
    }
    let end = Instant::now() + Duration::from_secs(5);
    while fs::read_dir(registry)?.flatten().filter(|file| is_entry(&file.path())).count() < AGENTS {
        if Instant::now() > end {
            return Err(io::Error::other("the registry has no entry for each agent"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut others =
        (0..OTHERS).map(|_| Asked::start(binary, registry)).collect::<io::Result<Vec<Asked>>>()?;
    for at in 0..size.injects {
        here.inject(at, &format!("local {at}."), &socket)?;
        others[at % OTHERS].inject(at, &format!("forwarded {at}."), &socket)?;
    }

    let mut forwarded = [Vec::new(), Vec::new()];
    for other in &mut others {
        forwarded[0].append(&mut other.typed);
        forwarded[1].append(&mut other.answered);
    }
    let [mut typed, mut answered] = forwarded;
    let parts = [
        ("bytes in the terminal", &mut here.typed, &mut typed),
        ("answer", &mut here.answered, &mut answered),
    ];
    for (what, local, forwarded) in parts {
        for (which, share, goal) in [("p50", 0.5, Goal::Below(1.0)), ("p99", 0.99, Goal::None)] {
            let (local, forwarded) = (percentile(local, share) / 1e6, percentile(forwarded, share) / 1e6);
            for (who, value) in [("local", local), ("forwarded", forwarded)] {
                report.figure(&format!("{who} inject: request to {what}, {which}"), value, "ms", Goal::None);
            }
            let name = format!("forwarding adds: request to {what}, {which}");
            report.figure(&name, forwarded - local, "ms", goal);
        }
    }
    Ok(())
}

fn is_entry(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// A private directory; removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("loopgate-bench-forward-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
