//! What a client verb trusts: the home and the key file it reads, the listener it sends the key to;
//! and that an agent's shell touches none of them.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;

use std::{
    fs::{self, File, Permissions},
    io::Read,
    net::TcpListener,
    os::{
        fd::FromRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{PermissionsExt, symlink},
            net::UnixListener,
        },
    },
    path::Path,
    process::Command,
};

use serde_json::json;
use stand_in::{KEY, TOKEN, Waiting, inode, loopgate, new_home, ran, run, stand_in, write_key_file};
use support::{TempDir, skipped};

#[test]
fn without_an_instance_every_client_verb_exits_69_and_says_how_to_start_one() {
    let (temp, home) = new_home();
    for home in [home.as_path(), &temp.path().join("missing")] {
        for args in [
            &["agents"][..],
            &["status"],
            &["whoami"],
            &["inject", "a", "text"],
            &["send", "a", "text"],
            &["run", "--name", "a", "true"],
            &["stop-agent", "a"],
            &["exposure"],
            &["api", "GET", "/"],
        ] {
            let ran = run(home, args);
            assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{args:?} {}", ran.err);
            let said = format!("no instance runs in {}", home.display());
            assert!(ran.err.contains(&said) && ran.err.contains("`loopgate serve`"), "{}", ran.err);
        }
    }
    assert!(!temp.path().join("missing").exists(), "a client makes nothing");
}

#[test]
fn a_dead_pid_or_a_closed_port_means_that_no_instance_runs() {
    let (_temp, home) = new_home();
    let mut child = Command::new("true").spawn().expect("a process");
    child.wait().expect("it ends");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    write_key_file(&home, at, child.id(), Some(inode(&listener)));
    let ran = run(&home, &["status"]);
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    assert!(ran.err.contains(&format!("process {}, which has ended", child.id())), "{}", ran.err);

    write_key_file(&home, at, std::process::id(), Some(inode(&listener)));
    drop(listener);
    let ran = run(&home, &["status"]);
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    assert!(ran.err.contains("nobody listens"), "{}", ran.err);
}

/// Somebody else took the port (or the file was pointed there): nothing is even connected.
#[test]
fn the_key_never_goes_to_a_listener_that_is_not_the_instances() {
    let (_temp, home) = new_home();
    let impostor = TcpListener::bind("127.0.0.1:0").expect("a port");
    let real = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = impostor.local_addr().expect("an address");
    let other = Waiting::new();
    for (pid, inode) in [(std::process::id(), Some(inode(&real))), (other.0.id(), None)] {
        write_key_file(&home, at, pid, inode);
        let ran = run(&home, &["status"]);
        assert_eq!(ran.code, Some(77), "{}", ran.err);
        assert!(ran.err.contains("is not the instance of the key file"), "{}", ran.err);
        assert!(!ran.err.contains(KEY));
    }
    impostor.set_nonblocking(true).expect("non-blocking");
    assert!(impostor.accept().is_err(), "nobody connected");
}

