//! What went through the ways out of isolated agents: asked for, and told as events.
//!
//! How often a refusal is told is bounded by the account that counts it; a summary is told once, when the
//! program has ended.

use std::sync::Arc;

use serde_json::Value;

use super::Swarms;
use crate::{
    backend::{Backends, Egress, News},
    swarm::{
        Fault,
        events::{Draft, Hub, Level, Name},
    },
};

impl Swarms {
    /// The way out of an agent, whether it runs or not; `None` where it is not isolated.
    pub fn egress(&self, swarm: &str, agent: &str) -> Result<Option<Egress>, Fault> {
        let facts = self.facts(swarm)?;
        let config = facts.shown().agent(agent)?;
        let name = format!("{}/{}", facts.shown().config.name, config.name);
        Ok(config.is_isolated().then(|| self.backends.egress(&name, config.endpoint())))
    }
}

/// Has the hub told of what happens on ways out from now on.
pub(super) fn tell(backends: &Backends, hub: &Arc<Hub>) {
    let Some(sandboxes) = backends.sandboxes() else { return };
    let hub = Arc::clone(hub);
    sandboxes.listen(Box::new(move |name, news| {
        hub.publish(draft(name, &news));
    }));
}

fn draft(name: &str, news: &News<'_>) -> Draft {
    let draft = match news {
        News::Refused(told) => {
            let text = format!("{name} was refused by its way out: {}", told.message);
            let draft = Draft::new(Name::EgressRefused, text).level(Level::Warning);
            let draft = draft.with("code", told.code).with("count", told.count);
            match &told.detail {
                Some(detail) => draft.with("detail", detail.as_str()),
                None => draft,
            }
        }
        News::Summary(all) => {
            let text = format!(
                "{name} sent {} requests with {} bytes and was answered {} bytes",
                all.requests, all.bytes_up, all.bytes_down
            );
            let refused = all.refusals.iter().map(|one| (one.code.to_owned(), Value::from(one.count)));
            Draft::new(Name::EgressSummary, text)
                .with("requests", all.requests)
                .with("bytes_up", all.bytes_up)
                .with("bytes_down", all.bytes_down)
                .with("refusals", Value::Object(refused.collect()))
        }
    };
    match name.split_once('/') {
        Some((swarm, agent)) => draft.swarm(swarm).agent(agent),
        None => draft.agent(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::forwarder::{Refused, Snapshot, Told};

    #[test]
    fn news_of_a_way_out_are_events_of_its_agent() {
        let told =
            Told { code: "method_not_allowed", message: "No.", detail: Some("more".to_owned()), count: 3 };
        let refused = draft("s/a", &News::Refused(&told));
        assert_eq!((refused.swarm.as_deref(), refused.agent.as_deref()), (Some("s"), Some("a")));
        assert_eq!(refused.level, Level::Warning);
        assert_eq!(
            (&refused.metadata["code"], &refused.metadata["count"]),
            (&"method_not_allowed".into(), &3.into())
        );
        let all = Snapshot {
            requests: 2,
            refusals: vec![Refused { code: "c", count: 4, first_ms: 0, last_ms: 1 }],
            ..Snapshot::default()
        };
        let summary = draft("r", &News::Summary(&all));
        assert_eq!((summary.swarm.as_deref(), summary.agent.as_deref()), (None, Some("r")));
        assert_eq!(
            (&summary.metadata["requests"], &summary.metadata["refusals"]["c"]),
            (&2.into(), &4.into())
        );
    }
}
