//! A stand-in for AgentMux: as much of it as another instance on the machine meets.
//!
//! No binary of AgentMux can be had where these tests run, so this does what spec/agentmux.md says that
//! it does, with its faults: the registry's file (I.1: opened, truncated and written in place, 0600 only
//! where it is new, errors dropped, never removed at the end; its sweep by age at the start), forwarding
//! (I.2: one look into the file, no check of who listens, no deadline, the key of the file sent to whoever
//! is there, the file removed when nothing accepts) and the routes of B.4 to B.9 with C.1's check of the
//! key and E.1's, E.2's and E.5's rules. As 0.33.790 does it, or with [`Layout::Nested`] as the newer
//! source does: a folder for each name in lower case, a file for each channel, temp and rename, a nonce,
//! hops, dead processes swept, and what failed removed only where its process is dead or it is older than
//! a minute.
//!
//! Left out: the terminal (what would be typed is kept, and read at `/stand-in/typed`), the sanitiser, and
//! everything that is not about instances.
//!
//! It runs as a process of its own, so that its pid and its listener are its own: this test binary again,
//! as the helper at the end of this file.

#![allow(dead_code)] // each test file uses its own part

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::support::{Answer, path, raw_at, read_answer, request};

/// Which AgentMux it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 0.33.790: `<data>/agents/<name>.json`
    Flat,
    /// the newer one: `<data>/shared/agents/reactive/<name>/<channel>.json`
    Nested,
}

impl Layout {
    /// Its registry below a data directory.
    pub fn registry(self, data: &Path) -> PathBuf {
        match self {
            Layout::Flat => data.join("agents"),
            Layout::Nested => data.join("shared/agents/reactive"),
        }
    }

    /// The file of an agent; each character that is no letter, digit, `-` or `_` becomes `_` (I.1).
    fn file(self, registry: &Path, name: &str) -> PathBuf {
        let safe = |name: &str| -> String {
            name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
        };
        match self {
            Layout::Flat => registry.join(format!("{}.json", safe(name))),
            Layout::Nested => {
                registry.join(safe(&name.to_lowercase())).join(format!("{}.json", safe(CHANNEL)))
            }
        }
    }
}

/// The newer one's word for its version.
pub const CHANNEL: &str = "v0.40.1";
const KEY: &str = "6f0f2a9e-7a41-4c7b-9d8e-a9e0c1d2e3f4";
/// Age at which its sweep removes an entry (I.1).
const TTL_MS: u64 = 4 * 60 * 60 * 1_000;

/// A running stand-in; ended when dropped, as AgentMux is by the end of its stdin.
pub struct AgentMux {
    pub child: Child,
    stdin: Option<ChildStdin>,
    pub address: SocketAddr,
    pub registry: PathBuf,
}

impl AgentMux {
    /// Starts one on a data directory.
    pub fn start(layout: Layout, data: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", "agentmux_peer::helper_agentmux_peer", "--nocapture", "--test-threads=1"])
            .env_clear()
            .env("PATH", path())
            .env("STAND_IN_DATA", data)
            .env("STAND_IN_NESTED", if layout == Layout::Nested { "yes" } else { "" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stand-in starts");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on ")?.1.parse().ok())
            .expect("an address");
        Self { child, stdin, address, registry: layout.registry(data) }
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        raw_at(self.address, &request(self.address, &[("X-AuthKey", KEY)], method, path, body))
    }

    #[track_caller]
    pub fn register(&self, agent: &str, block: &str) {
        let body = json!({ "agent_id": agent, "block_id": block });
        let answer = self.call("POST", "/agentmux/reactive/register", &body);
        assert_eq!((answer.status, answer.json()), (200, json!({ "success": true })));
    }

