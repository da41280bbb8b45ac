//! Which messages were typed of late: one that is sent again with its id is typed once.
//!
//! Whoever got no answer sends again (design section 8), and a command that is typed twice runs
//! twice. The newest are remembered for a day, in memory; what waits is matched in its mailbox.

use std::collections::VecDeque;

use super::{Outgoing, deliver::Sent};
use crate::{limits, wire::id::AgentId};

/// How long one is remembered.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Debug)]
struct Message {
    from: String,
    to: AgentId,
    id: String,
    /// monotonic ms
    at: u64,
    /// what its sender was told; `None`: it is being typed right now
    sent: Option<Sent>,
}

impl Message {
    fn is(&self, from: &str, ask: &Outgoing<'_>) -> bool {
        self.from == from && self.to == *ask.to && self.id == ask.id
    }
}

/// What is known of a message that is to be typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// not seen: it is to be typed, and [`TypedMessages::end`] to be called
    New,
    /// another request is typing it
    Underway,
    /// it was typed
    Typed(Sent),
}

/// The messages that were typed of late.
/// Invariant: at most [`limits::TYPED_MESSAGES`].
#[derive(Debug, Default)]
pub(super) struct TypedMessages(VecDeque<Message>);

impl TypedMessages {
    /// Before a message is typed.
    #[must_use]
    pub fn begin(&mut self, from: &str, ask: &Outgoing<'_>, now: u64) -> Seen {
        while self.0.front().is_some_and(|oldest| now.saturating_sub(oldest.at) >= DAY_MS) {
            self.0.pop_front();
        }
        match self.0.iter().rev().find(|message| message.is(from, ask)).map(|message| message.sent) {
            Some(Some(sent)) => return Seen::Typed(sent),
            Some(None) => return Seen::Underway,
            None => {}
        }
        while self.0.len() >= limits::TYPED_MESSAGES {
            self.0.pop_front();
        }
        let (from, id) = (from.to_owned(), ask.id.to_owned());
        self.0.push_back(Message { from, to: ask.to.clone(), id, at: now, sent: None });
        Seen::New
    }

    /// After it: what its sender is told, or `None` where it was not typed after all.
    pub fn end(&mut self, from: &str, ask: &Outgoing<'_>, sent: Option<Sent>) {
        let Some(at) = self.0.iter().rposition(|message| message.is(from, ask)) else { return };
        match (sent, self.0.get_mut(at)) {
            (Some(sent), Some(message)) => message.sent = Some(sent),
            (None, _) => drop(self.0.remove(at)),
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SendOutcome, *};

    const SENT: Sent = Sent {
        number: 0,
        outcome: SendOutcome::Delivered,
        state: super::super::mail::State::Delivered,
        duplicate: false,
        truncated: false,
        known: true,
    };

    fn to(name: &str) -> AgentId {
        AgentId::parse(name).expect("a valid id")
    }

    fn typed(messages: &mut TypedMessages, from: &str, to: &AgentId, id: &str, now: u64) -> Seen {
        let ask = Outgoing::new(to, "x", id);
        let seen = messages.begin(from, &ask, now);
        if seen == Seen::New {
            messages.end(from, &ask, Some(SENT));
        }
        seen
    }

    #[test]
    fn a_message_is_the_same_by_sender_target_and_id() {
        let (mut messages, a, b) = (TypedMessages::default(), to("a"), to("b"));
        assert_eq!(typed(&mut messages, "x", &a, "1", 0), Seen::New);
        assert_eq!(typed(&mut messages, "x", &a, "1", DAY_MS - 1), Seen::Typed(SENT));
        for (from, to, id) in [("y", &a, "1"), ("x", &b, "1"), ("x", &a, "2")] {
            assert_eq!(typed(&mut messages, from, to, id, 1), Seen::New);
        }
        assert_eq!(typed(&mut messages, "x", &a, "1", DAY_MS), Seen::New);
    }

    #[test]
    fn one_that_is_being_typed_is_not_typed_beside_it_and_one_that_failed_may_be_sent_again() {
        let (mut messages, a) = (TypedMessages::default(), to("a"));
        let ask = Outgoing::new(&a, "x", "1");
        assert_eq!(messages.begin("x", &ask, 0), Seen::New);
        assert_eq!(messages.begin("x", &ask, 0), Seen::Underway);
        messages.end("x", &ask, None);
        assert_eq!(messages.begin("x", &ask, 0), Seen::New);
    }

    #[test]
    fn the_newest_typed_messages_are_remembered() {
        let (mut messages, a) = (TypedMessages::default(), to("a"));
        for id in 0..limits::TYPED_MESSAGES + 3 {
            assert_eq!(typed(&mut messages, "x", &a, &id.to_string(), 0), Seen::New);
        }
        assert_eq!(messages.0.len(), limits::TYPED_MESSAGES);
        assert_eq!(typed(&mut messages, "x", &a, "3", 0), Seen::Typed(SENT));
        assert_eq!(typed(&mut messages, "x", &a, "2", 0), Seen::New);
    }
}
