//! Nothing of an agent's tree is left: after a stop, after `kill -9` of its keeper, and after
//! `kill -9` of the instance.
//!
//! The instance is this test binary, started again as [`host`] and driven over its pipes. What is
//! left is found by a random mark in arguments, environments and the keeper's name, never by pid.

#[allow(unsafe_code)]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::symlink, process::CommandExt},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use loopgate::{
    agent::{Agents, Controller, Exit, Member, MemberSpec, Settings, Sink, StartSpec, Stream, Submit},
    limits,
    sys::{self, clock::SystemClock},
    wire::{id::AgentId, node::FullName},
};
use support::{PATIENCE, TempDir, binary, signal, skipped, until};

const STOP: Duration = Duration::from_millis(limits::STOP_MS);
const SECRET: &str = "a-secret-of-the-instance-0123456789";

/// What is started: a name, how many processes are waited for, and the script. `$H` is a file that
/// grows while a fork chain lives.
const TREES: &[Tree] = &[
    (
        "double fork with setsid",
        6,
        "(setsid sleep 900 & setsid sh -c 'setsid sleep 900 & sleep 900' &); sleep 900",
    ),
    (
        "ignored signals",
        5,
        "trap '' HUP INT QUIT TERM TSTP USR1; (trap '' HUP TERM; sleep 900; sleep 900) & setsid nohup sleep 900 & sleep 900",
    ),
    (
        "stopped processes",
        5,
        "sleep 900 & kill -STOP $!; (setsid sh -c 'kill -STOP $$; sleep 900' &); sleep 900",
    ),
    ("a deep chain", 20, "f() { if [ $1 -gt 0 ]; then (f $(($1 - 1)); sleep 900) & fi; sleep 900; }; f 12"),
    ("a fork loop", 100, "while :; do sleep 900 & done"),
    ("a fork loop in groups of its own", 100, "set -m; while :; do sleep 900 & done"),
    ("a fork loop of sessions", 100, "while :; do setsid sleep 900 & done"),
    (
        "a chain that forks and exits",
        CHAIN,
        "perl -MPOSIX -e 'open(H, \">>\", $ENV{H}); while (1) { exit 0 if fork; syswrite(H, \".\"); }' & sleep 900",
    ),
    (
        "a chain that forks, exits and leaves its session",
        CHAIN,
        "perl -MPOSIX -e 'open(H, \">>\", $ENV{H}); while (1) { exit 0 if fork; POSIX::setsid(); syswrite(H, \".\"); }' & sleep 900",
    ),
    (
        "many chains that fork, exit and leave their sessions",
        CHAIN,
        "for i in 1 2 3 4 5 6 7 8; do perl -MPOSIX -e 'open(H, \">>\", $ENV{H}); while (1) { exit 0 if fork; POSIX::setsid(); syswrite(H, \".\"); }' & done; sleep 900",
    ),
];

/// Of a chain only a few processes exist at any moment: its heartbeat is looked at.
const CHAIN: usize = 0;

type Tree = (&'static str, usize, &'static str);

/// An instance in a process of its own.
struct Host {
    child: Child,
    stdin: ChildStdin,
    answers: mpsc::Receiver<String>,
    home: TempDir,
    mark: String,
}

impl Host {
    fn start() -> Self {
        Self::from_command(Command::new(std::env::current_exe().expect("our own path")))
    }

