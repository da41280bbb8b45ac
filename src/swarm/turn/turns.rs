//! From an item that is said to the end of its turn, and what becomes of the turn's text.

use super::{
    Current, Effect, Now, Pending, State, Turn,
    text::{self, Text},
};
use crate::{
    agent::protocol::Item,
    limits,
    swarm::{
        events::{Draft, Level, Name, Push},
        history::Role,
    },
};

impl Turn {
    /// Says the next item, where one may be said.
    pub(super) fn next(&mut self, now: Now, out: &mut Vec<Effect>) {
        let free = self.state == State::Idle && self.pending.is_none() && self.again.is_none();
        if !free || self.paused.is_some() {
            return;
        }
        if self.is_through() {
            let told = Draft::new(Name::AgentStopped, format!("agent {} has had its turns", self.name.agent));
            self.over(State::Stopped, told.with("max_turns", self.rules.max_turns), out);
            out.push(Effect::Stop);
            return;
        }
        if self.awaiting.is_some_and(|until| until <= now.ms) {
            self.awaiting = None;
        }
        let Some(item) = self.inbox.take(self.awaiting.is_some()) else { return };
        match &item {
            Item::Task { content } => self.log.note(Role::User, content),
            Item::Message { from, content } => {
                self.awaiting = None;
                self.log.note(Role::User, &format!("[From {from}] {content}"));
                let text = format!("message from {from} delivered to {}", self.name.agent);
                self.tell(out, Draft::new(Name::MessageDelivered, text).with("from", from.as_str()));
            }
        }
        self.begun = self.begun.saturating_add(1);
        self.turn_to(State::Working, out);
        self.last_activity = Some(now.unix_ms);
        self.current = Some(Current {
            began: now.ms,
            text: Text::default(),
            expires: self.rules.turn_timeout_ms.map(|most| now.ms.saturating_add(most)),
            expired: false,
            told: false,
        });
        out.push(Effect::Say { item, turn: self.begun });
    }

    /// A piece of text. Outside of a turn it answers nothing, and is kept in the conversation only.
    pub(super) fn output(&mut self, content: &str, now: Now, out: &mut Vec<Effect>) {
        self.tail.push(content);
        match &mut self.current {
            Some(current) => current.text.push(content),
            None => self.log.note(Role::System, content),
        }
        for name in self.troubles.look(content, now.ms) {
            let text = format!("agent {}: its output reads like {}", self.name.agent, name.as_str());
            self.tell(out, Draft::new(name, text).level(Level::Warning));
        }
    }

    /// The turn under way is over, if one is: a marker at another time ends nothing.
    pub(super) fn turn_over(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Some(current) = self.current.take() else { return };
        self.ended = self.ended.saturating_add(1);
        let Current { text, expired, told, began, .. } = current;
        // That a terminal is quiet is known only when it has been for a while.
        let noticed = if self.rules.pty { limits::QUIET_MS } else { 0 };
        self.latency.push(now.ms.saturating_sub(began).saturating_sub(noticed));
        let (output, lost) = text.into_parts();
        if !self.rules.pty {
            // What a terminal shows is no answer: it is in the log as output.
            self.log.note(Role::Assistant, &output);
        }
        let done = Draft::new(Name::Stdout, format!("agent {} turn complete", self.name.agent));
        let done = done.with("duration_ms", now.ms.saturating_sub(began)).with("bytes", output.len());
        let done = done.with("lost_bytes", lost).with_preview("content_preview", &output);
        // Followers are told the whole of it, where there is any.
        let push = (!output.is_empty()).then(|| Push::Output { content: output.as_str().into() });
        self.tell(out, Draft { push, ..done });
        self.turn_to(State::Idle, out);
        if self.rules.reply_to.is_some() {
            self.settle(text::reply(&output), expired, told, now, out);
        }
        out.push(Effect::TurnDone { output, lost });
        self.next(now, out);
    }

    /// What becomes of a turn's text for `reply_to`.
    pub(super) fn settle(
        &mut self,
        text: String,
        expired: bool,
        told: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        match (expired, told) {
            (true, _) => self.skipped("turn_timeout", out),
            (false, true) => self.skipped("explicit_send", out),
            (false, false) if text.is_empty() => {
                let none = Draft::new(Name::NoFinalText, format!("agent {} said nothing", self.name.agent));
                self.tell(out, none);
            }
            (false, false) => {
                let at = now.ms.saturating_add(self.rules.reply_grace_ms);
                self.pending = Some(Pending { text, at });
            }
        }
    }

    /// The agent itself sent to `reply_to` within the grace: the pending text stays, and things go on.
    pub(super) fn explicit(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.pending.take().is_some() {
            self.skipped("explicit_send", out);
            self.next(now, out);
        }
    }

    fn skipped(&self, why: &str, out: &mut Vec<Effect>) {
        let text = format!("agent {}: text not delivered by itself", self.name.agent);
        self.tell(out, Draft::new(Name::AutoDeliverSkipped, text).with("reason", why));
    }

    /// The pending text goes now, if there is one.
    pub(super) fn deliver(&mut self, out: &mut Vec<Effect>) {
        if let (Some(pending), Some(to)) = (self.pending.take(), &self.rules.reply_to) {
            out.push(Effect::AutoReply { to: to.clone(), content: pending.text });
        }
    }

    /// Whether it has had all its turns.
    pub(super) fn is_through(&self) -> bool {
        self.rules.max_turns.is_some_and(|most| self.ended >= most)
    }
}
