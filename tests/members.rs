//! Agents of swarms as real processes: what they are given, what is said to them and by them, and how
//! they end.

#[allow(unsafe_code)]
mod support;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::fd::AsRawFd,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use loopgate::{
    agent::{
        Agents, Controller, Delivery, Exit, Full, Holder, Member, MemberSpec, Settings, Sink, StartError,
        StartSpec, State, Stream, Submit, protocol,
    },
    api::Fleet,
    limits,
    sys::clock::SystemClock,
    wire::{id::AgentId, node::FullName},
};
use support::{PATIENCE, TempDir, binary, until};

const URL: &str = "http://127.0.0.1:4711";
const STOP: Duration = Duration::from_millis(limits::STOP_MS);
const TERMINAL: Controller = Controller::Pty { rows: 24, cols: 80, submit: Submit::Once };

/// The agents of one test, ended with it.
struct Host {
    agents: Arc<Agents>,
    home: TempDir,
}

impl Host {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { program: binary(), ..Settings::new(URL.to_owned(), 1000) };
        change(&mut settings);
        let agents = Agents::new(Arc::new(SystemClock), settings).expect("a spawner");
        Self { agents, home: TempDir::new() }
    }

    fn spec(&self, script: &str) -> MemberSpec {
        MemberSpec {
            name: name("s/coder"),
            command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            cwd: self.home.path().to_owned(),
            env: Vec::new(),
            controller: Controller::Pipe,
            cage: None,
        }
    }

    fn start(&self, script: &str) -> (Arc<Member>, Arc<Heard>) {
        self.start_as(self.spec(script))
    }

    fn start_as(&self, spec: MemberSpec) -> (Arc<Member>, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        (self.agents.start_member(spec, heard.clone()).expect("it starts"), heard)
    }

    /// Runs a script to its end: all it printed.
    fn run(&self, script: &str) -> Vec<Said> {
        self.start(script).1.all().0
    }

    #[track_caller]
    fn end(&self, member: &Arc<Member>) {
        let begin = Instant::now();
        assert!(self.agents.end_members(std::slice::from_ref(member), STOP), "its tree is gone");
        assert!(begin.elapsed() <= STOP, "{:?}", begin.elapsed());
        assert!(!member.is_running());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.agents.stop_all(STOP);
    }
}

fn name(text: &str) -> FullName {
    FullName::parse(text).expect("a name")
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    stream: Stream,
    line: String,
    cut: bool,
}

fn out(line: &str) -> Said {
    Said { stream: Stream::Out, line: line.to_owned(), cut: false }
}

fn err(line: &str) -> Said {
    Said { stream: Stream::Err, line: line.to_owned(), cut: false }
}

/// Hears a member, keeps what it says, and checks what every sink may rely on.
#[derive(Default)]
struct Heard {
    now: Mutex<Now>,
    changed: Condvar,
    /// so many lines are counted only
    flood: bool,
}

#[derive(Default)]
struct Now {
    said: Vec<Said>,
    lines: u64,
    quiet: u64,
    thread: Option<std::thread::ThreadId>,
    ended: Option<Option<Exit>>,
}

impl Heard {
    fn flood() -> Arc<Self> {
        Arc::new(Self { flood: true, ..Self::default() })
    }

    fn hear(&self, what: impl FnOnce(&mut Now)) {
        let mut now = self.now.lock().expect("no panic");
        assert!(now.ended.is_none(), "nothing comes behind the end");
        let here = std::thread::current().id();
        assert_eq!(*now.thread.get_or_insert(here), here, "all from one thread");
        what(&mut now);
        self.changed.notify_all();
    }

    #[track_caller]
    fn when<T>(&self, what: &str, mut probe: impl FnMut(&Now) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut now = self.now.lock().expect("no panic");
        loop {
            if let Some(found) = probe(&now) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {:?}", now.said);
            now = self.changed.wait_timeout(now, left).expect("no panic").0;
        }
    }

    /// Waits for a line of standard output.
    #[track_caller]
    fn line(&self, line: &str) {
        self.when(line, |now| now.said.contains(&out(line)).then_some(()));
    }

    /// Waits for the end: all that was said, and how it ended.
    #[track_caller]
    fn all(&self) -> (Vec<Said>, Option<Exit>) {
        self.when("the end", |now| now.ended.map(|exit| (now.said.clone(), exit)))
    }
}

