//! One agent's machine, step by step.

mod life;
mod model;
mod replies;

use serde_json::Value;

use super::*;
use crate::{
    agent::Exit,
    swarm::{
        config::Restart,
        logs::{Logs, Voice},
    },
    wire::clock::ManualClock,
};

fn at(ms: u64) -> Now {
    Now { ms, unix_ms: ms }
}

fn node(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

/// An agent that was just created.
fn agent(rules: Rules) -> Turn {
    let logs = Logs::new(ManualClock::at(0), None);
    Turn::new(FullName::parse("s/a").unwrap(), rules, logs.of(&node("s")).agent(&node("a")))
}

/// An agent whose program runs.
fn idle(rules: Rules) -> Turn {
    let mut turn = agent(rules);
    assert!(events(&turn.started(at(0))).contains(&Name::AgentStarted));
    assert_eq!(turn.state(), State::Idle);
    turn
}

/// Its conversation.
fn conversation(turn: &Turn) -> Vec<String> {
    turn.log.held()[0].iter().map(|record| record.content.to_string()).collect()
}

fn events(effects: &[Effect]) -> Vec<Name> {
    let name = |effect: &Effect| match effect {
        Effect::Event(draft) => {
            assert_eq!((draft.swarm.as_deref(), draft.agent.as_deref()), (Some("s"), Some("a")));
            Some(draft.event_type)
        }
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

/// What is said, as `task` or `from: content`.
fn said(effects: &[Effect]) -> Vec<String> {
    let text = |effect: &Effect| match effect {
        Effect::Say { item: Item::Task { content }, .. } => Some(content.clone()),
        Effect::Say { item: Item::Message { from, content }, .. } => Some(format!("{from}: {content}")),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

/// What goes to `reply_to`.
fn replies(effects: &[Effect]) -> Vec<String> {
    let text = |effect: &Effect| match effect {
        Effect::AutoReply { to, content } => {
            assert_eq!(to.as_str(), "gw");
            Some(content.clone())
        }
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn output(text: &str) -> Spoken {
    Spoken::Output { content: text.to_owned() }
}