    fn from_command(mut command: Command) -> Self {
        let home = TempDir::new();
        let mut random = [0; 5];
        getrandom::fill(&mut random).expect("randomness");
        // A name of at most 15 bytes, as the kernel keeps it of a process.
        let mark = format!("lgm{:010x}", random.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte)));
        let program = home.path().join(&mark);
        symlink(binary(), &program).expect("a link");
        let mut child = command
            .args(["--exact", "host", "--nocapture", "--test-threads=1"])
            .env("LOOPGATE_TEST_HOST", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a host");
        let stdin = child.stdin.take().expect("stdin");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let (send, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test harness prints lines of its own, and does not end all of them.
                if let Some((_, answer)) = line.split_once('@') {
                    let _ = send.send(answer.to_owned());
                }
            }
        });
        let mut host = Self { child, stdin, answers, home, mark };
        assert_eq!(host.ask(&format!("program {}", program.display())), "ok");
        host
    }

    #[track_caller]
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("the host reads");
        self.answers.recv_timeout(PATIENCE).expect("the host answers")
    }

    /// Starts an agent with the mark; its pid and its keeper's.
    #[track_caller]
    fn agent(&mut self, name: &str, script: &str) -> (u32, u32) {
        self.start_by("start", name, script)
    }

    /// The same as an agent of a swarm with three pipes.
    #[track_caller]
    fn member(&mut self, name: &str, script: &str) -> (u32, u32) {
        self.start_by("pipe", name, script)
    }

    #[track_caller]
    fn start_by(&mut self, verb: &str, name: &str, script: &str) -> (u32, u32) {
        let home = self.home.path().display();
        let answer = self.ask(&format!("{verb} {name} {} {home} {script}", self.mark));
        let mut pids = answer.split(' ').map(|pid| pid.parse().unwrap_or_else(|_| panic!("{answer}")));
        (pids.next().unwrap(), pids.next().unwrap())
    }

    /// Starts a tree, and waits until it is one.
    #[track_caller]
    fn tree(&mut self, name: &str, tree: &Tree) -> (u32, u32) {
        self.tree_by("start", name, tree)
    }

    #[track_caller]
    fn tree_by(&mut self, verb: &str, name: &str, (_, least, script): &Tree) -> (u32, u32) {
        let before = leftovers(&self.mark).len();
        let pids = self.start_by(verb, name, script);
        let chain = *least == CHAIN;
        let grown = |host: &Self| {
            if chain { host.heartbeat() > 100 } else { leftovers(&host.mark).len() >= before + least }
        };
        until("the tree grows", || grown(self).then_some(()));
        pids
    }

    fn heartbeat(&self) -> u64 {
        fs::metadata(self.home.path().join("heartbeat")).map_or(0, |file| file.len())
    }

    /// Nothing is left, and nothing moves any more.
    #[track_caller]
    fn nothing_is_left(&self, what: &str) {
        for _ in 0..10 {
            let left = leftovers(&self.mark);
            assert!(left.is_empty(), "{what}: left are {left:?}");
        }
        let (pulse, later) = (self.heartbeat(), Instant::now() + Duration::from_millis(30));
        until("a moment", || (Instant::now() > later).then_some(()));
        assert_eq!(self.heartbeat(), pulse, "{what}: something still runs");
        let _ = fs::remove_file(self.home.path().join("heartbeat"));
    }

    /// As [`Host::nothing_is_left`], but waits for it.
    #[track_caller]
    fn all_goes(&self, what: &str) -> Duration {
        let begin = Instant::now();
        until(what, || (0..3).all(|_| leftovers(&self.mark).is_empty()).then_some(()));
        let took = begin.elapsed();
        self.nothing_is_left(what);
        took
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A failed test must not leave a fork loop behind.
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let left = leftovers(&self.mark);
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|(pid, _)| signal(*pid, libc::SIGKILL));
        }
    }
}

/// Living processes that carry the mark, with their command lines.
fn leftovers(mark: &str) -> Vec<(u32, String)> {
    let carries = |pid: u32| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
        let cmdline = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let marked = [read("comm"), read("environ"), cmdline.clone().into_bytes()]
            .iter()
            .any(|text| text.windows(mark.len()).any(|window| window == mark.as_bytes()));
        (marked && !matches!(state, 'Z' | 'X')).then_some((pid, cmdline))
    };
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(carries).collect()
}

fn trees() -> impl Iterator<Item = &'static Tree> {
    let has =
        |program: &str| Command::new(program).arg("-e").arg("1").output().is_ok_and(|o| o.status.success());
    let perl = has("perl");
    if !perl {
        skipped("perl");
    }
    TREES.iter().filter(move |(_, _, script)| perl || !script.contains("perl"))
}

