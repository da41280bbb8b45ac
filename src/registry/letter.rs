//! A letter: what one instance hands to another, as the body of an inject (spec agentmux I.2).
//!
//! AgentMux sees an inject and passes over the field `loopgate`, which holds the rest.

use crate::wire::address::HomeId;

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

/// Who sent a letter, as the instance vouches that he is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `owner`, `api`, or `agent NAME`
    pub caller: &'a str,
    /// the home of his instance
    pub home: &'a HomeId,
}

/// What one instance hands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter<'a> {
    /// who sent it
    pub origin: Origin<'a>,
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
