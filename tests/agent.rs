//! Agents in real terminals: what they are given, what becomes of what is typed, and what is told
//! of them.

#[allow(unsafe_code)]
mod support;

use std::{
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::PermissionsExt,
    },
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use loopgate::{
    agent::{
        Agent, Agents, BeyondEnd, Delivery, Exit, InputError, ResizeError, Settings, StartError, StartSpec,
        State, StopError, Submit,
    },
    api::Fleet,
    limits,
    sys::{
        clock::SystemClock,
        poll::{Entry, Wake, poll},
    },
    wire::{
        clock::{Clock, ManualClock},
        id::AgentId,
        node::Holder,
    },
};
use support::{PATIENCE, TempDir, binary, until};

const URL: &str = "http://127.0.0.1:4711";

/// The agents of one test, ended with it.
struct Host {
    agents: Arc<Agents>,
    home: TempDir,
}

impl Host {
    fn new() -> Self {
        Self::with(Arc::new(SystemClock), |_| {})
    }

    fn with(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { program: binary(), ..Settings::new(URL.to_owned(), 1000) };
        change(&mut settings);
        Self { agents: Agents::new(clock, settings).expect("a spawner"), home: TempDir::new() }
    }

    fn spec(&self, name: &str, script: &str) -> StartSpec {
        StartSpec {
            name: id(name),
            command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            cwd: self.home.path().to_owned(),
            env: Vec::new(),
            rows: 24,
            cols: 80,
            accept_typed_from: Vec::new(),
            may_type_into: Vec::new(),
            submit: Submit::Thrice,
            cage: None,
        }
    }

    fn start(&self, name: &str, script: &str) -> Arc<Agent> {
        self.agents.start(self.spec(name, script)).expect("the agent starts")
    }

    /// Runs a script to its end: all it printed.
    fn run(&self, script: &str) -> String {
        let agent = self.start("once", script);
        let output = all_output(&agent);
        self.agents.stop(agent.name()).expect("it is done");
        output
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.agents.stop_all(Duration::from_millis(limits::STOP_MS));
    }
}

fn id(name: &str) -> AgentId {
    AgentId::parse(name).expect("an id")
}

/// Waits until the output contains `text`; all output so far, line ends as LF.
#[track_caller]
fn shown(agent: &Agent, text: &str) -> String {
    shown_when(agent, text, |output| output.contains(text))
}

#[track_caller]
fn shown_when(agent: &Agent, what: &str, enough: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    let (mut seen, mut next) = (Vec::new(), Some(0));
    loop {
        let output =
            agent.output(next, Duration::from_millis(500), usize::MAX).expect("an offset that exists");
        seen.extend_from_slice(&output.bytes);
        next = Some(output.next);
        let text = String::from_utf8_lossy(&seen).replace("\r\n", "\n");
        if enough(&text) {
            return text;
        }
        assert!(!output.done && Instant::now() < end, "waited in vain for {what:?} in {text:?}");
    }
}

#[track_caller]
fn all_output(agent: &Agent) -> String {
    assert!(agent.wait_done(Instant::now() + PATIENCE), "it does not end: {:?}", shown(agent, ""));
    let (mut seen, mut next) = (Vec::new(), None);
    loop {
        let output = agent.output(next, Duration::ZERO, usize::MAX).expect("an offset that exists");
        seen.extend_from_slice(&output.bytes);
        next = Some(output.next);
        if output.done {
            return String::from_utf8_lossy(&seen).replace("\r\n", "\n");
        }
    }
}

/// The value of `name` in lines of `name=value`.
#[track_caller]
fn fact<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {text:?}"))
}

// What an agent is given.

