//! Swarms as their operator uses them: the shipped examples, the verbs, the token, restarts.

mod support;

use std::{fs, path::Path, process::Command};

use loopgate::limits;
use serde_json::{Value, json};
use support::{Instance, TempDir, until};

/// Exit code, stdout and stderr.
fn ran(command: &mut Command) -> (Option<i32>, String, String) {
    let ran = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

/// What a verb prints that must work.
#[track_caller]
fn run(instance: &Instance, args: &[&str]) -> String {
    let (code, out, err) = ran(&mut instance.loopgate(args));
    assert_eq!(code, Some(0), "{args:?}: {out}{err}");
    out
}

fn example(name: &str) -> String {
    format!("{}/examples/swarms/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn get(instance: &Instance, path: &str) -> Value {
    let answer = instance.call_as(&[], "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

/// Writes a configuration that nobody else reads.
fn config(place: &TempDir, value: &Value) -> String {
    let path = place.path().join("swarm.json");
    fs::write(&path, value.to_string()).expect("written");
    path.to_str().expect("text").to_owned()
}

fn states(instance: &Instance, swarm: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let agents = get(instance, &format!("/api/swarms/{swarm}/agents"))["agents"].clone();
    let all = agents.as_array().expect("a list").iter();
    all.map(|agent| (text(&agent["name"]), text(&agent["state"]))).collect()
}

#[track_caller]
fn until_idle(instance: &Instance, swarm: &str) {
    until("every agent to be idle", || {
        states(instance, swarm).iter().all(|(_, state)| state == "idle").then_some(())
    });
}

/// A file of that name may come with any repository that somebody works in.
#[test]
fn a_file_of_variables_beside_the_instance_sets_nothing() {
    let (home, place) = (TempDir::new(), TempDir::new());
    let variables = "GENSWARMS_API_TOKEN=from-the-file\nGENSWARMS_HTTP_IP=0.0.0.0\n";
    for folder in [place.path(), home.path()] {
        fs::write(folder.join(".env"), variables).expect("written");
    }
    let mut command =
        support::serve_command(home.path(), &[("HOME", place.path().to_str().expect("text"))], &[]);
    let instance = Instance::from_command(home, command.current_dir(place.path()));
    assert!(instance.ready_line.contains("web:127.0.0.1:"), "{}", instance.ready_line);
    assert_eq!(get(&instance, "/api/swarms")["swarms"], json!([]), "no token is needed");
}

/// The directories are the agent's own, and whatever it makes of them, the instance neither reads, writes nor
/// removes anything elsewhere.
#[test]
fn links_in_the_place_of_an_agents_directories_lead_the_instance_nowhere() {
    const SWAP: &str = r#"cd "${OUTBOX_DIR%/*}"
for d in outbox inbox skills logs workspace; do mv "$d" "$d.old"; ln -s "$ELSEWHERE" "$d"; done
ask() { echo "{\"type\":\"send\",\"to\":\"count\",\"content\":\"get\",\"reply_to\":\"$1\"}"; echo '<<TURN_COMPLETE>>'; }
ask first
while IFS= read -r line; do ask later; done"#;
    let elsewhere = TempDir::new();
    fs::create_dir(elsewhere.path().join("replies")).expect("made");
    let letter = json!({"to": "b", "content": "of somebody else"}).to_string();
    for file in ["0001.json", "skill.md", "replies/old.json"] {
        fs::write(elsewhere.path().join(file), &letter).expect("written");
    }
    let instance = Instance::start();
    let post = |path: &str, body: &Value| instance.call_as(&[], "POST", &format!("/api/swarms{path}"), body);
    let config = json!({
        "name": "s",
        "agents": [
            {"name": "a", "backend": "local", "config": {"command": ["/bin/sh", "-c", SWAP], "env": {"ELSEWHERE": elsewhere.path()}}},
            {"name": "b", "backend": "mock"},
        ],
        "objects": [{"name": "count", "handler": "counter"}],
        "topology": [["a", "b"], ["b", "a"], ["a", "count"]],
    });
    assert_eq!(post("", &json!({"config": config})).status, 201);
    let own = instance.home.path().join("swarms/s/agents/a");
    let swapped = || own.join("workspace").is_symlink().then_some(());
    until("the links", swapped);
    let asked = || get(&instance, "/api/swarms/s/messages")["messages"].to_string().contains("\"ask\"");
    until("the first question", || asked().then_some(()));

    assert_eq!(post("/s/message", &json!({"from": "b", "to": "a", "content": "hello"})).status, 200);
    assert_eq!(post("/s/agents/a/task", &json!({"task": "more"})).status, 200);
    let skill = instance.call_as(&[], "PUT", "/api/swarms/s/agents/a/skills/x.md", &json!({"content": "x"}));
    assert_eq!(skill.status, 500);
    let shown = instance.call_as(&[], "GET", "/api/swarms/s/agents/a/skills", &Value::Null);
    assert!(!shown.json().to_string().contains("somebody else"), "{}", shown.json());
    until_idle(&instance, "s");
    assert_eq!(post("/s/agents/a/restart", &json!({})).status, 400, "its directories are none");
    assert_eq!(post("/s/restart?delete=true", &json!({})).status, 200);
    until("the links again", swapped);
    let messages = get(&instance, "/api/swarms/s/messages?limit=1000").to_string();
    assert!(!messages.contains("somebody else"), "{messages}");
    let purged = instance.call_as(&[], "DELETE", "/api/swarms/s?purge=true", &Value::Null);
    assert_eq!(purged.status, 200);

    let left = |path: &Path| {
        let names = fs::read_dir(path).expect("there").map(|entry| entry.expect("an entry").file_name());
        names.filter_map(|name| name.into_string().ok()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(left(elsewhere.path()), ["0001.json", "replies", "skill.md"].map(str::to_owned).into());
    assert_eq!(left(&elsewhere.path().join("replies")), ["old.json".to_owned()].into());
}

/// What the page about swarms shows first.
#[test]
fn the_ring_of_the_examples_is_started_used_changed_and_ended_with_the_verbs() {
    let instance = Instance::start();
    assert_eq!(
        run(&instance, &["start", &example("ring.json")]),
        "started ring: 5 agents, 0 objects, 5 edges\n"
    );
    run(&instance, &["task", "ring", "place_1", "token 0 50"]);
    until("the last hop", || {
        let last = get(&instance, "/api/swarms/ring/messages?limit=1");
        (last["messages"][0]["content_preview"] == "token 50 50").then_some(())
    });
    until_idle(&instance, "ring");
    let shown = run(&instance, &["status", "ring"]);
    assert!(shown.starts_with("ring: running\n") && shown.contains("place_5 -> place_1"), "{shown}");
    assert!(run(&instance, &["status", "--swarms"]).contains("ring"), "listed");

    let (code, out, err) = ran(&mut instance.loopgate(&["msg", "ring", "place_1", "place_3", "hello"]));
    assert_eq!((code, out.as_str()), (Some(77), ""));
    assert!(err.contains("no edge place_1 -> place_3"), "{err}");
    assert_eq!(
        run(&instance, &["msg", "ring", "place_1", "place_2", "hello"]),
        "routed from place_1 to place_2 in ring\n"
    );

    let out = run(&instance, &["scale", "ring", "place_5", "3"]);
    assert_eq!(out, "added place_5_1 place_5_2 place_5_3\nremoved place_5\n");
    let edges = run(&instance, &["status", "ring"]);
    assert!(edges.contains("place_4 -> place_5_1 place_5_2 place_5_3"), "{edges}");
    assert!(edges.contains("place_5_2 -> place_1"), "{edges}");
    assert!(run(&instance, &["overlay", "ring"]).contains("scale_agent_group"));

    assert_eq!(run(&instance, &["pause", "ring"]), "paused ring: 7 agents\n");
    run(&instance, &["task", "ring", "place_1", "hello"]);
    assert_eq!(run(&instance, &["resume", "ring"]), "resumed ring: 7 agents\n");
    until_idle(&instance, "ring");

    let snapshot: Value = serde_json::from_str(&run(&instance, &["snapshot", "ring"])).expect("JSON");
    assert_eq!((&snapshot["name"], snapshot["agents"].as_array().map(Vec::len)), (&json!("ring"), Some(7)));
    assert_eq!(run(&instance, &["restart", "ring", "place_2"]), "restarted ring/place_2\n");
    assert_eq!(run(&instance, &["stop", "ring"]), "stopped ring\n");
    assert!(run(&instance, &["status", "--swarms"]).contains("stopped"));
    assert_eq!(run(&instance, &["start", "ring"]), "started ring: 7 agents, 0 objects, 9 edges\n");
    assert_eq!(run(&instance, &["stop", "ring", "--purge"]), "purged ring\n");
    let (code, _, err) = ran(&mut instance.loopgate(&["status", "ring"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("Swarm not found"), "{err}");
}

/// Programs that know nothing of the protocol: two filters behind the shim, and what they say reaches an object.
#[test]
fn the_programs_of_the_shims_example_speak_along_their_edges() {
    let instance = Instance::start();
    run(&instance, &["start", &example("shim.json")]);
    run(&instance, &["task", "shim", "greeter", "world"]);
    until("both lines", || {
        let heard = get(&instance, "/api/swarms/shim/objects/heard")["domain_state"]["total"].clone();
        (heard == 2).then_some(())
    });
    let messages = get(&instance, "/api/swarms/shim/messages?limit=3")["messages"].clone();
    let told = |at: usize| {
        [&messages[at]["to"], &messages[at]["content_preview"]]
            .map(|v| v.as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        [told(2), told(1), told(0)],
        [["twice", "hello, world"], ["heard", "hello, world"], ["heard", "hello, world"]]
    );
}

/// The shipped script of the first example: a word goes along the edges from the first agent to the last object.
#[test]
fn the_agents_of_the_first_example_answer_and_pass_on() {
    let instance = Instance::start();
    run(&instance, &["start", &example("example.json")]);
    run(&instance, &["task", "example", "first", "hello"]);
    until("the journal's first entry", || {
        let journal = get(&instance, "/api/swarms/example/objects/journal")["domain_state"]["total"].as_u64();
        (journal >= Some(1)).then_some(())
    });
    let messages = get(&instance, "/api/swarms/example/messages?limit=50")["messages"].clone();
    let passed = |from: &str, to: &str| {
        let is = |m: &&Value| m["from"] == from && m["to"] == to && m["content_preview"] == "hello";
        messages.as_array().into_iter().flatten().filter(is).count()
    };
    let edges = [("first", "second"), ("first", "counter"), ("second", "third"), ("third", "journal")];
    assert_eq!(edges.map(|(from, to)| passed(from, to)), [1; 4], "{messages}");
}

/// Spec genswarms K: their CLI takes a 401 for "not running" and queues what was asked.
#[test]
fn a_401_is_told_as_one_and_nothing_is_done_or_queued() {
    let mut instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", "the-operators-token")], &[]);
    let start = ["start", &example("ring.json")];
    let (code, out, err) = ran(&mut instance.loopgate(&start));
    assert_eq!((code, out.as_str()), (Some(77), ""));
    assert!(err.contains("this server needs GENSWARMS_API_TOKEN, set it in this shell"), "{err}");
    let (code, _, err) = ran(instance.loopgate(&start).env("GENSWARMS_API_TOKEN", "another-token"));
    assert_eq!(code, Some(77));
    assert!(err.contains("takes another token") && !err.contains("another-token"), "{err}");
    let (code, _, err) = ran(instance.loopgate(&start).env("GENSWARMS_API_TOKEN", ""));
    assert_eq!(code, Some(77));
    assert!(err.contains("set it in this shell"), "empty is unset: {err}");
    let (_, _, err) = ran(instance.loopgate(&start).env("LOOPGATE_API_TOKEN", "another-token"));
    assert!(err.contains("than the LOOPGATE_API_TOKEN of this shell"), "{err}");
    let with = |args: &[&str]| ran(instance.loopgate(args).env("GENSWARMS_API_TOKEN", "the-operators-token"));
    assert!(with(&["status", "--swarms"]).2.contains("no swarms"), "nothing was queued");
    assert_eq!(with(&start).0, Some(0));
    assert_eq!(with(&["task", "ring", "place_1", "hello"]).0, Some(0));
    let (code, _, err) = ran(&mut instance.loopgate(&["task", "ring", "place_1", "hello"]));
    assert_eq!(code, Some(77));
    assert!(err.contains("nothing was done"), "{err}");
    instance.terminate();
    let (code, _, _) = ran(&mut instance.loopgate(&["task", "ring", "place_1", "hello"]));
    assert_eq!(code, Some(69), "and what does not run is told as that");
}

#[test]
fn a_single_request_to_the_swarms_carries_the_token_and_tells_a_401_as_one() {
    let instance = Instance::start_with(&[("GENSWARMS_API_TOKEN", "the-operators-token")], &[]);
    let list = ["api", "GET", "/api/swarms"];
    let (code, _, err) = ran(&mut instance.loopgate(&list));
    assert_eq!(code, Some(77));
    assert!(err.contains("this server needs GENSWARMS_API_TOKEN, set it in this shell"), "{err}");
    let (code, out, err) = ran(instance.loopgate(&list).env("GENSWARMS_API_TOKEN", "the-operators-token"));
    assert_eq!((code, out.contains("swarms")), (Some(0), true), "{err}");
}

#[test]
fn what_ran_is_listed_as_stopped_after_a_restart_and_autostart_starts_by_itself() {
    let place = TempDir::new();
    let mut instance = Instance::start();
    run(&instance, &["start", &example("ring.json")]);
    run(&instance, &["scale", "ring", "place_5", "2"]);
    let value = json!({"name": "always", "autostart": true, "agents": [{"name": "a", "backend": "mock"}]});
    run(&instance, &["start", &config(&place, &value)]);
    instance.kill();
    instance.start_again();
    until("the one that starts by itself", || {
        let swarms = get(&instance, "/api/swarms")["swarms"].clone();
        let status = |name: &str| {
            let found = swarms.as_array().into_iter().flatten().find(|swarm| swarm["name"] == name);
            found.map(|swarm| swarm["status"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(status("ring").as_deref(), Some("stopped"));
        (status("always").as_deref() == Some("running")).then_some(())
    });
    assert_eq!(run(&instance, &["start", "ring"]), "started ring: 6 agents, 0 objects, 7 edges\n");
    let names: Vec<String> = states(&instance, "ring").into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"place_5_2".to_owned()) && !names.contains(&"place_5".to_owned()), "{names:?}");
}

/// By its token; and through the directories, as an agent without a network does.
#[test]
fn inside_an_agent_send_ask_broadcast_and_list_work_by_token_and_through_the_outbox() {
    let place = TempDir::new();
    let instance = Instance::start();
    let script = "while IFS= read -r line; do \
            loopgate list; loopgate ask count '{\"action\":\"add\",\"by\":2}'; \
            loopgate send b 'by token'; loopgate send c 'no edge'; echo \"exit $?\"; loopgate broadcast 'to all'; \
            unset LOOPGATE_AGENT_TOKEN LOOPGATE_URL; \
            loopgate list; loopgate ask count '{\"action\":\"add\",\"by\":2}'; \
            loopgate send b 'by file'; loopgate broadcast 'to all by file'; \
            loopgate status; echo \"exit $?\"; \
            echo '<<TURN_COMPLETE>>'; done";
    let value = json!({
        "name": "inside",
        "agents": [
            {"name": "a", "backend": "local", "config": {"command": ["sh", "-c", script]}},
            {"name": "b", "backend": "mock"}, {"name": "c", "backend": "mock"},
        ],
        "objects": [{"name": "count", "handler": "counter"}],
        "topology": [["a", "b"], ["a", "count"]],
    });
    run(&instance, &["start", &config(&place, &value)]);
    run(&instance, &["task", "inside", "a", "go"]);
    let routed = until("what went through the outbox", || {
        let messages = get(&instance, "/api/swarms/inside/messages?limit=50")["messages"].clone();
        let all: Vec<String> = messages
            .as_array()
            .expect("a list")
            .iter()
            .rev()
            .map(|m| {
                format!(
                    "{} {} {}",
                    m["type"].as_str().unwrap_or_default(),
                    m["to"],
                    m["content_preview"].as_str().unwrap_or_default()
                )
            })
            .collect();
        all.iter().any(|line| line.ends_with("to all by file")).then_some(all)
    });
    let position = |what: &str| {
        routed.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {routed:?}"))
    };
    assert!(
        position("by token") < position("to all") && position("to all") < position("by file"),
        "{routed:?}"
    );
    assert!(!routed.iter().any(|line| line.contains("no edge")), "{routed:?}");
    until_idle(&instance, "inside");
    let history = get(&instance, "/api/swarms/inside/agents/a/history")["history"].to_string();
    assert!(history.contains("by token") && history.contains("by file"), "{history}");
}

/// It counts where the agent's own processes show it, and nowhere else while it runs; then nowhere.
#[test]
fn a_token_of_a_swarms_agent_that_was_carried_off_opens_nothing() {
    let (place, instance) = (TempDir::new(), Instance::start());
    let told = place.path().join("token");
    let script = "printf %s \"$LOOPGATE_AGENT_TOKEN\" > \"$0.new\" && mv \"$0.new\" \"$0\"; exec cat";
    let command = json!(["sh", "-c", script, told.to_str().expect("text")]);
    let value = json!({
        "name": "robbed",
        "agents": [{"name": "a", "backend": "local", "config": {"command": command}}],
    });
    run(&instance, &["start", &config(&place, &value)]);
    let token = until("the token", || fs::read_to_string(&told).ok());
    let bearer = format!("Bearer {token}");
    let whoami =
        || instance.call_as(&[("Authorization", &bearer)], "GET", "/api/v1/self/whoami", &Value::Null);
    let answer = whoami();
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("agent_token_elsewhere")));
    run(&instance, &["stop", "robbed"]);
    let answer = whoami();
    assert_eq!(answer.status, 401);
    assert_ne!(answer.json()["code"], "agent_token_elsewhere", "it is nobody's");
}

/// The instance's word on itself holds while a swarm runs.
#[test]
fn the_exposure_of_an_instance_with_a_swarm_has_no_difference() {
    let instance = Instance::start();
    run(&instance, &["start", &example("ring.json")]);
    run(&instance, &["task", "ring", "place_1", "token 0 10"]);
    let (code, out, err) = ran(&mut instance.loopgate(&["exposure"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("stdin, stdout, stderr of") && out.contains("swarms: configurations"), "{out}");
    run(&instance, &["stop", "ring"]);
    assert_eq!(ran(&mut instance.loopgate(&["exposure"])).0, Some(0));
}

/// What another machine's client does, from an address that is not loopback: in a network of its own.
const FROM_ELSEWHERE: &str = r#"
import http.client, json, os, sys, time
home = os.environ["LOOPGATE_HOME"]
port = int(json.load(open(home + "/authkey"))["web_endpoint"].rsplit(":", 1)[1])
def ask(headers):
    there = http.client.HTTPConnection("198.51.100.7", port, timeout=10, source_address=("198.51.100.7", 0))
    there.putrequest("GET", "/api/swarms", skip_host=True)
    for name, value in headers: there.putheader(name, value)
    there.endheaders()
    return there.getresponse().status
bearer = ("Authorization", "Bearer token-token-token")
here = ("Host", "198.51.100.7:%d" % port)
print([ask([here, bearer]), ask([here]), ask([here, ("Authorization", "Bearer another")]),
       ask([("Host", "198.51.100.7:%d" % (port - 1)), bearer]), ask([("Host", "evil.example:%d" % port), bearer]),
       ask([bearer])])
"#;

/// Bound to all addresses, with a token: who has it is served under the exact Host rule, nobody else is.
#[test]
fn with_a_token_other_machines_are_served_by_the_address_they_came_to_and_by_no_other_name() {
    let have = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !have.is_ok_and(|output| output.status.success()) {
        return support::skipped("unshare -rn and ip (util-linux, iproute2)");
    }
    let home = TempDir::new();
    let script = "ip link set lo up && ip addr add 198.51.100.7/32 dev lo; \
        \"$0\" serve 2>/dev/null & pid=$!; \
        for i in $(seq 400); do [ -e \"$LOOPGATE_HOME/authkey\" ] && break; sleep 0.05; done; \
        python3 -c \"$1\"; kill $pid; wait $pid; echo ended $?";
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", script]).arg(support::binary()).arg(FROM_ELSEWHERE);
    command.env_clear().env("PATH", support::path()).env("LOOPGATE_HOME", home.path());
    command.env("GENSWARMS_HTTP_IP", "0.0.0.0").env("GENSWARMS_API_TOKEN", "token-token-token");
    let (_, out, err) = ran(&mut command);
    assert_eq!(out, "[200, 401, 401, 421, 421, 400]\nended 0\n", "{err}");
}

/// Nothing is done by halves: a configuration that is wrong is told with the place, and nothing runs.
#[test]
fn a_wrong_configuration_is_told_with_its_place_and_starts_nothing() {
    let place = TempDir::new();
    let instance = Instance::start();
    let path = place.path().join("wrong.json");
    fs::write(&path, "{\n  \"name\": \"x\",\n  \"agents\": [{ \"name\": \"a\", \"bakend\": \"mock\" }]\n}\n")
        .expect("written");
    let path = path.to_str().expect("text");
    for args in [["start", path].as_slice(), &["config", "validate", path]] {
        let (code, out, err) = ran(&mut instance.loopgate(args));
        let all = format!("{out}{err}");
        assert_eq!(code, Some(65), "{all}");
        assert!(all.contains(&format!("{path}:3:")) && all.contains("backend"), "{all}");
    }
    assert_eq!(get(&instance, "/api/swarms")["swarms"], json!([]));
    assert!(!Path::new(&instance.home.path().join("swarms/x")).exists());
}

/// Runs a verb with a text on its stdin.
fn piped(instance: &Instance, args: &[&str], text: &str) -> (Option<i32>, String, String) {
    let file = instance.home.path().join("stdin");
    fs::write(&file, text).expect("written");
    ran(instance.loopgate(args).stdin(fs::File::open(&file).expect("a file")))
}

#[test]
fn a_task_and_a_message_from_stdin_may_be_as_large_as_the_routes_take() {
    let instance = Instance::start();
    run(&instance, &["start", &example("mock.json")]);
    let (task, message) = (["task", "mock", "silent"], ["msg", "mock", "asker", "knower"]);
    let room = limits::BODY_LARGEST - r#"{"task":""}"#.len();
    let (code, out, err) = piped(&instance, &task, &"x".repeat(room));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for (args, text) in [
        (task.as_slice(), "x".repeat(room + 1)),
        (&task, "\n".repeat(room / 2 + 1)),
        (&message, "x".repeat(limits::BODY_LARGEST + 1)),
    ] {
        let (code, out, err) = piped(&instance, args, &text);
        assert_eq!((code, out.as_str()), (Some(65), ""), "{err}");
        assert!(
            err.contains("nothing was sent") && err.contains("1048576") && err.contains("next:"),
            "{err}"
        );
    }
}

#[test]
fn a_configuration_that_is_valid_is_also_small_enough_to_be_started() {
    let instance = Instance::start();
    let path = instance.home.path().join("large.json");
    let mut both = Vec::new();
    for less in [400, 130, 120, 110, 100] {
        let note = "x".repeat(limits::CONFIG_BYTES - less);
        let agents = json!([{ "name": "a", "backend": "mock", "config": { "note": note } }]);
        let text = json!({ "name": "large", "agents": agents }).to_string();
        assert!(text.len() <= limits::CONFIG_BYTES);
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("text");
        let (valid, _, err) = ran(&mut instance.loopgate(&["config", "validate", path]));
        let (started, _, told) = ran(&mut instance.loopgate(&["start", path]));
        assert_eq!((valid, &err), (started, &told), "{less} bytes less");
        assert!(
            valid == Some(0) || err.contains("bytes as it is sent to the instance, which takes"),
            "{err}"
        );
        both.push(valid);
        ran(&mut instance.loopgate(&["stop", "large", "--purge"]));
    }
    assert_eq!((both.first(), both.last()), (Some(&Some(0)), Some(&Some(65))), "{both:?}");
}

/// What failed, why, and what to do; a script tells a wrong name from a wrong file and from "not now".
#[test]
fn the_verbs_of_swarms_say_what_is_wrong_and_what_to_do() {
    let instance = Instance::start();
    run(&instance, &["start", &example("mock.json")]);
    let refused = |args: &[&str], code: i32, says: &[&str]| {
        let (ended, out, err) = ran(&mut instance.loopgate(args));
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{args:?}: {err}");
        assert!(says.iter().all(|says| err.contains(says)), "{args:?}: {err}");
    };
    for verb in ["status", "pause", "resume", "stop", "restart", "overlay", "snapshot", "start"] {
        refused(&[verb, "none"], 1, &["warm", "loopgate status --swarms"]);
        refused(&[verb, "a b"], 2, &["is no name"]);
    }
    refused(&["overlay", "none", "--json"], 1, &["Swarm not found"]);
    refused(&["start", "none"], 1, &["loopgate start ./none"]);
    refused(&["start", "./none.json"], 1, &["cannot be read"]);
    refused(&["start", &example("mock.json")], 1, &["already_exists", "loopgate restart SWARM"]);
    refused(&["task", "none", "a", "x"], 1, &["loopgate status --swarms"]);
    refused(&["task", "mock", "none", "x"], 1, &["Agent not found", "loopgate status SWARM"]);
    refused(&["task", "mock", "tally", "x"], 1, &["not_an_agent", "loopgate msg SWARM FROM OBJECT"]);
    refused(&["msg", "mock", "none", "knower", "x"], 1, &["the sender", "loopgate status SWARM"]);
    refused(&["msg", "mock", "asker", "none", "x"], 1, &["the target", "loopgate status SWARM"]);
    refused(&["msg", "mock", "asker", "silent", "x"], 77, &["no edge asker -> silent", "shows the edges"]);
    refused(&["scale", "none", "a", "1"], 1, &["loopgate status --swarms"]);
    refused(&["scale", "mock", "none", "1"], 1, &["none_N", "loopgate status SWARM"]);
    refused(&["scale", "mock", "silent", "1000"], 1, &["max 100", "LOOPGATE_MAX_AGENTS_PER_SWARM"]);
    refused(&["scale", "mock", "silent", "many"], 2, &["is a whole number"]);

    assert_eq!(run(&instance, &["pause", "mock"]), "paused mock: 3 agents\n");
    assert!(run(&instance, &["status", "mock"]).starts_with("mock: running, paused\n"));
    run(&instance, &["resume", "mock"]);
    assert!(run(&instance, &["status", "mock"]).starts_with("mock: running\n"));
    run(&instance, &["stop", "mock"]);
    for args in
        [["pause", "mock"].as_slice(), &["scale", "mock", "silent", "2"], &["restart", "mock", "silent"]]
    {
        refused(args, 1, &["does not run", "loopgate start SWARM"]);
    }
    refused(&["task", "mock", "silent", "x"], 1, &["agent_stopped", "loopgate start SWARM"]);
}

#[test]
fn the_verbs_of_swarms_print_json_where_they_are_asked_to() {
    let instance = Instance::start();
    for (args, field, wanted) in [
        (vec!["start", "@mock.json"], "/swarm_name", json!("mock")),
        (vec!["status", "mock"], "/status", json!("running")),
        (vec!["status", "--swarms"], "/swarms/0/name", json!("mock")),
        (vec!["task", "mock", "silent", "x"], "/status", json!("sent")),
        (vec!["msg", "mock", "asker", "knower", "x"], "/status", json!("routed")),
        (vec!["pause", "mock"], "/containers_paused", json!(3)),
        (vec!["resume", "mock"], "/containers_resumed", json!(3)),
        (vec!["scale", "mock", "silent", "2"], "/result/removed", json!(["silent"])),
        (vec!["overlay", "mock"], "/events/0/op", json!("scale_agent_group")),
        (vec!["snapshot", "mock"], "/name", json!("mock")),
        (vec!["overlay", "mock", "--clear"], "/status", json!("cleared")),
        (vec!["restart", "mock", "asker"], "/status", json!("restarted")),
        (vec!["restart", "mock"], "/status", json!("restarted")),
        (vec!["stop", "mock"], "/status", json!("stopped")),
        (vec!["stop", "mock", "--purge"], "/status", json!("purged")),
    ] {
        let file = example("mock.json");
        let mut args: Vec<&str> =
            args.iter().map(|word| if *word == "@mock.json" { &file } else { *word }).collect();
        args.push("--json");
        let told: Value = serde_json::from_str(&run(&instance, &args)).expect("JSON");
        assert_eq!(told.pointer(field), Some(&wanted), "{args:?}: {told}");
    }
}