impl Sink for Heard {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        let line = String::from_utf8_lossy(line).into_owned();
        self.hear(|now| {
            now.lines += 1;
            if !self.flood {
                now.said.push(Said { stream, line, cut });
            }
        });
    }

    fn quiet(&self) {
        self.hear(|now| now.quiet += 1);
    }

    fn ended(&self, exit: Option<Exit>) {
        self.hear(|now| now.ended = Some(exit));
    }
}

/// The value of `name` in lines of `name=value`.
#[track_caller]
fn fact<'t>(said: &'t [Said], name: &str) -> &'t str {
    let found = said.iter().find_map(|said| said.line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {said:?}"))
}

// What a member is given.

#[test]
fn a_member_has_three_pipes_a_session_of_its_own_and_nothing_else() {
    let host = Host::new();
    // A descriptor that is not marked close-on-exec, as a careless library would leave it.
    let leaked = fs::File::open("/dev/zero").expect("a file");
    // SAFETY: clears a flag of a descriptor that this test owns.
    assert_eq!(unsafe { libc::fcntl(leaked.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let (member, heard) = host.start(
        "read pid comm state ppid pgrp session tty rest < /proc/$$/stat
         echo pid=$pid; echo group=$pgrp; echo session=$session; echo tty=$tty; echo parent=$ppid
         while read name value; do case $name in Sig*|Shd*) echo $name=$value;; esac; done < /proc/$$/status
         echo umask=$(umask); echo files=$(ulimit -S -n); echo core=$(ulimit -c); echo cwd=$(pwd)
         (: > /dev/tty) && echo controlling terminal; echo to the log > /dev/stderr
         echo through a name > /dev/stdout; echo ready; read x",
    );
    heard.line("ready");
    let pid = member.pid();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let descriptors: Vec<_> = descriptors.map(|fd| fs::read_link(fd.unwrap().path()).unwrap()).collect();
    assert_eq!(descriptors.len(), 3, "{descriptors:?}");
    let is_pipe = |fd: &PathBuf| fd.to_str().is_some_and(|fd| fd.starts_with("pipe:"));
    assert!(descriptors.iter().all(is_pipe), "{descriptors:?}");
    // Only the agent has its ends: a pipe ends where it lets go of it.
    let keeper = fs::read_dir(format!("/proc/{}/fd", member.keeper_pid()));
    for fd in keeper.into_iter().flatten().flatten() {
        assert!(!is_pipe(&fs::read_link(fd.path()).unwrap_or_default()), "the keeper has kept {fd:?}");
    }
    assert_eq!(member.say(b"go".to_vec()), Ok(()));
    let (said, exit) = heard.all();
    assert_eq!(exit, Some(Exit::Code(0)));
    for what in ["pid", "group", "session"] {
        assert_eq!(fact(&said, what), pid.to_string());
    }
    assert_eq!(fact(&said, "parent"), member.keeper_pid().to_string());
    assert_eq!(fact(&said, "tty"), "0");
    assert!(!said.contains(&out("controlling terminal")));
    assert!(said.contains(&err("to the log")) && said.contains(&out("through a name")), "{said:?}");
    for set in ["SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:"] {
        assert_eq!(fact(&said, set).trim_start_matches('0'), "", "{set} {said:?}");
    }
    assert_eq!(fact(&said, "umask"), "0077");
    assert_eq!(fact(&said, "files"), "1000");
    assert_eq!(fact(&said, "core"), "0");
    assert_eq!(PathBuf::from(fact(&said, "cwd")), host.home.path().canonicalize().unwrap());
}

/// Also of a line that has no end, and of the log.
#[test]
fn a_members_token_is_in_none_of_its_lines() {
    let host = Host::new();
    let script = "echo \"a $LOOPGATE_AGENT_TOKEN b\"; echo \"$LOOPGATE_AGENT_TOKEN\" >&2; \
                  printf 'last %s' \"$LOOPGATE_AGENT_TOKEN\"";
    let mut said = host.run(script);
    said.sort_by(|one, other| one.line.cmp(&other.line));
    assert_eq!(said, [err("[agent token]"), out("a [agent token] b"), out("last [agent token]")]);
}

#[test]
fn a_members_environment_is_set_and_cannot_replace_what_is_ours() {
    let host = Host::new();
    let mut spec = host.spec("env");
    let pairs = [("OUTBOX_DIR", "/seed"), ("PASSED", "by name"), ("OUTBOX_DIR", "/ours"), ("TERM", "seed")];
    spec.env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let (said, _) = host.start_as(spec).1.all();
    assert_eq!(fact(&said, "PASSED"), "by name");
    assert_eq!(fact(&said, "OUTBOX_DIR"), "/ours", "the later of two counts");
    assert_eq!(fact(&said, "TERM"), "seed");
    assert_eq!(fact(&said, "LOOPGATE_AGENT"), "s/coder");
    assert_eq!(fact(&said, "LOOPGATE_AGENT_TOKEN"), "[agent token]");
    assert_eq!(fact(&said, "LOOPGATE_URL"), URL);
    assert_eq!(fact(&said, "AGENTMUX_LOCAL_URL"), URL);
    let known = "PASSED OUTBOX_DIR TERM LOOPGATE_AGENT LOOPGATE_AGENT_TOKEN LOOPGATE_URL AGENTMUX_LOCAL_URL PATH \
                 HOME LANG TZ SHELL USER PWD OLDPWD SHLVL _";
    for said in &said {
        let name = said.line.split('=').next().unwrap_or_default();
        let passes = known.split_whitespace().any(|known| known == name) || name.starts_with("LC_");
        assert!(passes, "{said:?} is not for an agent");
    }
    for name in ["LOOPGATE_AGENT", "LOOPGATE_AGENT_TOKEN", "AGENTMUX_AUTH_KEY", "GENSWARMS_API_TOKEN", ""] {
        let mut spec = host.spec("env");
        spec.env = vec![(name.to_owned(), "x".to_owned())];
        let refused = host.agents.start_member(spec, Heard::flood()).err();
        assert_eq!(refused, Some(StartError::OutOfBounds("env")), "{name:?}");
    }
}

#[test]
fn a_member_that_cannot_be_started_leaves_nothing() {
    let host = Host::new();
    let start = |change: &dyn Fn(&mut MemberSpec)| {
        let mut spec = host.spec("true");
        change(&mut spec);
        host.agents.start_member(spec, Arc::new(Heard::default())).err()
    };
    let reason = "there is no such program, or not the one that it is a script of";
    let missing = start(&|spec| spec.command = vec!["/no/such/program".to_owned()]);
    assert_eq!(missing, Some(StartError::NoSuchCommand { reason }));
    let cwd = host.home.path().join("missing");
    assert_eq!(start(&|spec| spec.cwd = cwd.clone()), Some(StartError::NoSuchDirectory));
    assert_eq!(start(&|spec| spec.command.clear()), Some(StartError::OutOfBounds("command")));
    let screen = Controller::Pty { rows: 1, cols: 80, submit: Submit::Once };
    assert_eq!(start(&|spec| spec.controller = screen), Some(StartError::OutOfBounds("rows")));
    assert!(host.agents.keepers().is_empty());
}

#[test]
fn all_agents_are_counted_together_and_members_are_in_no_list() {
    let host = Host::with(|settings| settings.most = 2);
    let loose = StartSpec {
        name: AgentId::parse("coder").unwrap(),
        command: ["/bin/sh", "-c", "read x"].map(str::to_owned).into(),
        cwd: "/".into(),
        env: Vec::new(),
        rows: 24,
        cols: 80,
        accept_typed_from: Vec::new(),
        may_type_into: Vec::new(),
        submit: Submit::Once,
        cage: None,
    };
    let alone = host.agents.start(loose.clone()).expect("it starts");
    let (member, heard) = host.start("read x");
    let over = |host: &Host| host.agents.start_member(host.spec("true"), Heard::flood()).err();
    assert_eq!(over(&host), Some(StartError::Limit { most: 2 }));
    let other = StartSpec { name: AgentId::parse("other").unwrap(), ..loose };
    assert_eq!(host.agents.start(other.clone()).err(), Some(StartError::Limit { most: 2 }));
    let names: Vec<_> = host.agents.list().iter().map(|agent| agent.name().to_string()).collect();
    assert_eq!(names, ["coder"]);
    let mut keepers = host.agents.keepers();
    keepers.sort();
    let coder = Holder::Loose(alone.name().clone());
    let mut wanted = [(alone.keeper_pid(), coder), (member.keeper_pid(), Holder::Member(name("s/coder")))];
    wanted.sort();
    assert_eq!(keepers, wanted);
    host.end(&member);
    heard.all();
    assert!(host.agents.start(other).is_ok());
    assert_eq!(over(&host), Some(StartError::Limit { most: 2 }));
    host.agents.stop_all(STOP);
    assert_eq!(over(&host), Some(StartError::Failed("stopping")));
    assert!(host.agents.keepers().is_empty());
}

#[test]
fn a_members_token_is_its_own_and_void_when_it_is_done() {
    let host = Host::new();
    let (member, heard) =
        host.start("printf %s $LOOPGATE_AGENT_TOKEN > token.new; mv token.new token; read x");
    let file = host.home.path().join("token");
    let token = until("the token's file", || fs::read(&file).ok());
    assert_eq!(host.agents.holder_of_token(&token), Some(Holder::Member(name("s/coder"))));
    assert_eq!(host.agents.holder_of_token(&token[..67]), None);
    assert_eq!(member.say(Vec::new()), Ok(()));
    heard.all();
    assert_eq!(host.agents.holder_of_token(&token), None);
}

// What is said.

#[test]
fn lines_go_both_ways_in_order() {
    let host = Host::new();
    let (member, heard) =
        host.start("while read -r line; do printf 'got %s\\n' \"$line\"; echo log >&2; done; echo over");
    for at in 0..20 {
        assert_eq!(member.say(format!("line {at}\nof one").into_bytes()), Ok(()));
        heard.line(&format!("got line {at} of one"));
    }
    assert_eq!(member.say(protocol::task("say\nthis")), Ok(()));
    member.close_input();
    assert_eq!(member.say(b"late".to_vec()), Err(Full));
    let (said, exit) = heard.all();
    let of = |stream| said.iter().filter(move |said| said.stream == stream).count();
    assert_eq!((of(Stream::Out), of(Stream::Err)), (22, 21));
    assert_eq!(said.iter().rfind(|said| said.stream == Stream::Out), Some(&out("over")));
    assert!(said.iter().any(|said| said.line.starts_with("got {\"content\":\"say\\nthis\"")));
    assert_eq!(exit, Some(Exit::Code(0)));
    assert_eq!(member.say(b"later".to_vec()), Err(Full));
}

#[test]
fn a_member_that_never_reads_refuses_and_costs_nobody_else() {
    let host = Host::new();
    let (deaf, heard) = host.start("echo up; exec sleep 900");
    heard.line("up");
    // More than a pipe holds is queued, and no more.
    let big = vec![b'x'; 1024 * 1024];
    let said = (0..1000).take_while(|_| deaf.say(big.clone()).is_ok()).count();
    assert!((7..=limits::SAY_QUEUE).contains(&said), "{said}");
    assert_eq!(deaf.say(big), Err(Full));
    let small = (0..1000).take_while(|_| deaf.say(b"x".to_vec()).is_ok()).count();
    assert!(small <= limits::SAY_QUEUE, "{small}");
    let (other, heard) = host.start("read x; echo $x");
    assert_eq!(other.say(b"hello".to_vec()), Ok(()));
    heard.line("hello");
    host.end(&deaf);
}

#[test]
fn a_member_that_has_closed_its_input_takes_nothing_and_is_heard_on() {
    let host = Host::new();
    let (member, heard) = host.start("exec <&-; echo closed; sleep 900 & wait");
    heard.line("closed");
    until("the refusal", || member.say(b"x".to_vec()).is_err().then_some(()));
    assert!(member.is_running());
    host.end(&member);
}

#[test]
fn a_flood_of_output_holds_up_neither_what_is_said_nor_the_end() {
    let host = Host::new();
    let heard = Heard::flood();
    let script = "yes to all & yes to all >&2 & while read -r line; do echo $line > heard; done";
    let member = host.agents.start_member(host.spec(script), heard.clone()).expect("it starts");
    let file = host.home.path().join("heard");
    for at in 0..10 {
        assert_eq!(member.say(at.to_string().into_bytes()), Ok(()));
        let wanted = format!("{at}\n");
        until("what was said", || (fs::read_to_string(&file).ok()? == wanted).then_some(()));
    }
    host.end(&member);
    assert!(heard.when("the end", |now| now.ended.map(|_| now.lines)) > 0);
}

#[test]
fn a_slow_listener_slows_the_program_and_loses_nothing() {
    struct Slow(Heard, Mutex<()>);
    impl Sink for Slow {
        fn line(&self, stream: Stream, line: &[u8], cut: bool) {
            drop(self.1.lock());
            Sink::line(&self.0, stream, line, cut);
        }
        fn quiet(&self) {}
        fn ended(&self, exit: Option<Exit>) {
            self.0.ended(exit);
        }
    }
    let host = Host::new();
    let slow = Arc::new(Slow(Heard::default(), Mutex::new(())));
    let held = slow.1.lock().expect("no panic");
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789 $i; i=$((i+1)); done; : > done";
    let member = host.agents.start_member(host.spec(script), slow.clone()).expect("it starts");
    // Blocked in a write: it waits for us, and all that it wrote before waits in the pipe.
    let waits = || fs::read_to_string(format!("/proc/{}/wchan", member.pid())).unwrap_or_default();
    let asleep = || fs::read_to_string(format!("/proc/{}/stat", member.pid())).unwrap_or_default();
    until("a program that waits", || (waits().contains("pipe") || asleep().contains(") S ")).then_some(()));
    assert!(!host.home.path().join("done").exists());
    drop(held);
    let (said, exit) = slow.0.all();
    assert_eq!((said.len(), exit), (20_000, Some(Exit::Code(0))));
    assert_eq!(said.last(), Some(&out("0123456789 19999")));
}

#[test]
fn a_line_of_ten_mebibytes_is_cut_and_the_next_is_whole() {
    let host = Host::new();
    let said = host.run("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo next");
    let lengths: Vec<_> = said.iter().map(|said| (said.line.len(), said.cut)).collect();
    assert_eq!(lengths, [(limits::AGENT_LINE, true), (4, false)]);
}

#[test]
fn output_without_a_newline_is_heard_at_its_end() {
    let host = Host::new();
    assert_eq!(host.run("printf 'no newline'"), [out("no newline")]);
    assert_eq!(host.run("printf err >&2"), [err("err")]);
    // The stream has ended, the program has not.
    let (member, heard) = host.start("printf half; exec >&-; read x; printf more >&2");
    heard.line("half");
    assert!(member.is_running());
    assert_eq!(member.say(Vec::new()), Ok(()));
    assert_eq!(heard.all().0, [out("half"), err("more")]);
}

#[test]
fn no_output_is_lost_when_a_program_ends_at_once() {
    let host = Host::new();
    for _ in 0..20 {
        let said = host.run("i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; echo last >&2");
        assert_eq!(said.len(), 301);
        assert!(said.contains(&err("last")) && said.contains(&out("299")));
    }
}

#[test]
fn a_member_that_closes_its_output_lives_on_and_costs_no_time() {
    let host = Host::new();
    let (member, heard) = host.start("exec >&- 2>&-; while read line; do echo $line > heard; done");
    for at in 0..5 {
        assert_eq!(member.say(at.to_string().into_bytes()), Ok(()));
        let wanted = format!("{at}\n");
        let file = host.home.path().join("heard");
        until("what was said", || (fs::read_to_string(&file).ok()? == wanted).then_some(()));
    }
    let thread = fs::read_dir("/proc/self/task").expect("our threads").flatten().map(|task| task.path());
    let thread = thread.filter(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "pipe-coder")
    });
    // Asleep, and not in a loop over streams that are always ready: other tests' threads are, too.
    let sleeps =
        |task: &PathBuf| fs::read_to_string(task.join("stat")).is_ok_and(|stat| stat.contains(") S "));
    let threads: Vec<_> = thread.collect();
    until("a thread that waits", || threads.iter().any(sleeps).then_some(()));
    member.close_input();
    assert_eq!(heard.all(), (Vec::new(), Some(Exit::Code(0))));
}