    /// The answer to an inject that its user makes.
    pub fn inject(&self, body: &Value) -> Value {
        let answer = self.call("POST", "/agentmux/reactive/inject", body);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// What was typed there so far: `{"block_id", "request"}` each, in order.
    pub fn typed(&self) -> Vec<Value> {
        self.call("GET", "/stand-in/typed", &Value::Null).json().as_array().expect("a list").clone()
    }

    /// Its audit, newest first.
    pub fn audit(&self) -> Value {
        self.call("GET", "/agentmux/reactive/audit", &Value::Null).json()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }
}

impl Drop for AgentMux {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Not a test of its own: what the process of a stand-in runs.
#[test]
fn helper_agentmux_peer() {
    let Some(data) = std::env::var_os("STAND_IN_DATA") else { return };
    let nested = std::env::var_os("STAND_IN_NESTED").is_some_and(|word| !word.is_empty());
    let layout = if nested { Layout::Nested } else { Layout::Flat };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let registry = layout.registry(Path::new(&data));
    // As a desktop's umask leaves it.
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&registry).expect("a registry");
    let sidecar = Arc::new(Sidecar {
        layout,
        registry,
        local_url: format!("http://{address}"),
        agents: Mutex::default(),
        typed: Mutex::default(),
        audit: Mutex::default(),
        window: Mutex::new((0, 0)),
        last: AtomicU64::new(0),
    });
    sidecar.sweep();
    let server = Arc::new(tiny_http::Server::from_listener(listener, None).expect("a server"));
    // Several, so that a forward that comes back finds somebody.
    for _ in 0..8 {
        let (server, sidecar) = (server.clone(), sidecar.clone());
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                sidecar.answer(request);
            }
        });
    }
    println!("listening on {address}");
    // The end of stdin is its end (A.6).
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    std::process::exit(0);
}

/// The sidecar's side of it.
struct Sidecar {
    layout: Layout,
    registry: PathBuf,
    local_url: String,
    /// name to block
    agents: Mutex<BTreeMap<String, String>>,
    typed: Mutex<Vec<Value>>,
    audit: Mutex<Vec<Value>>,
    /// of the rate limiter: its begin and how many were let through
    window: Mutex<(u64, u32)>,
    last: AtomicU64,
}

impl Sidecar {
    fn answer(&self, mut request: tiny_http::Request) {
        let right = request.headers().iter().find(|h| h.field.equiv("x-authkey")).map(|h| h.value == KEY);
        let mut text = String::new();
        let read = request.as_reader().read_to_string(&mut text);
        let url = request.url().to_owned();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let method = request.method().to_string();
        let (status, body) = match (method.as_str(), path) {
            ("GET", "/") => (200, json!({ "status": "ok", "version": "0.33.790" })),
            // Before anything is parsed (C.1).
            _ if right != Some(true) => (401, json!({ "error": "unauthorized" })),
            _ if read.is_err() => (400, json!("not UTF-8")),
            ("POST", "/agentmux/reactive/inject") => self.with(&text, Self::inject),
            ("POST", "/agentmux/reactive/register") => self.with(&text, Self::register),
            ("POST", "/agentmux/reactive/unregister") => self.with(&text, Self::unregister),
            ("GET", "/agentmux/reactive/agent") => self.agent(query.strip_prefix("id=").unwrap_or_default()),
            ("GET", "/agentmux/reactive/audit") => {
                (200, self.audit.lock().expect("a lock").iter().rev().cloned().collect())
            }
            ("GET", "/stand-in/typed") => (200, Value::Array(self.typed.lock().expect("a lock").clone())),
            _ => (404, Value::Null),
        };
        let kind = tiny_http::Header::from_bytes("content-type", "application/json").expect("a header");
        let answer = tiny_http::Response::from_string(body.to_string()).with_status_code(status);
        let _ = request.respond(answer.with_header(kind));
    }

    /// A body as its framework takes it apart (B.1).
    fn with(&self, text: &str, what: fn(&Self, &Value) -> Option<(u16, Value)>) -> (u16, Value) {
        match serde_json::from_str(text) {
            Err(_) => (400, json!("Failed to parse the request body as JSON")),
            Ok(body) => what(self, &body)
                .unwrap_or((422, json!("Failed to deserialize the JSON body into the target type"))),
        }
    }

    fn key(&self, name: &str) -> String {
        if self.layout == Layout::Nested { name.to_lowercase() } else { name.to_owned() }
    }

    fn agent(&self, name: &str) -> (u16, Value) {
        match self.agents.lock().expect("a lock").get(&self.key(name)) {
            _ if name.is_empty() => (400, json!({ "error": "missing id param" })),
            Some(block) => (200, json!({ "agent_id": name, "block_id": block })),
            None => (404, json!({ "error": "agent not found" })),
        }
    }

