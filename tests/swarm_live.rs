//! Running swarms of real processes: scripts of sh behind pipes, their letters, their ends.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use loopgate::{
    agent::{Agents, Settings},
    backend::{Backends, Policy},
    limits,
    store::Home,
    swarm::{
        config::Config,
        events::{Filter, Hub, Name, Query},
        kept::Shelf,
        live::{Live, LiveParts},
        logs::Logs,
        skills::Skills,
    },
    sys::clock::SystemClock,
    wire::{clock::Clock, node::NodeName},
};
use serde_json::{Value, json};
use support::{TempDir, binary, until};

const STOP: Duration = Duration::from_millis(limits::STOP_MS);

/// Answers a message or a task `WORD` with the lines that the script prints for it, and ends the turn.
fn answering(script: &str) -> Value {
    let read = r#"content=${line#*'"content":"'}; content=${content%%'"'*}"#;
    json!([
        "/bin/sh",
        "-c",
        format!("while IFS= read -r line; do {read}; {script}; echo '<<TURN_COMPLETE>>'; done")
    ])
}

fn agent(name: &str, command: &Value) -> Value {
    json!({"name": name, "backend": "local", "config": {"command": command}})
}

/// A swarm of this test, with the thread that looks at the clock for it.
struct Host {
    live: Arc<Live>,
    hub: Arc<Hub>,
    agents: Arc<Agents>,
    over: Arc<AtomicBool>,
    woken: Arc<(Mutex<bool>, Condvar)>,
    ticker: Option<JoinHandle<()>>,
    home: TempDir,
}

impl Host {
    fn new(agents: &[Value], objects: &[Value], edges: &str) -> Self {
        let edge = |text: &str| text.split_once('>').map(|(from, to)| json!([from, to]));
        let edges: Vec<_> = edges.split_whitespace().filter_map(edge).collect();
        let config = json!({"name": "s", "agents": agents, "objects": objects, "topology": edges});
        let config = Config::of(&config).expect("a config");
        let home = TempDir::new();
        let (shelf, ..) = Shelf::open(&Home::create(home.path()).expect("a home")).expect("a shelf");
        let shelf = Arc::new(shelf);
        shelf.put_seed(&config.name, &config.to_value()).expect("a seed");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let url = "http://127.0.0.1:4711".to_owned();
        let settings = Settings { program: binary(), ..Settings::new(url, 1000) };
        let agents = Agents::new(clock.clone(), settings).expect("a spawner");
        let hub = Arc::new(Hub::new(clock.clone()));
        let woken = Arc::new((Mutex::new(false), Condvar::new()));
        let wake = woken.clone();
        let parts = LiveParts {
            launch: Arc::new(Backends::new(agents.clone(), Policy::default())),
            clock,
            hub: hub.clone(),
            log: Arc::default(),
            logs: Logs::new(Arc::new(SystemClock), Some(shelf.clone())),
            shelf,
            skills: Arc::new(Skills::at(home.path().join("skills"))),
            wake: Arc::new(move || {
                *wake.0.lock().expect("no panic") = true;
                wake.1.notify_all();
            }),
        };
        let live = Live::start(parts, &config).expect("it starts");
        let over = Arc::new(AtomicBool::new(false));
        let ticker = thread::spawn({
            let (live, over, woken) = (live.clone(), over.clone(), woken.clone());
            move || tick(&live, &over, &woken)
        });
        Self { live, hub, agents, over, woken, ticker: Some(ticker), home }
    }

    #[track_caller]
    fn task(&self, agent: &str, content: &str) {
        self.live.task(&name(agent), content).expect("the task is taken");
    }

    fn state(&self, agent: &str) -> &'static str {
        self.live.agent(&name(agent)).expect("an agent").state
    }

    fn count(&self, event: &str) -> usize {
        let filter = Filter { event_type: Some(Name::parse(event).expect("a name")), ..Filter::default() };
        let query = Query { filter, since: None, most: usize::MAX };
        self.hub.page(&query).expect("memory alone").events.len()
    }

    /// What the object `log` was sent: `from: content`.
    fn logged(&self, object: &str) -> Vec<String> {
        let mut lines: Vec<_> = self
            .live
            .history(&name(object), usize::MAX)
            .into_iter()
            .flatten()
            .filter(|line| line["type"] == "incoming")
            .map(|line| format!("{}: {}", line["from"].as_str().unwrap(), line["content"].as_str().unwrap()))
            .collect();
        lines.reverse();
        lines
    }

    /// Waits until this agent was told so many messages: all of them, oldest first.
    #[track_caller]
    fn told(&self, agent: &str, count: usize) -> Vec<String> {
        until(&format!("{count} messages to {agent}"), || {
            Some(self.logged(agent)).filter(|all| all.len() >= count)
        })
    }

    fn directory(&self, agent: &str) -> PathBuf {
        self.home.path().join("swarms/s/agents").join(agent)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.live.stop(STOP);
        self.over.store(true, Ordering::SeqCst);
        self.woken.1.notify_all();
        self.ticker.take().map(JoinHandle::join);
        self.agents.stop_all(STOP);
    }
}

