//! Names: an agent's id, by the rule that AgentMux clients know (spec agentmux E.2).

use std::fmt;

/// Names that no agent may carry, because messages would read as if somebody else had sent them.
const RESERVED: [&str; 6] = ["owner", "api", "peer", "relay", "config", "loopgate"];

/// Why a text is not an agent id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// Empty, over 64 bytes, or a character other than ASCII letters, digits, `_` and `-`.
    Malformed,
}

/// A well-formed agent id: 1 to 64 bytes of ASCII letters, digits, `_` and `-`. Case matters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(String);

impl AgentId {
    /// Reads an id; the rule of spec agentmux E.2.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits && clean { Ok(Self(text.to_owned())) } else { Err(IdError::Malformed) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a name that stands for a caller who is not an agent.
    pub fn is_reserved(&self) -> bool {
        RESERVED.iter().any(|name| self.0.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec agentmux L.21.
    #[test]
    fn case_l21_agent_ids_follow_the_rule_of_agentmux() {
        for bad in ["", "a b", "a@b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(AgentId::parse(bad), Err(IdError::Malformed), "{bad:?}");
        }
        for good in ["a", "A-1_b", &"x".repeat(64)] {
            assert_eq!(AgentId::parse(good).map(|id| id.as_str().to_owned()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn names_of_other_callers_are_reserved() {
        assert!(AgentId::parse("Owner").is_ok_and(|id| id.is_reserved()));
        assert!(AgentId::parse("owner2").is_ok_and(|id| !id.is_reserved()));
    }
}
