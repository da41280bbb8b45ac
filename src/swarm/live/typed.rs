//! Text that is not typed: that of an agent into the terminal of one that is kept less far from the machine.
//!
//! What is typed into a terminal is done there, so who reads what strangers wrote has nothing typed into an
//! agent that may do more (design section 8). The message is in the target's file inbox, where it is data. An
//! object hands on what it is told, in whatever words, so it speaks as confined as the most confined of those
//! who can reach it.

use std::collections::BTreeSet;

use super::{
    jobs::Paper,
    pass::Pass,
    table::{Node, Table},
};
use crate::{
    agent::{Confinement, Controller},
    swarm::{
        Fault, TaskFault,
        events::{Draft, Level, Name},
        router,
        turn::State,
    },
    wire::node::NodeName,
};

impl Table {
    /// How confined what `from` says is.
    fn confinement(&self, from: &NodeName) -> Confinement {
        let mut most = Confinement::None;
        let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
        while let Some(name) = next.pop() {
            match self.nodes.get(name) {
                None => {}
                Some(Node::Agent(agent)) => most = most.max(agent.config.confinement()),
                Some(Node::Object(thing)) => {
                    let own = thing.config.backend.as_ref().map(|form| form.confinement(form.is_isolated()));
                    most = most.max(own.unwrap_or_default());
                    let reaches = self.topology.edges().filter(|(_, to)| *to == name).map(|(from, _)| from);
                    // An object of the system is reached without an edge.
                    let all = self.nodes.keys().filter(|_| router::is_system(name));
                    // Nor does who answers to it need one (`reply_to`).
                    let answers = self.nodes.iter().filter(|(_, node)| {
                        node.agent().is_some_and(|agent| agent.config.reply_to.as_ref() == Some(name))
                    });
                    let answers = answers.map(|(from, _)| from);
                    next.extend(reaches.chain(all).chain(answers).filter(|from| seen.insert(*from)));
                }
            }
        }
        most
    }
}

impl Pass<'_> {
    /// Whether a message may be said to its target in the way that it is spoken to.
    pub(super) fn may_be_typed(&self, from: &NodeName, to: &NodeName) -> bool {
        let Some(agent) = self.table.agent(to) else { return true };
        match agent.config.controller {
            Controller::Pipe => true,
            Controller::Pty { .. } => self.table.confinement(from).may_type_into(agent.config.confinement()),
        }
    }

    /// The message goes into the target's file inbox and nowhere else; an event says so.
    pub(super) fn leave_in_inbox(
        &mut self,
        from: &NodeName,
        to: &NodeName,
        content: String,
    ) -> Result<(), Fault> {
        match self.table.agent(to).map(|agent| agent.turn.state()) {
            None => return Err(Fault::UnknownTarget { name: to.to_string() }),
            Some(State::Stopped) => return Err(Fault::Task(TaskFault::Stopped)),
            Some(State::Error) => return Err(Fault::Task(TaskFault::Error)),
            Some(State::Initializing | State::Idle | State::Working) => {}
        }
        let Some(place) = self.table.agent(to).and_then(|agent| agent.place.clone()) else {
            // Without a program there is no inbox.
            return Err(Fault::Task(TaskFault::Initializing));
        };
        let text =
            format!("message {from} \u{2192} {to} is in the inbox and not typed: {from} is more confined");
        let draft = Draft::new(Name::MessageNotTyped, text).agent(to).level(Level::Warning);
        self.tell(draft.with("from", from.as_str()).with("to", to.as_str()));
        self.papers.push(Paper::Message { place, from: from.clone(), content });
        Ok(())
    }
}
