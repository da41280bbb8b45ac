//! What an entry of the audit says, by kind, and its one form as JSON.
//!
//! An entry never holds a text that was sent, only its length and keyed hash; never a query; never
//! a secret. What it repeats of a caller's words (names, ids, paths) is cut and cleared of agent
//! tokens, and JSON's own escapes keep each entry on one line, so no name can forge another entry.

mod swarm;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

pub use swarm::{Swarm, SwarmHappened};

use crate::{agent, bus::sanitise, limits};

/// One entry.
#[derive(Debug, Clone)]
pub enum Entry {
    /// a text that was to be typed
    Inject(Inject),
    /// what became of a message
    Message(Message),
    /// an agent was started or ended
    Agent(Agent),
    /// a call that changed a swarm
    Swarm(Swarm),
    /// a request that was turned away
    Refused(Refused),
    /// an instance began or ended
    Instance(Instance),
    /// the oldest entries made room
    Dropped(Dropped),
}

/// One inject, whether it was typed or not.
#[derive(Debug, Clone)]
pub struct Inject {
    /// unix ms
    pub timestamp: u64,
    /// as the sender gave it
    pub source_agent: Option<String>,
    /// as the sender gave it
    pub target_agent: String,
    /// empty where none was found
    pub block_id: String,
    /// bytes after the sanitiser
    pub message_length: usize,
    /// what the sender was told went wrong; `None`: typed or queued
    pub error: Option<String>,
    /// given or made
    pub request_id: String,
    /// who the caller was admitted as
    pub caller: String,
    /// of the other instance that has the agent
    pub home: Option<String>,
    /// why that one does not have the text, or may have it; stable
    pub code: Option<&'static str>,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// it is in the journal and will be delivered
    Accepted,
    /// it was not accepted; a stable code
    Refused(&'static str),
    /// it was sent and its answer is waited for
    Asked,
    /// the owner took it back from the dead letters
    Redelivered,
    /// another instance has it
    Forwarded,
    /// another instance does not have it yet, so it waits; a stable code
    Held(&'static str),
    /// another instance does not take it, and it is a dead letter; a stable code
    GivenUp(&'static str),
}

impl Happened {
    /// As entries say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Happened::Accepted => "accepted",
            Happened::Refused(_) => "refused",
            Happened::Asked => "asked",
            Happened::Redelivered => "redelivered",
            Happened::Forwarded => "forwarded",
            Happened::Held(_) => "held",
            Happened::GivenUp(_) => "given_up",
        }
    }
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// what happened
    pub happened: Happened,
    /// who the caller was admitted as
    pub caller: String,
    /// the label that the reader is shown, where it is not the caller
    pub from: Option<String>,
    /// to whom
    pub to: String,
    /// given or made
    pub id: String,
    /// send, inject, broadcast, ask or reply
    pub kind: &'static str,
    /// of the instance that has it, or was to have it
    pub home: Option<String>,
    /// bytes
    pub message_length: usize,
}

/// The start or the end of an agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// which
    pub happened: AgentHappened,
    /// its name
    pub name: String,
    /// its terminal
    pub block_id: String,
    /// who asked for it; `None`: it ended by itself
    pub by: Option<String>,
}

/// What happened to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentHappened {
    /// it runs
    Started,
    /// it was ended on somebody's word
    Stopped,
    /// its processes are gone
    Ended,
}

impl AgentHappened {
    /// As entries say it.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentHappened::Started => "started",
            AgentHappened::Stopped => "stopped",
            AgentHappened::Ended => "ended",
        }
    }
}

/// One request that was turned away.
#[derive(Debug, Clone)]
pub struct Refused {
    /// unix ms
    pub timestamp: u64,
    /// HTTP status
    pub status: u16,
    /// stable code
    pub code: &'static str,
    /// method and path, never the query
    pub request: String,
    /// address and port
    pub peer: String,
    /// process, where the kernel told
    pub pid: Option<u32>,
    /// user, where the kernel told
    pub uid: Option<u32>,
    /// refusals before this one that were counted and not written
    pub unwritten_before: u64,
}

/// The beginning or the end of an instance.
#[derive(Debug, Clone)]
pub enum Instance {
    /// it begins, behind what the one before left
    Started {
        /// its id
        instance: String,
        /// how the one before ended
        after: After,
    },
    /// it ends in order, and every entry before this one is written
    Stopped,
    /// its keys were changed, or could not be
    Keys(Rotation),
}

/// A change of the keys.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// who the caller was admitted as
    pub by: String,
    /// of the new keys; `None`: the old ones stay, because the key file could not be written
    pub generation: Option<u64>,
    /// WebSockets of older keys that it ends
    pub closing: usize,
}

/// How the instance before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// there was none
    Nothing,
    /// in order
    Stop,
    /// it was killed, or the power was lost: its last 100 ms may be missing
    Kill,
}

/// A segment that makes room.
#[derive(Debug, Clone)]
pub struct Dropped {
    /// the number of its last entry
    pub through: u64,
    /// that entry's hash
    pub hash: String,
}

