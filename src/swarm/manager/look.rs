//! What is shown of the swarms. Nothing here waits for anybody's change.
//!
//! A swarm that does not run is shown as it would start: its nodes are `stopped`.

use std::{
    collections::BTreeMap,
    sync::{MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::{
    Swarms,
    seat::{Facts, Phase},
    shape::{self, Shape},
};
use crate::{
    swarm::{
        Fault, config,
        history::MessageLog,
        kept::ShelfError,
        skills::{self, Skill},
        view::{AgentPace, AgentView, ObjectView, OverlayRow, SwarmRow, SwarmView, TopologyRow},
    },
    wire::node::NodeName,
};

impl Swarms {
    /// All of them, by name.
    pub fn list(&self) -> Vec<SwarmRow> {
        let row = |facts: Facts| SwarmRow {
            name: facts.shown().config.name.clone(),
            status: status(&facts.phase),
            started_at: facts.live().map(|running| running.started_at),
            agents: facts.shown().config.agents.len(),
            objects: facts.shown().config.objects.len(),
        };
        self.table.all().iter().map(|seat| row(seat.facts())).collect()
    }

    /// Whether there is one of this name, whether it runs or not.
    pub fn knows(&self, swarm: &str) -> bool {
        self.table.find(swarm).is_some()
    }

    /// All that is shown of one.
    pub fn status(&self, swarm: &str) -> Result<SwarmView, Fault> {
        let facts = self.facts(swarm)?;
        Ok(SwarmView {
            name: facts.shown().config.name.clone(),
            status: status(&facts.phase),
            error: match &facts.phase {
                Phase::Failed(reason) => Some(reason.clone()),
                Phase::Ending(_) => Some(Fault::StillThere.to_string()),
                Phase::Stopped | Phase::Starting(_) | Phase::Running(_) => None,
            },
            paused: facts.live().is_some_and(|running| running.live.is_paused()),
            autostart: facts.seed.config.autostart,
            started_at: facts.live().map(|running| running.started_at),
            agents: agents_of(&facts),
            objects: objects_of(&facts),
            topology: topology_of(facts.shown()),
        })
    }

    /// Its agents, by name; none where there is no such swarm.
    pub fn agents(&self, swarm: &str) -> Vec<AgentView> {
        self.facts(swarm).map_or_else(|_| Vec::new(), |facts| agents_of(&facts))
    }

    /// How the agents do of all swarms that run.
    pub fn paces(&self) -> Vec<AgentPace> {
        let live = self.table.all().into_iter().filter_map(|seat| Some(seat.facts().live()?.live.clone()));
        live.flat_map(|live| live.paces()).collect()
    }

    /// One agent.
    pub fn agent(&self, swarm: &str, agent: &str) -> Result<AgentView, Fault> {
        let facts = self.facts(swarm)?;
        let config = facts.shown().agent(agent)?;
        let live = facts.live().map(|running| running.live.agent(&config.name));
        let stopped = || AgentView::at_rest(&facts.shown().config.name, config);
        live.map_or_else(|| Ok(stopped()), |live| live.ok_or(Fault::AgentNotFound))
    }

    /// Its edges, by sender.
    pub fn topology(&self, swarm: &str) -> Result<Vec<TopologyRow>, Fault> {
        Ok(topology_of(self.facts(swarm)?.shown()))
    }

    /// Its objects, by name; none where there is no such swarm.
    pub fn objects(&self, swarm: &str) -> Vec<ObjectView> {
        self.facts(swarm).map_or_else(|_| Vec::new(), |facts| objects_of(&facts))
    }

    /// One object.
    pub fn object(&self, swarm: &str, object: &str) -> Result<ObjectView, Fault> {
        // Genswarms says the same of a swarm that is not there (spec B.1).
        let facts = self.facts(swarm).map_err(|_| Fault::ObjectNotFound)?;
        let config = facts.shown().object(object)?;
        let live = facts.live().map(|running| running.live.object(&config.name));
        let shown = |live: Option<(ObjectView, _)>| live.map(|(view, _)| view).ok_or(Fault::ObjectNotFound);
        live.map_or_else(|| Ok(ObjectView::at_rest(config)), shown)
    }

    /// What a built-in object of a running swarm holds: a counter its count.
    pub fn object_holds(&self, swarm: &str, object: &str) -> Option<Value> {
        let facts = self.facts(swarm).ok()?;
        facts.live()?.live.object(&NodeName::parse(object).ok()?)?.1
    }

    /// What was changed while it ran, oldest first, secrets replaced; nothing where there is no such swarm.
    pub fn overlay(&self, swarm: &str) -> Result<Vec<OverlayRow>, Fault> {
        let Ok(facts) = self.facts(swarm) else { return Ok(Vec::new()) };
        let lines = self.shelf.read(&facts.seed.config.name).map_err(Fault::of_shelf)?;
        let row = |(op, payload): (&str, &Value)| OverlayRow {
            op: op.to_owned(),
            payload: config::redacted(payload),
        };
        Ok(lines.iter().flat_map(|(_, line)| shape::shown(line).map(row)).collect())
    }

    /// Its newest messages (spec genswarms J.1), the newest first; none where there is no such swarm.
    pub fn messages(&self, swarm: &str, limit: usize) -> Vec<Value> {
        self.log().newest(swarm, limit)
    }

    /// What an agent was given and said (spec genswarms B.1), the newest first; nothing of an earlier run.
    pub fn history(&self, swarm: &str, agent: &str, limit: usize) -> Result<Vec<Value>, Fault> {
        let (facts, name) = self.named(swarm, agent)?;
        let said = facts.live().and_then(|running| running.live.history(&name, limit));
        Ok(said.unwrap_or_default())
    }

    /// An agent's skills: `{name, content, path}`, the path relative to its skills.
    pub fn agent_skills(&self, swarm: &str, agent: &str) -> Result<Vec<Value>, Fault> {
        let (facts, name) = self.named(swarm, agent)?;
        // An agent that never ran has no directories.
        let Ok(dirs) = self.shelf.existing_agent_dirs(&facts.seed.config.name, &name) else {
            return Ok(Vec::new());
        };
        let row = |skill: Skill| json!({"name": skill.name, "content": skill.content, "path": skill.name});
        let skills = skills::of_agent(dirs.root()).map_err(Fault::of_skill)?;
        Ok(skills.into_iter().map(row).collect())
    }

    /// Writes one of an agent's skills; its name.
    pub fn put_skill(&self, swarm: &str, agent: &str, skill: &str, content: &str) -> Result<String, Fault> {
        // Its directories must not go, or be made anew, meanwhile.
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        let facts = busy.facts();
        let name = facts.shown().agent(agent)?.name.clone();
        let swarm = busy.name();
        let dirs = match self.shelf.existing_agent_dirs(swarm, &name) {
            // One without a program has none yet.
            Err(ShelfError::Unknown) => self.shelf.agent_dirs(swarm, &name),
            other => other,
        };
        let dirs = dirs.map_err(Fault::of_shelf)?;
        skills::put(dirs.root(), skill, content).map_err(Fault::of_skill)?;
        Ok(skill.to_owned())
    }

    /// The swarm as a configuration that would make it as it is now, secrets replaced.
    pub fn snapshot(&self, swarm: &str) -> Result<Value, Fault> {
        Ok(config::snapshot(&self.facts(swarm)?.shown().config))
    }

    pub(super) fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn facts(&self, swarm: &str) -> Result<Facts, Fault> {
        Ok(self.table.find(swarm).ok_or(Fault::SwarmNotFound)?.facts())
    }

    pub(super) fn named(&self, swarm: &str, agent: &str) -> Result<(Facts, NodeName), Fault> {
        let facts = self.facts(swarm)?;
        let name = facts.shown().agent(agent)?.name.clone();
        Ok((facts, name))
    }
}

fn status(phase: &Phase) -> &'static str {
    match phase {
        Phase::Stopped => "stopped",
        Phase::Failed(_) | Phase::Ending(_) => "error",
        Phase::Starting(_) => "starting",
        Phase::Running(_) => "running",
    }
}

fn agents_of(facts: &Facts) -> Vec<AgentView> {
    let config = &facts.shown().config;
    facts.live().map_or_else(
        || config.agents.iter().map(|agent| AgentView::at_rest(&config.name, agent)).collect(),
        |running| running.live.agents(),
    )
}

fn objects_of(facts: &Facts) -> Vec<ObjectView> {
    let config = &facts.shown().config;
    facts.live().map_or_else(
        || config.objects.iter().map(ObjectView::at_rest).collect(),
        |running| running.live.objects(),
    )
}

fn topology_of(shape: &Shape) -> Vec<TopologyRow> {
    let mut rows: BTreeMap<&NodeName, Vec<NodeName>> = BTreeMap::new();
    for edge in &shape.config.topology {
        rows.entry(&edge.from).or_default().push(edge.to.clone());
    }
    let row = |(from, mut targets): (&NodeName, Vec<NodeName>)| {
        targets.sort();
        TopologyRow { from: from.clone(), targets }
    };
    rows.into_iter().map(row).collect()
}
