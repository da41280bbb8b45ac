//! One joined topic: a swarm, and which of its events are wanted beside what everybody gets.
//!
//! Subscriptions are sets: what matches several is pushed once. Each begins behind the newest event that its
//! answer could show, so that no event is both in the answer and pushed behind it, and none is in neither. The topic
//! itself begins where the stream was when it was joined, and knows how much of its own swarm it missed.

use std::collections::BTreeMap;

use super::{Version, answer::Frames, message::Ref};
use crate::{
    limits,
    swarm::events::{Entry, Event, Filter, Hub, Of, Recent},
    wire::node::NodeName,
    ws::Out,
};

/// A joined topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// of the join
    pub join_ref: Ref,
    /// what the stream has of the swarm since then
    of: Of,
    frames: Frames,
    /// what was missed and not told of yet
    missed: u64,
    /// the newest event that was pushed, or looked at
    pushed: u64,
    /// whose log is wanted, and behind which event; `None`: everybody's
    logs: BTreeMap<Option<NodeName>, u64>,
    /// which events are wanted, and behind which
    events: Vec<(Filter, u64)>,
}

/// As many subscriptions as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Topic {
    /// One that takes what comes of a swarm from now on.
    pub fn new(version: Version, topic: &str, of: Of, join_ref: Ref) -> Self {
        let frames = Frames::of(version, &join_ref, topic);
        Self { join_ref, of, frames, missed: 0, pushed: 0, logs: BTreeMap::new(), events: Vec::new() }
    }

    pub fn swarm(&self) -> &str {
        self.of.swarm()
    }

    /// Pushes what of an entry is wanted: at most three frames, and what was missed before them. What may be large is
    /// the last of them, so that where there is room for the first there is for all.
    pub fn push(&mut self, entry: &Entry, out: &mut Out<'_>) {
        let Some(missed) = self.of.passes(entry) else { return };
        let texts = u64::from(entry.is_without_text());
        self.missed = self.missed.saturating_add(missed).saturating_add(texts);
        if let Some(event) = entry.event() {
            self.pushed = event.id;
            if self.wants_log_of(event) {
                self.tell("log_entry", event.log_json(), out);
            }
            if self.wants(event) {
                self.tell("event", event.json(), out);
            }
        }
        if let Some((event, payload)) = entry.pushed() {
            self.tell(event, payload, out);
        }
    }

    /// Tells what was missed, where nothing more is there to be pushed behind it. Without room it is told later.
    pub fn rest(&mut self, out: &mut Out<'_>) {
        if !out.has_room() {
            return;
        }
        self.missed = self.missed.saturating_add(self.of.missed());
        self.tell_missed(out);
    }

    fn tell(&mut self, event: &str, payload: &str, out: &mut Out<'_>) {
        self.tell_missed(out);
        out.parts(&self.frames.push(event, payload));
    }

    fn tell_missed(&mut self, out: &mut Out<'_>) {
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            out.parts(&self.frames.push("gap", &format!(r#"{{"missed":{missed}}}"#)));
        }
    }

    /// Wants an agent's log, or everybody's. The newest of it, oldest first.
    pub fn subscribe_logs(&mut self, hub: &Hub, agent: Option<&str>) -> Result<Recent, Full> {
        // What is no name is nobody's.
        let Ok(agent) = agent.map(NodeName::parse).transpose() else {
            return Ok(Recent { events: Vec::new(), whole: true });
        };
        if self.logs.len() >= limits::CHANNEL_SUBSCRIPTIONS && !self.logs.contains_key(&agent) {
            return Err(Full);
        }
        let filter = Filter { agent: agent.as_ref().map(NodeName::to_string), ..Filter::default() };
        let (recent, since) = self.recent(hub, filter, Self::wants_log_of);
        self.logs.entry(agent).or_insert(since);
        Ok(recent)
    }

    /// Wants it no more; what else is wanted stays.
    pub fn unsubscribe_logs(&mut self, agent: Option<&str>) {
        if let Ok(agent) = agent.map(NodeName::parse).transpose() {
            self.logs.remove(&agent);
        }
    }

    /// Wants the events that match. The newest of them, oldest first.
    pub fn subscribe_events(&mut self, hub: &Hub, filter: Filter) -> Result<Recent, Full> {
        let known = self.events.iter().any(|(wanted, _)| *wanted == filter);
        if self.events.len() >= limits::CHANNEL_SUBSCRIPTIONS && !known {
            return Err(Full);
        }
        let (recent, since) = self.recent(hub, filter.clone(), Self::wants);
        if !known {
            self.events.push((filter, since));
        }
        Ok(recent)
    }

    /// Wants no events any more; logs stay.
    pub fn unsubscribe_events(&mut self) {
        self.events = Vec::new();
    }

    /// How many there are of the kind that has more.
    #[cfg(any(test, fuzzing))]
    pub fn subscriptions(&self) -> usize {
        self.logs.len().max(self.events.len())
    }

    fn wants_log_of(&self, event: &Event) -> bool {
        let agent = event.draft.agent.as_deref();
        let is_of =
            |wanted: &Option<NodeName>| wanted.as_ref().is_none_or(|wanted| agent == Some(wanted.as_str()));
        self.logs.iter().any(|(wanted, since)| event.id > *since && is_of(wanted))
    }

    fn wants(&self, event: &Event) -> bool {
        self.events.iter().any(|(filter, since)| event.id > *since && filter.matches(event, 0))
    }

    /// The newest events of the swarm that match, oldest first, and the number of the newest that may be one. What is
    /// `wanted` already and still to be pushed is left out.
    fn recent(&self, hub: &Hub, filter: Filter, wanted: fn(&Self, &Event) -> bool) -> (Recent, u64) {
        let filter = Filter { swarm: Some(self.swarm().to_owned()), ..filter };
        let since = hub.last();
        let mut recent = hub.recent(&filter, limits::CHANNEL_RECENT);
        // What happened meanwhile is pushed.
        let is_pushed = |event: &Event| event.id > since || event.id > self.pushed && wanted(self, event);
        recent.events.retain(|event| !is_pushed(event));
        recent.events.reverse();
        (recent, since)
    }
}
