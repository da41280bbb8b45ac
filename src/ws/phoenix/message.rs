//! A client's frame of the Phoenix protocol, read strictly (spec genswarms D.2, D.3).
//!
//! Does no I/O. V2 is an array or, in a binary frame, lengths and strings; V1 is an object. What is not one of
//! these, or has a name over its limit, is no message at all, and ends the connection. Refs are what the client
//! makes of them: they are compared, and sent back as they came.

use serde_json::{Number, Value};

use crate::{
    limits,
    wire::json::{self, Fields},
};

/// Which of the two serialisers a client asked for by `vsn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// objects
    V1,
    /// arrays, and binary pushes
    V2,
}

impl Version {
    /// Reads `vsn`: a whole version, of which the last number does not matter.
    pub fn parse(vsn: &str) -> Option<Self> {
        let (line, patch) = vsn.rsplit_once('.')?;
        let digits = patch.bytes().all(|b| b.is_ascii_digit());
        let is_number = digits && !patch.is_empty() && (patch == "0" || !patch.starts_with('0'));
        match line {
            "1.0" if is_number => Some(Self::V1),
            "2.0" if is_number => Some(Self::V2),
            _ => None,
        }
    }
}

/// A number or a text by which a client knows an answer again, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    /// `null`
    None,
    /// what clients send
    Text(String),
    /// a whole number
    Whole(Number),
}

impl Ref {
    fn of(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Null => Ok(Self::None),
            Value::String(text) if text.len() <= limits::CHANNEL_NAME => Ok(Self::Text(text)),
            // A fraction could not be sent back as it came.
            Value::Number(number) if number.is_u64() || number.is_i64() => Ok(Self::Whole(number)),
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(Malformed)
            }
        }
    }

    /// As JSON.
    pub(super) fn json(&self) -> String {
        match self {
            Self::None => "null".to_owned(),
            Self::Text(text) => quoted(text),
            Self::Whole(number) => number.to_string(),
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// of the join that the topic was joined with
    pub join_ref: Ref,
    /// of this message
    pub reference: Ref,
    /// `phoenix`, `swarm:<name>`, or what is not known
    pub topic: String,
    /// `heartbeat`, `phx_join`, `send_task`, ...
    pub event: String,
    /// what comes with it
    pub payload: Payload,
}

/// What comes with a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// any JSON
    Json(Value),
    /// bytes, which no event reads
    Binary,
}

/// A frame that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<json::Error> for Malformed {
    fn from(_: json::Error) -> Self {
        Self
    }
}

/// Reads a text frame.
pub fn parse(version: Version, text: &str) -> Result<Message, Malformed> {
    if json::values(text) > limits::WS_JSON_VALUES {
        return Err(Malformed);
    }
    let value = json::parse(text.as_bytes())?;
    match version {
        Version::V1 => object(value),
        Version::V2 => array(value),
    }
}

/// Reads a binary frame. With V1 it is text in another frame.
pub fn parse_binary(version: Version, bytes: &[u8]) -> Result<Message, Malformed> {
    match version {
        Version::V1 => parse(version, std::str::from_utf8(bytes).map_err(|_| Malformed)?),
        Version::V2 => push(bytes),
    }
}

/// `[join_ref, ref, topic, event, payload]`; what stands behind is left aside.
fn array(value: Value) -> Result<Message, Malformed> {
    let Value::Array(items) = value else { return Err(Malformed) };
    let mut items = items.into_iter();
    let mut next = || items.next().ok_or(Malformed);
    Ok(Message {
        join_ref: Ref::of(next()?)?,
        reference: Ref::of(next()?)?,
        topic: name(next()?)?,
        event: name(next()?)?,
        payload: Payload::Json(next()?),
    })
}

