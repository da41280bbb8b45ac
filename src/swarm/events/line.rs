//! A line of the journal of events, written and read back.
//!
//! An event stands there as clients know it, behind the line's own number. Reading is strict: a line counts only where
//! it is letter for letter what would be written of it, clean and within the bounds of today. Three other lines say
//! which numbers may have been given out, that they were all told of, and what was forgotten.

use std::io::Write;

use serde_json::{Map, Value};

use super::{Category, Draft, Event, Level, Name, clean, event};
use crate::wire::date;

/// The largest number of an event: the last whole number that every JSON reader keeps.
pub(super) const LARGEST: u64 = (1 << 53) - 1;

/// What a line is, without reading all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// an event of this number
    Event(u64),
    /// numbers from this one on may have been given out; up to `floor` all was forgotten
    Begin { id: u64, floor: u64 },
    /// no number above this one was given out
    End(u64),
    /// what happened up to this number is forgotten
    Cleared(u64),
}

impl Mark {
    /// Writes the fields of the line; an event's stand in [`put`].
    pub fn write(self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match self {
            Self::Event(id) => write!(out, "\"id\":{id}"),
            Self::Begin { id, floor } => write!(out, "\"begin\":{id},\"floor\":{floor}"),
            Self::End(id) => write!(out, "\"end\":{id}"),
            Self::Cleared(id) => write!(out, "\"cleared\":{id}"),
        };
    }

    /// What a line is. Of an event only the number is looked at; the others are nothing else than what they say.
    pub fn of(json: &[u8]) -> Option<Self> {
        let fields = fields_of(json)?;
        let (name, rest) = fields.strip_prefix('"')?.split_once("\":")?;
        let (id, rest) = number(rest)?;
        match (name, rest) {
            ("id", rest) if rest.starts_with(",\"timestamp\":\"") => Some(Self::Event(id)),
            ("begin", rest) => match number(rest.strip_prefix(",\"floor\":")?)? {
                (floor, "") => Some(Self::Begin { id, floor }),
                _ => None,
            },
            ("end", "") => Some(Self::End(id)),
            ("cleared", "") => Some(Self::Cleared(id)),
            _ => None,
        }
    }
}

/// Appends the fields of an event's line to a text.
pub(super) fn put(out: &mut Vec<u8>, id: u64, timestamp: &str, fields: &str) {
    let _ = write!(out, "\"id\":{id},\"timestamp\":\"{timestamp}\",");
    out.extend_from_slice(fields.as_bytes());
}

/// The time of an event's line, as it stands there: texts that sort as the times do.
pub(super) fn timestamp(json: &str) -> Option<&str> {
    let (_, rest) = json.split_once(",\"timestamp\":\"")?;
    rest.split_once('"').map(|(timestamp, _)| timestamp)
}

/// The event of a line.
pub(super) fn read(json: &[u8]) -> Option<Event> {
    let Mark::Event(id) = Mark::of(json)? else { return None };
    let text = fields_of(json)?;
    let value: Value = serde_json::from_slice(json).ok()?;
    let unix_ms = date::of_rfc3339_us(value.get("timestamp")?.as_str()?)?;
    let draft = draft(value)?;
    let (again, _) = clean::cleaned_again(draft.clone());
    let fields = event::fields(&draft);
    let mut line = Vec::with_capacity(text.len());
    put(&mut line, id, &date::rfc3339_us(unix_ms), &fields);
    // A line that says something twice, or otherwise than it is said, or that holds what is kept no more, is none.
    (again == draft && line == text.as_bytes()).then(|| Event::new(id, unix_ms, draft, fields))
}

fn draft(value: Value) -> Option<Draft> {
    let Value::Object(mut map) = value else { return None };
    let mut text = |key: &str| match map.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    };
    let level = Level::parse(&text("level")?)?;
    let category = Category::parse(&text("category")?)?;
    let event_type = Name::parse(&text("event_type")?)?;
    let message = text("message")?;
    let (swarm, agent) = (text("swarm"), text("agent"));
    let metadata = match map.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) | None => Map::new(),
    };
    Some(Draft { level, category, swarm, agent, event_type, message, metadata, push: None })
}

/// A line's JSON without braces and without the line's own number.
fn fields_of(json: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(json).ok()?.strip_prefix("{\"n\":")?.strip_suffix('}')?;
    text.split_once(',').map(|(_, fields)| fields)
}

/// The number that a text begins with, as it is written, and what stands behind it.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let number: u64 = digits.parse().ok()?;
    (number <= LARGEST && number.to_string() == digits).then_some((number, rest))
}

/// Whatever a line is made of: nothing panics, and what is read is clean, within bounds, and written again as it
/// stood there.
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, clippy::panic)]
pub fn fuzz_event_line(data: &[u8]) {
    use crate::limits;

    let json = [b"{\"n\":1,", data, b"}"].concat();
    let mark = Mark::of(&json);
    let Some(event) = read(&json) else {
        if let Some(mark) = mark.filter(|mark| !matches!(mark, Mark::Event(_))) {
            let mut again = Vec::new();
            mark.write(&mut again);
            assert_eq!(again, data);
        }
        // What is no line of ours may still be a text that somebody tells of.
        let text = String::from_utf8_lossy(data);
        let draft = Draft::new(Name::TaskSent, text.clone()).swarm(&text).with("text", &*text);
        let draft = match serde_json::from_slice::<Value>(data) {
            Ok(Value::Object(map)) if map.len() < 100 => Draft { metadata: map, ..draft },
            Ok(value) => draft.with("value", value),
            Err(_) => draft,
        };
        let (draft, _) = clean::cleaned(draft);
        let fields = event::fields(&draft);
        let mut line = b"{\"n\":1,".to_vec();
        put(&mut line, 7, &date::rfc3339_us(1_795_305_599_007), &fields);
        line.push(b'}');
        let back = read(&line).unwrap_or_else(|| panic!("not read back: {}", String::from_utf8_lossy(&line)));
        assert_eq!(back, Event::new(7, 1_795_305_599_007, draft, fields));
        return;
    };
    assert_eq!(mark, Some(Mark::Event(event.id)));
    assert_eq!(event.json().as_bytes(), [b"{", data, b"}"].concat());
    assert!(event.draft.message.len() <= limits::SWARM_EVENT_TEXT);
    assert!(event.fields().len() <= limits::EVENTS_LINE);
    assert!(!event.json().contains('\n'));
}
