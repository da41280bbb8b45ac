use std::{os::unix::fs::symlink, path::PathBuf};

use super::*;
use crate::{
    store::testing::{TempHome, mode_of},
    wire::clock::ManualClock,
};

struct Setup {
    temp: TempHome,
    inbox: Inbox,
    clock: Arc<ManualClock>,
}

impl Setup {
    fn new() -> Self {
        let temp = TempHome::in_memory();
        let root = Lent::open(temp.around()).expect("a directory");
        root.fresh_below(NAME).and_then(|inbox| inbox.create_below(REPLIES)).expect("made");
        let clock = ManualClock::at(1_792_000_000_000);
        Self { temp, inbox: Inbox::open(Arc::new(root), clock.clone()), clock }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.around().join(NAME).join(name)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(directory)).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
            .collect();
        names.sort();
        names
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.at(name)).expect("a file")).expect("JSON")
    }
}

/// Spec genswarms E.5.
#[test]
fn a_delivered_message_is_a_file_with_its_number_and_sender() {
    let mut setup = Setup::new();
    setup.inbox.deliver("alpha", "one\n\"two\"").expect("written");
    setup.inbox.deliver("../b\u{e4}\n", "x").expect("written");
    assert_eq!(setup.names(""), ["0001_alpha.json", "0002____b__.json", "replies"]);
    let wanted =
        json!({"from": "alpha", "content": "one\n\"two\"", "seq": 1, "timestamp": "2026-10-14T17:46:40Z"});
    assert_eq!(setup.json("0001_alpha.json"), wanted);
    assert_eq!(setup.json("0002____b__.json")["from"], "../b\u{e4}\n");
    assert_eq!(mode_of(&setup.at("0001_alpha.json")), 0o600);
}

#[test]
fn an_inbox_keeps_the_newest_messages() {
    let mut setup = Setup::new();
    for _ in 0..limits::INBOX_FILES + 3 {
        setup.inbox.deliver("a", "x").expect("written");
    }
    let names = setup.names("");
    assert_eq!(names.len(), limits::INBOX_FILES + 1);
    assert!(names.contains(&"0004_a.json".to_owned()) && !names.contains(&"0003_a.json".to_owned()));
    assert!(names.contains(&format!("{:04}_a.json", limits::INBOX_FILES + 3)));
}

#[test]
fn an_inbox_is_bounded_in_bytes() {
    let mut setup = Setup::new();
    let content = "x".repeat(limits::SWARM_MESSAGE);
    for _ in 0..limits::INBOX_BYTES / limits::SWARM_MESSAGE + 2 {
        setup.inbox.deliver("a", &content).expect("written");
    }
    assert!(setup.inbox.bytes <= limits::INBOX_BYTES);
    assert_eq!(setup.names("").len(), setup.inbox.messages.len() + 1);
    assert!(setup.inbox.messages.len() >= limits::INBOX_BYTES / limits::SWARM_MESSAGE - 1);
}

/// Spec genswarms J.2.
#[test]
fn answers_are_whole_files_by_their_ids() {
    let mut setup = Setup::new();
    setup.inbox.reply("ask_1_2", &json!({"ok": true})).expect("written");
    assert_eq!(setup.json("replies/ask_1_2.json"), json!({"ok": true}));
    setup.inbox.reply("ask_1_2", &json!({"ok": false})).expect("written again");
    assert_eq!(setup.json("replies/ask_1_2.json"), json!({"ok": false}));
    for bad in ["", ".", "..", "../x", "a/b", "a\n", &"x".repeat(129)] {
        assert!(setup.inbox.reply(bad, &json!({})).is_err(), "{bad:?}");
    }
    assert_eq!(setup.names("replies"), ["ask_1_2.json"], "and nothing half written");
}

#[test]
fn answers_are_bounded_in_number_and_age() {
    let mut setup = Setup::new();
    setup.inbox.reply("first", &json!(1)).expect("written");
    setup.inbox.reply("again", &json!(1)).expect("written");
    setup.clock.advance(limits::REPLY_KEPT_MS - 1);
    setup.inbox.reply("again", &json!(2)).expect("written");
    setup.inbox.prune();
    assert_eq!(setup.names("replies"), ["again.json", "first.json"]);
    setup.clock.advance(1);
    setup.inbox.prune();
    assert_eq!(setup.names("replies"), ["again.json"], "the later one of that id stays");
    for number in 0..limits::REPLIES + 5 {
        setup.inbox.reply(&number.to_string(), &json!(1)).expect("written");
    }
    assert_eq!(setup.names("replies").len(), limits::REPLIES);
    assert_eq!(setup.inbox.replies.len(), limits::REPLIES);
}

#[test]
fn nothing_is_written_or_removed_through_what_the_agent_put_there() {
    let mut setup = Setup::new();
    let elsewhere = setup.temp.around().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::write(elsewhere.join("file"), "theirs").expect("written");
    symlink(elsewhere.join("file"), setup.at("0001_a.json")).expect("a link");
    symlink(elsewhere.join("file"), setup.at("replies/x.json")).expect("a link");
    setup.inbox.deliver("a", "x").expect("written");
    setup.inbox.reply("x", &json!(1)).expect("written");
    assert_eq!(std::fs::read_to_string(elsewhere.join("file")).expect("there"), "theirs");

    std::fs::rename(setup.at("replies"), setup.temp.around().join("moved")).expect("moved");
    symlink(&elsewhere, setup.at("replies")).expect("a link");
    assert_eq!(setup.inbox.reply("y", &json!(1)), Err(LentError::Symlink));
    let place = setup.temp.around().join(NAME);
    std::fs::rename(&place, setup.temp.around().join("away")).expect("moved");
    symlink(&elsewhere, &place).expect("a link");
    assert_eq!(setup.inbox.deliver("a", "x"), Err(LentError::Symlink));
    assert_eq!(std::fs::read_dir(&elsewhere).expect("a directory").count(), 1);
}