    /// B.8. Errors of the file are dropped.
    fn register(&self, body: &Value) -> Option<(u16, Value)> {
        let (name, block) = (body["agent_id"].as_str()?, body["block_id"].as_str()?);
        if !is_id(name) {
            return Some((400, json!({ "error": format!("invalid agent ID: {name}") })));
        }
        self.agents.lock().expect("a lock").insert(self.key(name), block.to_owned());
        let mut entry = json!({
            "agent_id": name, "local_url": self.local_url, "block_id": block, "pid": std::process::id(),
            "updated_at": now(), "auth_key": KEY,
        });
        let file = self.layout.file(&self.registry, name);
        let _ = match self.layout {
            Layout::Flat => OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(file)
                .and_then(|mut file| file.write_all(entry.to_string().as_bytes())),
            Layout::Nested => {
                entry["channel"] = CHANNEL.into();
                entry["registration_nonce"] = self.number().into();
                let folder = file.parent().expect("a folder");
                let temporary = folder.join(format!(".{CHANNEL}.{}.tmp", self.number()));
                fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).and_then(|()| {
                    let mut new =
                        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
                    new.write_all(entry.to_string().as_bytes())?;
                    fs::rename(&temporary, &file)
                })
            }
        };
        Some((200, json!({ "success": true })))
    }

    /// B.9: whoever's file it is.
    fn unregister(&self, body: &Value) -> Option<(u16, Value)> {
        let name = body["agent_id"].as_str()?;
        self.agents.lock().expect("a lock").remove(&self.key(name));
        let _ = fs::remove_file(self.layout.file(&self.registry, name));
        Some((200, json!({ "success": true })))
    }

    /// E.1, and B.4's answers.
    fn inject(&self, body: &Value) -> Option<(u16, Value)> {
        let inject = Inject::of(body, self.layout)?;
        let request_id = match &inject.request_id {
            Some(id) if !id.is_empty() => id.clone(),
            _ => format!("00000000-0000-4000-8000-{:012x}", self.number() & 0xffff_ffff_ffff),
        };
        let mut answer = json!({ "success": false, "request_id": request_id, "timestamp": now() });
        let target = &inject.target;
        if !self.let_through() {
            answer["error"] = "rate limit exceeded".into();
        } else if !is_id(target) {
            answer["error"] = format!("invalid agent ID: {target}").into();
        } else {
            let block = self.agents.lock().expect("a lock").get(&self.key(target)).cloned();
            let audited = json!({
                "timestamp": now(), "target_agent": target, "request_id": request_id, "success": block.is_some(),
                "block_id": block.clone().unwrap_or_default(),
            });
            self.audit.lock().expect("a lock").push(audited);
            match block {
                Some(block) => {
                    self.typed.lock().expect("a lock").push(json!({ "block_id": block, "request": body }));
                    answer["success"] = true.into();
                    answer["block_id"] = block.into();
                }
                None => match self.forward(&inject) {
                    Some(theirs) => return Some((200, theirs)),
                    None => answer["error"] = format!("agent not found: {target}").into(),
                },
            }
        }
        Some((200, answer))
    }

    /// Ten a second for everything together (E.5).
    fn let_through(&self) -> bool {
        let mut window = self.window.lock().expect("a lock");
        if now() >= window.0 + 1_000 {
            *window = (now(), 0);
        }
        window.1 += 1;
        window.1 <= 10
    }

    /// I.2.
    fn forward(&self, inject: &Inject) -> Option<Value> {
        match self.layout {
            Layout::Flat => {
                let file = self.layout.file(&self.registry, &inject.target);
                let entry: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
                self.post(&entry, inject).unwrap_or_else(|Unreachable| {
                    let _ = fs::remove_file(&file);
                    None
                })
            }
            Layout::Nested => {
                let folder = self.registry.join(inject.target.to_lowercase());
                let mut entries: Vec<(PathBuf, Value)> = json_files(&folder)
                    .into_iter()
                    .filter_map(|file| {
                        Some((file.clone(), serde_json::from_slice(&fs::read(file).ok()?).ok()?))
                    })
                    .collect();
                // The freshest first.
                entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry["updated_at"].as_u64()));
                entries.into_iter().filter(|_| inject.hops < 3).find_map(|(file, entry)| {
                    let url = entry["local_url"].as_str()?;
                    // A test of the beginning, as theirs.
                    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
                    if !local.iter().any(|begin| url.starts_with(begin)) {
                        return None;
                    }
                    let theirs =
                        self.post(&entry, inject).ok().flatten().filter(|body| body["success"] == true);
                    let old = now().saturating_sub(entry["updated_at"].as_u64()?) > 60_000;
                    if theirs.is_none() && (old || !is_alive(&entry)) {
                        let _ = fs::remove_file(file);
                    }
                    theirs
                })
            }
        }
    }

    /// No deadline, and the key for whoever listens there.
    fn post(&self, entry: &Value, inject: &Inject) -> Result<Option<Value>, Unreachable> {
        let Some(url) = entry["local_url"].as_str().filter(|url| *url != self.local_url) else {
            return Ok(None);
        };
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let body = inject.again(self.layout).to_string();
        let key = match entry["auth_key"].as_str() {
            Some(key) if !key.is_empty() => format!("x-authkey: {key}\r\n"),
            _ => String::new(),
        };
        let mut stream = TcpStream::connect(host).map_err(|_| Unreachable)?;
        let request = format!(
            "POST /agentmux/reactive/inject HTTP/1.1\r\ncontent-type: application/json\r\n{key}accept: */*\r\n\
             host: {host}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).is_err() {
            return Ok(None);
        }
        let answer = read_answer(&mut BufReader::new(stream));
        let good = (200..300).contains(&answer.status);
        Ok(serde_json::from_slice(&answer.body).ok().filter(|_| good))
    }

    /// At the start (I.1): by age, and in the newer one dead processes too.
    fn sweep(&self) {
        let files = match self.layout {
            Layout::Flat => json_files(&self.registry),
            Layout::Nested => {
                let folders = fs::read_dir(&self.registry).into_iter().flatten().flatten();
                folders.flat_map(|folder| json_files(&folder.path())).collect()
            }
        };
        for file in files {
            let entry = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            let stays = entry.is_some_and(|entry| {
                entry["updated_at"].as_u64().is_some_and(|at| now().saturating_sub(at) <= TTL_MS)
                    && (self.layout == Layout::Flat || is_alive(&entry))
            });
            if !stays {
                let _ = fs::remove_file(file);
            }
        }
    }

    /// One that was not used yet.
    fn number(&self) -> u64 {
        now() << 16 | (self.last.fetch_add(1, Ordering::Relaxed) & 0xffff)
    }
}

