//! Programs that are put into something: when they begin, what they are given, and how they end.
//!
//! The cages here are pipes and a shell: what a real one is, its backend's tests show.

mod support;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use loopgate::{
    agent::{
        Agents, Controller, Exit, MemberSpec, Settings, Sink, StartError, StartSpec, Stream, Submit,
        cage::{Built, Cage, Inside, Staged, User},
    },
    limits,
    sys::clock::SystemClock,
    wire::{id::AgentId, node::FullName},
};
use support::{PATIENCE, TempDir, binary, skipped};

const STOP: Duration = Duration::from_millis(limits::STOP_MS);

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// Starts a shell that waits at a gate, and becomes the program behind it.
struct Gate {
    log: Log,
    reaches_instance: bool,
    user: Option<(User, Vec<Staged>)>,
    /// what is done when the program is to be let in
    enter: fn(Entering) -> Result<(), StartError>,
}

struct Entering {
    gate: io::PipeWriter,
    end: Instant,
}

/// Held as long as anything of the tree is left.
struct Noted(Log);

impl Drop for Noted {
    fn drop(&mut self) {
        note(&self.0, "let go");
    }
}

fn note(log: &Log, what: &str) {
    log.lock().expect("no panic").push(what.to_owned());
}

fn open(mut entering: Entering) -> Result<(), StartError> {
    assert!(entering.end > Instant::now(), "there is time left");
    entering.gate.write_all(b"go\n").expect("it waits");
    Ok(())
}

impl Cage for Gate {
    fn reaches_instance(&self) -> bool {
        self.reaches_instance
    }

    fn build(&self, inside: Inside<'_>) -> Result<Built, StartError> {
        note(&self.log, "built");
        let (theirs, gate) = io::pipe().expect("a pipe");
        let theirs = OwnedFd::from(theirs);
        if let Some((user, _)) = &self.user {
            // The shell opens it once more, by its name.
            std::os::unix::fs::fchown(&theirs, Some(user.uid), None).expect("root");
        }
        let wait = format!("read word < /proc/self/fd/{} && exec env -i \"$@\"", theirs.as_raw_fd());
        let words = ["/bin/sh", "-c", &wait, "sh"].map(|word| word.as_bytes().to_vec()).into_iter();
        let command = inside.command.iter().map(|word| word.as_bytes().to_vec());
        let (log, enter) = (self.log.clone(), self.enter);
        Ok(Built {
            command: words.chain(inside.env).chain(command).collect(),
            descriptors: vec![theirs],
            user: self.user.clone(),
            enter: Box::new(move |end| {
                note(&log, "enter");
                enter(Entering { gate, end })?;
                Ok(Box::new(Noted(log)))
            }),
        })
    }
}

/// Hears one member.
struct Heard {
    log: Log,
    lines: Mutex<Sender<String>>,
}

impl Sink for Heard {
    fn line(&self, _: Stream, line: &[u8], _: bool) {
        let _ = self.lines.lock().expect("no panic").send(String::from_utf8_lossy(line).into_owned());
    }

    fn quiet(&self) {}

    fn ended(&self, exit: Option<Exit>) {
        note(&self.log, &format!("ended {exit:?}"));
    }
}

struct Host {
    agents: Arc<Agents>,
    home: TempDir,
    log: Log,
}

impl Host {
    fn new() -> Self {
        let settings =
            Settings { program: binary(), ..Settings::new("http://127.0.0.1:4711".to_owned(), 1000) };
        let agents = Agents::new(Arc::new(SystemClock), settings).expect("a spawner");
        Self { agents, home: TempDir::new(), log: Log::default() }
    }

    fn gate(&self) -> Gate {
        Gate { log: self.log.clone(), reaches_instance: true, user: None, enter: open }
    }

    /// Starts a member in a cage; its lines.
    fn start(&self, script: &str, gate: Gate) -> Result<Receiver<String>, StartError> {
        let (lines, said) = mpsc::channel();
        let heard = Heard { log: self.log.clone(), lines: Mutex::new(lines) };
        let spec = MemberSpec {
            name: FullName::parse("s/coder").expect("a name"),
            command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            cwd: self.home.path().to_owned(),
            env: vec![("MORE".to_owned(), "of it".to_owned())],
            controller: Controller::Pipe,
            cage: Some(Arc::new(gate)),
        };
        self.agents.start_member(spec, Arc::new(heard)).map(|_| said)
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.agents.stop_all(STOP);
    }
}

/// All lines until the end.
fn all(said: &Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(line) = said.recv_timeout(PATIENCE) {
        lines.push(line);
    }
    lines
}

#[test]
fn a_caged_program_runs_only_once_it_is_let_in_and_what_held_it_goes_before_its_end_is_told() {
    let host = Host::new();
    let said = host.start("echo runs; exit 3", host.gate()).expect("it starts");
    assert_eq!(all(&said), ["runs"]);
    assert_eq!(host.log(), ["built", "enter", "let go", "ended Some(Code(3))"]);
}

