//! `peers`: the other instances of this user, their agents, and the entries that do not count.
//!
//! What stands in the registry's files is the word of whoever wrote them: all of it is shown filtered, and
//! a file that is refused comes with what is wrong and what to do.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    agents::table,
    elsewhere::{is, text},
    expect_success,
    mail::list,
    own::shown,
    owner,
};
use crate::cli::{
    outcome::{Exit, Failure},
    output::Output,
    parse::Arguments,
};

/// `loopgate peers`.
pub fn peers(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let answer = expect_success(owner()?.get("/api/v1/peers"))?.json();
    if arguments.has("--json") {
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    let instances = list(&answer, "instances");
    if !instances.is_empty() {
        for line in table(&rows(instances)) {
            output.data(&line)?;
        }
    }
    let troubles = list(&answer, "troubles");
    for trouble in troubles {
        for line in refused(trouble) {
            output.data(&line)?;
        }
    }
    say(&answer, instances.is_empty(), troubles.is_empty(), output);
    Ok(Exit::Ok.into())
}

/// What a person needs to know besides the rows.
fn say(answer: &Value, nobody: bool, sound: bool, output: &mut Output) {
    let directory = shown(answer.pointer("/directory/path"));
    if answer.pointer("/directory/shared").and_then(Value::as_bool) != Some(true) {
        output.say(&format!(
            "no other instance is looked for: {directory} is this instance's own.\n  \
             next: start the instances that are to find each other with LOOPGATE_REGISTRY naming one directory"
        ));
    } else if nobody && sound {
        output.say(&format!("no other instance has an agent in {directory}"));
    }
    if !text(answer, "home").is_empty() {
        output.say(&format!("this instance's agents are NAME@{} to others", shown(answer.get("home"))));
    }
    if is(answer, "more") {
        output.say("there are more entries than are looked at");
    }
}

/// One line for each agent, and one for an instance without any.
fn rows(instances: &[Value]) -> Vec<Vec<String>> {
    let head = ["AGENT", "INSTANCE AT", "PID", "SPEAKS", "HEALTH"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for instance in instances {
        let home = shown(instance.get("home"));
        let agents = list(instance, "agents");
        let row = |agent: String| {
            vec![
                agent,
                shown(instance.get("address")),
                shown(instance.get("pid")),
                speaks(instance),
                "ok".into(),
            ]
        };
        if agents.is_empty() {
            rows.push(row(format!("-@{home}")));
        }
        rows.extend(agents.iter().map(|agent| row(format!("{}@{home}", shown(agent.get("name"))))));
    }
    rows
}

/// What an instance understands, and AgentMux's word for which of its branches it is.
fn speaks(instance: &Value) -> String {
    let speaks = shown(instance.get("speaks"));
    match text(instance, "channel") {
        channel if !channel.is_empty() && speaks == "agentmux" => {
            format!("{speaks} ({})", shown(instance.get("channel")))
        }
        _ => speaks,
    }
}

/// An entry that does not count, or what is wrong with the directory.
fn refused(trouble: &Value) -> Vec<String> {
    let file = match text(trouble, "file") {
        "" => "registry".to_owned(),
        _ => shown(trouble.get("file")),
    };
    vec![
        format!("! {file}: {} [{}]", shown(trouble.get("error")), shown(trouble.get("code"))),
        format!("    next: {}", shown(trouble.get("next"))),
    ]
}
