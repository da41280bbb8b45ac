//! What a program stands on: its directories, its skills, its variables (spec genswarms E.1).
//!
//! What an agent is told of the topology is
//! whom it may send to, and nothing of the rest.

use std::{path::PathBuf, sync::Arc};

use serde_json::json;

use super::{
    Live,
    place::Place,
    table::{Agent, Node, Table, full},
};
use crate::{
    agent::{Controller, MemberSpec},
    backend::{Letters, Policy, bwrap, form::Form},
    store::LentError,
    swarm::{
        config::{AgentConfig, ObjectConfig},
        kept::{AgentDirs, ShelfError},
        objects::process,
        skills::{SkillError, Values},
    },
    wire::{node::NodeName, secret::Secret},
};

/// What a program stands on.
pub(super) struct Ground {
    pub spec: MemberSpec,
    /// its letters, where it has directories
    pub place: Option<Arc<Place>>,
    /// what a sandbox shows of them
    pub letters: Option<Letters>,
}

/// What is known of an agent before it is started.
pub(super) struct Plan {
    pub config: AgentConfig,
    /// what it is told of the topology
    pub topology: String,
}

impl Plan {
    /// The plan for this agent, as the table stands.
    pub fn of(table: &Table, name: &NodeName, agent: &Agent) -> Self {
        let targets = table.topology.targets(name);
        let is_object = |to: &&&NodeName| matches!(table.nodes.get(**to), Some(Node::Object(_)));
        let objects: Vec<&str> = targets.iter().filter(is_object).map(|to| to.as_str()).collect();
        let agents: Vec<&str> = targets.iter().filter(|to| !is_object(to)).map(|to| to.as_str()).collect();
        let topology = json!({"agent": name.as_str(), "targets": agents, "objects": objects}).to_string();
        Self { config: agent.config.clone(), topology }
    }
}

impl Live {
    /// Makes what an agent's program stands on. The error is a sentence, without a path of ours.
    pub(super) fn ground(&self, plan: &Plan) -> Result<Ground, String> {
        let config = &plan.config;
        let name = full(&self.name, &config.name);
        let command = config.command.clone().unwrap_or_default();
        let controller = config.controller;
        if !has_process(&config.backend) {
            // It has a log like any other. Where its directory cannot be made, that is in memory alone.
            let _ = self.parts.shelf.make_agent_logs(&self.name, &config.name);
            let (cwd, env) = (PathBuf::from("/"), Vec::new());
            let spec = MemberSpec { name, command, cwd, env, controller, cage: None };
            return Ok(Ground { spec, place: None, letters: None });
        }
        let sandboxed = is_sandboxed(&config.backend);
        let dirs = self.dirs(&config.name, sandboxed)?;
        let cwd = workspace(&dirs, config.workspace.as_deref())?;
        let values = Values {
            agent: config.name.as_str(),
            swarm: self.name.as_str(),
            workspace: if sandboxed { bwrap::WORKSPACE } else { cwd.to_str().unwrap_or_default() },
        };
        let deployed = self.parts.skills.deploy(&config.skills, &dirs, values);
        deployed.map_err(|error| skill_sentence(&error))?;
        let mut env = of_the_model(config, self.parts.launch.policy());
        env.extend(variables(plan, &dirs, sandboxed)?);
        let place = Place::open(&dirs, &self.parts.clock);
        let spec = MemberSpec { name, command, cwd, env, controller, cage: None };
        let letters =
            sandboxed.then(|| Letters { outbox: dirs.outbox(), inbox: dirs.inbox(), skills: dirs.skills() });
        Ok(Ground { spec, place: Some(Arc::new(place)), letters })
    }