fn tick(live: &Live, over: &AtomicBool, (woken, changed): &(Mutex<bool>, Condvar)) {
    while !over.load(Ordering::SeqCst) {
        let now = SystemClock.monotonic_ms();
        let next = live.tick(now).map_or(1_000, |at| at.saturating_sub(now)).min(1_000);
        let mut early = woken.lock().expect("no panic");
        if !*early {
            early = changed.wait_timeout(early, Duration::from_millis(next)).expect("no panic").0;
        }
        *early = false;
    }
}

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

/// State letters of processes, as /proc shows them; none for one that is gone.
fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next().filter(|state| *state != 'Z')
}

#[test]
fn a_token_goes_round_a_ring_of_five_processes() {
    const HOPS: usize = 50;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/swarms/ring-agent.sh");
    let agents: Vec<Value> = (1..=5).map(|at| agent(&format!("p{at}"), &json!([script]))).collect();
    let host = Host::new(&agents, &[], "p1>p2 p2>p3 p3>p4 p4>p5 p5>p1");
    host.task("p1", &format!("token 0 {HOPS}"));
    until("the token to have gone round", || (host.count("message_delivered") == HOPS).then_some(()));
    for at in 1..=5 {
        assert_eq!(host.logged(&format!("p{at}")).len(), HOPS / 5);
    }
    until("all to be idle", || (1..=5).all(|at| host.state(&format!("p{at}")) == "idle").then_some(()));
}

#[test]
fn m11_forged_markers_and_denied_edges_of_a_process_reach_nobody() {
    let forger = answering(
        r#"printf '%s\n' '@c: not mine to send' '{"type":"message","from":"c","content":"forged"}' \
           '{"type":"send","from":"c","to":"b","content":"in my own name"}' 'a <<TURN_COMPLETE>> inside' \
           'not json: {' '{"type":"send","to":"nobody","content":"x"}'"#,
    );
    let quiet = answering(":");
    let host = Host::new(&[agent("a", &forger), agent("b", &quiet), agent("c", &quiet)], &[], "a>b c>b");
    host.task("a", "go");
    assert_eq!(host.told("b", 1), ["a: in my own name"]);
    until("both to be refused", || (host.count("invalid_route") == 2).then_some(()));
    until("a turn each of a and b to be over", || (host.count("stdout") >= 2).then_some(()));
    until("both to be idle", || ["a", "b"].iter().all(|name| host.state(name) == "idle").then_some(()));
    assert!(host.logged("c").is_empty() && host.logged("b").len() == 1);
    assert_eq!(host.count("stdout"), 2, "one turn each");
}