// How it ends.

#[test]
fn a_child_that_holds_the_pipe_does_not_outlive_the_command() {
    let host = Host::new();
    let (said, exit) = host.start("setsid sh -c 'trap \"\" HUP TERM; sleep 900' & echo gone; exit 7").1.all();
    assert_eq!((said, exit), (vec![out("gone")], Some(Exit::Code(7))));
}

#[test]
fn a_descriptor_that_was_passed_out_of_the_tree_keeps_nobody() {
    let host = Host::new();
    let heard = Heard::flood();
    let member = host.agents.start_member(host.spec("echo up; sleep 900"), heard.clone()).expect("it starts");
    heard.when("a line", |now| (now.lines > 0).then_some(()));
    let path = format!("/proc/{}/fd/1", member.pid());
    let mut kept = OpenOptions::new().append(true).open(path).expect("our own agent's pipe");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let line = [&[b'x'; 4095][..], b"\n"].concat();
    let writer = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) && kept.write_all(&line).is_ok() {}
    });
    host.end(&member);
    heard.when("the end", |now| now.ended);
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.join().expect("the pipe is closed");
}

#[test]
fn many_members_are_told_to_end_at_once_and_their_sinks_hear_it_once() {
    let host = Host::new();
    let members: Vec<_> =
        (0..8).map(|_| host.start("trap '' TERM INT HUP; sleep 900 & wait; wait")).collect();
    members.iter().for_each(|(member, _)| host.agents.begin_end(member));
    members.iter().for_each(|(_, heard)| assert_eq!(heard.all().1, Some(Exit::Signal(9))));
    let handles: Vec<_> = members.iter().map(|(member, _)| member.clone()).collect();
    assert!(host.agents.end_members(&handles, STOP));
    assert!(host.agents.end_members(&[], STOP));
}

