//! Which events somebody asks for (spec genswarms J.4): all conditions at once, each an equality of words.

use super::Event;

/// What is asked for. A word that nothing is called matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// debug, info, warning, error
    pub level: Option<String>,
    /// backend, routing, agent, object, swarm, system
    pub category: Option<String>,
    /// name of a swarm
    pub swarm: Option<String>,
    /// name of an agent or object
    pub agent: Option<String>,
    /// name of the event
    pub event_type: Option<String>,
    /// not older than this
    pub minutes: Option<u64>,
}

impl Filter {
    /// Whether an event is asked for, at this time.
    pub fn matches(&self, event: &Event, unix_ms: u64) -> bool {
        let is = |wanted: &Option<String>, there: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| there == Some(wanted))
        };
        let draft = &event.draft;
        let oldest = self.minutes.map(|minutes| unix_ms.saturating_sub(minutes.saturating_mul(60_000)));
        is(&self.level, Some(draft.level.as_str()))
            && is(&self.category, Some(draft.category.as_str()))
            && is(&self.swarm, draft.swarm.as_deref())
            && is(&self.agent, draft.agent.as_deref())
            && is(&self.event_type, Some(draft.event_type.as_str()))
            && oldest.is_none_or(|oldest| event.unix_ms >= oldest)
    }
}