#[test]
fn stop_leaves_nothing_of_the_tree() {
    let mut host = Host::start();
    for tree @ (what, ..) in trees() {
        host.tree("x", tree);
        let begin = Instant::now();
        assert_eq!(host.ask("stop x"), "Done", "{what}");
        let took = begin.elapsed();
        host.nothing_is_left(what);
        assert!(took <= Duration::from_millis(limits::STOP_MS), "{what}: {took:?}");
        println!("stop, {what}: {took:?}");
    }
}

#[test]
fn stop_leaves_nothing_of_a_members_tree() {
    let mut host = Host::start();
    for tree @ (what, ..) in trees() {
        host.tree_by("pipe", "x", tree);
        let begin = Instant::now();
        assert_eq!(host.ask("stop x"), "Done", "{what}");
        let took = begin.elapsed();
        host.nothing_is_left(what);
        assert!(took <= Duration::from_millis(limits::STOP_MS), "{what}: {took:?}");
    }
}

#[test]
fn kill_9_of_keeper_or_instance_leaves_nothing_of_a_members_tree() {
    let mut host = Host::start();
    for tree @ (what, ..) in trees().take(5) {
        let (_, keeper) = host.tree_by("pipe", "x", tree);
        signal(keeper, libc::SIGKILL);
        assert_eq!(host.ask("wait x"), "Done None", "{what}");
        host.nothing_is_left(what);
    }
    host.member("quiet", "sleep 900");
    host.member("deaf", "exec <&- >&- 2>&-; setsid sleep 900 & sleep 900");
    signal(host.child.id(), libc::SIGKILL);
    host.all_goes("kill -9 of the instance");
}

#[test]
fn a_held_tree_of_a_member_is_ended_by_kill_9_of_the_instance_too() {
    let mut host = Host::start();
    let tree @ (what, ..) = &TREES[0];
    host.tree_by("pipe", "x", tree);
    assert_eq!(host.ask("freeze x"), "true");
    signal(host.child.id(), libc::SIGKILL);
    host.all_goes(what);
}

#[test]
fn a_killed_keeper_leaves_nothing_of_the_tree() {
    let mut host = Host::start();
    for tree @ (what, ..) in trees() {
        let (_, keeper) = host.tree("x", tree);
        signal(keeper, libc::SIGKILL);
        assert_eq!(host.ask("wait x"), "Done None", "{what}");
        host.nothing_is_left(what);
        assert_eq!(host.ask("children"), "0", "{what}: the instance reaps what it killed");
    }
}

#[test]
fn a_killed_instance_leaves_nothing_of_any_tree() {
    for tree @ (what, ..) in trees() {
        let mut host = Host::start();
        host.agent("quiet", "sleep 900");
        host.tree("x", tree);
        signal(host.child.id(), libc::SIGKILL);
        let took = host.all_goes(what);
        println!("kill -9 of the instance, {what}: {took:?}");
    }
}

#[test]
fn a_command_that_ends_takes_its_tree_with_it() {
    let mut host = Host::start();
    host.agent("x", "setsid sleep 900 & (setsid sh -c 'setsid sleep 900 & sleep 900' &); exit 3");
    assert_eq!(host.ask("wait x"), "Done Some(Code(3))");
    host.nothing_is_left("daemons");
}

#[test]
fn a_terminated_keeper_ends_its_tree_and_no_other() {
    let mut host = Host::start();
    host.agent("other", "echo; sleep 900");
    let (_, keeper) = host.agent("x", "setsid sleep 900 & sleep 900");
    signal(keeper, libc::SIGTERM);
    assert_eq!(host.ask("wait x"), "Done Some(Signal(9))");
    assert_eq!(host.ask("stop other"), "Done");
    host.nothing_is_left("both");
}

#[test]
fn a_keeper_that_was_stopped_cannot_hold_up_a_stop() {
    let mut host = Host::start();
    let (_, keeper) = host.agent("x", "setsid sleep 900 & sleep 900");
    signal(keeper, libc::SIGSTOP);
    let begin = Instant::now();
    assert_eq!(host.ask("stop x"), "Done");
    assert!(begin.elapsed() <= Duration::from_millis(limits::STOP_MS));
    host.nothing_is_left("a stopped keeper");
}

