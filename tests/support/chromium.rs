//! A real browser, headless: Debian's Chromium with a profile of its own, and the small server that its
//! pages come from and post to.

#![allow(dead_code)] // each test file uses its own part

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;
use tiny_http::{Header, Response, Server};

use crate::support::{TempDir, path, signal, skipped};

/// How long a page may take: the browser starts anew for each, beside everything else that runs.
const PAGE: Duration = Duration::from_secs(60);

/// Names of foreign sites, which this browser finds on loopback; every other name is not found.
pub const FOREIGN: &str = "foreign.test";

/// Whether there is one, and said so where not.
pub fn chromium() -> bool {
    let said = Command::new("chromium").arg("--version").stdin(Stdio::null()).output();
    let there = said.is_ok_and(|said| said.status.success());
    if !there {
        skipped("chromium");
    }
    there
}

/// The browser; it ends when dropped.
pub struct Browser {
    child: Child,
    profile: TempDir,
}

impl Browser {
    /// Shows this page.
    pub fn open(url: &str) -> Self {
        let profile = TempDir::new();
        let log = fs::File::create(profile.path().join("log")).expect("a log");
        let names = format!("MAP {FOREIGN} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost");
        let mut command = Command::new("chromium");
        command.args(["--headless=new", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-breakpad"]);
        command.arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
        command.arg(format!("--host-resolver-rules={names}"));
        if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            command.arg("--no-sandbox");
        }
        command.arg(url);
        command.env_clear().env("PATH", path()).env("HOME", profile.path()).current_dir(profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // A group of its own, so that whatever it started can be ended with it.
        let child = command.process_group(0).spawn().expect("chromium runs");
        Self { child, profile }
    }

    /// What it said on its standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.profile.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let pid = self.child.id();
        signal(pid, libc::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        // Not reaped before: the group cannot be somebody else's.
        if let Ok(group) = i32::try_from(pid) {
            // SAFETY: kill(2) touches no memory of ours.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        let _ = self.child.wait();
    }
}

/// Where pages come from: an empty one for every path that is no file, and what they post to `/seen`.
pub struct Site {
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
    seen: Receiver<Value>,
    pub address: SocketAddr,
}

impl Site {
    /// One whose pages run this module after the client itself, each a file of the directory.
    pub fn of(clients: &Path, version: &str, module: &str) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a port"));
        let address = server.server_addr().to_ip().expect("an address");
        let (send, seen) = mpsc::channel();
        let client = clients.join(format!("node_modules/phoenix-{version}/priv/static/phoenix.js"));
        let client = fs::read_to_string(client).expect("the client for pages");
        let page = format!(
            "<!doctype html><script src=\"/phoenix.js\"></script><script type=\"module\" src=\"/{module}\"></script>"
        );
        let clients = clients.to_owned();
        let thread = std::thread::spawn({
            let server = server.clone();
            move || {
                for mut request in server.incoming_requests() {
                    let mut body = String::new();
                    let _ = request.as_reader().read_to_string(&mut body);
                    let path = request.url().split('?').next().unwrap_or_default().to_owned();
                    let (kind, text) = match path.as_str() {
                        "/seen" => {
                            let _ = send.send(serde_json::from_str(&body).unwrap_or(Value::Null));
                            ("text/plain", String::new())
                        }
                        "/phoenix.js" => ("text/javascript", client.clone()),
                        script if script.ends_with(".js") => {
                            let text = fs::read_to_string(clients.join(script.trim_start_matches('/')));
                            ("text/javascript", text.unwrap_or_default())
                        }
                        _ => ("text/html", page.clone()),
                    };
                    let kind = Header::from_bytes("Content-Type", kind).expect("a header");
                    let _ = request.respond(Response::from_string(text).with_header(kind));
                }
            }
        });
        Self { server, thread: Some(thread), seen, address }
    }

    /// The next post that is as wanted; those before it are given to `other`.
    #[track_caller]
    pub fn hears(&self, browser: &Browser, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PAGE;
        let mut heard = Vec::new();
        loop {
            match self.seen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(seen) if wanted(&seen) => return seen,
                Ok(seen) => heard.push(seen),
                Err(_) => panic!("waited in vain for {what}; heard {heard:?}; {}", browser.log()),
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.unblock();
        self.thread.take().map(JoinHandle::join);
    }
}
