//! Places for requests that wait: each holds a thread and a connection for up to half a minute.
//!
//! All waiting requests share [`limits::OUTPUT_WAITERS`]; agents together never have the last of
//! them, and one agent has a few: neither one that asks from many threads nor many that do keep the
//! owner from waiting for what he looks at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    agents::too_many,
    app::{Place, Places},
    request::Fault,
};
use crate::{limits, wire::id::AgentId};

/// The places of all waiting requests.
pub(super) struct Waiting {
    all: Places,
    agents: Places,
    /// no entry is 0
    each: Arc<Mutex<HashMap<AgentId, usize>>>,
}

/// The place of one request, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiter {
    _all: Place,
    _agents: Option<Place>,
    _own: Option<Own>,
}

/// One of an agent's own places.
#[derive(Debug)]
struct Own {
    each: Arc<Mutex<HashMap<AgentId, usize>>>,
    agent: AgentId,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            all: Places::new(limits::OUTPUT_WAITERS),
            agents: Places::new(limits::AGENTS_WAITERS),
            each: Arc::default(),
        }
    }

    /// A place for the owner.
    pub(super) fn enter(&self) -> Result<Waiter, Fault> {
        let all = self.all.enter().ok_or_else(|| too_many("requests that wait", limits::OUTPUT_WAITERS))?;
        Ok(Waiter { _all: all, _agents: None, _own: None })
    }

    /// A place for an agent.
    pub(super) fn enter_agent(&self, agent: &AgentId) -> Result<Waiter, Fault> {
        let own =
            self.own(agent).ok_or_else(|| too_many("requests of yours that wait", limits::AGENT_WAITERS))?;
        let agents = self
            .agents
            .enter()
            .ok_or_else(|| too_many("requests of agents that wait", limits::AGENTS_WAITERS))?;
        Ok(Waiter { _agents: Some(agents), _own: Some(own), ..self.enter()? })
    }

    fn own(&self, agent: &AgentId) -> Option<Own> {
        let mut each = lock(&self.each);
        let taken = each.get(agent).copied().unwrap_or_default();
        if taken >= limits::AGENT_WAITERS {
            return None;
        }
        each.insert(agent.clone(), taken.saturating_add(1));
        Some(Own { each: Arc::clone(&self.each), agent: agent.clone() })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut each = lock(&self.each);
        match each.get_mut(&self.agent) {
            Some(taken) if *taken > 1 => *taken -= 1,
            Some(_) | None => drop(each.remove(&self.agent)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("a valid id")
    }

    #[test]
    fn one_agent_has_a_few_places_and_gets_them_back() {
        let waiting = Waiting::new();
        let mut taken: Vec<_> =
            (0..limits::AGENT_WAITERS).map(|_| waiting.enter_agent(&id("a")).expect("a place")).collect();
        assert!(waiting.enter_agent(&id("a")).is_err());
        assert!(waiting.enter_agent(&id("b")).is_ok() && waiting.enter().is_ok());
        taken.pop();
        taken.push(waiting.enter_agent(&id("a")).expect("the place that was given back"));
        assert!(waiting.enter_agent(&id("a")).is_err());
        drop(taken);
        assert!(lock(&waiting.each).is_empty(), "nothing is left of an agent that waits no more");
    }

    #[test]
    fn agents_together_never_have_the_owners_last_places() {
        let waiting = Waiting::new();
        let mut taken = Vec::new();
        while let Ok(waiter) = waiting.enter_agent(&id(&format!("a{}", taken.len()))) {
            taken.push(waiter);
        }
        assert_eq!(taken.len(), limits::AGENTS_WAITERS);
        while let Ok(waiter) = waiting.enter() {
            taken.push(waiter);
        }
        assert_eq!(taken.len(), limits::OUTPUT_WAITERS);
        assert!(lock(&waiting.each).len() <= limits::AGENTS_WAITERS);
    }

    #[test]
    fn a_place_that_was_not_had_takes_none() {
        let waiting = Waiting::new();
        let owners: Vec<_> = (0..limits::OUTPUT_WAITERS).map(|_| waiting.enter()).collect();
        for _ in 0..2 * limits::AGENTS_WAITERS {
            assert!(waiting.enter_agent(&id("a")).is_err());
        }
        drop(owners);
        assert!(waiting.enter_agent(&id("a")).is_ok());
    }
}