impl Entry {
    /// As entries name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Inject(_) => INJECT,
            Entry::Message(_) => "message",
            Entry::Agent(_) => "agent",
            Entry::Swarm(_) => "swarm",
            Entry::Refused(_) => REFUSED,
            Entry::Instance(_) => INSTANCE,
            Entry::Dropped(_) => DROPPED,
        }
    }

    /// As it is written and shown: `now` (unix ms) where it has no time of its own, `hash` of the
    /// text where there is one.
    pub fn to_json(&self, now: u64, hash: Option<&str>) -> Value {
        let mut fields = match self {
            Entry::Inject(inject) => inject.fields(),
            Entry::Message(message) => message.fields(now),
            Entry::Agent(agent) => agent.fields(now),
            Entry::Swarm(swarm) => swarm.fields(now),
            Entry::Refused(refused) => refused.fields(),
            Entry::Instance(instance) => instance.fields(now),
            Entry::Dropped(dropped) => of([
                ("timestamp", json!(now)),
                ("through", json!(dropped.through)),
                ("hash", json!(dropped.hash)),
            ]),
        };
        fields.insert("kind".to_owned(), json!(self.kind()));
        if let Some(hash) = hash {
            fields.insert("message_hash".to_owned(), json!(hash));
        }
        Value::Object(fields)
    }
}

/// What an instance that ends in order says last.
pub const STOPPED: &str = "stopped";
/// How an instance ended that did not end in order.
pub const KILL: &str = "kill";
/// The kind of an inject's entry.
pub const INJECT: &str = "inject";
/// The kind of a refusal's entry.
pub const REFUSED: &str = "refused";
/// The kind of an entry about the instance itself.
pub const INSTANCE: &str = "instance";
/// The kind of an entry about entries that made room.
pub const DROPPED: &str = "dropped";

impl Inject {
    /// As AgentMux prints it (spec agentmux E.7), and `caller`.
    fn fields(&self) -> Map<String, Value> {
        of([
            ("timestamp", json!(self.timestamp)),
            ("source_agent", optional(self.source_agent.as_deref())),
            ("target_agent", text(&self.target_agent)),
            ("block_id", text(&self.block_id)),
            ("message_length", json!(self.message_length)),
            ("success", json!(self.error.is_none())),
            ("error_message", optional(self.error.as_deref())),
            ("request_id", text(&self.request_id)),
            ("caller", text(&self.caller)),
            ("home", optional(self.home.as_deref())),
            ("code", optional(self.code)),
        ])
    }
}

impl Message {
    fn fields(&self, now: u64) -> Map<String, Value> {
        let code = match self.happened {
            Happened::Refused(code) | Happened::Held(code) | Happened::GivenUp(code) => json!(code),
            Happened::Accepted | Happened::Asked | Happened::Redelivered | Happened::Forwarded => Value::Null,
        };
        of([
            ("timestamp", json!(now)),
            ("happened", json!(self.happened.as_str())),
            ("code", code),
            ("caller", text(&self.caller)),
            ("from", optional(self.from.as_deref())),
            ("to", text(&self.to)),
            ("id", text(&self.id)),
            ("type", json!(self.kind)),
            ("home", optional(self.home.as_deref())),
            ("message_length", json!(self.message_length)),
        ])
    }
}

impl Agent {
    fn fields(&self, now: u64) -> Map<String, Value> {
        of([
            ("timestamp", json!(now)),
            ("happened", json!(self.happened.as_str())),
            ("agent", text(&self.name)),
            ("block_id", text(&self.block_id)),
            ("by", optional(self.by.as_deref())),
        ])
    }
}

impl Instance {
    fn fields(&self, now: u64) -> Map<String, Value> {
        let (happened, instance, after) = match self {
            Instance::Started { instance, after } => ("started", text(instance), after.as_str()),
            Instance::Stopped => (STOPPED, Value::Null, None),
            Instance::Keys(rotation) => return rotation.fields(now),
        };
        of([
            ("timestamp", json!(now)),
            ("happened", json!(happened)),
            ("instance", instance),
            ("after", json!(after)),
        ])
    }
}

impl Rotation {
    fn fields(&self, now: u64) -> Map<String, Value> {
        let (happened, closing) = match self.generation {
            Some(_) => ("keys_rotated", json!(self.closing)),
            None => ("keys_kept", Value::Null),
        };
        of([
            ("timestamp", json!(now)),
            ("happened", json!(happened)),
            ("by", text(&self.by)),
            ("generation", json!(self.generation)),
            ("closing", closing),
        ])
    }
}

impl After {
    /// As entries say it.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            After::Nothing => None,
            After::Stop => Some("stop"),
            After::Kill => Some(KILL),
        }
    }
}

impl Refused {
    fn fields(&self) -> Map<String, Value> {
        let mut fields = of([
            ("timestamp", json!(self.timestamp)),
            ("status", json!(self.status)),
            ("code", json!(self.code)),
            ("request", text(&self.request)),
            ("peer", text(&self.peer)),
            ("unwritten_before", json!(self.unwritten_before)),
        ]);
        // told also where they are not known, so that a reader need not guess
        fields.insert("pid".to_owned(), json!(self.pid));
        fields.insert("uid".to_owned(), json!(self.uid));
        fields
    }
}

/// An object of these fields; null means that there is none.
fn of<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn text(text: &str) -> Value {
    Value::String(keepable(text).into_owned())
}

fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::Null, text)
}

/// Makes a caller's text fit to be kept: no agent token is in it, and it is short. Cut only after
/// the tokens are out, or a piece of one could be left.
fn keepable(text: &str) -> Cow<'_, str> {
    let mut text = Cow::<str>::Owned(agent::redacted(text));
    if text.len() > limits::AUDIT_TEXT {
        sanitise::cut(text.to_mut(), limits::AUDIT_TEXT);
    }
    text
}
