//! `prove-isolation`: what an isolated agent might try, tried in a sandbox of that very configuration, and beside
//! it where nothing stops it.
//!
//! The sandbox is the one that an instance would build, but for its endpoint, which is a stand-in on this machine:
//! nothing is sent anywhere. Neither an instance nor the network is needed; what an agent of a running swarm is
//! configured to be, its instance is asked for.

mod control;
mod endpoint;
mod outside;
mod sandbox;
mod verdict;

use std::{path::Path, process::ExitCode};

use serde_json::{Value, json};

use super::{
    agents, config as configs,
    swarm::{done, operator},
};
use crate::{
    backend::form::Form,
    cli::{
        colour::Tone,
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
        progress::while_waiting,
    },
    swarm::config::{AgentConfig, Config},
    wire::node::FullName,
};
use verdict::{Row, Verdict, count};

/// `loopgate prove-isolation`.
pub fn prove(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let what = arguments.operand(0)?.unwrap_or_default();
    let agents = isolated(config_of(what)?, agent_of(what, arguments)?.as_deref(), what)?;
    let (mut proofs, mut failed, mut not_applicable, mut empty) = (Vec::new(), 0, 0, false);
    for agent in &agents {
        let name = agent.name.to_string();
        let rows = while_waiting(&format!("the proof of {name}"), || sandbox::prove(agent))?;
        empty |= count(&rows, Verdict::Pass) == 0;
        failed += count(&rows, Verdict::Fail);
        not_applicable += count(&rows, Verdict::NotApplicable);
        if arguments.has("--json") {
            proofs.push(as_json(&name, &rows));
        } else {
            show(&name, &rows, output)?;
        }
    }
    if arguments.has("--json") {
        output.json(&json!({ "proofs": proofs }))?;
    }
    if failed > 0 {
        return Err(Failure::new(Exit::Negative, format!("{failed} of the probes got through"))
            .next("do not let this agent read what strangers wrote before that is mended"));
    }
    if empty {
        return Err(Failure::new(Exit::Negative, "no probe has shown anything on this machine")
            .next("each line says why; the control arm needs bubblewrap and user namespaces"));
    }
    if not_applicable > 0 && arguments.has("--strict") {
        let what = format!("{not_applicable} of the probes have no meaning on this machine");
        return Err(Failure::new(Exit::Negative, what).next("each line says why; leave --strict out to pass"));
    }
    Ok(Exit::Ok.into())
}

/// A file, or where there is none the swarm of `SWARM/AGENT` or `SWARM` as it runs.
fn config_of(what: &str) -> Result<Config, Failure> {
    if Path::new(what).is_file() || what == "-" || what.ends_with(".json") {
        return configs::parsed(what);
    }
    let swarm = what.split('/').next().unwrap_or_default();
    let path = format!("/api/swarms/{}/snapshot", super::swarm::name(swarm)?);
    let snapshot = done(operator()?.post(&path, &json!({})))?;
    Config::parse(snapshot.to_string().as_bytes()).map_err(|_| {
        Failure::new(Exit::Bug, format!("what {} is configured to be cannot be read", display::line(swarm)))
    })
}

/// The one agent that is asked for.
fn agent_of(what: &str, arguments: &Arguments) -> Result<Option<String>, Failure> {
    let flag = arguments.text("--agent")?.map(str::to_owned);
    let is_file = Path::new(what).is_file();
    let named = FullName::parse(what).ok().filter(|_| !is_file).map(|name| name.agent.to_string());
    Ok(flag.or(named))
}

/// The isolated agents of a config, or the one of this name.
fn isolated(config: Config, name: Option<&str>, what: &str) -> Result<Vec<AgentConfig>, Failure> {
    let shown = display::line(what);
    let bad = |text: String, next: &str| Err(Failure::new(Exit::BadData, text).next(next));
    let is_isolated = |agent: &AgentConfig| {
        let network =
            agent.config.get("network").or(agent.backend.opts().and_then(|opts| opts.get("network")));
        matches!(agent.backend, Form::Bwrap { .. }) && network.and_then(Value::as_str) == Some("isolated")
    };
    let mut agents = config.agents;
    if let Some(name) = name {
        agents.retain(|agent| agent.name.as_str() == name);
        if agents.is_empty() {
            let text = format!("{shown} has no agent {}", display::line(name));
            return bad(text, "`loopgate status SWARM` lists the agents of a swarm");
        }
    }
    let some = agents.len();
    agents.retain(is_isolated);
    match (agents.is_empty(), some) {
        (false, _) => Ok(agents),
        (true, 1) => bad(
            format!("{shown}: the agent is not isolated, so there is nothing to prove"),
            "an isolated one has \"backend\": \"bwrap\" and \"network\": \"isolated\" in its config",
        ),
        (true, _) => bad(
            format!("{shown}: none of its agents is isolated"),
            "an isolated one has \"backend\": \"bwrap\" and \"network\": \"isolated\" in its config",
        ),
    }
}

fn show(name: &str, rows: &[Row], output: &mut Output) -> Result<(), Failure> {
    output.data(&display::line(&format!("isolation of {name}:")))?;
    let mut table = vec![["VERDICT", "PROBE", "IN THE SANDBOX", "CONTROL"].map(str::to_owned).to_vec()];
    for row in rows {
        let cells = [row.verdict.as_str(), &row.name, &row.sandbox, &row.control];
        table.push(cells.map(|cell| short(&display::line(cell))).to_vec());
    }
    let paint = output.paint();
    let lines = agents::painted(&table, |at, cell| match (at, cell) {
        (0, "PASS") => paint.tone(Tone::Good, cell),
        (0, "FAIL") => paint.tone(Tone::Bad, cell),
        (0, _) => paint.tone(Tone::Warn, cell),
        _ => cell.to_owned(),
    });
    lines.iter().try_for_each(|line| output.data(line))?;
    let counted = [Verdict::Pass, Verdict::Fail, Verdict::NotApplicable]
        .map(|verdict| format!("{} {}", count(rows, verdict), verdict.as_str()));
    output.data(&counted.join(", "))
}

/// As much of a cell as a line has room for; `--json` has all of it.
fn short(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST).collect();
    cut.push_str("...");
    cut
}

fn as_json(name: &str, rows: &[Row]) -> Value {
    json!({
        "agent": name,
        "pass": count(rows, Verdict::Pass),
        "fail": count(rows, Verdict::Fail),
        "not_applicable": count(rows, Verdict::NotApplicable),
        "probes": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
    })
}
