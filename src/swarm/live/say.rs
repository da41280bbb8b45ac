//! What is said to a running swarm over HTTP: by the operator, and by its agents with their tokens.
//!
//! A speaker is known before he comes here: an agent speaks as itself, the operator as whichever node he names.
//! Both along edges only. Whoever speaks here waits for what becomes of it and is told.

use super::{
    Live,
    pass::Pass,
    route::{refusal, shown},
    table::Node,
};
use crate::{
    limits,
    swarm::{
        Fault, TaskFault,
        ask::{AskId, Envelope},
        turn::State,
        view::{Answer, Speech},
    },
    wire::node::NodeName,
};

impl Live {
    /// A task for an agent.
    pub fn task(&self, name: &NodeName, content: &str) -> Result<(), Fault> {
        self.input(|pass| {
            pass.may_change()?;
            match pass.table.nodes.get(name) {
                None => return Err(Fault::AgentNotFound),
                Some(Node::Object(_)) => return Err(Fault::Task(TaskFault::NotAnAgent)),
                Some(Node::Agent(_)) => {}
            }
            let sent = pass.turn(name, |turn, now| match turn.task(content, now) {
                Ok(effects) => (Ok(()), effects),
                Err(refused) => (Err(refusal(refused)), Vec::new()),
            });
            sent.unwrap_or(Err(Fault::AgentNotFound))
        })
    }

    /// A message that the operator sends in the name of a node, along that node's edges. The node's own books
    /// do not show it: it waits for no answer to it.
    pub fn message(&self, from: &str, to: &str, content: &str) -> Result<NodeName, Fault> {
        self.input(|pass| {
            pass.may_change()?;
            fits(content)?;
            let known = NodeName::parse(from).ok().filter(|from| pass.table.nodes.contains_key(from));
            let from = known.ok_or_else(|| Fault::UnknownSender { name: shown(from) })?;
            pass.forward(&from, to, content.to_owned())
        })
    }

    /// What an agent says by its token.
    pub fn speak(&self, from: &NodeName, speech: Speech) -> Result<Answer, Fault> {
        self.input(|pass| pass.speak(from, speech))
    }
}

impl Pass<'_> {
    fn speak(&mut self, from: &NodeName, speech: Speech) -> Result<Answer, Fault> {
        self.may_change()?;
        let agent = self.table.agent(from).ok_or(Fault::AgentNotFound)?;
        // The token of a program that did not end when its agent was removed says the same name: it is not the word of
        // the agent that has it now, whose program begins when that one is gone.
        if self.table.is_outlived(from) {
            return Err(Fault::AgentNotFound);
        }
        match agent.turn.state() {
            State::Stopped => return Err(Fault::Task(TaskFault::Stopped)),
            State::Error => return Err(Fault::Task(TaskFault::Error)),
            State::Initializing | State::Idle | State::Working => {}
        }
        match speech {
            Speech::Send { to, content } => {
                fits(&content)?;
                self.send(from, &to, content, 0).map(|to| Answer::Sent { to })
            }
            Speech::Broadcast { content } => {
                fits(&content)?;
                Ok(Answer::Broadcast { to: self.broadcast(from, &content, None, 0) })
            }
            Speech::Ask { to, content, id } => {
                let id = id.unwrap_or_else(|| format!("ask_{}", self.now.unix_ms));
                let id = AskId::parse(&id).ok_or_else(|| Fault::Wrong {
                    sentence: "id must be 1 to 128 of letters, digits, `.`, `_` and `-`".to_owned(),
                })?;
                let answer = self.ask(from, &to, &content, &id);
                let envelope = answer.unwrap_or_else(|failure| Envelope::failed(&id, &failure));
                Ok(Answer::Asked(envelope.to_value()))
            }
            Speech::List => {
                let targets = self.table.topology.targets(from).into_iter().cloned();
                let is_agent = |name: &NodeName| self.table.agent(name).is_some();
                let (agents, objects) = targets.partition(is_agent);
                Ok(Answer::Neighbours { agents, objects })
            }
        }
    }
}

fn fits(content: &str) -> Result<(), Fault> {
    if content.len() > limits::SWARM_MESSAGE {
        return Err(Fault::TooLarge { most: limits::SWARM_MESSAGE });
    }
    Ok(())
}
