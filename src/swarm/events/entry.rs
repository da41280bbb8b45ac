//! One place of the stream: an event, something that only live followers are told, or both.

use std::sync::{Arc, OnceLock};

use super::{Event, Push, push};

/// One place of the stream, shared by all who follow it.
#[derive(Debug)]
pub struct Entry {
    at: u64,
    /// its place among those of its swarm, where somebody follows that; 0: nobody does
    nth: u64,
    /// the number of the newest event up to here
    last: u64,
    size: usize,
    what: What,
    push: Kept,
    pushed: OnceLock<Option<(&'static str, Box<str>)>>,
}

#[derive(Debug, Clone)]
enum What {
    /// something that happened
    Event(Arc<Event>),
    /// something that is kept nowhere else, about an agent of a swarm
    Told { swarm: String, agent: String },
}

/// What followers of the channel are told with it, beside what an event says itself.
#[derive(Debug)]
enum Kept {
    Nothing,
    /// and what its text takes of memory
    Push(Push, usize),
    /// it made room for others
    Gone,
}

impl Entry {
    pub(super) fn event_at(
        at: u64,
        nth: u64,
        event: Event,
        push: Option<(Push, usize)>,
        size: usize,
    ) -> Self {
        let last = event.id;
        Self::new(at, nth, last, What::Event(Arc::new(event)), push, size)
    }

    pub(super) fn told_at(
        at: u64,
        nth: u64,
        last: u64,
        swarm: String,
        agent: String,
        push: (Push, usize),
    ) -> Self {
        let size = swarm.len().saturating_add(agent.len() * 2).saturating_add(super::hub::EACH);
        Self::new(at, nth, last, What::Told { swarm, agent }, Some(push), size)
    }

    fn new(at: u64, nth: u64, last: u64, what: What, push: Option<(Push, usize)>, size: usize) -> Self {
        let push = push.map_or(Kept::Nothing, |(push, text)| Kept::Push(push, text));
        Self { at, nth, last, size, what, push, pushed: OnceLock::new() }
    }

    /// The same without the text that followers are told with it.
    pub(super) fn without_text(&self) -> Self {
        let (at, nth, last, size, what) = (self.at, self.nth, self.last, self.size, self.what.clone());
        Self { at, nth, last, size, what, push: Kept::Gone, pushed: OnceLock::from(None) }
    }

    /// Its place, from 1, rising by one. It is no number of an event, and begins anew with each launch.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Its place among those of its swarm, where somebody follows that; 0 where nobody does.
    pub(super) fn nth(&self) -> u64 {
        self.nth
    }

    /// The swarm that it is about, where it is one.
    pub fn swarm(&self) -> Option<&str> {
        match &self.what {
            What::Event(event) => event.draft.swarm.as_deref(),
            What::Told { swarm, .. } => Some(swarm),
        }
    }

    /// What happened, where it is an event.
    pub fn event(&self) -> Option<&Event> {
        self.shared().map(|event| &**event)
    }

    /// The event as clients know it (spec genswarms B.2), one line of JSON.
    pub fn event_json(&self) -> Option<&str> {
        self.event().map(Event::json)
    }

    /// The event as a subscriber of logs knows it (spec genswarms D.5).
    pub fn log_json(&self) -> Option<&str> {
        self.event().map(Event::log_json)
    }

    /// What followers of its swarm are told (spec genswarms D.6): the name and the payload, JSON.
    pub fn pushed(&self) -> Option<(&'static str, &str)> {
        let pushed = self.pushed.get_or_init(|| {
            let told = match (&self.what, &self.push) {
                (What::Event(event), Kept::Push(push, _)) => {
                    Some(push.told(event.draft.agent.as_deref().unwrap_or_default()))
                }
                (What::Event(event), Kept::Nothing) => push::of(event),
                (What::Told { agent, .. }, Kept::Push(push, _)) => Some(push.told(agent)),
                (What::Event(_), Kept::Gone) | (What::Told { .. }, Kept::Nothing | Kept::Gone) => None,
            };
            told.map(|(name, payload)| (name, payload.into()))
        });
        pushed.as_ref().map(|(name, payload)| (*name, &**payload))
    }

    /// Whether a text that followers would have been told with it is kept no more.
    pub fn is_without_text(&self) -> bool {
        matches!(self.push, Kept::Gone)
    }

    pub(super) fn shared(&self) -> Option<&Arc<Event>> {
        match &self.what {
            What::Event(event) => Some(event),
            What::Told { .. } => None,
        }
    }

    /// The number of the newest event up to here, itself included.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// What it takes of memory, about, without its text.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// What its text takes.
    pub(super) fn text_size(&self) -> usize {
        match &self.push {
            Kept::Push(_, text) => *text,
            Kept::Nothing | Kept::Gone => 0,
        }
    }
}
