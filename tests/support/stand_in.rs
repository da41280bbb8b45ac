//! The program run against what a test makes up: a home, a key file, a server that stands in for an
//! instance.

#![allow(dead_code)] // each test file uses its own part

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    time::Duration,
};

use loopgate::{
    store::{Home, KeyFile, keyfile},
    wire::secret::Secret,
};
use serde_json::Value;

use crate::support::{PATIENCE, TempDir, binary, path};

pub const KEY: &str = "0b7c2e2c-6f43-4c39-b6c5-2f6d2f0d0001";
pub const TOKEN: &str = "lga_00000000000000000000000000000000000000000000000000000000000000ff";

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn loopgate(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).env_clear().env("LOOPGATE_HOME", home).env("PATH", path()).stdin(Stdio::null());
    command
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn run(home: &Path, args: &[&str]) -> Ran {
    ran(&mut loopgate(home, args))
}

/// A temporary home in a temporary directory.
pub fn new_home() -> (TempDir, PathBuf) {
    let temp = TempDir::new();
    let home = temp.path().join("home");
    drop(Home::create(&home).expect("a home"));
    (temp, home)
}

pub fn inode(listener: &TcpListener) -> u64 {
    fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino()
}

pub fn write_key_file(home: &Path, at: SocketAddr, pid: u32, listener_inode: Option<u64>) {
    let file = KeyFile {
        auth_key: Secret::new(KEY.as_bytes().to_vec()),
        web_endpoint: at,
        ws_endpoint: at,
        ipc_endpoint: None,
        instance: "c9a1b0de-0000-4000-8000-000000000001".into(),
        pid,
        host_pid: None,
        created_at: "2026-11-22T00:00:00Z".into(),
        listener_inode,
    };
    keyfile::write(&Home::open(home).expect("a home"), &file).expect("written");
}

/// What a stand-in for an instance was asked.
pub struct Asked {
    pub line: String,
    pub key: Option<String>,
    pub body: Value,
}

/// A server in this process with a right key file, which gives these answers in turn.
pub struct StandIn {
    _temp: TempDir,
    pub home: PathBuf,
    pub at: SocketAddr,
    pub asked: Receiver<Asked>,
    /// the server goes on listening until this is dropped
    _stay: Sender<()>,
}

pub fn stand_in(answers: Vec<(u16, Value)>) -> StandIn {
    let (temp, home) = new_home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    write_key_file(&home, at, std::process::id(), Some(inode(&listener)));
    let server = tiny_http::Server::from_listener(listener, None).expect("a server");
    let (send, asked) = channel();
    let (stay, gone) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let Ok(Some(mut request)) = server.recv_timeout(PATIENCE) else { return };
            let mut text = String::new();
            let _ = request.as_reader().read_to_string(&mut text);
            let key =
                request.headers().iter().find(|h| h.field.equiv("x-authkey")).map(|h| h.value.to_string());
            let line = format!("{} {}", request.method(), request.url());
            let _ = send.send(Asked { line, key, body: serde_json::from_str(&text).unwrap_or(Value::Null) });
            let kind = tiny_http::Header::from_bytes("Content-Type", "application/json").expect("a header");
            let answer = tiny_http::Response::from_string(body.to_string()).with_status_code(status);
            let _ = request.respond(answer.with_header(kind));
        }
        let _ = gone.recv();
    });
    StandIn { _temp: temp, home, at, asked, _stay: stay }
}

/// A server in this process with a right key file, which gives this answer to every request until it is dropped.
pub fn always(status: u16, body: &Value) -> StandIn {
    let (temp, home) = new_home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    write_key_file(&home, at, std::process::id(), Some(inode(&listener)));
    let server = tiny_http::Server::from_listener(listener, None).expect("a server");
    let (_, asked) = channel();
    let (stay, gone) = channel::<()>();
    let text = body.to_string();
    std::thread::spawn(move || {
        let is_over = || matches!(gone.try_recv(), Err(TryRecvError::Disconnected));
        while !is_over() {
            let Ok(Some(mut request)) = server.recv_timeout(Duration::from_millis(50)) else { continue };
            let _ = std::io::copy(request.as_reader(), &mut std::io::sink());
            let kind = tiny_http::Header::from_bytes("Content-Type", "application/json").expect("a header");
            let answer = tiny_http::Response::from_string(text.clone()).with_status_code(status);
            let _ = request.respond(answer.with_header(kind));
        }
    });
    StandIn { _temp: temp, home, at, asked, _stay: stay }
}

/// A process that waits until it is dropped.
pub struct Waiting(pub Child);

impl Waiting {
    pub fn new() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
