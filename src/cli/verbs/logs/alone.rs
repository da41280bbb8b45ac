//! The terminal of an agent that runs alone: it has no log, and its last lines are shown in its place.
//!
//! What is kept of its output is read once, as far as that goes, and cut into lines as a log would have them. It has
//! lines that were printed, and nothing else: who asks for a conversation or for events alone is told so.

use std::process::ExitCode;

use serde_json::json;

use super::Asked;
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        verbs::{expect_success, owner, segment},
    },
    limits,
    swarm::logs::Screen,
};

/// Shows the last lines; `None` where no agent of this name runs alone.
pub(super) fn last_lines(
    name: &str,
    asked: &Asked,
    output: &mut Output,
) -> Result<Option<ExitCode>, Failure> {
    let client = owner()?;
    let path = format!("/api/v1/agents/{}", segment(name));
    match client.get(&path) {
        Ok(answer) if answer.status == 404 => return Ok(None),
        other => expect_success(other)?,
    };
    if !asked.kinds.is_empty() && !asked.kinds.contains(&"output") {
        return Err(Failure::new(
            Exit::Negative,
            format!("{name} runs alone: there is nothing of it but the lines of its terminal"),
        )
        .next(format!("`loopgate logs {name}` shows them")));
    }
    let (mut screen, mut lines) = (Screen::default(), Vec::new());
    let mut add = |line: &[u8], cut| lines.push((String::from_utf8_lossy(line).into_owned(), cut));
    let mut from = String::new();
    // As much as is kept: one that prints faster than it is read would be read without end.
    for _ in 0..=limits::RING / limits::OUTPUT_CHUNK {
        let piece = expect_success(client.get(&format!("{path}/output{from}")))?;
        screen.push(&piece.body, &mut add);
        let next = piece.header("X-Loopgate-Next").and_then(|next| next.parse::<u64>().ok());
        match next.filter(|_| !piece.body.is_empty()) {
            Some(next) => from = format!("?from={next}"),
            None => break,
        }
    }
    screen.rest(&mut add);
    let most = usize::try_from(asked.most).unwrap_or(usize::MAX);
    for (line, cut) in lines.iter().skip(lines.len().saturating_sub(most)) {
        let line = line.trim_end();
        if asked.json {
            let record = json!({ "agent": name, "kind": "output", "stream": "stdout", "content": line,
                                 "truncated": cut });
            output.data(&display::json_line(&record))?;
        } else {
            output.data(display::line(line).trim_end())?;
        }
    }
    Ok(Some(Exit::Ok.into()))
}

/// There is nothing of this name.
pub(super) fn nobody(name: &str) -> Failure {
    Failure::new(
        Exit::Negative,
        format!("there is no swarm {name}, and no agent of that name that runs alone"),
    )
    .next("`loopgate status --swarms` lists the swarms, `loopgate agents` the agents that run alone")
}

/// Its terminal is not followed.
pub(super) fn not_followed(name: &str) -> Failure {
    Failure::new(Exit::Negative, format!("there is no swarm {name} to follow")).next(format!(
        "`loopgate status --swarms` lists the swarms; of an agent that runs alone `loopgate attach {name}` shows what \
         comes"
    ))
}