/// Spec attacks, files: each in the place of the key file of an instance that runs.
#[test]
fn a_key_file_that_is_not_a_private_file_of_ours_is_refused() {
    let instance = stand_in(vec![(200, json!({ "agents": [] }))]);
    let file = instance.home.join("authkey");
    let good = fs::read(&file).expect("the key file");
    let refused = |what: &str, code: i32, says: &str| {
        let ran = run(&instance.home, &["agents"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{what}: {}", ran.err);
        assert!(ran.err.contains(says), "{what}: {}", ran.err);
        assert!(!ran.err.contains(KEY) && ran.err.contains("next: "), "{what}: {}", ran.err);
    };
    let put = |bytes: &[u8], mode: u32| {
        fs::write(&file, bytes).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("mode");
    };
    put(&good, 0o644);
    refused("a 0644 leftover", 77, "lets others in");
    put(&good, 0o620);
    refused("writable by a group", 77, "lets others in");
    put(&[&good[..], &vec![b' '; loopgate::limits::PRIVATE_FILE]].concat(), 0o600);
    refused("oversized", 77, "larger than");
    put(b"{}", 0o600);
    refused("another JSON", 65, "`version` is not valid");
    put(&[b"{\"pid\":1,", &good[1..]].concat(), 0o600);
    refused("a field twice", 65, "not valid");
    let moved = String::from_utf8_lossy(&good).replace(&instance.at.to_string(), "evil.example:80");
    put(moved.as_bytes(), 0o600);
    refused("a name for an address", 65, "`web_endpoint` is not valid");
    put(&good, 0o600);
    let elsewhere = instance.home.join("elsewhere");
    fs::rename(&file, &elsewhere).expect("renamed");
    symlink(&elsewhere, &file).expect("a link");
    refused("a symlink to a right file", 77, "symbolic link");
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a directory");
    refused("a directory", 77, "not a regular file");
    fs::remove_dir(&file).expect("removed");
    let socket = UnixListener::bind(&file).expect("a socket");
    refused("a socket", 77, "not a regular file");
    drop(socket);
    fs::remove_file(&file).expect("removed");
    if Command::new("mkfifo").arg("-m").arg("600").arg(&file).status().is_ok_and(|s| s.success()) {
        refused("a FIFO", 77, "not a regular file");
        fs::remove_file(&file).expect("removed");
    } else {
        skipped("mkfifo");
    }
    fs::rename(&elsewhere, &file).expect("renamed");
    if std::os::unix::fs::chown(&file, Some(65_533), None).is_ok() {
        refused("another user's", 77, "belongs to uid 65533");
        std::os::unix::fs::chown(&file, Some(0), None).expect("chown");
    } else {
        skipped("root");
    }
    // the control: with everything as it should be, the same command works
    let ran = run(&instance.home, &["agents", "--json"]);
    assert_eq!(
        (ran.code, ran.out.trim().replace(char::is_whitespace, "")),
        (Some(0), "{\"agents\":[]}".into())
    );
    assert_eq!(instance.asked.recv().expect("one request").key.as_deref(), Some(KEY));
    assert!(instance.asked.try_recv().is_err(), "none of the others sent anything");
}

#[test]
fn a_home_that_is_not_a_private_directory_of_ours_is_refused() {
    let instance = stand_in(Vec::new());
    let around = TempDir::new();
    let link = around.path().join("link");
    symlink(&instance.home, &link).expect("a link");
    let file = around.path().join("file");
    fs::write(&file, "").expect("written");
    for home in [&link, &file] {
        for args in [&["status"][..], &["serve"]] {
            let ran = run(home, args);
            assert_eq!(ran.code, Some(77), "{args:?} {}", ran.err);
        }
    }
    fs::set_permissions(&instance.home, Permissions::from_mode(0o755)).expect("mode");
    let ran = run(&instance.home, &["status"]);
    assert_eq!(ran.code, Some(77), "{}", ran.err);
    assert!(ran.err.contains("chmod 700"), "{}", ran.err);
    assert!(instance.asked.try_recv().is_err(), "nothing was sent");
}

/// What the directory's watcher saw since it was made: whether anything in it was opened.
struct Watcher(File);

impl Watcher {
    fn new(directory: &Path) -> Self {
        let name = std::ffi::CString::new(directory.as_os_str().as_bytes()).expect("a name");
        // SAFETY: takes no pointer; the result is checked.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: `name` ends in NUL and outlives the call.
        let watch = unsafe { libc::inotify_add_watch(fd, name.as_ptr(), libc::IN_OPEN | libc::IN_ACCESS) };
        assert!(watch >= 0);
        // SAFETY: inotify_init1 has just made this descriptor, and nobody else owns it.
        Self(unsafe { File::from_raw_fd(fd) })
    }

    fn saw_something(&mut self) -> bool {
        self.0.read(&mut [0; 4096]).is_ok_and(|n| n > 0)
    }
}

#[test]
fn inside_an_agent_the_home_is_never_opened_even_when_the_token_is_refused() {
    let refused = json!({ "error": "unauthorized", "code": "unauthorized" });
    let instance =
        stand_in(vec![(401, refused.clone()), (401, refused.clone()), (401, refused), (200, json!({}))]);
    let mut watcher = Watcher::new(&instance.home);
    let inside = |args: &[&str]| {
        let mut command = loopgate(&instance.home, args);
        command.env("LOOPGATE_AGENT_TOKEN", TOKEN).env("LOOPGATE_URL", format!("http://{}", instance.at));
        ran(&mut command)
    };
    for (args, line) in [
        (&["send", "a", "text"][..], "POST /api/v1/self/send"),
        (&["agents"], "GET /api/v1/self/agents"),
        (&["whoami"], "GET /api/v1/self/whoami"),
    ] {
        let ran = inside(args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(77), ""), "{args:?} {}", ran.err);
        assert!(!ran.err.contains(TOKEN));
        let asked = instance.asked.recv().expect("a request");
        assert_eq!((asked.line.as_str(), asked.key), (line, None));
    }
    for args in [
        &["inject", "a", "text"][..],
        &["run", "--name", "a", "true"],
        &["attach", "a"],
        &["stop-agent", "a"],
        &["status"],
        &["exposure"],
        &["exposure", "--limits"],
        &["api", "GET", "/api/v1/status"],
        &["serve"],
        &["--wavedata", "/nonexistent"],
        &["demo"],
    ] {
        let ran = inside(args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(77), ""), "{args:?} {}", ran.err);
        assert!(
            ran.err.contains("`loopgate send`, `inbox`, `ack`, `ask`, `agents` and `whoami`"),
            "{}",
            ran.err
        );
    }
    for (url, args) in
        [("", ["whoami"]), ("http://evil.example:80", ["whoami"]), ("http://localhost:1", ["whoami"])]
    {
        let mut command = loopgate(&instance.home, &args);
        let ran = ran(command.env("LOOPGATE_AGENT_TOKEN", TOKEN).env("LOOPGATE_URL", url));
        assert_eq!(ran.code, Some(78), "{url} {}", ran.err);
    }
    assert!(!watcher.saw_something(), "nothing in the home was opened");
    // the control: the owner's command opens it
    assert_eq!(run(&instance.home, &["status"]).code, Some(0));
    assert!(watcher.saw_something());
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let instance = stand_in(vec![(200, json!({ "agents": [] }))]);
    let mut command = loopgate(&instance.home, &["agents"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, &url);
    }
    assert_eq!(ran(&mut command).code, Some(0));
    proxy.set_nonblocking(true).expect("non-blocking");
    assert!(proxy.accept().is_err(), "nobody came to the proxy");
}