#[test]
fn an_agent_leads_a_session_of_its_own_with_the_terminal_as_controlling_one() {
    let host = Host::new();
    let output = host.run(
        "read pid comm state ppid pgrp session tty tpgid rest < /proc/$$/stat
         echo pid=$pid; echo parent=$ppid; echo group=$pgrp; echo session=$session; echo foreground=$tpgid
         echo tty=$(tty); : > /dev/tty && echo controlling=yes; stty size",
    );
    let pid = fact(&output, "pid");
    assert_eq!(fact(&output, "session"), pid);
    assert_eq!(fact(&output, "group"), pid);
    assert_eq!(fact(&output, "foreground"), pid);
    assert!(fact(&output, "tty").starts_with("/dev/pts/"), "{output}");
    assert_eq!(fact(&output, "controlling"), "yes");
    assert!(output.contains("24 80"), "{output}");
    assert_ne!(fact(&output, "parent"), std::process::id().to_string(), "a keeper is in between");
}

#[test]
fn an_agent_gets_default_signals_umask_limits_and_no_descriptor_of_ours() {
    let host = Host::new();
    // A descriptor that is not marked close-on-exec, as a careless library would leave it.
    let leaked = std::fs::File::open("/dev/zero").expect("a file");
    // SAFETY: clears a flag of a descriptor that this test owns.
    assert_eq!(unsafe { libc::fcntl(leaked.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let agent = host.start(
        "x",
        "while read name value; do case $name in Sig*|Shd*) echo $name=$value;; esac; done < /proc/$$/status
         echo umask=$(umask); echo files=$(ulimit -S -n); echo core=$(ulimit -c); echo cwd=$(pwd); echo ready; read x",
    );
    let output = shown(&agent, "ready");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", agent.record().pid)).expect("it runs");
    let descriptors: Vec<_> = descriptors.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap()).collect();
    assert_eq!(descriptors.len(), 3, "{descriptors:?}");
    assert!(descriptors.iter().all(|fd| fd.starts_with("/dev/pts")), "{descriptors:?}");
    // SigBlk, SigIgn and SigPnd; a shell catches what it likes.
    for set in ["SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:"] {
        assert_eq!(fact(&output, set).trim_start_matches('0'), "", "{set} {output}");
    }
    assert_eq!(fact(&output, "umask"), "0077");
    assert_eq!(fact(&output, "files"), "1000");
    assert_eq!(fact(&output, "core"), "0");
    assert_eq!(PathBuf::from(fact(&output, "cwd")), host.home.path().canonicalize().unwrap());
}

#[test]
fn an_agents_environment_is_set_and_not_inherited() {
    let host = Host::new();
    let mut spec = host.spec("coder", "env");
    spec.env =
        vec![("PASSED".to_owned(), "by name".to_owned()), ("LANG".to_owned(), "de_DE.UTF-8".to_owned())];
    let output = all_output(&host.agents.start(spec).unwrap());
    assert_eq!(fact(&output, "PASSED"), "by name");
    assert_eq!(fact(&output, "LANG"), "de_DE.UTF-8");
    assert_eq!(fact(&output, "TERM"), "xterm-256color");
    assert_eq!(fact(&output, "LOOPGATE_AGENT"), "coder");
    assert_eq!(fact(&output, "LOOPGATE_AGENT_TOKEN"), "[agent token]");
    assert_eq!(fact(&output, "LOOPGATE_URL"), URL);
    assert_eq!(fact(&output, "AGENTMUX_LOCAL_URL"), URL);
    let own = binary();
    assert_eq!(fact(&output, "PATH").rsplit(':').next(), own.parent().and_then(|dir| dir.to_str()));
    let known = [
        "PASSED",
        "TERM",
        "LOOPGATE_AGENT",
        "LOOPGATE_AGENT_TOKEN",
        "LOOPGATE_URL",
        "AGENTMUX_LOCAL_URL",
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "SHELL",
        "USER", // and what the shell itself sets:
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    for line in output.lines() {
        let name = line.split('=').next().unwrap_or_default();
        assert!(known.contains(&name) || name.starts_with("LC_"), "{line:?} is not for an agent");
    }
}

// Starting.

#[test]
fn a_command_that_cannot_be_run_is_refused_with_the_reason() {
    let host = Host::new();
    let start = |program: &str| {
        let mut spec = host.spec("bad", "");
        spec.command = vec![program.to_owned()];
        // A directory in PATH that we may not enter would change the reason.
        spec.env = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        host.agents.start(spec).err()
    };
    let reason = |reason: &'static str| Some(StartError::NoSuchCommand { reason });
    assert_eq!(
        start("no-such-program-anywhere"),
        reason("there is no such program, or not the one that it is a script of")
    );
    assert_eq!(
        start("/no/such/program"),
        reason("there is no such program, or not the one that it is a script of")
    );
    assert_eq!(start("/etc/passwd"), reason("it may not be run"));
    assert_eq!(start("/tmp"), reason("it may not be run"));
    let mut spec = host.spec("bad", "true");
    spec.cwd = host.home.path().join("missing");
    assert_eq!(host.agents.start(spec).err(), Some(StartError::NoSuchDirectory));
    assert!(host.agents.list().is_empty());
    assert!(host.agents.keepers().is_empty());
}

#[test]
fn an_agent_over_the_limit_is_refused() {
    let host = Host::with(Arc::new(SystemClock), |settings| settings.most = 2);
    host.start("one", "read x");
    host.start("two", "read x");
    let third = || host.agents.start(host.spec("three", "read x")).err();
    assert_eq!(third(), Some(StartError::Limit { most: 2 }));
    host.agents.stop(&id("one")).expect("it ends");
    assert_eq!(third(), None);
}

#[test]
fn few_descriptors_leave_room_for_few_agents() {
    let most = |ours| Settings::new(URL.to_owned(), 1024).within(ours).most;
    let rooms = [(0, 0), (15, 1), (16, 1), (128, 8), (1280, 80), (1281, 80), (4096, 432)];
    assert_eq!(rooms.map(|(ours, _)| most(ours)), rooms.map(|(_, room)| room));
    assert_eq!(most(u64::MAX), limits::AGENTS);
}

#[test]
fn a_name_is_taken_while_its_agent_runs_and_free_when_it_is_done() {
    let host = Host::new();
    let first = host.start("same", "read x");
    let again = |script| host.agents.start(host.spec("same", script));
    assert_eq!(again("true").err(), Some(StartError::Exists));
    assert_eq!(host.agents.start(host.spec("owner", "true")).err(), Some(StartError::Reserved));
    first.input(b"\n").unwrap();
    assert!(first.wait_done(Instant::now() + PATIENCE));
    // A start that fails leaves what is known of the done one.
    let mut bad = host.spec("same", "true");
    bad.command = vec!["/no/such/program".to_owned()];
    assert!(host.agents.start(bad).is_err());
    assert!(Arc::ptr_eq(&host.agents.get("same").unwrap(), &first));
    let second = again("read x").unwrap();
    assert_ne!(second.block_id(), first.block_id());
    assert!(host.agents.by_block(first.block_id()).is_none());
    assert!(Arc::ptr_eq(&host.agents.by_block(second.block_id()).unwrap(), &second));
}

#[test]
fn a_stop_while_a_start_is_under_way_leaves_the_name_taken() {
    let place = TempDir::new();
    let [held, waits, keeper] = ["held", "waits", "keeper"].map(|name| place.path().join(name));
    // A keeper that takes its time while the file is there.
    let script = format!(
        "#!/bin/sh\nwhile [ -e {held:?} ]; do : > {waits:?}; /bin/sleep 0.01; done\nexec {:?} \"$@\"\n",
        binary()
    );
    std::fs::write(&keeper, script).unwrap();
    std::fs::set_permissions(&keeper, PermissionsExt::from_mode(0o700)).unwrap();
    let host = Host::with(Arc::new(SystemClock), |settings| settings.program = keeper);
    let first = host.start("same", "true");
    assert!(first.wait_done(Instant::now() + PATIENCE));
    std::fs::write(&held, "").unwrap();
    let start = || host.agents.start(host.spec("same", "read x"));
    std::thread::scope(|scope| {
        let second = scope.spawn(start);
        until("the second start", || waits.exists().then_some(()));
        assert_eq!(host.agents.stop(&id("same")).map(|record| record.state), Ok(State::Done));
        let third = start().err();
        std::fs::remove_file(&held).unwrap();
        let second = second.join().unwrap().expect("it starts");
        assert_eq!(third, Some(StartError::Exists));
        assert!(Arc::ptr_eq(&host.agents.get("same").expect("it is listed"), &second));
    });
}

#[test]
fn only_the_named_may_type() {
    let host = Host::new();
    let mut spec = host.spec("a", "read x");
    spec.accept_typed_from = vec!["b".to_owned()];
    let agent = host.agents.start(spec).unwrap();
    assert_eq!(agent.accept_typed_from(), ["b"]);
}

// The end.

#[test]
fn the_exit_of_the_command_is_told() {
    let host = Host::new();
    let exit = |script: &str| {
        let agent = host.start("x", script);
        all_output(&agent);
        (agent.state(), agent.record().exit)
    };
    assert_eq!(exit("exit 7"), (State::Done, Some(Exit::Code(7))));
    assert_eq!(exit("kill -KILL $$"), (State::Done, Some(Exit::Signal(9))));
    let agent = host.start("x", "read x");
    assert_eq!(agent.record().exit, None);
    let record = host.agents.stop(&id("x")).unwrap();
    assert_eq!((record.state, record.exit), (State::Done, Some(Exit::Signal(9))));
    assert_eq!(host.agents.stop(&id("x")), Err(StopError::NotFound));
}

#[test]
fn no_output_is_lost_when_a_command_ends_at_once() {
    let host = Host::new();
    let line = "0123456789".repeat(7);
    let script = format!("i=0; while [ $i -lt 300 ]; do echo $i {line}; i=$((i+1)); done; echo last");
    for _ in 0..30 {
        let output = host.run(&script);
        assert_eq!(output.lines().count(), 301, "{:?}", output.lines().last());
        assert!(output.ends_with("last\n"));
    }
}

#[test]
fn a_token_is_its_agents_alone_and_void_when_that_is_done() {
    let host = Host::new();
    let agent =
        host.start("holder", "printf %s $LOOPGATE_AGENT_TOKEN > token.new; mv token.new token; read x");
    let file = host.home.path().join("token");
    let token = until("the token's file", || std::fs::read(&file).ok());
    assert_eq!(token.len(), 4 + 64);
    assert_eq!(host.agents.holder_of_token(&token), Some(Holder::Loose(id("holder"))));
    assert_eq!(host.agents.holder_of_token(&token[..67]), None);
    assert_eq!(host.agents.holder_of_token(b""), None);
    agent.input(b"\n").unwrap();
    assert!(agent.wait_done(Instant::now() + PATIENCE));
    assert_eq!(host.agents.holder_of_token(&token), None);
}

#[test]
fn whoever_asked_to_be_told_is_told_of_each_end_once_and_first() {
    let host = Host::new();
    let told = Arc::new(AtomicUsize::new(0));
    let counter = told.clone();
    host.agents.on_exit(move |agent| {
        assert_eq!(agent.state(), State::Done);
        counter.fetch_add(1, Ordering::SeqCst);
    });
    for count in 1..=3 {
        host.run("true");
        assert_eq!(told.load(Ordering::SeqCst), count);
    }
}

#[test]
fn an_output_wait_ends_for_somebody_who_has_gone() {
    let host = Host::new();
    let agent = host.start("x", "read x");
    let begin = Instant::now();
    let output = agent.output_for(None, Duration::from_secs(25), usize::MAX, &|| true).unwrap();
    assert!(output.bytes.is_empty() && !output.done);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn a_watcher_is_woken_by_output_and_by_the_end() {
    let host = Host::new();
    let agent = host.start("x", "read go; echo more; read go");
    let wake = Arc::new(Wake::new().expect("a descriptor"));
    let watch = agent.watch(wake.clone());
    let woken = || {
        let ready = poll(&mut [Entry::new(wake.as_fd(), true, false)], Some(PATIENCE)).expect("poll");
        assert_eq!(ready, 1, "nobody woke the watcher");
        wake.clear();
    };
    agent.input(b"\n").unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("more") {
        woken();
        seen = agent.output(Some(0), Duration::ZERO, usize::MAX).unwrap().bytes;
    }
    agent.input(b"\n").unwrap();
    while !agent.output(None, Duration::ZERO, usize::MAX).unwrap().done {
        woken();
    }
    drop(watch);
}

#[test]
fn whoever_watches_an_agent_can_read_its_last_output_when_it_was_removed() {
    let host = Host::new();
    let agent = host.start("x", "echo last words; read x");
    shown(&agent, "last words");
    let block = agent.block_id().to_owned();
    let watch = agent.watch(Arc::new(Wake::new().expect("a descriptor")));
    host.agents.stop(agent.name()).unwrap();
    drop(agent);
    let fleet: &dyn Fleet = &*host.agents;
    let output = fleet.output_of_block(&block, Some(0), usize::MAX).expect("it is watched").unwrap();
    assert!(String::from_utf8_lossy(&output.bytes).contains("last words") && output.done);
    assert!(fleet.record_of_block(&block).is_none(), "and for all else it is gone");
    drop(watch);
    // The terminal's thread has it until its own end.
    until("the end of all of it", || fleet.output_of_block(&block, None, 1).is_none().then_some(()));
}

#[test]
fn an_agent_is_found_by_its_block_until_it_is_removed_or_replaced() {
    let host = Host::new();
    let first = host.start("x", "true");
    let block = first.block_id().to_owned();
    all_output(&first);
    let name = |block: &str| host.agents.by_block(block).map(|agent| agent.name().clone());
    assert_eq!(name(&block), Some(id("x")), "a done one is still there");
    let second = host.start("x", "read x");
    assert_eq!(name(&block), None, "its place was taken, though somebody still holds it");
    assert_eq!(name(second.block_id()), Some(id("x")));
    host.agents.stop(second.name()).unwrap();
    assert_eq!(name(second.block_id()), None);
    assert_eq!(name(""), None);
}

#[test]
fn a_done_agent_holds_no_descriptor() {
    let count = || std::fs::read_dir("/proc/self/fd").expect("our descriptors").count();
    let host = Host::new();
    let before = count();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        all_output(&host.start(name, "echo x"));
    }
    // Tests beside this one open and close some too.
    until("the descriptors", || (count() < before + 8).then_some(()));
    assert_eq!(host.agents.list().len(), 8);
}

#[test]
fn a_done_agent_takes_nothing_more() {
    let host = Host::new();
    let agent = host.start("x", "true");
    all_output(&agent);
    assert_eq!(agent.deliver("hello", Submit::Once), Delivery::Failed("controller is not running"));
    assert_eq!(agent.input(b"x"), Err(InputError::Done));
    assert_eq!(agent.resize(24, 80), Err(ResizeError::Done));
    assert!(host.agents.keepers().is_empty());
}

#[test]
fn a_delivery_to_an_agent_that_ends_meanwhile_is_told_as_failed() {
    let host = Host::new();
    let agent = host.start("x", "stty raw -echo; echo ready; exec sleep 600");
    shown(&agent, "ready");
    // The first one's delayed CRs hold the second one up.
    assert_eq!(agent.deliver("one", Submit::Thrice), Delivery::Delivered);
    let (waiting, agents) = (agent.clone(), host.agents.clone());
    let second = std::thread::spawn(move || waiting.deliver("two", Submit::Thrice));
    agents.stop(agent.name()).unwrap();
    let outcome = second.join().unwrap();
    // On a slow machine it had given up waiting before the end came.
    assert!(
        matches!(outcome, Delivery::Failed("controller is not running") | Delivery::Queued),
        "{outcome:?}"
    );
}

// Typing.

/// An agent that shows what it is typed, byte for byte.
fn echoing(host: &Host, name: &str, before: &str) -> Arc<Agent> {
    let agent = host.start(name, &format!("stty raw -echo; {before} echo ready; exec cat -v"));
    shown(&agent, "ready");
    agent
}

#[test]
fn case_l57_the_cadence_of_agentmux_arrives_in_a_real_terminal() {
    let host = Host::new();
    let agent = echoing(&host, "x", "");
    let begin = agent.record().output_end;
    let start = Instant::now();
    assert_eq!(agent.deliver("hello", Submit::Thrice), Delivery::Delivered);
    let mut at = Vec::new();
    let (mut next, mut seen) = (begin, String::new());
    while seen.matches("^M").count() < 5 {
        let output = agent.output(Some(next), PATIENCE, usize::MAX).unwrap();
        next = output.next;
        seen.push_str(&String::from_utf8(output.bytes).unwrap());
        at.resize(seen.matches("^M").count(), start.elapsed().as_millis());
    }
    assert_eq!(seen, "^Mhello^M^M^M^M");
    for (index, due) in [(2, 200), (3, 400), (4, 600)] {
        // Never early; how late is the machine's business, and exact under an injected clock.
        assert!(at[index] >= due - 20, "{at:?}");
    }
}

#[test]
fn submit_once_types_the_text_and_one_cr() {
    let host = Host::new();
    let agent = echoing(&host, "x", "");
    assert_eq!(agent.deliver("hello", Submit::Once), Delivery::Delivered);
    assert_eq!(agent.deliver("again", Submit::Once), Delivery::Delivered);
    assert!(
        shown(&agent, "again^M").ends_with("readyhello^Magain^M")
            || shown(&agent, "again^M").contains("hello^Magain^M")
    );
}

#[test]
fn two_deliveries_never_interleave() {
    let host = Host::new();
    let agent = echoing(&host, "x", "");
    let texts: Vec<String> = (0..4).map(|n| format!("{n}").repeat(3000)).collect();
    let threads: Vec<_> = texts
        .iter()
        .map(|text| {
            let (agent, text) = (agent.clone(), text.clone());
            std::thread::spawn(move || agent.deliver(&text, Submit::Thrice))
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(outcomes.contains(&Delivery::Delivered), "{outcomes:?}");
    assert!(outcomes.contains(&Delivery::Queued), "{outcomes:?}");
    let output = shown_when(&agent, "all CRs", |output| output.matches("^M").count() == 5 * texts.len());
    for text in &texts {
        assert!(output.contains(&format!("^M{text}^M^M^M^M")), "a delivery was broken up");
    }
}

#[test]
fn text_is_pasted_where_the_program_has_bracketed_paste_on() {
    let host = Host::new();
    let agent = echoing(&host, "x", "printf '\\033[?2004h';");
    assert_eq!(agent.deliver("two\nlines", Submit::Once), Delivery::Delivered);
    shown(&agent, "^[[200~two\nlines^[[201~^M");
}

#[test]
fn ten_thousand_bytes_arrive_whole() {
    let host = Host::new();
    let agent = echoing(&host, "x", "");
    let text = "abcdefghij".repeat(limits::TYPED_TEXT / 10);
    assert_eq!(agent.deliver(&text, Submit::Once), Delivery::Delivered);
    assert!(shown(&agent, "^M").contains(&text));
}

#[test]
fn keys_arrive_as_they_are() {
    let host = Host::new();
    let agent = host.start(
        "x",
        "echo ready; read line; echo got $line; trap 'echo interrupted' INT; echo armed; while :; do read x; done",
    );
    shown(&agent, "ready");
    // The terminal knows that input is UTF-8: one erase takes the whole character.
    agent.input("gr\u{fc}n\u{fc}\x7f\r".as_bytes()).unwrap();
    shown(&agent, "armed");
    shown(&agent, "got gr\u{fc}n\n");
    agent.input(b"\x03").unwrap();
    shown(&agent, "interrupted");
}

// Output and state.

#[test]
fn one_output_answer_is_bounded() {
    let host = Host::new();
    let agent = host.start("x", "head -c 700000 /dev/zero | tr '\\0' x");
    assert!(agent.wait_done(Instant::now() + PATIENCE));
    let first = agent.output(None, Duration::ZERO, usize::MAX).unwrap();
    assert_eq!((first.from, first.bytes.len(), first.done), (0, limits::OUTPUT_CHUNK, false));
    let second = agent.output(Some(first.next), Duration::ZERO, 10).unwrap();
    assert_eq!((second.bytes.len(), second.gap), (10, false));
    let last = agent.output(Some(700_000), Duration::ZERO, usize::MAX).unwrap();
    assert_eq!((last.bytes.len(), last.done), (0, true));
    assert_eq!(agent.output(Some(700_001), Duration::ZERO, 1), Err(BeyondEnd { end: 700_000 }));
}

#[test]
fn a_flood_keeps_the_newest_output_and_tells_of_the_gap() {
    let host = Host::new();
    let agent = host.start("x", "head -c 3000000 /dev/zero | tr '\\0' x; printf end");
    assert!(agent.wait_done(Instant::now() + PATIENCE));
    let record = agent.record();
    assert_eq!(
        (record.output_end, record.output_end - record.output_start),
        (3_000_003, limits::RING as u64)
    );
    let missed = agent.output(Some(5), Duration::ZERO, 10).unwrap();
    assert_eq!((missed.from, missed.gap), (record.output_start, true));
    assert_eq!(agent.output(Some(3_000_000), Duration::ZERO, 10).unwrap().bytes, b"end");
}

#[test]
fn a_waiting_reader_is_woken_by_output_and_by_the_end() {
    let host = Host::new();
    let agent = host.start("x", "read x; echo more; read x");
    let end = agent.output(None, Duration::ZERO, 9).unwrap().next;
    let (waiting, begin) = (agent.clone(), Instant::now());
    let reader = std::thread::spawn(move || waiting.output(Some(end), PATIENCE, 9).unwrap());
    agent.input(b"\n").unwrap();
    assert!(!reader.join().unwrap().bytes.is_empty());
    shown(&agent, "more");
    let end = agent.record().output_end;
    let waiting = agent.clone();
    let reader = std::thread::spawn(move || waiting.output(Some(end), PATIENCE, 9).unwrap());
    host.agents.stop(agent.name()).unwrap();
    let last = reader.join().unwrap();
    assert!(last.done && last.bytes.is_empty(), "{last:?}");
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn a_token_is_never_shown_even_piece_by_piece() {
    let host = Host::new();
    let output = host.run(
        "t=$LOOPGATE_AGENT_TOKEN; echo whole $t
         printf 'split '; printf %s ${t%??????????}; sleep 0.1; printf '%s\\n' ${t#??????????????????????????????????????????????????????????}
         echo end lga_ lga_12",
    );
    assert_eq!(output, "whole [agent token]\nsplit [agent token]\nend lga_ lga_12\n");
}

#[test]
fn an_agent_is_assumed_to_wait_after_two_quiet_seconds() {
    let clock = ManualClock::at(1_000_000);
    let host = Host::with(clock.clone(), |_| {});
    let agent = host.start("x", "stty -echo; echo ready; read x; echo more; read x");
    shown(&agent, "ready");
    assert_eq!(agent.state(), State::Running);
    clock.advance(limits::QUIET_MS - 1);
    assert_eq!(agent.state(), State::Running);
    clock.advance(1);
    assert_eq!(agent.state(), State::WaitingInput);
    agent.input(b"\n").unwrap();
    shown(&agent, "more");
    assert_eq!(agent.record().state, State::Running);
}

#[test]
fn a_resized_screen_is_told_to_the_program() {
    let host = Host::new();
    let agent = host.start("x", "trap 'stty size' WINCH; echo ready; while :; do read x; done");
    shown(&agent, "ready");
    agent.resize(50, 132).unwrap();
    shown(&agent, "50 132");
    let record = agent.record();
    assert_eq!((record.rows, record.cols), (50, 132));
    assert_eq!(agent.resize(1, 80), Err(ResizeError::OutOfBounds("rows")));
    assert_eq!(agent.resize(24, 1001), Err(ResizeError::OutOfBounds("cols")));
}

#[test]
fn many_agents_start_and_stop_side_by_side() {
    let host = Host::new();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (agents, spec) = (host.agents.clone(), host.spec(&format!("n{n}"), "echo ready; read x"));
            std::thread::spawn(move || {
                let agent = agents.start(spec).unwrap();
                shown(&agent, "ready");
                agents.stop(agent.name()).unwrap().state
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == State::Done));
    assert!(host.agents.list().is_empty());
}

#[test]
fn a_keeper_is_not_for_use_by_hand() {
    let output = std::process::Command::new(binary()).arg("keeper").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.is_empty());
}
