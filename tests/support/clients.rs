//! The clients of the channel from npm, put together once below `target/`, and one of them in a process
//! of its own.
//!
//! `npm ci` takes what the lock file names and nothing else, and runs none of its scripts. The source
//! tree is copied from, never written to.

#![allow(dead_code)] // each test file uses its own part

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use loopgate::wire::crc32;
use serde_json::Value;

use crate::support::{PATIENCE, TempDir, path, skipped};

/// The versions of the client that are in use, as the manifest names them.
pub const VERSIONS: [&str; 2] = ["1.7", "1.8"];

/// An agent that answers each task with its text.
pub const ANSWERING: &str = r#"while IFS= read -r line; do
    content=${line#*'"content":"'}; content=${content%%'"'*}
    printf '{"type":"output","content":"done: %s"}\n' "$content"
    echo '<<TURN_COMPLETE>>'
done"#;

/// The oldest node that the scripts are written for: Debian's.
const NODE: u32 = 18;

/// How long the registry may take.
const INSTALL: Duration = Duration::from_secs(300);

/// Where the scripts stand beside their `node_modules`; `None`, and said so, where node or npm is missing.
pub fn clients() -> Option<&'static Path> {
    static CLIENTS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(|| there().then(install)).as_deref();
    if clients.is_none() {
        skipped("node");
    }
    clients
}

fn there() -> bool {
    let version = |program| Command::new(program).arg("--version").stdin(Stdio::null()).output().ok();
    let node = version("node").and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    let major = node.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    version("npm").is_some_and(|npm| npm.status.success()) && major.is_some_and(|major| major >= NODE)
}

/// Below a name of its own for what is in it, so that a change of a script or the lock makes a new one.
fn install() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let mut files: Vec<PathBuf> =
        fs::read_dir(from).expect("it is there").flatten().map(|e| e.path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    let all: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a script")).collect();
    let into =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{:08x}", crc32::sum(&all.concat())));
    if into.is_dir() {
        return into;
    }
    // Beside its place, and whole before it is there: two test programs may do this at once.
    let whole = into.with_extension(std::process::id().to_string());
    fs::create_dir_all(&whole).expect("a directory");
    for (file, text) in files.iter().zip(&all) {
        fs::write(whole.join(file.file_name().expect("a name")), text).expect("copied");
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&whole).stdin(Stdio::null());
    let said = fs::File::create(whole.join("npm.log")).expect("a log");
    npm.stdout(said.try_clone().expect("a descriptor")).stderr(said);
    let mut child = npm.spawn().expect("npm runs");
    let status = ended(&mut child, INSTALL);
    let said = fs::read_to_string(whole.join("npm.log")).unwrap_or_default();
    assert!(status.is_some_and(|code| code == 0), "npm ci: {status:?}: {said}");
    if fs::rename(&whole, &into).is_err() {
        assert!(into.is_dir(), "it can be put in its place");
        let _ = fs::remove_dir_all(&whole);
    }
    into
}

/// Its exit code, if it ends in time; it is killed then.
fn ended(child: &mut Child, within: Duration) -> Option<i32> {
    let end = Instant::now() + within;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status.code();
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// A free port that the system hands to nobody who does not ask for it by its number.
pub fn port() -> String {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("a range");
    let low: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).expect("a number");
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("randomness");
    let ports = (1_024..low).cycle().skip(usize::from(u16::from_ne_bytes(random))).take(1_000);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.into_iter().find(free).expect("a free port").to_string()
}

/// One client under node, told what to do and heard.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<Value>,
    /// heard and not yet asked for
    heard: VecDeque<Value>,
    errors: Option<std::thread::JoinHandle<String>>,
    home: TempDir,
}

impl Client {
    /// One of this version, for the instance at this address.
    pub fn start(clients: &Path, version: &str, at: SocketAddr) -> Self {
        let home = TempDir::new();
        let mut child = Command::new("node")
            .arg(clients.join("client.js"))
            .env_clear()
            .envs([("PATH", path()), ("HOME", home.path().into())])
            .envs([("PHOENIX", version), ("CHANNEL_URL", &format!("ws://{at}/swarm"))])
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node runs");
        let (output, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self { input: child.stdin.take(), child, lines, heard: VecDeque::new(), errors: Some(errors), home }
    }

    /// Has it do something.
    pub fn tell(&mut self, command: &Value) {
        let line = format!("{command}\n");
        let sent = self.input.as_mut().expect("not ended").write_all(line.as_bytes());
        assert!(sent.is_ok(), "it is gone: {}", self.last_words());
    }

    /// The next line that is as wanted; those before it stay to be asked for.
    #[track_caller]
    pub fn hears(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at).expect("it is there");
        }
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => self.heard.push_back(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("waited in vain for {what}; heard {:?}", self.heard)
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let last = self.last_words();
                    panic!("ended before {what}; heard {:?}; {last}", self.heard)
                }
            }
        }
    }

    /// The next line that begins with these words.
    #[track_caller]
    pub fn word(&mut self, words: &[&str]) -> Value {
        let begins = |line: &Value| words.iter().enumerate().all(|(at, word)| line[at] == **word);
        self.hears(&format!("{words:?}"), begins)
    }

    /// Everything that was heard so far and not asked for.
    pub fn rest(&mut self) -> Vec<Value> {
        self.heard.extend(self.lines.try_iter());
        self.heard.drain(..).collect()
    }

    /// Lets it disconnect and end, and gives what else it heard before.
    #[track_caller]
    pub fn end(mut self) -> Vec<Value> {
        drop(self.input.take());
        let code = ended(&mut self.child, PATIENCE);
        let rest = std::iter::from_fn(|| self.lines.recv().ok()).collect::<Vec<_>>();
        self.heard.extend(rest);
        let last = self.last_words();
        assert_eq!(code, Some(0), "heard {:?}; {last}", self.heard);
        // What comes of its own end is no word of the instance's.
        self.heard.drain(..).take_while(|line| line[0] != "ending").collect()
    }

    fn last_words(&mut self) -> String {
        drop(self.input.take());
        let _ = ended(&mut self.child, Duration::from_secs(2));
        self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = ended(&mut self.child, PATIENCE);
    }
}
