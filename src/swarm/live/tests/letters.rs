//! Letters in outboxes, and what is written into inboxes.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::rig::{Program, Rig, local, name, object, swarm};
use crate::{
    limits,
    store::testing::{Silent, in_own_mounts},
};

/// Its own directory of this name on the host: a sandboxed program is told where it is inside.
fn own(program: &Program, name: &str) -> PathBuf {
    program.spec.cwd.parent().expect("its own directory").join(name)
}

fn outbox(program: &Program) -> PathBuf {
    assert!(program.variable("OUTBOX_DIR").is_some_and(|path| path.ends_with("/outbox")));
    own(program, "outbox")
}

pub(super) fn inbox(program: &Program) -> Vec<Value> {
    assert!(program.variable("ASK_REPLY_DIR").is_some_and(|path| path.ends_with("/inbox/replies")));
    let entries =
        fs::read_dir(own(program, "inbox")).expect("it is read").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON")).collect()
}

pub(super) fn post(program: &Program, file: &str, letter: &Value) {
    let directory = outbox(program);
    fs::write(directory.join(".tmp_x"), letter.to_string()).expect("it is written");
    fs::rename(directory.join(".tmp_x"), directory.join(file)).expect("it is renamed");
}

#[test]
fn m11_letters_are_sent_in_order_and_their_files_are_gone() {
    let rig = Rig::new(&swarm(&[local("a"), local("b"), local("c")], &[], "a>b a>c"));
    let a = rig.program("a");
    post(&a, "0002_b.json", &json!({"to": "b", "content": "two"}));
    post(&a, "0001_b.json", &json!({"to": "b", "content": "one", "reply_to": null}));
    post(&a, "0003_all.json", &json!({"broadcast": true, "content": "three"}));
    fs::write(outbox(&a).join(".tmp_half"), "{").unwrap();
    rig.passes(200);
    let mut heard = rig.program("b").heard();
    for _ in 0..2 {
        rig.program("b").done();
        heard.extend(rig.program("b").heard());
    }
    assert_eq!(heard, ["a: one", "a: two", "a: three"]);
    assert_eq!(rig.program("c").heard(), ["a: three"]);
    assert_eq!(fs::read_dir(outbox(&a)).unwrap().count(), 1, "what is not finished stays");
}

#[test]
fn each_message_is_also_a_file_in_the_inbox() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    rig.program("a").says(&["@b: one", "@b: two"]);
    let files = inbox(&rig.program("b"));
    let shown: Vec<_> = files.iter().map(|file| (&file["from"], &file["content"], &file["seq"])).collect();
    let (a, one, two) = (json!("a"), json!("one"), json!("two"));
    assert_eq!(shown, [(&a, &one, &json!(1)), (&a, &two, &json!(2))]);
    assert_eq!(rig.program("b").heard(), ["a: one"], "the second waits, and can be looked at already");
}

