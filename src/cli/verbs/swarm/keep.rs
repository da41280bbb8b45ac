//! `delete`, `clean`, `list-skills`: GenSwarms' own words for putting away what is not needed, and for what there is.
//!
//! What removes something says what before it does, and does it only when that was confirmed.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    LIST, done,
    life::{number, told},
    list, name, operator, while_ending,
};
use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
    progress::while_waiting,
    verbs::{agents::table, confirm::confirmed, own::shown},
};

/// `loopgate delete`: `stop --purge`, when that is meant.
pub fn delete(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let swarm = name(arguments.required(0)?)?;
    let client = operator()?;
    let path = format!("/api/swarms/{swarm}");
    // Who would be asked about a swarm that is not there?
    let status = done(client.get(&path))?;
    let what = format!(
        "ends {swarm} ({}) and removes its configuration, its changes and the directories of its {} agents",
        shown(status.get("status")),
        shown(status.pointer("/config/agent_count")),
    );
    confirmed(arguments, &what, output)?;
    let purge = format!("{path}?purge=true");
    let answer = done(while_ending(swarm, || client.delete(&purge)))?;
    told(arguments, output, &answer, &format!("deleted {swarm}"))
}

/// `loopgate clean`: all swarms that do not run.
pub fn clean(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let all = arguments.has("--all");
    let client = operator()?;
    let answer = done(client.get("/api/swarms"))?;
    let up =
        |swarm: &&Value| matches!(swarm.get("status").and_then(Value::as_str), Some("running" | "starting"));
    let resting: Vec<String> = list(&answer, "swarms")
        .iter()
        .filter(|swarm| !up(swarm))
        .map(|swarm| shown(swarm.get("name")))
        .collect();
    let events = if all { "all events" } else { "" };
    let what = match (resting.as_slice(), all) {
        ([], false) => {
            // Nothing is asked for: one that stops in this moment was not meant.
            let nothing = json!({ "status": "cleaned", "swarms_removed": 0, "events_cleared": false });
            return told(arguments, output, &nothing, "removed 0 swarms: each of them runs");
        }
        ([], true) => format!("forgets {events}"),
        (names, _) => format!(
            "removes {} with all that they have{}{events}",
            names.join(", "),
            if all { ", and forgets " } else { "" }
        ),
    };
    confirmed(arguments, &what, output)?;
    let path = format!("/api/swarms/clean{}", if all { "?all=true" } else { "" });
    // Those that were named, whatever rests by now.
    let body = json!({ "swarms": resting });
    let answer = done(while_waiting("the swarms to be removed", || client.post(&path, &body)))?;
    let forgot = if all { "; forgot all events" } else { "" };
    let removed = answer.get("swarms_removed").and_then(Value::as_u64).unwrap_or(0);
    let line = format!("removed {}{forgot}", number(removed, "swarm"));
    told(arguments, output, &answer, &line)?;
    let why: Vec<String> = list(&answer, "failed")
        .iter()
        // What somebody else removed meanwhile is as good as removed.
        .filter(|one| one.get("code").and_then(Value::as_str) != Some("swarm_not_found"))
        .map(|one| format!("{}: {}", shown(one.get("swarm")), shown(one.get("error"))))
        .collect();
    if why.is_empty() {
        return Ok(Exit::Ok.into());
    }
    Err(Failure::new(Exit::Negative, format!("not removed: {}", number(why.len() as u64, "swarm")))
        .lines(why.iter().map(String::as_str))
        .next(LIST))
}

/// `loopgate list-skills`.
pub fn list_skills(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let answer = done(operator()?.get("/api/skills"))?;
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let skills = list(&answer, "skills");
    if skills.is_empty() {
        output.say("no skills; they are files below `skills` in the server's home");
        return Ok(Exit::Ok.into());
    }
    let mut rows = vec![["SKILL", "CATEGORY"].map(str::to_owned).to_vec()];
    let cells = ["relative_path", "category"];
    rows.extend(skills.iter().map(|skill| cells.iter().map(|cell| shown(skill.get(cell))).collect()));
    table(&rows).iter().try_for_each(|line| output.data(line))?;
    Ok(Exit::Ok.into())
}