/// Nothing accepted the connection.
struct Unreachable;

/// An inject as it was parsed: what it does not know is gone.
struct Inject {
    target: String,
    message: String,
    source: Option<String>,
    request_id: Option<String>,
    priority: Option<String>,
    wait_for_idle: bool,
    hops: u64,
}

impl Inject {
    fn of(body: &Value, layout: Layout) -> Option<Self> {
        let optional = |name: &str| match &body[name] {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        };
        Some(Self {
            target: body["target_agent"].as_str()?.to_owned(),
            message: body["message"].as_str()?.to_owned(),
            source: optional("source_agent")?,
            request_id: optional("request_id")?,
            priority: optional("priority")?,
            wait_for_idle: body.get("wait_for_idle").map_or(Some(false), Value::as_bool)?,
            hops: match body.get("forward_hops").filter(|_| layout == Layout::Nested) {
                Some(hops) => u64::from(u8::try_from(hops.as_u64()?).ok()?),
                None => 0,
            },
        })
    }

    /// Serialised again: what was not given is left out, `wait_for_idle` always stands there.
    fn again(&self, layout: Layout) -> Value {
        let mut body = json!({
            "target_agent": self.target, "message": self.message, "wait_for_idle": self.wait_for_idle,
        });
        let given =
            [("source_agent", &self.source), ("request_id", &self.request_id), ("priority", &self.priority)];
        for (name, value) in given {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        if layout == Layout::Nested {
            body["forward_hops"] = (self.hops + 1).into();
        }
        body
    }
}

/// E.2.
fn is_id(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn is_alive(entry: &Value) -> bool {
    entry["pid"].as_u64().is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json")).collect()
}

/// Unix ms.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
