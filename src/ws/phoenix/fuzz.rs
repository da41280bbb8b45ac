//! Fuzz entries: any frames of one client, while things happen in the swarms.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // never in the program

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Version,
    message::{Malformed, Message, Payload, Ref, parse, parse_binary},
    testing::Rig,
};
use crate::{limits, ws::testing::drop_fractions};

/// Frames of the first version.
pub fn fuzz_v1(data: &[u8]) {
    fuzz(Version::V1, data);
}

/// Frames of the second version.
pub fn fuzz_v2(data: &[u8]) {
    fuzz(Version::V2, data);
}

/// Each line is a frame, in a binary one where it begins with a control byte; one that begins with `!` is an event
/// of the swarm that it names, one with `?` an agent's state there. What is read means the same when it is written
/// again; each frame has one answer or none; what is pushed is on a topic that is joined, once and in order.
fn fuzz(version: Version, data: &[u8]) {
    let mut rig = Rig::new(version);
    let mut client = Client { version, topics: BTreeMap::new() };
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let name = || String::from_utf8_lossy(line.get(1..2).unwrap_or(b"s")).into_owned();
        let frames = match line.first() {
            Some(b'!') => {
                rig.world.happen(&name(), "a");
                rig.turn()
            }
            Some(b'?') => {
                let swarm = if name() == "t" { "t" } else { "s" };
                rig.world.tell(swarm, "a", "idle");
                rig.turn()
            }
            _ => {
                let is_binary = line.first().is_some_and(|first| *first < b' ');
                let read = match std::str::from_utf8(line) {
                    Ok(text) if !is_binary => parse(version, text),
                    // Not UTF-8: the machine's to refuse.
                    Err(_) if !is_binary => return,
                    Ok(_) | Err(_) => parse_binary(version, line),
                };
                if let Ok(message) = &read {
                    let again = written(version, message).map(without_fractions);
                    let message = without_fractions(message.clone());
                    assert_eq!(again, Ok(message), "what was read is not what was written");
                }
                let frames = rig.send(if is_binary { 0x82 } else { 0x81 }, line);
                let answers = frames.iter().filter(|frame| client.event(frame) == "phx_reply").count();
                assert!(answers <= 1, "{answers} answers");
                assert_eq!(rig.closed, read.is_err().then_some(1011), "closed where it is no message");
                frames
            }
        };
        frames.iter().for_each(|frame| client.hear(frame));
        let (topics, subscriptions) = rig.session.held();
        assert!(topics <= limits::CHANNEL_TOPICS && subscriptions <= limits::CHANNEL_SUBSCRIPTIONS);
        if rig.closed.is_some() {
            return;
        }
    }
}

/// What a client knows of its topics.
struct Client {
    version: Version,
    /// how many joins of each have not ended, and the newest event and log that came
    topics: BTreeMap<String, (usize, u64, u64)>,
}

impl Client {
    fn event<'a>(&self, frame: &'a Value) -> &'a str {
        match self.version {
            Version::V1 => frame["event"].as_str().unwrap(),
            Version::V2 => frame[3].as_str().unwrap(),
        }
    }

    /// Takes a frame apart as clients do.
    fn hear(&mut self, frame: &Value) {
        let event = self.event(frame);
        let (topic, payload, reference) = match self.version {
            Version::V1 => {
                assert_eq!(frame.as_object().unwrap().len(), 4);
                (&frame["topic"], &frame["payload"], &frame["ref"])
            }
            Version::V2 => {
                assert_eq!(frame.as_array().unwrap().len(), 5);
                (&frame[2], &frame[4], &frame[1])
            }
        };
        assert!(payload.is_object());
        let (joins, events, logs) = self.topics.entry(topic.as_str().unwrap().to_owned()).or_default();
        let newer = |last: &mut u64| {
            let id = payload["id"].as_u64().unwrap();
            assert!(id > *last, "{id} after {last}");
            *last = id;
        };
        match event {
            // No other answer has this field.
            "phx_reply" if !payload["response"]["swarm"].is_null() => *joins += 1,
            "phx_reply" => assert!(payload["status"] == "ok" || payload["status"] == "error"),
            "phx_close" | "phx_error" => *joins -= 1,
            _ => {
                assert!(*joins > 0 && reference.is_null(), "a push on a topic that is not joined");
                match event {
                    "event" => newer(events),
                    "log_entry" => newer(logs),
                    _ => assert!(super::PUSHED.contains(&event), "{event}"),
                }
            }
        }
    }
}

fn without_fractions(mut message: Message) -> Message {
    if let Payload::Json(payload) = &mut message.payload {
        drop_fractions(payload);
    }
    message
}

/// A message as a client would write it, read again.
fn written(version: Version, message: &Message) -> Result<Message, Malformed> {
    let reference = |reference: &Ref| -> Value {
        match reference {
            Ref::None => Value::Null,
            Ref::Text(text) => json!(text),
            Ref::Whole(number) => Value::Number(number.clone()),
        }
    };
    let Message { join_ref, reference: own, topic, event, payload } = message;
    match (payload, version) {
        (Payload::Json(payload), Version::V1) => {
            let frame = json!({
                "join_ref": reference(join_ref), "ref": reference(own), "topic": topic, "event": event,
                "payload": payload,
            });
            parse(version, &frame.to_string())
        }
        (Payload::Json(payload), Version::V2) => {
            let frame = json!([reference(join_ref), reference(own), topic, event, payload]);
            parse(version, &frame.to_string())
        }
        (Payload::Binary, _) => {
            let texts = [join_ref, own].map(|text| match text {
                Ref::Text(text) => text.as_str(),
                Ref::None | Ref::Whole(_) => "",
            });
            let texts = [texts[0], texts[1], topic, event];
            let lengths = texts.map(|text| u8::try_from(text.len()).unwrap());
            parse_binary(version, &[&[0], &lengths[..], texts.concat().as_bytes()].concat())
        }
    }
}