#[test]
fn a_killed_keeper_ends_its_own_tree_and_no_other() {
    let mut host = Host::start();
    let (other, _) = host.agent("other", "sleep 900");
    let (_, keeper) = host.agent("x", "setsid sleep 900 & sleep 900");
    signal(keeper, libc::SIGKILL);
    assert_eq!(host.ask("wait x"), "Done None");
    let left = leftovers(&host.mark);
    assert!(left.iter().any(|(pid, _)| *pid == other), "{left:?}");
    assert_eq!(host.ask("stop other"), "Done");
    host.nothing_is_left("both");
}

#[test]
fn the_end_of_the_instance_ends_all_agents() {
    let mut host = Host::start();
    for name in ["a", "b", "c"] {
        host.agent(name, "setsid sleep 900 & sleep 900");
        host.member(&format!("{name}-of-s"), "setsid sleep 900 & sleep 900");
    }
    assert_eq!(host.ask("stop_all"), "0");
    host.nothing_is_left("six agents");
    assert!(host.ask(&format!("start d {} / true", host.mark)).contains("stopping"));
}

#[test]
fn the_instances_secrets_are_in_nothing_that_an_agent_can_see() {
    let secret = TempDir::new();
    let file = secret.path().join("inherited");
    fs::write(&file, SECRET).expect("a file");
    // A descriptor that the instance's own parent left open, and secrets in its environment.
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg("exec 7<\"$0\"; exec \"$@\"")
        .arg(&file)
        .arg(std::env::current_exe().unwrap())
        .arg0("sh");
    for name in [
        "AGENTMUX_AUTH_KEY",
        "GENSWARMS_API_TOKEN",
        "GENSWARMS_CONFIG_API_TOKEN",
        "LOOPGATE_LLM_API_KEY",
        "SUBZEROCLAW_API_KEY",
        "OTHER",
    ] {
        command.env(name, SECRET);
    }
    let mut host = Host::from_command(command);
    assert_eq!(host.ask("take AGENTMUX_AUTH_KEY"), SECRET);
    assert_eq!(host.ask("take AGENTMUX_AUTH_KEY"), "none");
    let own = fs::read(format!("/proc/{}/environ", host.child.id())).expect("a dumpable host");
    let taken = format!("AGENTMUX_AUTH_KEY={}", "\0".repeat(SECRET.len()));
    let find = |text: &[u8]| own.windows(text.len()).any(|window| window == text);
    assert!(find(taken.as_bytes()), "overwritten where it lay");
    assert!(find(format!("GENSWARMS_API_TOKEN={SECRET}").as_bytes()), "the others were not asked for");

    let (agent, keeper) = host.agent("x", "sleep 900");
    let (member, its_keeper) = host.member("y", "sleep 900");
    for (pid, keeper) in [(agent, keeper), (keeper, keeper), (member, its_keeper), (its_keeper, its_keeper)] {
        for what in ["environ", "cmdline"] {
            match fs::read(format!("/proc/{pid}/{what}")) {
                Ok(text) => assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{what} of {pid}"),
                // A keeper is not dumpable: an ordinary user cannot look at all.
                Err(e) => assert_eq!((e.kind(), pid), (io::ErrorKind::PermissionDenied, keeper)),
            }
        }
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            assert_eq!(pid, keeper);
            continue;
        };
        for fd in descriptors {
            let to: PathBuf = fs::read_link(fd.unwrap().path()).unwrap_or_default();
            assert_ne!(to, file, "{pid}");
        }
    }
    for keeper in [keeper, its_keeper] {
        let token = fs::read(format!("/proc/{keeper}/environ")).map_or(true, |environ| environ.is_empty());
        assert!(token, "a keeper has no environment");
    }
}