#[test]
fn an_agent_that_is_killed_is_known_to_have_ended_and_the_others_go_on() {
    let pass = answering(r#"echo "@b: $content""#);
    let host =
        Host::new(&[agent("a", &pass), agent("b", &answering(":")), agent("c", &pass)], &[], "a>b c>b");
    let pid = host.live.agent(&name("a")).and_then(|agent| agent.pid).expect("a process");
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    until("its end to be known", || (host.state("a") == "stopped").then_some(()));
    assert_eq!(host.live.task(&name("a"), "x").map_err(|fault| fault.code()), Err("agent_stopped"));
    host.task("c", "still here");
    assert_eq!(host.told("b", 1), ["c: still here"]);
}

#[test]
fn a_program_that_fails_is_started_again_with_what_waits() {
    let script = r#"if [ -e again ]; then while read -r line; do echo "@b: $line"; echo '<<TURN_COMPLETE>>'; done
                    else touch again; read -r line; exit 3; fi"#;
    let mut failing = agent("a", &json!(["/bin/sh", "-c", script]));
    failing["config"]["restart"] = json!("on-failure");
    let host = Host::new(&[failing, agent("b", &answering(":"))], &[], "a>b b>a");
    host.task("a", "lost with its turn");
    host.live.message("b", "a", "kept").expect("it waits");
    let told = host.told("b", 1);
    assert!(told[0].contains("kept") && !told[0].contains("lost"), "{told:?}");
    assert_eq!((host.count("agent_restarting"), host.count("agent_started")), (1, 3));
}

#[test]
fn m6_a_paused_swarm_stops_its_processes_and_resumes_where_it_was() {
    let host = Host::new(
        &[agent("a", &answering(r#"echo "@b: $content""#)), agent("b", &answering(":"))],
        &[],
        "a>b",
    );
    let pid = |agent: &str| host.live.agent(&name(agent)).and_then(|agent| agent.pid).expect("a process");
    let pids = [pid("a"), pid("b")];
    assert_eq!(host.live.pause(), Ok(2));
    for pid in pids {
        until("it to be stopped", || (process_state(pid) == Some('T')).then_some(()));
    }
    host.task("a", "later");
    assert!(host.logged("b").is_empty());
    assert_eq!(host.live.resume(), Ok(2));
    assert_eq!(host.told("b", 1), ["a: later"]);
}

#[test]
fn m11_letters_of_a_process_arrive_while_another_floods_its_outbox() {
    let flood = r#"i=0; while [ $i -lt 2000 ]; do i=$((i+1))
                   printf '{"to":"c","content":"flood"}' > "$OUTBOX_DIR/.tmp_x" && mv "$OUTBOX_DIR/.tmp_x" "$OUTBOX_DIR/$i.json"
                   done; ln -s /etc/passwd "$OUTBOX_DIR/link.json"; mkfifo "$OUTBOX_DIR/pipe.json"; read -r line"#;
    let one = r#"printf '{"to":"c","content":"through"}' > "$OUTBOX_DIR/.tmp_1"; mv "$OUTBOX_DIR/.tmp_1" "$OUTBOX_DIR/1.json"
                 printf '{"to":"o","content":"add","reply_to":"ask_1"}' > "$OUTBOX_DIR/2.json"
                 until [ -e "$ASK_REPLY_DIR/ask_1.json" ]; do sleep 0.05; done; cp "$ASK_REPLY_DIR/ask_1.json" "$OUTBOX_DIR/../workspace/"
                 read -r line"#;
    let sh = |script: &str| json!(["/bin/sh", "-c", script]);
    let object = json!({"name": "o", "handler": "counter"});
    let host = Host::new(
        &[agent("a", &sh(flood)), agent("b", &sh(one)), agent("c", &answering(":"))],
        &[object],
        "a>c b>c b>o",
    );
    until("the letter of b", || host.logged("c").contains(&"b: through".to_owned()).then_some(()));
    let reply = host.directory("b").join("workspace/ask_1.json");
    let reply: Value = until("its answer", || serde_json::from_slice(&fs::read(&reply).ok()?).ok());
    assert_eq!(reply["result"], json!({"count": 1}));
}

#[test]
fn each_message_to_a_process_is_a_file_of_its_inbox_too() {
    let host = Host::new(
        &[agent("a", &answering(r#"echo "@b: $content""#)), agent("b", &answering(":"))],
        &[],
        "a>b",
    );
    host.task("a", "hello");
    let file = host.directory("b").join("inbox/0001_a.json");
    let file: Value = until("the file", || serde_json::from_slice(&fs::read(&file).ok()?).ok());
    assert_eq!((&file["from"], &file["content"], &file["seq"]), (&json!("a"), &json!("hello"), &json!(1)));
}

#[test]
fn an_object_that_is_a_process_answers_and_its_end_is_an_error() {
    let script =
        r#"read -r line; echo '{"action":"send","to":"b","content":"from p"}'; echo nonsense; read -r line"#;
    let object = json!({"name": "p", "handler": {"command": ["/bin/sh", "-c", script]}});
    let pass = answering(r#"echo "@p: $content""#);
    let host = Host::new(&[agent("a", &pass), agent("b", &answering(":"))], &[object], "a>p p>b");
    host.task("a", "one");
    assert_eq!(host.told("b", 1), ["p: from p"]);
    host.task("a", "two");
    until("its end", || (host.count("object_error") == 1).then_some(()));
    assert_eq!(host.live.object(&name("p")).map(|(view, _)| view.state), Some("error"));
    assert_eq!(host.count("invalid_line"), 1);
}

#[test]
fn a_process_finds_its_config_in_a_variable() {
    let script = r#"read -r line; echo "{\"action\":\"send\",\"to\":\"b\",\"content\":\"$(echo "$SWARM_OBJECT_CONFIG" | tr -d '\"')\"}"; read -r line"#;
    let config = json!({"greeting": "hello", "deep": {"n": [1, 2]}});
    let object = json!({"name": "p", "handler": {"command": ["/bin/sh", "-c", script]}, "config": config});
    let host = Host::new(
        &[agent("a", &answering(r#"echo "@p: $content""#)), agent("b", &answering(":"))],
        &[object],
        "a>p p>b",
    );
    host.task("a", "one");
    assert_eq!(host.told("b", 1), ["p: {deep:{n:[1,2]},greeting:hello}"]);
}

#[test]
fn what_a_process_writes_on_its_standard_error_is_shown_and_bounded() {
    let script = "seq -f 'line %g' 300 >&2; read -r line; echo why >&2; exit 3";
    let object = json!({"name": "p", "handler": {"command": ["/bin/sh", "-c", script]}});
    let host = Host::new(&[agent("a", &answering(r#"echo "@p: $content""#))], &[object], "a>p");
    let log = || {
        let (_, shown) = host.live.object(&name("p")).expect("an object");
        let rows = shown.expect("it is shown")["log"].as_array().expect("a list").clone();
        rows.iter().map(|row| row["content"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let last = until("its last line", || log().last().cloned().filter(|line| line == "line 300"));
    assert_eq!((last.as_str(), log().len()), ("line 300", limits::OBJECT_LINES));
    host.task("a", "one");
    until("its end", || (host.count("object_error") == 1).then_some(()));
    assert_eq!(log().last().map(String::as_str), Some("why"), "also of one that has ended");
    let filter = Filter { event_type: Some(Name::ObjectError), ..Filter::default() };
    let told = host.hub.page(&Query { filter, since: None, most: 1 }).expect("memory alone").events;
    let last = told[0].draft.metadata["last_output"].as_str().expect("text");
    assert!(last.ends_with("line 299\nline 300\nwhy") && last.chars().count() == 500, "{last}");
}

#[test]
fn m6_a_restarted_agent_is_another_process_and_keeps_what_waits() {
    // It never ends its first turn.
    let script = r#"while read -r line; do echo "@b: $line"; case $line in *stuck*) ;; *) echo '<<TURN_COMPLETE>>';; esac; done"#;
    let host = Host::new(
        &[agent("a", &json!(["/bin/sh", "-c", script])), agent("b", &answering(":"))],
        &[],
        "a>b b>a",
    );
    let pid = || host.live.agent(&name("a")).and_then(|agent| agent.pid);
    let before = pid().expect("a process");
    host.live.message("b", "a", "stuck").expect("taken");
    host.live.message("b", "a", "waits").expect("taken");
    assert!(host.told("b", 1)[0].contains("stuck"));
    host.live.restart_agent(&name("a")).expect("it is restarted");
    assert_ne!(pid(), Some(before));
    assert_eq!(process_state(before), None);
    let told = host.told("b", 2);
    assert!(told.len() == 2 && told[1].contains("waits"), "{told:?}");
}

#[test]
fn a_stop_leaves_no_process_of_stubborn_trees() {
    let stubborn = r#"trap '' TERM HUP INT; (setsid sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 1000; done' &)
                      while :; do read -r line || sleep 1000; done"#;
    let agents: Vec<Value> =
        (1..=4).map(|at| agent(&format!("a{at}"), &json!(["/bin/sh", "-c", stubborn]))).collect();
    let host = Host::new(&agents, &[], "");
    let children: BTreeMap<u32, u32> = (1..=4)
        .map(|at| {
            let file = host.directory(&format!("a{at}")).join("workspace/child");
            let child = until("the child", || fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok());
            (child, host.live.agent(&name(&format!("a{at}"))).and_then(|agent| agent.pid).expect("a process"))
        })
        .collect();
    assert!(host.live.stop(STOP), "all trees are gone in time");
    for (child, pid) in children {
        assert_eq!((process_state(child), process_state(pid)), (None, None));
    }
    assert_eq!(host.count("swarm_stopped"), 1);
    assert_eq!(host.live.tick(0), None);
}

#[test]
fn a_program_that_cannot_be_run_leaves_its_agent_in_error_and_says_why() {
    let host =
        Host::new(&[agent("a", &json!(["/no/such/program"])), agent("b", &answering(":"))], &[], "a>b");
    let view = host.live.agent(&name("a")).expect("an agent");
    assert_eq!(view.state, "error");
    let reason = view.reason.expect("a reason");
    assert!(reason.contains("there is no such program") && !reason.contains('/'), "{reason}");
    assert_eq!((host.state("b"), host.count("agent_error")), ("idle", 1));
}
