//! One letter of an outbox: what it says, or why it is none.
//!
//! A letter is a JSON object that is read one way only: a field that stands twice, one of the wrong kind, or
//! two forms at once make it none. Fields that nobody asks for are ignored.

use serde_json::Value;

use crate::{limits, wire::json};

/// What an agent put into its outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// a message to one node
    Send {
        /// its name, as the agent wrote it
        to: String,
        /// the text
        content: String,
    },
    /// a question to an object; the answer goes to the inbox
    Ask {
        /// its name, as the agent wrote it
        to: String,
        /// the text
        content: String,
        /// what the answer's file is called
        id: String,
    },
    /// a message to every node that it has an edge to
    Broadcast {
        /// the text
        content: String,
    },
    /// no letter; the file is gone, unless `why` says otherwise
    Invalid {
        /// its name, escaped
        file: String,
        /// what is wrong with it
        why: &'static str,
    },
}

/// Why a text is no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// it is no JSON: its writer may not have finished
    NotWhole(&'static str),
    /// it never will be one
    Invalid(&'static str),
}

/// Whether a text may be the id of an ask, and so a part of a file's name (spec genswarms J.2).
pub fn is_reply_id(id: &str) -> bool {
    let clean = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    clean && (1..=limits::REPLY_ID).contains(&id.len()) && id != "." && id != ".."
}

/// Reads a letter.
pub(super) fn read(bytes: &[u8]) -> Result<Letter, Unread> {
    let value = json::parse(bytes).map_err(|error| match error {
        json::Error::Syntax { .. } => Unread::NotWhole("it is not JSON"),
        json::Error::TooDeep => Unread::Invalid("its JSON is too deep"),
        json::Error::Duplicate => Unread::Invalid("it has a field twice"),
        json::Error::NotAnObject | json::Error::Missing { .. } | json::Error::Wrong { .. } => {
            Unread::Invalid("it is not a JSON object")
        }
    })?;
    letter(&value).map_err(Unread::Invalid)
}

fn letter(value: &Value) -> Result<Letter, &'static str> {
    let map = value.as_object().ok_or("it is not a JSON object")?;
    let content = map.get("content").and_then(Value::as_str).ok_or("it has no text `content`")?.to_owned();
    if content.len() > limits::SWARM_MESSAGE {
        return Err("its `content` is too large");
    }
    let given = |name| map.get(name).filter(|value| !value.is_null());
    let broadcast = match given("broadcast") {
        None => false,
        Some(value) => value.as_bool().ok_or("its `broadcast` is neither true nor false")?,
    };
    let text = |name, wrong| match given(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(str::to_owned).map(Some).ok_or(wrong),
    };
    let to = text("to", "its `to` is not a text")?;
    let id = text("reply_to", "its `reply_to` is not a text")?;
    match (broadcast, to, id) {
        (true, None, None) => Ok(Letter::Broadcast { content }),
        (true, ..) => Err("it is a broadcast, and has a `to` or a `reply_to`"),
        (false, None, _) => Err("it has no text `to`"),
        (false, Some(to), None) => Ok(Letter::Send { to, content }),
        (false, Some(to), Some(id)) if is_reply_id(&id) => Ok(Letter::Ask { to, content, id }),
        (false, Some(_), Some(_)) => Err("its `reply_to` cannot be the name of an answer"),
    }
}

/// Fuzz entry: any bytes as a file of an outbox. What is taken for a letter means the same when it is written
/// again, and keeps its bounds.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(letter) = read(data) else { return };
    let again = match &letter {
        Letter::Send { to, content } => serde_json::json!({"to": to, "content": content, "reply_to": null}),
        Letter::Ask { to, content, id } => {
            assert!(is_reply_id(id) && !id.contains('/'));
            serde_json::json!({"to": to, "content": content, "reply_to": id})
        }
        Letter::Broadcast { content } => serde_json::json!({"broadcast": true, "content": content}),
        Letter::Invalid { .. } => panic!("what is no letter was read as one"),
    };
    let document: Value =
        serde_json::from_slice(data).unwrap_or_else(|_| panic!("no document, and a letter"));
    assert!(document["content"].as_str().is_some_and(|text| text.len() <= limits::SWARM_MESSAGE));
    assert_eq!(read(again.to_string().as_bytes()), Ok(letter));
}
