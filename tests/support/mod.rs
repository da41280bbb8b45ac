//! What the integration tests share: a temporary home, a real instance, and raw HTTP.
//!
//! Nothing sleeps: whoever waits for a condition does so with a deadline through [`until`].

#![allow(dead_code)] // each test file uses its own part

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test: `LOOPGATE_TEST_BIN` (a release build, say) or the one cargo built.
pub fn binary() -> PathBuf {
    std::env::var_os("LOOPGATE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_loopgate").into(), PathBuf::from)
}

/// A directory of this test's own, removed at the end.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes it, mode 0700.
    pub fn new() -> Self {
        use std::os::unix::fs::DirBuilderExt;
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).expect("randomness");
        let path = std::env::temp_dir().join(format!("loopgate-test-{:016x}", u64::from_ne_bytes(random)));
        std::fs::DirBuilder::new().mode(0o700).create(&path).expect("a temporary directory");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks `probe` again and again until it gives something, or fails the test after [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A running `loopgate serve` with a clean environment.
pub struct Instance {
    pub child: Child,
    pub home: TempDir,
    pub address: SocketAddr,
    pub ready_line: String,
    pub key: String,
    /// what it was started with, for those that are started after it
    env: Vec<(String, String)>,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Instance {
    /// Starts one with nothing but a home and PATH in its environment.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// Starts one with more environment and arguments (after `serve`).
    pub fn start_with(env: &[(&str, &str)], args: &[&str]) -> Self {
        let home = TempDir::new();
        let mut command = serve_command(home.path(), env, args);
        let mut instance = Self::from_command(home, &mut command);
        instance.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        instance
    }

    /// Starts one by a command that ends up being an instance in `home` (a shell with limits, say).
    pub fn from_command(home: TempDir, command: &mut Command) -> Self {
        let Launched { child, address, ready_line, key, lines } = launch(home.path(), command);
        Self { child, home, address, ready_line, key, env: Vec::new(), lines }
    }

    /// Ends it as a crash would, with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// After [`Instance::kill`] or [`Instance::terminate`]: another one in the same home, with the same
    /// environment.
    pub fn start_again(&mut self) {
        let env: Vec<(&str, &str)> = self.env.iter().map(|(name, value)| (&**name, &**value)).collect();
        let launched = launch(self.home.path(), &mut serve_command(self.home.path(), &env, &[]));
        self.child = launched.child;
        self.address = launched.address;
        self.ready_line = launched.ready_line;
        self.key = launched.key;
        self.lines = launched.lines;
    }

    /// A line of its stderr, or `None` at its end.
    pub fn stderr_line(&self) -> Option<String> {
        self.lines.lock().ok()?.recv_timeout(PATIENCE).ok()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client verb against this instance, with a clean environment.
    pub fn loopgate(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env_clear()
            .env("LOOPGATE_HOME", self.home.path())
            .env("PATH", path())
            .stdin(Stdio::null());
        command
    }

    /// One request with the owner key; `body` is sent as JSON where it is not null.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_as(&[("X-AuthKey", &self.key)], method, path, body)
    }

    /// One request with these headers.
    pub fn call_as(&self, headers: &[(&str, &str)], method: &str, path: &str, body: &Value) -> Answer {
        self.raw(&request(self.address, headers, method, path, body))
    }

    /// These bytes on a connection of their own, and the first answer to them.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        raw_at(self.address, bytes)
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// SIGTERM, and its exit status within [`PATIENCE`].
    pub fn terminate(&mut self) -> ExitStatus {
        signal(self.pid(), libc::SIGTERM);
        until("the instance ends", || self.child.try_wait().expect("a child of ours"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(self.pid(), libc::SIGTERM);
            let end = Instant::now() + PATIENCE;
            while let Ok(None) = self.child.try_wait() {
                if Instant::now() > end {
                    let _ = self.child.kill();
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }
}

/// What a start gave.
struct Launched {
    child: Child,
    address: SocketAddr,
    ready_line: String,
    key: String,
    lines: Mutex<mpsc::Receiver<String>>,
}

/// Runs the command and waits for its ready line.
fn launch(home: &Path, command: &mut Command) -> Launched {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("serve starts");
    let stderr = BufReader::new(child.stderr.take().expect("stderr"));
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let mut seen = Vec::new();
    let ready_line = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains("-ESTART ") => break line,
            Ok(line) => seen.push(line),
            Err(_) => {
                let _ = child.kill();
                panic!("no ready line; it said {seen:?}, status {:?}", child.wait());
            }
        }
    };
    let address = ready_line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("web:"))
        .and_then(|address| address.parse().ok())
        .expect("an address in the ready line");
    let file = std::fs::read(home.join("authkey")).expect("the key file");
    let key_file: Value = serde_json::from_slice(&file).expect("the key file is JSON");
    let key = key_file["auth_key"].as_str().expect("a key").to_owned();
    Launched { child, address, ready_line, key, lines: Mutex::new(lines) }
}

/// `loopgate serve` in `home` with a clean environment.
pub fn serve_command(home: &Path, env: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("serve")
        .args(args)
        .env_clear()
        .env("LOOPGATE_HOME", home)
        .env("PATH", path())
        .env("HOME", home);
    command.envs(env.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))));
    command
}

/// The PATH of the tests.
pub fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: kill(2) touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}

/// The bytes of one request; `body` is sent as JSON where it is not null.
pub fn request(
    address: SocketAddr,
    headers: &[(&str, &str)],
    method: &str,
    path: &str,
    body: &Value,
) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}

/// These bytes on a connection of their own, and the first answer to them.
pub fn raw_at(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("the request is sent");
    read_answer(&mut BufReader::new(stream))
}

/// A connection with deadlines.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
    stream
}

/// One HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// Reads one answer; an empty stream gives status 0.
pub fn read_answer(stream: &mut impl BufRead) -> Answer {
    let mut line = String::new();
    let mut answer = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return answer;
    }
    answer.status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    loop {
        line.clear();
        if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            answer.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let length = answer.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    answer.body = vec![0; length];
    if stream.read_exact(&mut answer.body).is_err() {
        answer.body.clear();
    }
    answer
}

/// Says that a case could not run here; `tests/run` counts these lines.
pub fn skipped(what: &str) {
    println!("skipped: {what} missing");
}
