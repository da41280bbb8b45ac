//! One connection: which topics it has joined, and what each frame is answered with (spec genswarms D.4).
//!
//! A frame that is no message ends the connection. What a topic cannot make sense of ends that topic alone,
//! and its client joins again; the others do not notice. Every frame has one answer or none. What happens in
//! the swarms is taken from the hub's stream, by one follower for all topics, as far as there is room.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Stage, Version,
    answer::{self, Gone},
    asked::{self, Crashed},
    message::{self, Malformed, Message, Ref},
    topic::Topic,
};
use crate::{
    limits,
    swarm::events::Follow,
    sys::poll::Wake,
    ws::{Out, Seat, Session, Sockets},
};

/// The topic that belongs to the connection itself.
const OWN_TOPIC: &str = "phoenix";

/// What the topic of a swarm begins with.
const OF_SWARM: &str = "swarm:";

/// One connection's session.
pub struct Phoenix {
    stage: Arc<dyn Stage>,
    version: Version,
    wake: Arc<Wake>,
    /// by the name of its swarm
    topics: BTreeMap<String, Topic>,
    /// while a topic is joined
    follow: Option<Follow>,
    /// counts the frames that were not understood
    sockets: Arc<Sockets>,
}

impl Phoenix {
    /// A session on the connection that `seat` is of.
    pub fn new(stage: Arc<dyn Stage>, version: Version, seat: &Seat) -> Self {
        let (wake, sockets) = (Arc::clone(seat.wake()), Arc::clone(seat.sockets()));
        Self { stage, version, wake, topics: BTreeMap::new(), follow: None, sockets }
    }

    /// How many topics are joined, and the most subscriptions of one kind that one of them has.
    #[cfg(any(test, fuzzing))]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.topics.len(), self.topics.values().map(Topic::subscriptions).max().unwrap_or(0))
    }

    fn hear(&mut self, message: Result<Message, Malformed>, out: &mut Out<'_>) {
        let Ok(message) = message else {
            self.sockets.count_ignored();
            return out.close(1011, "a frame that is no message");
        };
        match (message.topic.as_str(), message.event.as_str()) {
            (OWN_TOPIC, "heartbeat") => self.reply(&Ref::None, &message, Ok("{}"), out),
            (_, "phx_join") => self.join(message, out),
            (topic, "phx_leave") => match swarm_of(topic).and_then(|swarm| self.topics.get(swarm)) {
                None => self.reply(&message.join_ref, &message, Ok("{}"), out),
                // Who joined without a ref leaves with any; a leave that is about an earlier join comes late.
                Some(joined) if [&Ref::None, &message.join_ref].contains(&&joined.join_ref) => {
                    self.reply(&joined.join_ref, &message, Ok("{}"), out);
                    self.end(&message.topic, Gone::Closed, out);
                }
                Some(_) => {}
            },
            _ => self.ask(&message, out),
        }
    }

    fn join(&mut self, message: Message, out: &mut Out<'_>) {
        let Some(swarm) = swarm_of(&message.topic) else { return self.unmatched(&message, out) };
        let earlier = self.topics.remove(swarm);
        let response = if !self.stage.joins(swarm) {
            Err("swarm_not_found")
        } else if self.topics.len() >= limits::CHANNEL_TOPICS {
            Err("too_many_topics")
        } else {
            Ok(format!(r#"{{"swarm":{}}}"#, message::quoted(swarm)))
        };
        match response {
            Ok(response) => {
                self.reply(&message.join_ref, &message, Ok(&response), out);
                let hub = self.stage.hub();
                self.follow.get_or_insert_with(|| hub.follow_pushes(Arc::clone(&self.wake)));
                let join_ref = message.join_ref.clone();
                let topic = Topic::new(self.version, &message.topic, hub.of(swarm), join_ref);
                self.topics.insert(swarm.to_owned(), topic);
            }
            Err(reason) => {
                self.reply(&message.join_ref, &message, Err(&answer::because(reason)), out);
            }
        }
        if let Some(earlier) = earlier {
            self.gone(&message.topic, &earlier, Gone::Closed, out);
        }
    }

    /// Any other event: of a topic that is joined, whichever join the client means.
    fn ask(&mut self, message: &Message, out: &mut Out<'_>) {
        let topic = swarm_of(&message.topic).and_then(|swarm| self.topics.get_mut(swarm));
        let Some(topic) = topic else { return self.unmatched(message, out) };
        match asked::answer(&*self.stage, topic, &message.event, &message.payload) {
            Ok(answer) => {
                let join_ref = topic.join_ref.clone();
                let answer = answer.map_err(answer::because);
                let response = answer.as_deref().map_err(String::as_str);
                self.reply(&join_ref, message, response, out);
                if asked::may_wait(&message.event) {
                    out.rest();
                }
            }
            Err(Crashed) => self.end(&message.topic, Gone::Crashed, out),
        }
    }

    /// Nobody has joined that topic, or nobody can.
    fn unmatched(&self, message: &Message, out: &mut Out<'_>) {
        self.reply(&Ref::None, message, Err(&answer::because("unmatched topic")), out);
    }

    fn reply(&self, join_ref: &Ref, to: &Message, response: Result<&str, &str>, out: &mut Out<'_>) {
        out.text(&answer::reply(self.version, join_ref, &to.reference, &to.topic, response));
    }

    /// A topic is joined no more.
    fn end(&mut self, topic: &str, how: Gone, out: &mut Out<'_>) {
        if let Some(joined) = swarm_of(topic).and_then(|swarm| self.topics.remove(swarm)) {
            self.gone(topic, &joined, how, out);
        }
    }

    fn gone(&mut self, name: &str, topic: &Topic, how: Gone, out: &mut Out<'_>) {
        out.text(&answer::gone(self.version, &topic.join_ref, name, how));
        if self.topics.is_empty() {
            self.follow = None;
        }
    }
}

impl Session for Phoenix {
    fn opened(&mut self, _: &mut Out<'_>) {}

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        self.hear(message::parse(self.version, text), out);
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        self.hear(message::parse_binary(self.version, bytes), out);
    }

    fn pull(&mut self, out: &mut Out<'_>) {
        let Some(follow) = &mut self.follow else { return };
        let mut seen = 0_usize;
        while seen < SEEN {
            let entries = follow.next(AT_ONCE).entries;
            if entries.is_empty() {
                return self.topics.values_mut().for_each(|topic| topic.rest(out));
            }
            for entry in &entries {
                if !out.has_room() {
                    // Nothing is held here: it comes again, or is missed.
                    return follow.back_to(entry.at());
                }
                if let Some(topic) = entry.swarm().and_then(|swarm| self.topics.get_mut(swarm)) {
                    topic.push(entry, out);
                }
            }
            seen = seen.saturating_add(entries.len());
        }
        out.again();
    }
}

/// The swarm that a topic is of.
fn swarm_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(OF_SWARM)
}

/// Entries that are taken out of the stream at once.
const AT_ONCE: usize = 16;

/// Entries that are looked at before pings and the connection's end have their turn again.
const SEEN: usize = 1_024;