#[test]
fn a_held_tree_does_nothing_until_it_goes_on_and_can_be_ended() {
    let host = Host::new();
    let tree =
        "(setsid sh -c 'while :; do echo deep; sleep 0.01; done' &); while :; do echo top; sleep 0.01; done";
    let (member, heard) = host.start(tree);
    heard.line("deep");
    heard.line("top");
    assert!(member.freeze());
    let held = || {
        let below = loopgate::sys::proc::parents().expect("/proc");
        let below = loopgate::sys::proc::descendants(member.keeper_pid(), &below);
        let state = |pid: &u32| loopgate::sys::proc::stat(*pid).map_or(b'X', |stat| stat.state);
        // D: its child was stopped between vfork and exec, and it waits for that.
        !below.is_empty() && below.iter().all(|pid| [b'T', b'Z', b'X', b'D'].contains(&state(pid)))
    };
    until("a tree that stands still", || held().then_some(()));
    let before = heard.now.lock().expect("no panic").lines;
    assert!(member.freeze(), "again is no harm");
    assert!(member.thaw());
    heard.when("more", |now| (now.lines > before + 20).then_some(()));
    assert!(member.freeze());
    host.end(&member);
    assert!(!member.freeze() && !member.thaw(), "there is nothing any more");
}

// In a terminal.

