//! Which agent is reached through which block (spec agentmux E.3): one agent, one block.
//!
//! An agent that loopgate starts is registered with its terminal's block; clients of AgentMux
//! register their own. Bounded in names and bytes; nothing here checks that a block is alive.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{limits, wire::id::AgentId};

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// the agent
    pub agent_id: AgentId,
    /// the block, any text of at most [`limits::REGISTRATION_TEXT`] bytes, even none
    pub block_id: String,
    /// the tab; `None` and empty differ
    pub tab_id: Option<String>,
    /// unix ms
    pub registered_at: u64,
    /// unix ms
    pub last_seen: u64,
}

impl Registration {
    /// As AgentMux prints it (spec agentmux B.5).
    pub fn to_json(&self) -> Value {
        let mut value = json!({
            "agent_id": self.agent_id.as_str(),
            "block_id": self.block_id,
            "registered_at": self.registered_at,
            "last_seen": self.last_seen,
        });
        if let (Some(tab), Some(map)) = (&self.tab_id, value.as_object_mut()) {
            map.insert("tab_id".to_owned(), json!(tab));
        }
        value
    }
}

/// Why a registration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterError {
    /// [`limits::DIRECTORY`] names are registered
    Full,
    /// block or tab is over [`limits::REGISTRATION_TEXT`] bytes
    TooLong,
}

/// All registrations.
#[derive(Debug, Default)]
pub struct Directory {
    by_agent: HashMap<AgentId, Registration>,
    /// exactly the blocks of `by_agent`, each with its one agent
    by_block: HashMap<String, AgentId>,
}

impl Directory {
    /// Registers. An agent registered before moves; an agent that held the block is evicted.
    pub fn register(
        &mut self,
        agent_id: AgentId,
        block_id: &str,
        tab_id: Option<&str>,
        now: u64,
    ) -> Result<(), RegisterError> {
        let longest = block_id.len().max(tab_id.map_or(0, str::len));
        if longest > limits::REGISTRATION_TEXT {
            return Err(RegisterError::TooLong);
        }
        let replaces = self.by_agent.contains_key(&agent_id) || self.by_block.contains_key(block_id);
        if !replaces && self.by_agent.len() >= limits::DIRECTORY {
            return Err(RegisterError::Full);
        }
        self.unregister(agent_id.as_str());
        self.unregister_block(block_id);
        self.by_block.insert(block_id.to_owned(), agent_id.clone());
        let registration = Registration {
            agent_id: agent_id.clone(),
            block_id: block_id.to_owned(),
            tab_id: tab_id.map(str::to_owned),
            registered_at: now,
            last_seen: now,
        };
        self.by_agent.insert(agent_id, registration);
        Ok(())
    }

    /// Whether an agent on a new block could be registered.
    pub fn has_room_for(&self, agent_id: &AgentId) -> bool {
        self.by_agent.contains_key(agent_id) || self.by_agent.len() < limits::DIRECTORY
    }

    /// Forgets an agent; whether there was one.
    pub fn unregister(&mut self, agent_id: &str) -> bool {
        let Ok(agent_id) = AgentId::parse(agent_id) else { return false };
        let Some(old) = self.by_agent.remove(&agent_id) else { return false };
        self.by_block.remove(&old.block_id);
        true
    }

    /// Forgets whoever holds the block: so the end of a process cannot remove a newer registration
    /// of the same name on another block.
    pub fn unregister_block(&mut self, block_id: &str) -> bool {
        let Some(agent_id) = self.by_block.remove(block_id) else { return false };
        self.by_agent.remove(&agent_id).is_some()
    }

    /// Who holds the block.
    pub fn holder(&self, block_id: &str) -> Option<&AgentId> {
        self.by_block.get(block_id)
    }

    /// An agent's registration.
    pub fn get(&self, agent_id: &AgentId) -> Option<&Registration> {
        self.by_agent.get(agent_id)
    }

    /// Notes that an agent was reached.
    pub fn seen(&mut self, agent_id: &AgentId, now: u64) {
        if let Some(registration) = self.by_agent.get_mut(agent_id) {
            registration.last_seen = now;
        }
    }

    /// All registrations, by name.
    pub fn list(&self) -> Vec<&Registration> {
        let mut all: Vec<&Registration> = self.by_agent.values().collect();
        all.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId {
        AgentId::parse(text).expect("a valid id")
    }

    #[test]
    fn registering_again_moves_the_agent() {
        let mut directory = Directory::default();
        directory.register(id("a1"), "b1", Some("tab1"), 1).expect("room");
        directory.register(id("a1"), "b2", None, 2).expect("room");
        assert_eq!(directory.get(&id("a1")).map(|r| r.block_id.as_str()), Some("b2"));
        assert!(!directory.unregister_block("b1"), "the old block is free");
        assert_eq!(directory.list().len(), 1);
    }

    #[test]
    fn a_block_has_one_agent() {
        let mut directory = Directory::default();
        directory.register(id("a1"), "b1", None, 1).expect("room");
        directory.register(id("a2"), "b1", None, 2).expect("room");
        assert_eq!((directory.holder("b1"), directory.holder("b2")), (Some(&id("a2")), None));
        assert_eq!(directory.get(&id("a1")), None);
        assert!(directory.unregister("a2") && !directory.unregister("a2"));
        assert_eq!(directory.list().len(), 0);
        assert!(directory.by_block.is_empty());
    }

    #[test]
    fn the_end_of_a_block_does_not_remove_a_newer_registration() {
        let mut directory = Directory::default();
        directory.register(id("a1"), "old", None, 1).expect("room");
        directory.register(id("a1"), "new", None, 2).expect("room");
        directory.unregister_block("old");
        assert_eq!(directory.get(&id("a1")).map(|r| r.block_id.as_str()), Some("new"));
    }

    #[test]
    fn registrations_are_bounded() {
        let mut directory = Directory::default();
        for n in 0..limits::DIRECTORY {
            assert_eq!(directory.register(id(&format!("a{n}")), &format!("b{n}"), None, 1), Ok(()));
        }
        assert_eq!(directory.register(id("more"), "more", None, 1), Err(RegisterError::Full));
        assert_eq!(directory.register(id("a0"), "b0", None, 1), Ok(()), "a known agent may come again");
        assert_eq!(directory.register(id("more"), "b0", None, 1), Ok(()), "and a block change hands");
    }

    #[test]
    fn a_registrations_texts_are_bounded() {
        let mut directory = Directory::default();
        let longest = "b".repeat(limits::REGISTRATION_TEXT);
        assert_eq!(directory.register(id("a"), &longest, Some(&longest), 1), Ok(()));
        let over = format!("{longest}b");
        assert_eq!(directory.register(id("a"), &over, None, 1), Err(RegisterError::TooLong));
        assert_eq!(directory.register(id("a"), "b", Some(&over), 1), Err(RegisterError::TooLong));
        assert_eq!(directory.get(&id("a")).map(|r| r.block_id.len()), Some(limits::REGISTRATION_TEXT));
    }
}
