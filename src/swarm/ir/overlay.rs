//! `swarm.overlay`: what was done to a swarm since its seed, in order (spec genswarms I.3).

use serde_json::{Value, json};

use super::{
    error::Error,
    fields,
    op::Op,
    shown::Shown,
    state::{VERSION, document},
};
use crate::limits;

/// How its events are to be taken. A transactional overlay is read and written as such, and folded like any
/// other: a fold that stops leaves nothing behind either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// one after the other
    Incremental,
    /// all or none
    Transactional,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// greater than that of the event before
    pub seq: u64,
    /// what
    pub op: Op,
}

/// What was done to a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// not blank
    pub swarm: String,
    /// how
    pub apply: Apply,
    /// `seq` ascends strictly
    pub events: Vec<Event>,
}

const KIND: &str = "swarm.overlay";

impl Apply {
    fn as_str(self) -> &'static str {
        match self {
            Apply::Incremental => "incremental",
            Apply::Transactional => "transactional",
        }
    }
}

impl Event {
    /// Reads an event by itself.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = value.as_object().ok_or(Error::InvalidEvent)?;
        let seq = map.get("seq").and_then(Value::as_u64);
        let seq = seq.ok_or_else(|| Error::InvalidSeq(Shown::of(map.get("seq"))))?;
        let op = map.get("op");
        let name = op.and_then(Value::as_str).ok_or_else(|| Error::UnknownOp(Shown::of(op)))?;
        Ok(Self { seq, op: Op::parse(name, map.get("payload").unwrap_or(&Value::Null))? })
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        json!({ "seq": self.seq, "op": self.op.name(), "payload": self.op.payload() })
    }
}

impl Overlay {
    /// Reads a document; the first thing that is wrong is the error.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = document(value, KIND, Error::OverlayNotAMap)?;
        let swarm = fields::name(map, "swarm", Error::Missing("swarm"))?;
        let apply = match fields::get(map, "apply") {
            None => Apply::Incremental,
            Some(Value::String(word)) if word == Apply::Incremental.as_str() => Apply::Incremental,
            Some(Value::String(word)) if word == Apply::Transactional.as_str() => Apply::Transactional,
            other => return Err(Error::InvalidApplyMode(Shown::of(other))),
        };
        let events = map.get("events").and_then(Value::as_array).ok_or(Error::MissingEvents)?;
        if events.len() > limits::IR_EVENTS {
            return Err(Error::TooMany { what: "events", most: limits::IR_EVENTS });
        }
        let mut previous = None;
        let events = events.iter().map(|event| {
            let event = Event::parse(event)?;
            match previous.replace(event.seq) {
                Some(previous) if event.seq <= previous => {
                    Err(Error::NonMonotonicSeq { seq: event.seq, previous })
                }
                Some(_) | None => Ok(event),
            }
        });
        let events = events.collect::<Result<_, _>>()?;
        Ok(Self { swarm, apply, events })
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        let events: Vec<Value> = self.events.iter().map(Event::to_value).collect();
        json!({ "v": VERSION, "kind": KIND, "swarm": self.swarm, "apply": self.apply.as_str(), "events": events })
    }
}
