//! A letter: what one instance hands to another, as the body of an inject (spec agentmux I.2).
//!
//! AgentMux sees an inject and passes over the field `loopgate`, which holds the rest. What is written
//! here is read in `received`, field by field, by the instance that gets it.

#[cfg(any(fuzzing, test))]
mod fuzz;
mod received;

use serde_json::{Map, Value, json};

pub use received::{Far, Received, hops};

#[cfg(any(fuzzing, test))]
pub use fuzz::fuzz;

use super::types::Speaks;
use crate::{
    limits,
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// The layout of the field `loopgate`, and of the mark of an answer.
pub(super) const VERSION: u64 = 1;
/// What is typed before a text that may have arrived before, where the other instance has no word for it.
const REDELIVERED: &str = "[redelivered] ";
/// The words of [`Letter::priority`].
const PRIORITIES: [&str; 3] = ["normal", "high", "urgent"];

/// How a letter is to be treated where it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// typed now, or refused
    Inject,
    /// a message
    Send,
    /// a question
    Ask,
    /// the answer to one
    Reply,
}

impl Carry {
    const WORDS: &[(&str, Self)] =
        &[("inject", Self::Inject), ("send", Self::Send), ("ask", Self::Ask), ("reply", Self::Reply)];

    /// As a letter says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Send => "send",
            Self::Ask => "ask",
            Self::Reply => "reply",
        }
    }
}

/// Who sent a letter, as the instance vouches that he is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `owner`, `api`, `peer`, or `agent NAME`
    pub caller: &'a str,
    /// the home of his instance
    pub home: &'a HomeId,
}

/// What one instance hands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter<'a> {
    /// who sent it
    pub origin: Origin<'a>,
    /// the home that the sender named: nobody else is to get it
    pub at: Option<&'a HomeId>,
    /// how it is to be treated
    pub carry: Carry,
    /// the words, not cleaned yet
    pub text: &'a str,
    /// of the message; for AgentMux the request id
    pub id: &'a str,
    /// free text that is shown as the sender and never believed; AgentMux's `source_agent`
    pub from: Option<&'a str>,
    /// `normal`, `high`, `urgent`
    pub priority: &'a str,
    /// how long it may wait there; 0: it is not to wait
    pub ttl_ms: u64,
    /// what question and answer are matched by
    pub correlation_id: Option<&'a str>,
    /// the id of the message that this one answers
    pub in_reply_to: Option<&'a str>,
    /// it may have arrived before
    pub redelivered: bool,
    /// `once`, `thrice`; `None`: as the agent was started to
    pub submit: Option<&'a str>,
    /// the ids of the instances that it came through, this one not among them
    pub path: &'a [String],
    /// how often it was handed on before; at most 3
    pub hops: u64,
}

impl Letter<'_> {
    /// The body of the request: for an agent of another instance, sent by this one. It may be larger than
    /// a request may be.
    pub fn body(&self, to: &AgentId, speaks: Speaks, instance: &str) -> Vec<u8> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        let at = self.at.filter(|_| speaks == Speaks::Loopgate).cloned();
        put("target_agent", json!(Address { name: to.clone(), home: at }.to_string()));
        put("request_id", json!(self.id));
        put("wait_for_idle", json!(false));
        put("forward_hops", json!(self.hops.saturating_add(1)));
        if let Some(submit) = self.submit {
            put("submit", json!(submit));
        }
        match speaks {
            Speaks::AgentMux => {
                let mark = if self.redelivered { REDELIVERED } else { "" };
                put("message", json!([mark, self.text].concat()));
                put("priority", json!(self.priority));
                if let Some(from) = self.from {
                    put("source_agent", json!(from));
                }
            }
            Speaks::Loopgate => {
                put("message", json!(self.text));
                let known = PRIORITIES.iter().find(|word| **word == self.priority);
                put("priority", json!(known.unwrap_or(&"normal")));
                if let Some(from) = self.from {
                    put("source_agent", json!(cut(from, limits::MESSAGE_FROM)));
                }
                put("loopgate", self.ours(instance));
            }
        }
        Value::Object(fields).to_string().into_bytes()
    }

    /// What AgentMux has no field for.
    fn ours(&self, instance: &str) -> Value {
        let path: Vec<&str> = self.path.iter().map(String::as_str).chain([instance]).collect();
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("version", json!(VERSION));
        put("path", json!(path));
        put("home", json!(self.origin.home.as_str()));
        put("caller", json!(self.origin.caller));
        put("carry", json!(self.carry.as_str()));
        put("ttl_ms", json!(self.ttl_ms.min(limits::TTL_MOST_MS)));
        if let Some(id) = self.correlation_id {
            put("correlation_id", json!(id));
        }
        if let Some(id) = self.in_reply_to {
            put("in_reply_to", json!(id));
        }
        if self.redelivered {
            put("redelivered", json!(true));
        }
        Value::Object(fields)
    }
}

/// The first bytes of a text, `most` at most, and no half character.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