    /// What an object's process stands on: a directory to work in, and no letters.
    pub(super) fn object_ground(
        &self,
        config: &ObjectConfig,
        command: &[String],
    ) -> Result<MemberSpec, String> {
        let name = &config.name;
        let dirs = self.dirs(name, config.backend.as_ref().is_some_and(is_sandboxed))?;
        Ok(MemberSpec {
            name: full(&self.name, name),
            command: command.to_vec(),
            cwd: dirs.workspace(),
            env: process::variables(&config.config),
            controller: Controller::Pipe,
            cage: None,
        })
    }

    fn dirs(&self, name: &NodeName, sandboxed: bool) -> Result<AgentDirs, String> {
        let shelf = &self.parts.shelf;
        let made = if sandboxed {
            shelf.lent_agent_dirs(&self.name, name)
        } else {
            shelf.agent_dirs(&self.name, name)
        };
        made.map_err(|error| {
            sentence("its directories could not be made", matches!(error, ShelfError::Mounted))
        })
    }
}

/// Where an agent that is not isolated finds its model, and the key that it holds itself: its own, or the operator's
/// where the policy gives that to its endpoint. What an isolated one is told comes from its way out.
fn of_the_model(config: &AgentConfig, policy: Option<&Policy>) -> Vec<(String, String)> {
    if config.is_isolated() {
        return Vec::new();
    }
    let asked = config.endpoint();
    let key = policy.and_then(|policy| policy.key_for(asked, config.api_key()));
    let own = |key: &Secret| config.api_key().is_some_and(|own| key.matches(own.as_bytes()));
    let endpoint = match (asked, policy) {
        (Some(asked), _) => Some(asked.to_owned()),
        // The operator's key is for the operator's endpoint: whoever gets it is told which that is.
        (None, Some(policy)) if key.as_ref().is_some_and(|key| !own(key)) => {
            Some(policy.operator().to_string())
        }
        (None, _) => None,
    };
    let variables = [
        ("SUBZEROCLAW_ENDPOINT", endpoint),
        ("SUBZEROCLAW_API_KEY", key.map(|key| key.expose_str().to_owned())),
    ];
    variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Whether a backend shows a process what it is given at places of its own.
fn is_sandboxed(form: &Form) -> bool {
    match form {
        Form::Bwrap { .. } => true,
        Form::Local | Form::Mock | Form::Docker { .. } | Form::AppleContainer { .. } | Form::Ssh { .. } => {
            false
        }
    }
}

/// Whether a backend runs a process that directories of this machine are lent to.
pub(super) fn has_process(form: &Form) -> bool {
    match form {
        Form::Mock => false,
        Form::Local
        | Form::Bwrap { .. }
        | Form::Docker { .. }
        | Form::AppleContainer { .. }
        | Form::Ssh { .. } => true,
    }
}

/// Where an agent works: its own directory, one below that, or the operator's.
fn workspace(dirs: &AgentDirs, wanted: Option<&str>) -> Result<PathBuf, String> {
    let own = dirs.workspace();
    let wanted = match wanted {
        None => return Ok(own),
        Some(path) if path.starts_with('/') => return Ok(PathBuf::from(path)),
        Some(path) => path,
    };
    let refused = |error| sentence("its workspace could not be made", error == LentError::Mounted);
    let mut at = dirs.lent_workspace().map_err(refused)?;
    let mut path = own;
    // Step by step, and through no link that an earlier run may have left.
    for step in wanted.split('/').filter(|step| !matches!(*step, "" | ".")) {
        at = at.create_below(step).map_err(refused)?;
        path.push(step);
    }
    Ok(path)
}

/// What cannot be made, and why, where whoever mounted it can do something about it.
fn sentence(what: &str, is_mounted: bool) -> String {
    let why = if is_mounted {
        ": another file system is mounted there; one to work in is named as an absolute `workspace`"
    } else {
        ""
    };
    format!("{what}{why}")
}

fn variables(plan: &Plan, dirs: &AgentDirs, sandboxed: bool) -> Result<Vec<(String, String)>, String> {
    let text = |path: PathBuf| {
        path.into_os_string().into_string().map_err(|_| "the home directory's path is no text".to_owned())
    };
    // Of two of one name the later counts: ours.
    let mut all = plan.config.variables();
    all.extend(plan.config.env.iter().cloned());
    let mut set = |name: &str, value: String| all.push((name.to_owned(), value));
    let own = [dirs.outbox(), dirs.replies(), dirs.skills()];
    let inside = [bwrap::OUTBOX, bwrap::REPLIES, bwrap::SKILLS].map(PathBuf::from);
    let [outbox, replies, skills] = if sandboxed { inside } else { own };
    set("OUTBOX_DIR", text(outbox)?);
    set("ASK_REPLY_DIR", text(replies)?);
    set("SWARM_TOPOLOGY", plan.topology.clone());
    set("SUBZEROCLAW_AGENT_NAME", plan.config.name.to_string());
    set("SUBZEROCLAW_SKILLS", text(skills)?);
    Ok(all)
}

fn skill_sentence(error: &SkillError) -> String {
    match error {
        SkillError::BadName | SkillError::BadEnd | SkillError::BadPath => {
            "one of its skills is not a file's name or path".to_owned()
        }
        SkillError::Missing => "one of its skills does not exist".to_owned(),
        SkillError::TooLarge | SkillError::TooMany => "its skills are too large, or too many".to_owned(),
        SkillError::Full => "the disk is full".to_owned(),
        SkillError::Twice(name) => format!("two of its skills are called {name}"),
        SkillError::Unreadable => "one of its skills cannot be read or written".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::policy::{Here, Parts, list, trusted};

    fn told(config: serde_json::Value) -> Vec<(String, String)> {
        let policy = Policy::new(Parts {
            operator: trusted("https://llm.example/v1").expect("an endpoint"),
            key: Some(Secret::new(b"operators-key".to_vec())),
            allowed: list("listed.example").expect("a list"),
            own: Vec::new(),
            authorities: None,
            system: Arc::new(Here),
        });
        let agent = json!({"name": "a", "backend": "bwrap", "command": ["x"], "config": config});
        let swarm = json!({"name": "s", "agents": [agent]});
        let swarm = crate::swarm::config::Config::of(&swarm).expect("a config");
        of_the_model(swarm.agents.first().expect("an agent"), Some(&policy))
    }

    /// Spec genswarms M.8, "key", in the environment of the agent itself.
    #[test]
    fn m8_an_open_agent_gets_the_operators_key_for_an_allowed_endpoint_and_else_its_own_or_none() {
        let (at, key) = ("SUBZEROCLAW_ENDPOINT", "SUBZEROCLAW_API_KEY");
        for (config, wanted) in [
            (json!({}), vec![(at, "https://llm.example/v1"), (key, "operators-key")]),
            (
                json!({"endpoint": "https://llm.example/v2"}),
                vec![(at, "https://llm.example/v2"), (key, "operators-key")],
            ),
            (
                json!({"endpoint": "https://listed.example/x"}),
                vec![(at, "https://listed.example/x"), (key, "operators-key")],
            ),
            (json!({"endpoint": "https://evil.example"}), vec![(at, "https://evil.example")]),
            (
                json!({"endpoint": "https://evil.example", "api_key": "own"}),
                vec![(at, "https://evil.example"), (key, "own")],
            ),
            (json!({"api_key": "own"}), vec![(key, "own")]),
            (
                json!({"network": "open", "endpoint": "http://llm.example/v1"}),
                vec![(at, "http://llm.example/v1")],
            ),
        ] {
            let wanted: Vec<(String, String)> =
                wanted.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(told(config.clone()), wanted, "{config}");
        }
    }

    #[test]
    fn an_isolated_agent_holds_no_key_its_own_neither() {
        for config in [
            json!({"network": "isolated"}),
            json!({"network": "isolated", "endpoint": "https://llm.example", "api_key": "own"}),
        ] {
            assert!(told(config.clone()).is_empty(), "{config}");
        }
    }
}