/// The instance of these tests: not a test, unless asked to be.
#[test]
fn host() {
    if std::env::var_os("LOOPGATE_TEST_HOST").is_none() {
        return;
    }
    let say = |answer: &str| {
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "@{answer}");
        let _ = stdout.flush();
    };
    sys::process::become_subreaper().expect("a subreaper");
    let mut agents: Option<Arc<Agents>> = None;
    let mut members: BTreeMap<String, (Arc<Member>, Arc<Heard>)> = BTreeMap::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let name = AgentId::parse(rest);
        let answer = match (verb, &agents, name) {
            ("take", ..) => sys::env::take_secret(rest)
                .map_or("none".to_owned(), |secret| String::from_utf8_lossy(&secret).into_owned()),
            ("program", ..) => {
                let settings =
                    Settings { program: rest.into(), ..Settings::new("http://127.0.0.1:1".to_owned(), 1024) };
                agents = Agents::new(Arc::new(SystemClock), settings).ok();
                "ok".to_owned()
            }
            ("start", Some(agents), _) => match agents.start(spec(rest)) {
                Ok(agent) => format!("{} {}", agent.record().pid, agent.keeper_pid()),
                Err(e) => format!("{e:?}"),
            },
            ("pipe", Some(agents), _) => {
                let heard = Arc::new(Heard::default());
                let spec = spec(rest);
                let started = agents.start_member(member_spec(&spec), heard.clone());
                match started {
                    Ok(member) => {
                        let pids = format!("{} {}", member.pid(), member.keeper_pid());
                        members.insert(spec.name.to_string(), (member, heard));
                        pids
                    }
                    Err(e) => format!("{e:?}"),
                }
            }
            ("freeze", ..) => members.get(rest).is_some_and(|(member, _)| member.freeze()).to_string(),
            ("stop", Some(agents), _) if members.contains_key(rest) => {
                let member = &members[rest].0;
                let gone = agents.end_members(std::slice::from_ref(member), STOP);
                (if gone { "Done" } else { "StillThere" }).to_owned()
            }
            ("wait", ..) if members.contains_key(rest) => {
                let heard = &members[rest].1;
                let exit = until("the member's end", || *heard.0.lock().expect("no panic"));
                format!("Done {exit:?}")
            }
            ("stop", Some(agents), Ok(name)) => match agents.stop(&name) {
                Ok(record) => format!("{:?}", record.state),
                Err(e) => format!("{e:?}"),
            },
            ("wait", Some(agents), Ok(name)) => {
                agents.get(name.as_str()).map_or("none".to_owned(), |agent| {
                    agent.wait_done(Instant::now() + PATIENCE);
                    let record = agent.record();
                    format!("{:?} {:?}", record.state, record.exit)
                })
            }
            ("stop_all", Some(agents), _) => {
                agents.stop_all(STOP);
                agents.keepers().len().to_string()
            }
            ("children", ..) => {
                sys::proc::children(std::process::id()).map_or(0, |all| all.len()).to_string()
            }
            _ => format!("not understood: {line}"),
        };
        say(&answer);
    }
}

/// `<name> <mark> <home> <script>`
fn spec(line: &str) -> StartSpec {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (name, mark, home, script) = (word(), word(), word(), word());
    StartSpec {
        name: AgentId::parse(&name).expect("an id"),
        command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script, mark.clone()],
        env: vec![("MARK".to_owned(), mark), ("H".to_owned(), format!("{home}/heartbeat"))],
        cwd: home.into(),
        rows: 24,
        cols: 80,
        accept_typed_from: Vec::new(),
        may_type_into: Vec::new(),
        submit: Submit::Once,
        cage: None,
    }
}

/// The same as an agent of a swarm.
fn member_spec(spec: &StartSpec) -> MemberSpec {
    MemberSpec {
        name: FullName::parse(&format!("s/{}", spec.name)).expect("a name"),
        command: spec.command.clone(),
        cwd: spec.cwd.clone(),
        env: spec.env.clone(),
        controller: Controller::Pipe,
        cage: None,
    }
}

/// Hears how a member ended.
#[derive(Default)]
struct Heard(Mutex<Option<Option<Exit>>>);

impl Sink for Heard {
    fn line(&self, _: Stream, _: &[u8], _: bool) {}

    fn quiet(&self) {}

    fn ended(&self, exit: Option<Exit>) {
        *self.0.lock().expect("no panic") = Some(exit);
    }
}
