//! Which events somebody asks for (spec genswarms J.4): all conditions at once, each an equality.

use super::{Category, Event, Level, Name};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// how much it matters: one of these, or any where there is none
    pub level: Vec<Level>,
    /// what it is about: one of these, or anything where there is none
    pub category: Vec<Category>,
    /// name of a swarm
    pub swarm: Option<String>,
    /// name of an agent or object
    pub agent: Option<String>,
    /// name of the event
    pub event_type: Option<Name>,
    /// not older than this
    pub minutes: Option<u64>,
    /// nothing is asked for: a word stood there that nothing is called
    pub never: bool,
}

impl Filter {
    /// The filter that nothing matches.
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Whether an event is asked for, at this time.
    pub fn matches(&self, event: &Event, unix_ms: u64) -> bool {
        let is = |wanted: &Option<String>, there: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| there == Some(wanted))
        };
        let draft = &event.draft;
        !self.never
            && (self.level.is_empty() || self.level.contains(&draft.level))
            && (self.category.is_empty() || self.category.contains(&draft.category))
            && self.event_type.is_none_or(|name| name == draft.event_type)
            && is(&self.swarm, draft.swarm.as_deref())
            && is(&self.agent, draft.agent.as_deref())
            && self.oldest(unix_ms) <= event.unix_ms
    }

    /// What happened before is not asked for, unix ms.
    pub(super) fn oldest(&self, unix_ms: u64) -> u64 {
        self.minutes.map_or(0, |minutes| unix_ms.saturating_sub(minutes.saturating_mul(60_000)))
    }
}
