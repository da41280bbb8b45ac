//! The ways of a message: along an edge to an agent or an object, to all neighbours, as a question, as a turn's
//! text to `reply_to` (spec genswarms J.1, J.2, E.6).
//!
//! Whoever comes here has been told by the lock who the sender is; the edge is looked up here, once for each
//! message, and what is refused is told as an event and typed to whoever waits for an answer. A name
//! behind which there is no edge is refused before it is known whether anybody has it.

use super::{
    jobs::{Job, Paper},
    pass::{Origin, Pass},
    table::{Body, Last, Node, Phase},
};
use crate::{
    agent::Exit,
    limits,
    swarm::{
        Fault, TaskFault,
        ask::{AskId, Envelope, Failure},
        events::{Draft, Level, Name},
        history::{Role, Sort},
        objects::{Action, process},
        turn::Refused,
    },
    wire::node::NodeName,
};

/// A pause after which what a process says is no longer an answer to what it was told.
const OWN_ACCORD_MS: u64 = 1_000;
/// Names in the list of allowed targets of an event.
const SHOWN_TARGETS: usize = 32;

impl Pass<'_> {
    /// A message along an edge; to whom it went.
    pub fn send(&mut self, from: &NodeName, to: &str, content: String, hops: u32) -> Result<NodeName, Fault> {
        self.fits(from, &content)?;
        let to = self.route(from, to)?;
        self.note(from, &to, &content);
        self.hand_over(from, &to, content, Sort::Direct, hops)?;
        Ok(to)
    }

    /// The same in the name of `from`, whose machine does not hear of it.
    pub fn forward(&mut self, from: &NodeName, to: &str, content: String) -> Result<NodeName, Fault> {
        let to = self.route(from, to)?;
        self.note(from, &to, &content);
        self.deliver(from, &to, content, 0)?;
        Ok(to)
    }

    /// A message over the limit goes nowhere, whoever wrote it and however it came.
    fn fits(&mut self, from: &NodeName, content: &str) -> Result<(), Fault> {
        if content.len() <= limits::SWARM_MESSAGE {
            return Ok(());
        }
        let draft = Draft::new(Name::MessageDropped, format!("message of {from} dropped: it is too long"));
        self.tell(draft.agent(from).level(Level::Warning).with("bytes", content.len()));
        Err(Fault::TooLarge { most: limits::SWARM_MESSAGE })
    }

    fn note(&mut self, from: &NodeName, to: &NodeName, content: &str) {
        self.log(from, &[to], Sort::Direct, content);
        let draft = Draft::new(Name::MessageRouted, format!("message routed {from} \u{2192} {to}"));
        let draft = draft.with("from", from.as_str()).with("to", to.as_str());
        self.tell(draft.with_preview("content_preview", content));
    }

    /// A message along all edges but one; whom it reached.
    pub fn broadcast(
        &mut self,
        from: &NodeName,
        content: &str,
        except: Option<&str>,
        hops: u32,
    ) -> Vec<NodeName> {
        if self.fits(from, content).is_err() {
            return Vec::new();
        }
        let targets = self.table.topology.targets(from);
        let targets: Vec<NodeName> =
            targets.into_iter().filter(|to| except != Some(to.as_str())).cloned().collect();
        self.log(from, &targets.iter().collect::<Vec<_>>(), Sort::Broadcast, content);
        let names: Vec<&str> = targets.iter().map(NodeName::as_str).collect();
        let draft = Draft::new(Name::MessageBroadcast, format!("message broadcast by {from}"));
        self.tell(
            draft.with("from", from.as_str()).with("to", names).with_preview("content_preview", content),
        );
        let reached = |to: &NodeName| {
            // Of a fork of an object each branch counts.
            let may = hops == 0 || self.object_may_send(hops, content.len());
            may && self.hand_over(from, to, content.to_owned(), Sort::Broadcast, hops).is_ok()
        };
        targets.into_iter().filter(reached).collect()
    }

    /// A question of an agent, answered in a file.
    pub fn asked(&mut self, from: &NodeName, to: &str, content: String, id: &str) {
        let Some(id) = AskId::parse(id) else {
            let draft = Draft::new(Name::InvalidLine, format!("agent {from} asked under an id that is none"));
            return self.tell(draft.agent(from));
        };
        let envelope =
            self.ask(from, to, &content, &id).unwrap_or_else(|failure| Envelope::failed(&id, &failure));
        if let Some(place) = self.table.agent(from).and_then(|agent| agent.place.clone()) {
            self.papers.push(Paper::Reply { place, id: id.as_str().to_owned(), envelope });
        }
    }

    /// A turn's text for the agent's `reply_to`: an object, whatever the topology says.
    pub fn auto_reply(&mut self, from: &NodeName, to: &NodeName, content: String) {
        let is_object = matches!(self.table.nodes.get(to), Some(Node::Object(_)));
        let sent = is_object && {
            self.log(from, &[to], Sort::Direct, &content);
            self.deliver(from, to, content, 0).is_ok()
        };
        let draft = match sent {
            true => Draft::new(Name::AutoDelivered, format!("text of {from} delivered to {to}")),
            false => Draft::new(Name::AutoDeliverFailed, format!("text of {from} not delivered to {to}")),
        };
        self.tell(draft.agent(from).with("to", to.as_str()));
    }

    /// Something that an object wants done.
    pub fn action(&mut self, origin: &Origin, action: Action) {
        let from = &origin.object;
        match action {
            Action::NoReply => {}
            // To whom it answers it needs an edge like anybody else.
            Action::Reply { content } => match &origin.about {
                Some(about) => self.object_sends(origin, about.as_str(), content),
                None => self.drop_of(from, "nobody to reply to"),
            },
            Action::Send { to, content } => self.object_sends(origin, &to, content),
            Action::Broadcast { content, except } => {
                drop(self.broadcast(from, &content, except.as_deref(), origin.hops));
            }
        }
    }

    fn object_sends(&mut self, origin: &Origin, to: &str, content: String) {
        if self.object_may_send(origin.hops, content.len()) {
            drop(self.send(&origin.object, to, content, origin.hops));
        }
    }

    /// A process that is an object has ended. Its name stays taken, and whoever sends to it is told.
    pub fn object_ended(&mut self, name: &NodeName, exit: Option<Exit>) {
        let Some(thing) = self.table.object_mut(name) else { return };
        thing.body = Body::Broken("its program has ended".to_owned());
        let last = thing.heard.last();
        let (failed, how) = match exit {
            Some(Exit::Code(code)) => (code != 0, format!("object {name} exited with status {code}")),
            Some(Exit::Signal(signal)) => (true, format!("object {name} was ended by signal {signal}")),
            None => (true, format!("object {name} has ended")),
        };
        if failed {
            self.tell(Draft::new(Name::HandlerCrashed, how.clone()).agent(name).level(Level::Error));
        }
        self.tell(Draft::new(Name::ObjectError, how).agent(name).with("last_output", last));
    }

    /// A line that an object's process wrote on its standard error.
    pub fn object_logged(&mut self, name: &NodeName, run: u64, line: &[u8]) {
        let unix_ms = self.now.unix_ms;
        let Some(thing) = self.table.object_mut(name) else { return };
        if matches!(&thing.body, Body::Process { run: now, .. } if now.is(run)) {
            thing.heard.push(unix_ms, Role::System, &String::from_utf8_lossy(line));
        }
    }

    /// The node to which `from` may send under this name.
    pub fn route(&mut self, from: &NodeName, to: &str) -> Result<NodeName, Fault> {
        let target = NodeName::parse(to).ok().filter(|to| self.table.topology.allows(from, to));
        let Some(target) = target else {
            let targets = self.table.topology.targets(from).into_iter().take(SHOWN_TARGETS);
            let allowed: Vec<&str> = targets.map(NodeName::as_str).collect();
            let draft = Draft::new(Name::InvalidRoute, format!("no edge {from} \u{2192} {}", shown(to)));
            let draft =
                draft.with("from", from.as_str()).with("to", shown(to)).with("allowed_targets", allowed);
            self.tell(draft.agent(from));
            return Err(Fault::RouteDenied { from: from.to_string(), to: shown(to) });
        };
        if !self.table.nodes.contains_key(&target) {
            let draft = Draft::new(Name::TargetNotFound, format!("nobody is called {target}"));
            self.tell(draft.with("from", from.as_str()).with("to", target.as_str()));
            return Err(Fault::UnknownTarget { name: target.to_string() });
        }
        Ok(target)
    }

    /// To its target, and to the books of its sender.
    fn hand_over(
        &mut self,
        from: &NodeName,
        to: &NodeName,
        content: String,
        sort: Sort,
        hops: u32,
    ) -> Result<(), Fault> {
        let expects = self.table.topology.expects_reply(from, to);
        // First the books: an answer of the target, which may come in this pass, is one to this message.
        self.turn(from, |turn, now| ((), turn.sent(to, &content, sort, expects, now)));
        self.deliver(from, to, content, hops)
    }

    fn deliver(&mut self, from: &NodeName, to: &NodeName, content: String, hops: u32) -> Result<(), Fault> {
        match self.table.nodes.get_mut(to) {
            None => Err(Fault::UnknownTarget { name: to.to_string() }),
            Some(Node::Agent(_)) => self.hand_to_agent(from, to, content),
            Some(Node::Object(thing)) => {
                let (hops, now) = (hops.saturating_add(1), self.now.ms);
                let actions = match &mut thing.body {
                    Body::BuiltIn(object) => object.handle(from.as_str(), &content),
                    Body::Broken(_) => {
                        self.drop_of(to, "the object is in state error");
                        return Err(Fault::Task(TaskFault::Error));
                    }
                    Body::Process { run, last } => {
                        let Some(program) = run.running().cloned() else {
                            self.drop_of(to, "the object is being started");
                            return Err(Fault::Task(TaskFault::Initializing));
                        };
                        let line = process::line(from.as_str(), &content);
                        // What others have just said may still take the room: then an event tells of it.
                        if !program.has_room(line.len()) {
                            self.drop_of(to, "the object takes nothing");
                            return Err(Fault::Task(TaskFault::InboxFull));
                        }
                        *last = Some(Last { from: from.clone(), hops, at: now });
                        self.table.jobs.push_back(Job::Line { to: program, object: to.clone(), line });
                        Vec::new()
                    }
                };
                let origin = Origin { object: to.clone(), about: Some(from.clone()), hops };
                self.act(&origin, actions);
                Ok(())
            }
        }
    }

    fn hand_to_agent(&mut self, from: &NodeName, to: &NodeName, content: String) -> Result<(), Fault> {
        if !self.may_be_typed(from, to) {
            return self.leave_in_inbox(from, to, content);
        }
        let accepted = self.turn(to, |turn, now| turn.message(from.as_str(), &content, now));
        match accepted {
            None => Err(Fault::UnknownTarget { name: to.to_string() }),
            Some(Err(refused)) => Err(refusal(refused)),
            Some(Ok(())) => {
                if let Some(place) = self.table.agent(to).and_then(|agent| agent.place.clone()) {
                    self.papers.push(Paper::Message { place, from: from.clone(), content });
                }
                Ok(())
            }
        }
    }

    /// Asks an object.
    pub fn ask(&mut self, from: &NodeName, to: &str, content: &str, id: &AskId) -> Result<Envelope, Failure> {
        if content.len() > limits::SWARM_MESSAGE {
            return Err(Failure::InvalidContent);
        }
        let target = self.route(from, to).map_err(|fault| match fault {
            Fault::UnknownTarget { name } => Failure::TargetNotFound { to: name },
            _ => Failure::RouteDenied { from: from.clone(), to: shown(to) },
        })?;
        let thing = match self.table.nodes.get_mut(&target) {
            Some(Node::Object(thing)) => thing,
            Some(Node::Agent(_)) => return Err(Failure::NotAnObject { to: target.to_string() }),
            None => return Err(Failure::TargetNotFound { to: target.to_string() }),
        };
        let (reply, actions) = match &mut thing.body {
            Body::BuiltIn(object) => object.ask(from.as_str(), content),
            Body::Process { .. } => return Err(Failure::NotSupported { to: target }),
            Body::Broken(_) => return Err(Failure::ObjectErrorState { to: target }),
        };
        self.log(from, &[&target], Sort::Ask, content);
        let draft = Draft::new(Name::MessageRouted, format!("question routed {from} \u{2192} {target}"));
        let draft = draft.with("from", from.as_str()).with("to", target.as_str()).with("type", "ask");
        self.tell(draft.with_preview("content_preview", content));
        self.turn(from, |turn, now| ((), turn.sent(&target, content, Sort::Ask, false, now)));
        self.act(&Origin { object: target, about: Some(from.clone()), hops: 1 }, actions);
        // Answered in the same pass: no time goes by.
        Ok(Envelope::answered(id, &reply, 0))
    }

    /// A line of an object that is a process.
    pub fn object_said(&mut self, name: &NodeName, run: u64, line: &[u8]) {
        if self.table.phase == Phase::Stopped {
            return;
        }
        let now_ms = self.now.ms;
        let Some(thing) = self.table.object_mut(name) else { return };
        let Body::Process { run: now, last } = &thing.body else { return };
        if !now.is(run) {
            return;
        }
        let about = last.as_ref().map(|last| last.from.clone());
        // After a pause it speaks of its own accord, as an agent does: a circle that slow harms nobody.
        let fresh = |last: &&Last| now_ms.saturating_sub(last.at) < OWN_ACCORD_MS;
        let hops = last.as_ref().filter(fresh).map_or(1, |last| last.hops);
        let origin = Origin { object: name.clone(), about, hops };
        match process::parse(line) {
            Ok(action) => self.act(&origin, vec![action]),
            Err(why) => {
                let draft =
                    Draft::new(Name::InvalidLine, format!("object {name} said what nobody understands"));
                self.tell(draft.agent(name).with("reason", why));
            }
        }
    }

    fn log(&mut self, from: &NodeName, to: &[&NodeName], sort: Sort, content: &str) {
        let to: Vec<&str> = to.iter().map(|name| name.as_str()).collect();
        let swarm = self.live.name.as_str();
        super::lock(&self.live.parts.log).push(self.now.unix_ms, swarm, from.as_str(), &to, sort, content);
    }

    fn drop_of(&mut self, object: &NodeName, why: &str) {
        let draft = self.live.dropped(object, why);
        self.table.jobs.push_back(Job::Tell(draft));
    }
}

impl super::Live {
    /// A message that an object was to get, or sent, is lost.
    pub(super) fn dropped(&self, object: &NodeName, why: &str) -> Draft {
        let draft = Draft::new(Name::MessageDropped, format!("message of object {object} dropped: {why}"));
        draft.swarm(&self.name).agent(object).level(Level::Warning)
    }
}

/// What a refusal is to who waits for an answer.
pub(super) fn refusal(refused: Refused) -> Fault {
    Fault::Task(match refused {
        Refused::Error => TaskFault::Error,
        Refused::Stopped => TaskFault::Stopped,
        Refused::Initializing => TaskFault::Initializing,
        Refused::InboxFull => TaskFault::InboxFull,
        Refused::TooLong => return Fault::TooLarge { most: limits::SWARM_MESSAGE },
    })
}

/// A name as it was given, in its beginning.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 64;
    name.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
