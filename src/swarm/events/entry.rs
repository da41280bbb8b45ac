//! One place of the stream: an event, something that only live followers are told, or both.

use std::sync::{Arc, OnceLock};

use super::{Event, Push, push};

/// One place of the stream, shared by all who follow it.
#[derive(Debug)]
pub struct Entry {
    at: u64,
    /// the number of the newest event up to here
    last: u64,
    size: usize,
    what: What,
    pushed: OnceLock<Option<(&'static str, Box<str>)>>,
}

#[derive(Debug)]
enum What {
    /// something that happened, and what followers are told with it
    Event(Arc<Event>, Option<Push>),
    /// something that is kept nowhere else, about an agent of a swarm
    Told { swarm: String, agent: String, push: Push },
}

impl Entry {
    pub(super) fn event_at(at: u64, event: Event, push: Option<Push>, size: usize) -> Self {
        let what = What::Event(Arc::new(event), push);
        let last = match &what {
            What::Event(event, _) => event.id,
            What::Told { .. } => 0,
        };
        Self { at, last, size, what, pushed: OnceLock::new() }
    }

    pub(super) fn told_at(at: u64, last: u64, swarm: String, agent: String, push: Push) -> Self {
        let size = push.size().saturating_add(swarm.len()).saturating_add(agent.len() * 2);
        let size = size.saturating_add(super::hub::EACH);
        Self { at, last, size, what: What::Told { swarm, agent, push }, pushed: OnceLock::new() }
    }

    /// Its place, from 1, rising by one. It is no number of an event, and begins anew with each launch.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The swarm that it is about, where it is one.
    pub fn swarm(&self) -> Option<&str> {
        match &self.what {
            What::Event(event, _) => event.draft.swarm.as_deref(),
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
            let told = match &self.what {
                What::Event(event, Some(push)) => {
                    Some(push.told(event.draft.agent.as_deref().unwrap_or_default()))
                }
                What::Event(event, None) => push::of(event),
                What::Told { agent, push, .. } => Some(push.told(agent)),
            };
            told.map(|(name, payload)| (name, payload.into()))
        });
        pushed.as_ref().map(|(name, payload)| (*name, &**payload))
    }

    pub(super) fn shared(&self) -> Option<&Arc<Event>> {
        match &self.what {
            What::Event(event, _) => Some(event),
            What::Told { .. } => None,
        }
    }

    /// The number of the newest event up to here, itself included.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// What it takes of memory, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}
