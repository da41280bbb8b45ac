//! One record of an agent's log, and the line that it is on the disk.
//!
//! The file belongs to the agent, which may write there what it likes: a line is a record exactly when it has
//! the form that is written here, and anything else is passed over. A record that was read is as bounded and as
//! clean as one that was made.

use serde_json::{Map, Value, json};

use super::clean;
use crate::{
    agent::Stream,
    limits,
    swarm::history::Role,
    wire::{date, json as wire_json, node::NodeName},
};

/// Who speaks in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// the conversation: what was said to the agent, and what it said
    Said(Role),
    /// what its program printed, line by line
    Printed(Stream),
}

/// One record. Invariant: `content` is clean and has at most [`limits::LOG_TEXT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// its number: rises in a swarm, over restarts too; about the microseconds since 1970
    pub n: u64,
    /// how many records the agent had up to this one
    pub seq: u64,
    /// when, in ms since 1970
    pub unix_ms: u64,
    /// which run of the agent's program; 0 before the first
    pub session: u64,
    /// who speaks
    pub voice: Voice,
    /// what
    pub content: Box<str>,
    /// it was longer
    pub cut: bool,
}

/// How a line begins.
const BEGIN: &str = "{\"n\":";
/// A line is no longer: each byte of a clean text takes two at most, and the rest has a known size.
pub(super) const LONGEST: usize = 2 * limits::LOG_TEXT + 512;
const SESSION: &str = "session-";

impl Voice {
    /// Its place among the two kinds.
    pub(super) fn lane(self) -> usize {
        match self {
            Self::Said(_) => 0,
            Self::Printed(_) => 1,
        }
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Said(role) => ("conversation", "role", role.as_str()),
            Self::Printed(Stream::Out) => ("output", "stream", "stdout"),
            Self::Printed(Stream::Err) => ("output", "stream", "stderr"),
        }
    }

    const ALL: [Self; 5] = [
        Self::Said(Role::User),
        Self::Said(Role::Assistant),
        Self::Said(Role::System),
        Self::Printed(Stream::Out),
        Self::Printed(Stream::Err),
    ];
}

impl Record {
    /// What it takes of memory, about.
    pub(super) fn size(&self) -> usize {
        const EACH: usize = 160;
        EACH.saturating_add(self.content.len())
    }

    /// Appends it as a line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (kind, key, who) = self.voice.words();
        let (n, seq, session) = (self.n, self.seq, self.session);
        let timestamp = date::rfc3339_us(self.unix_ms);
        let content = Value::from(&*self.content);
        let cut = if self.cut { ",\"truncated\":true" } else { "" };
        out.extend_from_slice(
            format!(
                "{BEGIN}{n},\"seq\":{seq},\"timestamp\":\"{timestamp}\",\"session_id\":\"{SESSION}{session}\",\
                 \"kind\":\"{kind}\",\"{key}\":\"{who}\",\"content\":{content}{cut}}}\n"
            )
            .as_bytes(),
        );
    }

    /// The record that a line is, without its newline.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        if line.len() > LONGEST || !line.starts_with(BEGIN.as_bytes()) {
            return None;
        }
        let value = wire_json::parse(line).ok()?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let is = |voice: &Voice| {
            let (kind, key, who) = voice.words();
            text("kind") == Some(kind) && text(key) == Some(who)
        };
        let content = clean::content(text("content")?, false);
        Some(Self {
            n: number("n")?,
            seq: number("seq")?,
            unix_ms: date::of_rfc3339_us(text("timestamp")?)?,
            session: text("session_id")?.strip_prefix(SESSION)?.parse().ok()?,
            voice: Voice::ALL.into_iter().find(is)?,
            cut: content.cut || value.get("truncated") == Some(&Value::Bool(true)),
            content: content.text,
        })
    }

    /// As clients of GenSwarms know it (spec genswarms B.1).
    pub fn to_value(&self) -> Value {
        let (_, key, who) = self.voice.words();
        let mut row = json!({
            "session_id": format!("{SESSION}{}", self.session),
            "timestamp": date::rfc3339_us(self.unix_ms),
            key: who,
            "content": *self.content,
        });
        if let (true, Some(row)) = (self.cut, row.as_object_mut()) {
            row.insert("truncated".to_owned(), true.into());
        }
        row
    }

    /// The same, and its number, its kind and whose it is.
    pub fn to_full_value(&self, agent: &NodeName) -> Value {
        let (kind, ..) = self.voice.words();
        let more = [("n", self.n.into()), ("kind", kind.into()), ("agent", agent.as_str().into())];
        let mut row = self.to_value();
        if let Some(row) = row.as_object_mut() {
            row.extend(
                more.map(|(key, value): (&str, Value)| (key.to_owned(), value))
                    .into_iter()
                    .collect::<Map<_, _>>(),
            );
        }
        row
    }
}

/// Any bytes: no line is anything but a record within its bounds, and one that was written is read back equal.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(record) = Record::read(line) else { continue };
        assert!(record.content.len() <= limits::LOG_TEXT);
        assert!(!record.content.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        assert_read_back(&record);
    }
    let (seed, text) = bytes.split_at(bytes.len().min(16));
    let at =
        |from: usize| seed.iter().skip(from).take(6).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let voice = Voice::ALL[seed.first().map_or(0, |byte| usize::from(*byte)) % Voice::ALL.len()];
    let content = clean::line(text, at(3) % 2 == 1);
    assert!(content.text.len() <= limits::LOG_TEXT);
    assert_read_back(&Record {
        n: at(0),
        seq: at(2),
        unix_ms: at(4) % 253_402_300_800_000,
        session: at(8),
        voice,
        content: content.text,
        cut: content.cut,
    });
}

#[cfg(any(test, fuzzing))]
fn assert_read_back(record: &Record) {
    let mut line = Vec::new();
    record.write(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(line.len() <= LONGEST && !line.contains(&b'\n') && !line.contains(&0x1b));
    assert_eq!(Record::read(&line).as_ref(), Some(record));
}