/// `{topic, event, payload, ref}` and maybe `join_ref`; other fields are left aside.
fn object(mut value: Value) -> Result<Message, Malformed> {
    Fields::of(&value)?;
    let mut take = |field| value.get_mut(field).map(Value::take);
    Ok(Message {
        join_ref: Ref::of(take("join_ref").unwrap_or_default())?,
        reference: Ref::of(take("ref").ok_or(Malformed)?)?,
        topic: name(take("topic").ok_or(Malformed)?)?,
        event: name(take("event").ok_or(Malformed)?)?,
        payload: Payload::Json(take("payload").ok_or(Malformed)?),
    })
}

/// The kind, the lengths of four strings, the strings, and data that nobody reads. A byte holds no length
/// above [`limits::CHANNEL_NAME`].
fn push(bytes: &[u8]) -> Result<Message, Malformed> {
    let [PUSH, join_ref, reference, topic, event, rest @ ..] = bytes else { return Err(Malformed) };
    let mut rest = rest;
    let mut next = |length: &u8| {
        let (text, behind) = rest.split_at_checked(usize::from(*length)).ok_or(Malformed)?;
        rest = behind;
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| Malformed)
    };
    Ok(Message {
        join_ref: Ref::Text(next(join_ref)?),
        reference: Ref::Text(next(reference)?),
        topic: next(topic)?,
        event: next(event)?,
        payload: Payload::Binary,
    })
}

