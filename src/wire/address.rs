//! Whom a message is for: a name, and where it matters the home of the instance that has it.
//!
//! A home keeps its id over restarts, and a message that comes from another instance shows it behind
//! its sender's name: so an answer finds its way back, also where a name is there twice.

use std::fmt;

use crate::wire::id::{AgentId, IdError};

/// Length of a home's id in characters.
const HOME_ID: usize = 12;

/// A home's id: 12 hex digits in lower case, made once for each home. Not a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HomeId(String);

impl HomeId {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && text.len() == HOME_ID { Ok(Self(text.to_owned())) } else { Err(IdError::Malformed) }
    }

    /// From six bytes, random or a hash's.
    pub fn of(bytes: [u8; HOME_ID / 2]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HomeId({})", self.0)
    }
}

/// `name`, or `name@home`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// the agent
    pub name: AgentId,
    /// the home of the instance that has it; `None`: here, else wherever there is exactly one
    pub home: Option<HomeId>,
}

impl Address {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.split_once('@') {
            None => AgentId::parse(text).map(Self::from),
            Some((name, home)) => Ok(Self { name: AgentId::parse(name)?, home: Some(HomeId::parse(home)?) }),
        }
    }
}

impl From<AgentId> for Address {
    fn from(name: AgentId) -> Self {
        Self { name, home: None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.home {
            None => write!(f, "{}", self.name),
            Some(home) => write!(f, "{}@{home}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_name_or_a_name_at_a_home() {
        for text in ["a", "A-1_b@0123456789ab"] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "@0123456789ab", "a@", "a@0123456789aB", "a@0123456789a", "a@@0123456789ab", "a b"] {
            assert_eq!(Address::parse(bad), Err(IdError::Malformed), "{bad:?}");
        }
        assert_eq!(HomeId::of([0, 1, 0xfe, 0xff, 16, 32]).as_str(), "0001feff1020");
    }
}