#[test]
fn a_program_that_is_not_let_in_never_runs_and_nothing_of_it_is_left() {
    let host = Host::new();
    let refusal = StartError::Sandbox { code: "no_way", reason: "there is no way in".into() };
    let wanted = refusal.clone();
    let enter = |entering: Entering| {
        // Still held by us: that the pipe ends is not what keeps it out.
        std::mem::forget(entering.gate);
        Err(StartError::Sandbox { code: "no_way", reason: "there is no way in".into() })
    };
    let mark = host.home.path().join("ran");
    let script = format!("echo > {}; sleep 100", mark.display());
    let refused = host.start(&script, Gate { enter, ..host.gate() });
    assert_eq!(refused.err(), Some(wanted));
    assert_eq!(host.log(), ["built", "enter"]);
    assert!(!mark.exists() && host.agents.keepers().is_empty());
    assert_eq!(refusal, StartError::Sandbox { code: "no_way", reason: "there is no way in".into() });
}

#[test]
fn a_cage_that_cannot_be_built_starts_nothing() {
    struct None;
    impl Cage for None {
        fn reaches_instance(&self) -> bool {
            false
        }
        fn build(&self, _: Inside<'_>) -> Result<Built, StartError> {
            Err(StartError::Sandbox { code: "not_here", reason: "not here".into() })
        }
    }
    let host = Host::new();
    let spec = MemberSpec {
        name: FullName::parse("s/coder").expect("a name"),
        command: vec!["true".to_owned()],
        cwd: "/".into(),
        env: Vec::new(),
        controller: Controller::Pipe,
        cage: Some(Arc::new(None)),
    };
    let heard = Heard { log: host.log.clone(), lines: Mutex::new(mpsc::channel().0) };
    let refused = host.agents.start_member(spec, Arc::new(heard)).err();
    assert_eq!(refused, Some(StartError::Sandbox { code: "not_here", reason: "not here".into() }));
    assert!(host.agents.keepers().is_empty() && host.log().is_empty());
}

#[test]
fn a_caged_program_has_a_token_only_where_it_can_reach_us_and_nothing_of_the_machine_outside() {
    let ours = ["AGENTMUX_LOCAL_URL", "LOOPGATE_AGENT_TOKEN", "LOOPGATE_URL"];
    for reaches_instance in [true, false] {
        let host = Host::new();
        let said = host.start("env", Gate { reaches_instance, ..host.gate() }).expect("it starts");
        let lines = all(&said);
        let names: Vec<&str> = lines.iter().filter_map(|line| line.split('=').next()).collect();
        for name in ours {
            assert_eq!(names.contains(&name), reaches_instance, "{names:?}");
        }
        assert!(
            lines.contains(&"MORE=of it".to_owned()) && lines.contains(&"LOOPGATE_AGENT=s/coder".to_owned())
        );
        assert!(!names.iter().any(|name| ["HOME", "USER", "SHELL"].contains(name)), "{names:?}");
    }
}

#[test]
fn a_caged_program_in_a_terminal_has_no_controlling_one_yet() {
    let host = Host::new();
    let spec = StartSpec {
        name: AgentId::parse("coder").expect("a name"),
        command: ["/bin/sh", "-c", "[ -t 0 ] && [ -t 1 ] && ! ( : < /dev/tty ) 2> /dev/null && echo none"]
            .map(str::to_owned)
            .into(),
        cwd: "/".into(),
        env: Vec::new(),
        rows: 24,
        cols: 80,
        accept_typed_from: Vec::new(),
        may_type_into: Vec::new(),
        submit: Submit::Once,
        cage: Some(Arc::new(host.gate())),
    };
    let agent = host.agents.start(spec).expect("it starts");
    assert!(agent.wait_done(Instant::now() + PATIENCE));
    let shown = agent.output(None, Duration::ZERO, 100).expect("an output").bytes;
    assert_eq!(String::from_utf8_lossy(&shown).trim(), "none");
    assert_eq!(host.log(), ["built", "enter", "let go"]);
}

#[test]
fn what_root_starts_is_another_user_who_is_shown_his_places_and_no_other_mounts_change() {
    if fs::metadata("/proc/self").map_or(true, |facts| facts.uid() != 0) {
        return skipped("root (to become another user)");
    }
    let host = Host::new();
    // In a directory that is closed to others, as the home of an instance is.
    let place = host.home.path().join("place");
    fs::create_dir(&place).expect("a directory");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::write(place.join("file"), "seen").expect("a file");
    fs::set_permissions(place.join("file"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let staged = |name: &str, directory| {
        let source = host.home.path().join(name).into_os_string().into_encoded_bytes();
        Staged { source: std::ffi::CString::new(source).expect("a path"), directory }
    };
    let user = User { uid: 65_534, gid: 65_533 };
    let places = vec![staged("place", true), staged("place/file", false)];
    let gate = Gate { user: Some((user, places)), ..host.gate() };
    let script =
        "id -u; id -G; cat /tmp/0/file; echo; cat /tmp/1; echo; ls /tmp; grep NoNewPrivs /proc/self/status";
    let lines = all(&host.start(script, gate).expect("it starts"));
    assert_eq!(lines[..6], ["65534", "65533", "seen", "seen", "0", "1"], "{lines:?}");
    assert!(host.home.path().exists(), "our own /tmp is as it was");
    let mut mounts = String::new();
    File::open("/proc/self/mounts").and_then(|mut file| file.read_to_string(&mut mounts)).expect("mounts");
    assert!(!mounts.contains(" /tmp/0 "), "{mounts}");

    let missing = Gate { user: Some((user, vec![staged("none", true)])), ..host.gate() };
    let refused = host.start("true", missing).err();
    assert!(matches!(refused, Some(StartError::Sandbox { code: "sandbox_source", .. })), "{refused:?}");
}
