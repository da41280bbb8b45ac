//! The lines of an object that is a process of its own (spec genswarms J.3): `{"from","content"}` to it,
//! `{"action":"reply|send|broadcast|noreply","to","content"}` from it. What its configuration says it finds in one
//! variable, before the first line.

use serde_json::{Map, Value, json};

use super::Action;
use crate::{
    limits,
    wire::json::{self, Fields},
};

/// The variable that holds an object's configuration, as JSON.
const CONFIG: &str = "SWARM_OBJECT_CONFIG";

/// The variables of a process beside what every program gets.
pub fn variables(config: &Map<String, Value>) -> Vec<(String, String)> {
    vec![(CONFIG.to_owned(), text(config))]
}

/// Whether a configuration is small enough for its variable.
pub fn fits(config: &Map<String, Value>) -> bool {
    text(config).len() <= limits::OBJECT_CONFIG
}

fn text(config: &Map<String, Value>) -> String {
    Value::from(config.clone()).to_string()
}

/// The line that tells a process of a message, without its newline.
pub fn line(from: &str, content: &str) -> Vec<u8> {
    json!({"from": from, "content": content}).to_string().into_bytes()
}

/// Reads a line of a process; the error says what is wrong with it. A `reply` without `to` goes to whom the
/// process was last told of.
pub fn parse(line: &[u8]) -> Result<Action, &'static str> {
    const ACTIONS: [(&str, Word); 4] = [
        ("reply", Word::Reply),
        ("send", Word::Send),
        ("broadcast", Word::Broadcast),
        ("noreply", Word::NoReply),
    ];
    let value = json::parse(line).map_err(|_| "not a JSON line")?;
    let fields = Fields::of(&value).map_err(|_| "not a JSON object")?;
    let word = fields.optional_word("action", &ACTIONS).ok().flatten().ok_or("no known action")?;
    let to = fields.optional_text("to").map_err(|_| "to is not a text")?.map(str::to_owned);
    let content = fields.optional_text("content").map_err(|_| "content is not a text")?;
    if content.is_some_and(|content| content.len() > limits::SWARM_MESSAGE) {
        return Err("content is too long");
    }
    let content = content.map(str::to_owned).ok_or("no content");
    match (word, to) {
        (Word::NoReply, _) => Ok(Action::NoReply),
        (Word::Reply, None) => Ok(Action::Reply { content: content? }),
        (Word::Reply | Word::Send, Some(to)) => Ok(Action::Send { to, content: content? }),
        (Word::Send, None) => Err("a send without to"),
        (Word::Broadcast, _) => Ok(Action::Broadcast { content: content?, except: None }),
    }
}

#[derive(Clone, Copy)]
enum Word {
    Reply,
    Send,
    Broadcast,
    NoReply,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_process_are_read_and_written() {
        assert_eq!(line("a", "x\n\"y\""), br#"{"content":"x\n\"y\"","from":"a"}"#);
        let to = || "b".to_owned();
        let content = || "x".to_owned();
        for (text, wanted) in [
            (r#"{"action":"reply","content":"x"}"#, Ok(Action::Reply { content: content() })),
            (r#"{"action":"reply","to":null,"content":"x"}"#, Ok(Action::Reply { content: content() })),
            (
                r#"{"action":"reply","to":"b","content":"x"}"#,
                Ok(Action::Send { to: to(), content: content() }),
            ),
            (
                r#"{"action":"send","to":"b","content":"x"}"#,
                Ok(Action::Send { to: to(), content: content() }),
            ),
            (
                r#"{"action":"broadcast","content":"x"}"#,
                Ok(Action::Broadcast { content: content(), except: None }),
            ),
            (r#"{"action":"noreply"}"#, Ok(Action::NoReply)),
            (r#"{"action":"send","content":"x"}"#, Err("a send without to")),
            (r#"{"action":"send","to":"b"}"#, Err("no content")),
            (r#"{"action":"send","to":5,"content":"x"}"#, Err("to is not a text")),
            (r#"{"action":"send","to":"b","content":{}}"#, Err("content is not a text")),
            (r#"{"action":"exec","content":"x"}"#, Err("no known action")),
            (r#"{"content":"x"}"#, Err("no known action")),
            ("[]", Err("not a JSON object")),
            ("send", Err("not a JSON line")),
            ("\u{0}", Err("not a JSON line")),
        ] {
            assert_eq!(parse(text.as_bytes()), wanted, "{text}");
        }
        assert_eq!(parse(b"\xff"), Err("not a JSON line"));
        let long = |bytes| json!({"action": "broadcast", "content": "x".repeat(bytes)}).to_string();
        assert!(parse(long(limits::SWARM_MESSAGE).as_bytes()).is_ok());
        assert_eq!(parse(long(limits::SWARM_MESSAGE + 1).as_bytes()), Err("content is too long"));
    }
}
