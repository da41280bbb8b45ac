//! Messages for agents of other instances: who has a name, and what became of what was handed over.
//!
//! A name that is known here is here. Any other is looked for in the registry; where several have it,
//! nobody gets the message. Nothing is locked while a letter is on its way.

use super::mail::Answer;
use crate::wire::address::{Address, HomeId};

/// How a text came here; by default it was written here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route<'a> {
    /// the ids of the instances that it came through, this one not among them
    pub path: &'a [String],
    /// how often it was handed on
    pub hops: u64,
    /// it may have been delivered before
    pub redelivered: bool,
}

/// Why another instance does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotForwarded {
    /// of the answer, where it is an error
    pub status: u16,
    /// stable
    pub code: &'static str,
    /// what happened
    pub sentence: String,
    /// of the instance that was asked
    pub home: Option<HomeId>,
    /// it may have arrived all the same
    pub unsure: bool,
    /// it is of no use to try again
    pub lasting: bool,
}

impl NotForwarded {
    /// The answer, as /api/v1/ gives it.
    pub fn answer(&self) -> Answer {
        (self.status, self.code, self.sentence.clone(), None)
    }
}

/// Which name is of several instances, and which they are.
pub(super) fn ambiguous(candidates: &[Address]) -> String {
    let all: Vec<String> = candidates.iter().map(Address::to_string).collect();
    format!("ambiguous agent name: {}", all.join(", "))
}

/// That nobody has a name.
pub(super) fn not_found(to: &Address, trouble: Option<&'static str>) -> String {
    match trouble {
        None => format!("agent not found: {to}"),
        Some(code) => format!("agent not found: {to} (its entry in the registry does not count: {code})"),
    }
}

/// That an agent may not type into an agent of another instance.
pub(super) fn typing_not_allowed(to: &Address) -> String {
    format!(
        "{to} is reached by typing only: an agent may type there where it was started with may_type_into \
         naming {}",
        to.name
    )
}