#[test]
fn a_member_in_a_terminal_is_typed_to_and_reached_by_its_block() {
    let host = Host::new();
    let script = "stty -echo; echo ready; while read line; do echo \"got $line\"; done";
    let mut spec = host.spec(script);
    spec.controller = TERMINAL;
    let (member, heard) = host.start_as(spec);
    let block = member.block_id().expect("a terminal").to_owned();
    let fleet: &dyn Fleet = &*host.agents;
    let shows = |text: &str| {
        let output = || fleet.output_of_block(&block, Some(0), usize::MAX)?.ok();
        until(text, || String::from_utf8_lossy(&output()?.bytes).contains(text).then_some(()));
    };
    shows("ready");
    assert_eq!(member.say(b"hello".to_vec()), Ok(()));
    shows("got hello");
    heard.when("quiet", |now| (now.quiet > 0).then_some(()));
    let record = fleet.record_of_block(&block).expect("it is found by its block");
    assert_eq!((record.pid, record.state), (member.pid(), State::WaitingInput));
    assert!(fleet.record("coder").is_none() && fleet.records().is_empty());
    assert!(host.agents.get("coder").is_none());
    assert_eq!(
        host.agents.by_block(&block).map(|agent| agent.deliver("you", Submit::Once)),
        Some(Delivery::Delivered)
    );
    shows("got you");
    let before = heard.now.lock().expect("no panic").quiet;
    heard.when("quiet again", |now| (now.quiet > before).then_some(()));
    member.close_input();
    let (said, exit) = heard.all();
    assert_eq!((said, exit), (Vec::new(), Some(Exit::Code(0))));
    assert_eq!(member.say(b"late".to_vec()), Err(Full));
    drop(member);
    until("the end of all of it", || fleet.record_of_block(&block).is_none().then_some(()));
}

#[test]
fn a_member_in_a_terminal_has_a_place_a_token_and_an_end_like_any_other() {
    let host = Host::with(|settings| settings.most = 1);
    let mut spec =
        host.spec("printf %s $LOOPGATE_AGENT_TOKEN > token.new; mv token.new token; sleep 900 & wait");
    spec.controller = TERMINAL;
    let (member, heard) = host.start_as(spec.clone());
    let file = host.home.path().join("token");
    let token = until("the token's file", || fs::read(&file).ok());
    assert_eq!(host.agents.holder_of_token(&token), Some(Holder::Member(name("s/coder"))));
    let over = host.agents.start_member(spec, Arc::new(Heard::default()));
    assert_eq!(over.err(), Some(StartError::Limit { most: 1 }));
    assert!(member.freeze());
    host.end(&member);
    assert_eq!(heard.all().1, Some(Exit::Signal(9)));
    assert_eq!(host.agents.holder_of_token(&token), None);
}