#[test]
fn m11_an_ask_by_letter_is_answered_in_a_file_and_starts_no_turn() {
    let rig = Rig::new(&swarm(&[local("a")], &[object("count", "counter")], "a>count"));
    let a = rig.program("a");
    post(&a, "1.json", &json!({"to": "count", "content": "add", "reply_to": "ask_1_2"}));
    post(&a, "2.json", &json!({"to": "other", "content": "add", "reply_to": "ask_1_3"}));
    rig.passes(200);
    let reply = |id: &str| -> Value {
        let path = PathBuf::from(a.variable("ASK_REPLY_DIR").unwrap()).join(format!("{id}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    assert_eq!(reply("ask_1_2")["result"], json!({"count": 1}));
    assert_eq!(reply("ask_1_3")["error"]["code"], "route_denied");
    assert!(a.heard().is_empty());
}

#[test]
fn letters_of_a_turn_are_sent_before_it_ends() {
    let agent = json!({"name": "a", "backend": "local",
                       "config": {"command": ["/bin/cat"], "reply_to": "o", "reply_grace_ms": 1}});
    let rig = Rig::new(&swarm(&[agent], &[object("o", "log")], "a>o"));
    rig.task("a", "t").unwrap();
    let a = rig.program("a");
    a.says(&["some text"]);
    post(&a, "1.json", &json!({"to": "o", "content": "by letter"}));
    a.done();
    let total = || rig.live.object(&name("o")).unwrap().1.unwrap()["total"].clone();
    assert_eq!(total(), 1, "before anybody looks at the clock");
    rig.passes(1_000);
    assert_eq!(total(), 1, "its text was not needed any more");
}

#[test]
fn answers_that_nobody_fetches_are_removed_as_time_goes_by() {
    let rig = Rig::new(&swarm(&[local("a")], &[object("count", "counter")], "a>count"));
    let a = rig.program("a");
    post(&a, "1.json", &json!({"to": "count", "content": "add", "reply_to": "q1"}));
    rig.passes(200);
    let answer = PathBuf::from(a.variable("ASK_REPLY_DIR").unwrap()).join("q1.json");
    assert!(answer.exists());
    rig.passes(limits::REPLY_KEPT_MS - 1_000);
    assert!(answer.exists());
    rig.passes(61_000);
    assert!(!answer.exists());
}

/// Times of files are coarse: a letter may come in the very moment of a look and change nothing that shows.
#[test]
fn a_letter_that_comes_in_the_moment_of_a_look_is_found_by_the_next() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    let a = rig.program("a");
    let moment = SystemTime::now() + Duration::from_secs(3_600);
    let stamp = || fs::File::open(outbox(&a)).and_then(|at| at.set_modified(moment)).expect("a time");
    stamp();
    rig.passes(200);
    post(&a, "1.json", &json!({"to": "b", "content": "x"}));
    stamp();
    rig.passes(200);
    assert_eq!(rig.program("b").heard(), ["a: x"]);
}

#[test]
fn letters_that_a_program_leaves_behind_are_sent() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    let a = rig.program("a");
    let count = limits::OUTBOX_LETTERS * 2;
    for at in 0..count {
        post(&a, &format!("{at:04}.json"), &json!({"to": "b", "content": at.to_string()}));
    }
    a.exits(None);
    assert_eq!((rig.waiting("b"), rig.program("b").heard().len()), (count - 1, 1));
}

#[test]
fn an_agent_that_floods_its_outbox_takes_its_turn_only() {
    let rig = Rig::new(&swarm(&[local("a"), local("b"), local("c")], &[], "a>c b>c"));
    let (a, b) = (rig.program("a"), rig.program("b"));
    for at in 0..limits::OUTBOX_LETTERS * 3 {
        post(&a, &format!("{at:04}.json"), &json!({"to": "c", "content": "flood"}));
    }
    post(&b, "1.json", &json!({"to": "c", "content": "from b"}));
    rig.passes(200);
    assert_eq!(rig.waiting("c"), limits::OUTBOX_LETTERS, "one look each: one of them is being said");
    for _ in 0..4 {
        rig.passes(200);
    }
    assert_eq!(rig.waiting("c"), limits::OUTBOX_LETTERS * 3);
    assert_eq!(fs::read_dir(outbox(&a)).unwrap().count(), 0);
}

#[test]
fn a_file_system_that_answers_nothing_over_an_outbox_holds_up_no_ticker_and_no_end() {
    if !in_own_mounts(
        module_path!(),
        "a_file_system_that_answers_nothing_over_an_outbox_holds_up_no_ticker_and_no_end",
    ) {
        return;
    }
    for is_whole in [false, true] {
        let rig = Rig::new(&swarm(&[local("a"), local("b"), local("c")], &[], "a>c b>c"));
        let (a, b) = (rig.program("a"), rig.program("b"));
        post(&a, "1.json", &json!({"to": "c", "content": "under it"}));
        post(&b, "1.json", &json!({"to": "c", "content": "beside it"}));
        let own = outbox(&a);
        let _silent = Silent::over(if is_whole { own.parent().expect("its directory") } else { &own });
        for _ in 0..9 {
            rig.passes(1_000);
        }
        let mut heard = rig.program("c").heard();
        rig.program("c").done();
        heard.extend(rig.program("c").heard());
        // Its own directory is held since it was started, and reached whatever is mounted over its name.
        let wanted: &[_] = if is_whole { &["a: under it", "b: beside it"] } else { &["b: beside it"] };
        assert_eq!(heard, wanted);
        assert_eq!(rig.events("invalid_line").len(), usize::from(!is_whole), "told once");
        assert!(rig.live.stop(Duration::from_millis(limits::STOP_MS)));
    }
}

#[test]
fn a_swarm_held_still_reads_no_letters() {
    let rig = Rig::new(&swarm(&[local("a"), local("b")], &[], "a>b"));
    post(&rig.program("a"), "1.json", &json!({"to": "b", "content": "x"}));
    rig.live.pause().unwrap();
    rig.passes(1_000);
    assert_eq!(rig.waiting("b"), 0);
    rig.live.resume().unwrap();
    rig.passes(200);
    assert_eq!(rig.program("b").heard(), ["a: x"]);
}

#[test]
fn an_agent_is_told_where_its_things_are_and_who_its_neighbours_are() {
    let mut agent = local("a");
    agent["config"]["env"] = json!({"MINE": "yes"});
    agent["config"]["workspace"] = json!("deep/er");
    agent["model"] = json!("small");
    let rig = Rig::new(&swarm(&[agent, local("b")], &[object("o", "log")], "a>b a>o b>a"));
    let a = rig.program("a");
    assert!(a.variable("OUTBOX_DIR").unwrap().ends_with("/agents/a/outbox"));
    assert_eq!(a.variable("MINE"), Some("yes"));
    assert_eq!(a.variable("SUBZEROCLAW_AGENT_NAME"), Some("a"));
    assert_eq!(a.variable("SUBZEROCLAW_REQUEST_EXTRA"), Some(r#"{"model":"small"}"#));
    let topology: Value = serde_json::from_str(a.variable("SWARM_TOPOLOGY").unwrap()).unwrap();
    assert_eq!(topology, json!({"agent": "a", "targets": ["b"], "objects": ["o"]}));
    assert!(a.spec.cwd.ends_with("agents/a/workspace/deep/er") && a.spec.cwd.is_dir());
}
