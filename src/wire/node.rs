//! Names in a swarm: of the swarm itself, of its agents and objects (spec genswarms H.2).
//!
//! A name becomes a directory, a part of a path and a word in a line of output, so its rule is narrow and
//! checked once: what carries the type has passed it. The specification names no longest length; ours is
//! that of an agent's id.

use std::fmt;

use super::id::AgentId;

/// Longest name of a swarm or of one of its nodes, in bytes.
const LONGEST: usize = 64;

/// A text that is no name: empty, too long, not beginning with a letter, or with another character than ASCII
/// letters, digits, `_` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAName;

/// The name of a swarm, or of an agent or object in one: a letter, then letters, digits, `_` and `-`; at most
/// 64 bytes, ASCII. Case matters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

impl NodeName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if begins && clean && text.len() <= LONGEST { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeName({})", self.0)
    }
}

/// The full name of an agent of a swarm (design section 2); shown as `<swarm>/<agent>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullName {
    /// its swarm
    pub swarm: NodeName,
    /// its name there
    pub agent: NodeName,
}

impl FullName {
    /// Reads `<swarm>/<agent>`.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let (swarm, agent) = text.split_once('/').ok_or(NotAName)?;
        Ok(Self { swarm: NodeName::parse(swarm)?, agent: NodeName::parse(agent)? })
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.swarm, self.agent)
    }
}

/// Whose an agent token is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// a loose agent's
    Loose(AgentId),
    /// an agent's of a swarm
    Member(FullName),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loose(name) => name.fmt(f),
            Self::Member(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec genswarms M.5, the names.
    #[test]
    fn m5_names_follow_the_rule_of_genswarms() {
        for bad in [
            "a; touch /tmp/x",
            "a$(id)",
            "a`id`",
            "a|cat",
            "a name",
            "a&&b",
            "../escape",
            "a\nb",
            "valid\n",
            "\nvalid",
            "1agent",
            "",
            "-a",
            "_a",
            "a/b",
            "a.b",
            "\u{e4}",
            &"x".repeat(65),
        ] {
            assert_eq!(NodeName::parse(bad), Err(NotAName), "{bad:?}");
        }
        for good in ["researcher", "coder_2", "eval-bot", "A", &"x".repeat(64)] {
            assert_eq!(NodeName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn a_full_name_is_a_swarm_and_an_agent() {
        assert_eq!(FullName::parse("s/a").map(|name| name.to_string()), Ok("s/a".to_owned()));
        for bad in ["", "a", "/", "s/", "/a", "s/a/b", "s//a", "s/1"] {
            assert_eq!(FullName::parse(bad), Err(NotAName), "{bad:?}");
        }
    }
}
