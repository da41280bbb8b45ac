//! Whose terminal `attach` joins: a loose agent's, or that of an agent of a swarm.
//!
//! What is known of a loose agent is the owner's to ask. An agent of a swarm is asked about with the owner key
//! where the instance has no API token, and with that token where it has one: the shell must have it then. Its
//! terminal goes with its program, so that its end is seen by asking; of a loose one it is told.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        verbs::{agents, client_failure, expect_success, own::shown, refusal, segment, swarm},
    },
    client::{Answer, Client, ClientError},
    wire::node::FullName,
};

/// How often an agent is asked about whose end nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// An agent, and who may ask about it.
pub(super) struct Whom {
    name: String,
    path: String,
    /// in a swarm
    of_swarm: Option<FullName>,
    /// with the API token, where that is needed
    operator: Option<Client>,
}

impl Whom {
    /// The agent of this name, as it is, and what is known of it: it has a terminal.
    pub(super) fn find(name: &str, owner: &Client) -> Result<(Self, Value), Failure> {
        let mut whom = Self::named(name)?;
        let Some(full_name) = whom.of_swarm.clone() else {
            let record = expect_success(owner.get(&whom.path))?.json();
            return Ok((whom, record));
        };
        whom.operator = swarm::with_token()?;
        let mut answer = whom.look(owner).map_err(|error| client_failure(&error))?;
        if answer.status == 401 {
            // The instance may have no token, so that it knows none.
            whom.operator = None;
            answer = whom.look(owner).map_err(|error| client_failure(&error))?;
        }
        if answer.status == 403 {
            return Err(swarm::needs_token());
        }
        if !answer.is_success() {
            return Err(swarm::refused(&answer));
        }
        let record = answer.json();
        has_terminal(&full_name, &record)?;
        Ok((whom, record))
    }

    fn named(name: &str) -> Result<Self, Failure> {
        let of_swarm = match name.contains('/') {
            true => Some(swarm::full_name(name)?),
            false => None,
        };
        let path = match &of_swarm {
            Some(full) => format!("/api/v1/swarms/{}/agents/{}", full.swarm, full.agent),
            None => format!("/api/v1/agents/{}", segment(name)),
        };
        Ok(Self { name: display::line(name), path, of_swarm, operator: None })
    }

    /// How to read its output where there is no terminal to show it on.
    pub(super) fn without_terminal(name: &str) -> Result<String, Failure> {
        let whom = Self::named(name)?;
        Ok(match whom.of_swarm {
            Some(_) => format!(
                "`loopgate api GET {}` names its terminal, `block_id`; `loopgate api GET \
                 '/agentmux/file?name=term&zoneid=ID'` prints the output that is kept",
                whom.path
            ),
            None => format!("`loopgate api GET {}/output` prints the output that is kept", whom.path),
        })
    }

    /// As a person reads it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Asks about it.
    pub(super) fn look(&self, owner: &Client) -> Result<Answer, ClientError> {
        self.operator.as_ref().unwrap_or(owner).get(&self.path)
    }

    /// Where a loose agent's output is read. That of one of a swarm goes with its program, and to those
    /// alone who watch it.
    pub(super) fn output(&self, from: u64) -> Option<String> {
        self.of_swarm.is_none().then(|| format!("{}/output?from={from}", self.path))
    }

    /// How often to ask whether it has ended, where nobody tells.
    pub(super) fn look_every(&self) -> Option<Duration> {
        self.of_swarm.as_ref().map(|_| LOOK)
    }

    /// What a refusal of [`Whom::look`] means.
    pub(super) fn refused(&self, answer: &Answer) -> Failure {
        if self.of_swarm.is_some() { swarm::refused(answer) } else { refusal(answer) }
    }

    /// For one that has ended: its state. A loose one that was stopped has none any more.
    pub(super) fn how_it_ended(&self, block: &str, owner: &Client) -> String {
        let record = match self.look(owner) {
            Ok(answer) if answer.is_success() => answer.json(),
            Ok(_) if self.of_swarm.is_some() => return "it is not in its swarm any more".to_owned(),
            Ok(_) => return "it was stopped".to_owned(),
            Err(error) => return format!("how is not known: {error}"),
        };
        match (&self.of_swarm, record["block_id"].as_str()) {
            (Some(_), Some(now)) if now != block => {
                format!("it was started again; `loopgate attach {}` joins it", self.name)
            }
            (Some(_), _) => match record["reason"].as_str() {
                Some(reason) => format!("{}: {}", shown(record.get("state")), display::line(reason)),
                None => shown(record.get("state")),
            },
            (None, _) => agents::state(&record),
        }
    }
}

fn has_terminal(name: &FullName, record: &Value) -> Result<(), Failure> {
    if record["block_id"].is_string() {
        return Ok(());
    }
    let FullName { swarm, agent } = name;
    if record["controller"] != "pty" {
        let what =
            format!("{name} has no terminal: its controller is `pipe`, so that it is spoken to in lines");
        return Err(Failure::new(Exit::Negative, what)
            .next(format!("`loopgate task {swarm} {agent} TEXT` and `loopgate msg {swarm} FROM {agent} TEXT` speak to it; what it said and wrote:"))
            .choices(["history", "logs"].map(|look| format!("loopgate api GET /api/swarms/{swarm}/agents/{agent}/{look}")).into()));
    }
    let what = format!("{name} has no terminal now: its state is `{}`", shown(record.get("state")));
    Err(Failure::new(Exit::Negative, what)
        .next(format!("`loopgate status {swarm}` says more; `loopgate restart {swarm} {agent}` starts it, `loopgate start {swarm}` the swarm")))
}
