//! What the tests of this folder share: a directory, and instances that listen.

#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{own::Files, *};
use crate::{store::testing::memory, wire::clock::ManualClock};

/// Long enough for anything that happens at all.
pub const SOON: Duration = Duration::from_secs(20);
/// What a test's clock shows at first: a day after what the file system says, so that every file is old.
pub const LATER: u64 = 24 * 60 * 60 * 1_000;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A temporary directory, removed at the end.
pub struct Around(PathBuf);

impl Around {
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// For ten thousand races: no disk holds them up.
    pub fn in_memory() -> Self {
        Self::new_in(&memory())
    }

    fn new_in(directory: &Path) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let random = crate::sys::random::bytes().map(u64::from_ne_bytes).expect("randomness");
        let path = directory.join(format!("loopgate-registry-{random:016x}-{number}"));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    /// Something in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The registry in it.
    pub fn agents(&self) -> PathBuf {
        self.at("agents")
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An instance with a listener, in this process.
pub struct Instance {
    pub listener: TcpListener,
    pub home: HomeId,
    pub clock: Arc<ManualClock>,
    pub registry: Arc<Registry>,
}

impl Instance {
    pub fn new(directory: &Path) -> Self {
        Self::with(directory, |_| {})
    }

    pub fn with(directory: &Path, change: impl FnOnce(&mut Settings)) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let clock = ManualClock::at(now() + LATER);
        let [.., a, b, c, d, e, f] = number.to_be_bytes();
        let home = HomeId::of([a, b, c, d, e, f]);
        let mut settings = Settings {
            directory: directory.to_owned(),
            shared: true,
            home: home.clone(),
            instance: format!("instance-{number}"),
            at: listener.local_addr().expect("an address"),
            pid: std::process::id(),
            listener_inode: inode(&listener),
            key: Secret::new(format!("key-{number}").into_bytes()),
            clock: clock.clone(),
        };
        change(&mut settings);
        let registry = Registry::open(settings).expect("a registry");
        Self { listener, home, clock, registry }
    }

    /// Starts its thread with these agents, whose files are there then.
    pub fn with_agents(&self, agents: &[&str]) -> Writer {
        let agents: Vec<_> = agents.iter().map(|name| (id(name), format!("block of {name}"))).collect();
        let first = agents.first().map(|(agent, _)| agent.clone());
        let writer = self.registry.start(move || agents.clone()).expect("a thread");
        if let Some(agent) = first {
            self.registry.publish(&agent, SOON);
        }
        writer
    }

    pub fn find(&self, to: &str) -> Found {
        self.registry.find(&Address::parse(to).expect("an address"))
    }

    /// The one that has `to`.
    pub fn one(&self, to: &str) -> Peer {
        match self.find(to) {
            Found::One(peer) => *peer,
            other => panic!("{to}: {other:?}"),
        }
    }

    /// Why nobody has `to`.
    pub fn nobody(&self, to: &str) -> Option<&'static str> {
        match self.find(to) {
            Found::Nobody(code) => code,
            other => panic!("{to}: {other:?}"),
        }
    }
}

pub fn now() -> u64 {
    crate::sys::clock::SystemClock.unix_ms()
}

pub fn id(text: &str) -> AgentId {
    AgentId::parse(text).expect("an id")
}

pub fn inode(listener: &TcpListener) -> u64 {
    std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino()
}

/// An entry as AgentMux writes it.
pub fn entry(agent: &str, at: SocketAddr, pid: u32) -> Value {
    json!({"agent_id": agent, "local_url": format!("http://{at}"), "block_id": "b1", "pid": pid,
           "updated_at": now(), "auth_key": "key-of-agentmux", "channel": "main", "registration_nonce": 7})
}

pub fn put(path: &Path, text: impl AsRef<[u8]>) {
    put_mode(path, text, 0o600);
}

pub fn put_mode(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above).expect("a directory");
    }
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
}

/// A process that does nothing until it is dropped.
pub struct Idler(pub Child);

impl Idler {
    pub fn new() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process"))
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A process number that no process has.
pub fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().expect("a process");
    child.wait().expect("it ends");
    child.id()
}

/// Until it holds: another thread does it.
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "it never came");
        std::thread::yield_now();
    }
}

/// Registered agents, with a block each.
pub(super) fn wanted(agents: &[&str]) -> Vec<(AgentId, String)> {
    agents.iter().map(|name| (id(name), "block".to_owned())).collect()
}

/// One round, without the thread.
pub(super) fn round(
    files: &mut Files,
    us: &Instance,
    agents: &[&str],
    all: bool,
) -> BTreeMap<AgentId, Published> {
    files.round(wanted(agents), &us.registry.work(all).0).status
}

/// What is in a directory, in order.
pub fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// A message of the owner of a home, which came through these instances.
pub fn letter<'a>(home: &'a HomeId, path: &'a [String]) -> Letter<'a> {
    Letter {
        origin: Origin { caller: "owner", home },
        at: None,
        carry: Carry::Send,
        text: "words",
        id: "id-1",
        from: None,
        priority: "normal",
        ttl_ms: 60_000,
        correlation_id: None,
        in_reply_to: None,
        redelivered: false,
        submit: None,
        path,
        hops: path.len() as u64,
    }
}