/// A topic or an event.
fn name(value: Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) if text.len() <= limits::CHANNEL_NAME => Ok(text),
        _ => Err(Malformed),
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The only kind of binary frame that a client sends.
const PUSH: u8 = 0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(join_ref: Ref, reference: Ref, topic: &str, event: &str, payload: Payload) -> Message {
        Message { join_ref, reference, topic: topic.to_owned(), event: event.to_owned(), payload }
    }

    fn text(text: &str) -> Ref {
        Ref::Text(text.to_owned())
    }

    #[test]
    fn m10_a_whole_version_of_one_of_the_two_lines_is_taken_and_no_other() {
        for (vsn, version) in [
            ("1.0.0", Some(Version::V1)),
            ("1.0.7", Some(Version::V1)),
            ("2.0.0", Some(Version::V2)),
            ("2.0.10", Some(Version::V2)),
            ("3.0.0", None),
            ("2.1.0", None),
            ("1.1.0", None),
            ("abc", None),
            ("", None),
            ("2", None),
            ("2.0", None),
            ("2.0.", None),
            ("2.0.00", None),
            ("2.0.0.0", None),
            ("2.0.x", None),
            ("2.0.-1", None),
            ("2.0.+1", None),
            (" 2.0.0", None),
            ("02.0.0", None),
            ("2.0.0\0", None),
        ] {
            assert_eq!(Version::parse(vsn), version, "{vsn:?}");
        }
    }

    #[test]
    fn m10_a_frame_of_the_second_version_is_an_array_of_five() {
        let read = |frame: &str| parse(Version::V2, frame);
        let joined = message(text("1"), text("2"), "swarm:s", "phx_join", Payload::Json(json!({"a": [1]})));
        assert_eq!(read(r#"["1","2","swarm:s","phx_join",{"a":[1]}]"#), Ok(joined.clone()));
        assert_eq!(read(r#" ["1" , "2","swarm:s","phx_join",{"a":[1]},"more",{}] "#), Ok(joined));
        let beat =
            message(Ref::None, Ref::Whole(7.into()), "phoenix", "heartbeat", Payload::Json(Value::Null));
        assert_eq!(read(r#"[null,7,"phoenix","heartbeat",null]"#), Ok(beat));
    }

    #[test]
    fn m10_a_frame_of_the_first_version_is_an_object_with_four_fields() {
        let read = |frame: &str| parse(Version::V1, frame);
        let event = |join_ref| message(join_ref, text("9"), "t", "e", Payload::Json(json!([])));
        assert_eq!(read(r#"{"topic":"t","event":"e","payload":[],"ref":"9"}"#), Ok(event(Ref::None)));
        let whole = r#"{"topic":"t","event":"e","payload":[],"ref":"9","join_ref":"3","more":1}"#;
        assert_eq!(read(whole), Ok(event(text("3"))));
        assert_eq!(parse_binary(Version::V1, whole.as_bytes()), Ok(event(text("3"))));
        let not_utf8 = [whole.as_bytes().split_last().expect("bytes").1, b",\"x\":\"\xff\"}"].concat();
        assert_eq!(parse_binary(Version::V1, &not_utf8), Err(Malformed));
        for missing in ["topic", "event", "payload", "ref"] {
            let mut frame = json!({"topic": "t", "event": "e", "payload": {}, "ref": null});
            assert!(read(&frame.to_string()).is_ok());
            frame.as_object_mut().expect("an object").remove(missing);
            assert_eq!(read(&frame.to_string()), Err(Malformed), "{missing}");
        }
    }

    #[test]
    fn m10_a_binary_push_is_lengths_and_strings() {
        let frame = b"\0\x01\x02\x07\x0412swarm:spushdata".to_vec();
        let frame = [&frame[..5], b"1", b"22", b"swarm:s", b"push", b"data"].concat();
        let push = message(text("1"), text("22"), "swarm:s", "push", Payload::Binary);
        assert_eq!(parse_binary(Version::V2, &frame), Ok(push));
        for short in 0..frame.len() - b"data".len() {
            assert_eq!(parse_binary(Version::V2, &frame[..short]), Err(Malformed), "{short}");
        }
        for bad in [&b"\x01\0\0\0\0"[..], b"\0\0\0\x01\0\xff", b"[null,null,\"\",\"\",{}]", b""] {
            assert_eq!(parse_binary(Version::V2, bad), Err(Malformed), "{bad:?}");
        }
        let nothing = message(text(""), text(""), "", "", Payload::Binary);
        assert_eq!(parse_binary(Version::V2, b"\0\0\0\0\0"), Ok(nothing));
    }

    #[test]
    fn m10_what_is_no_message_is_malformed() {
        let long = "x".repeat(limits::CHANNEL_NAME + 1);
        let most = "x".repeat(limits::CHANNEL_NAME);
        let of = |name: &str| format!(r#"["{name}","{name}","{name}","{name}",{{}}]"#);
        assert!(parse(Version::V2, &of(&most)).is_ok());
        let deep = format!(r#"["1","2","t","e",{}{}]"#, "[".repeat(99), "]".repeat(99));
        for bad in [
            "",
            "{",
            "{}",
            "null",
            "[]",
            r#"["1","2","t","e"]"#,
            r#"["1","2",null,"e",{}]"#,
            r#"["1","2","t",7,{}]"#,
            r#"[["1"],"2","t","e",{}]"#,
            r#"["1",{},"t","e",{}]"#,
            r#"["1",true,"t","e",{}]"#,
            r#"["1",1.5,"t","e",{}]"#,
            r#"["1",1e400,"t","e",{}]"#,
            r#"["1","2","t","e",{"a":1,"a":2}]"#,
            r#"["1","2","t","e",{}] x"#,
            &deep,
            &of(&long),
            &format!(r#"["1","{long}","t","e",{{}}]"#),
            &format!(r#"["1","2","t","{long}",{{}}]"#),
        ] {
            assert_eq!(parse(Version::V2, bad), Err(Malformed), "{bad}");
            assert_eq!(parse(Version::V1, bad), Err(Malformed), "{bad}");
        }
        let half = format!(r#"["1","2","t","e",[{}0]]"#, "0,".repeat(limits::WS_JSON_VALUES / 2));
        assert!(parse(Version::V2, &half).is_ok());
        let many = format!(r#"["1","2","t","e",[{}0]]"#, "0,".repeat(limits::WS_JSON_VALUES));
        assert_eq!(parse(Version::V2, &many), Err(Malformed));
    }
}
