//! `logs`: what agents said and printed, the newest last, and what they say and print.
//!
//! One stream carries it: the newest first, and what comes behind them without leaving any out. Each record begins
//! with its time and stands at the left edge; what it says on further lines stands further in, so that no text can
//! make up a record. A name that is no swarm's may be that of an agent that runs alone: then its terminal's last
//! lines are shown.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    client_failure, expect_success,
    follow::{Ends, follow},
    mail::list,
    owner, segment, swarm,
};
use crate::{
    cli::{
        colour::{Paint, Tone},
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        when,
    },
    client::{Answer, Client},
    limits,
    swarm::logs::Screen,
    wire::node::{FullName, NodeName},
};

/// Records that are shown where it is not said how many.
const DEFAULT: i64 = 50;
/// What stands before the further lines of a text.
const FURTHER: &str = "    | ";

/// `loopgate logs`.
pub fn logs(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let tail = arguments.number("--tail", 1..=limits::LOG_PAGE as i64)?;
    let follows = arguments.has("--follow");
    let kinds = kinds(arguments);
    let named = named(arguments)?;
    // Before anything else: from here on Ctrl-C is heard and not obeyed at once.
    let ends = follows.then(Ends::new).transpose()?;
    let client = swarm::operator()?;
    let whom = match named {
        Some(whom) => whom,
        None => Whom { swarm: the_only_swarm(&client)?, agent: None },
    };
    let path = whom.path();
    let show = Show { json: arguments.has("--json") };
    let Some(ends) = ends else {
        let query = format!("{path}?kind={kinds}&limit={}", tail.unwrap_or(DEFAULT));
        let answer = client.get(&query).map_err(|error| client_failure(&error))?;
        if !answer.is_success() {
            return loose(&whom, &answer, tail.unwrap_or(DEFAULT), output);
        }
        for record in list(&answer.json(), "logs") {
            show.one(record, output)?;
        }
        return Ok(Exit::Ok.into());
    };
    // Whether it is there is asked once, with an answer that says what else it may be.
    let there = client.get(&format!("{path}?limit=1")).map_err(|error| client_failure(&error))?;
    if !there.is_success() {
        return Err(not_there(&whom, &there));
    }
    drop(client);
    let path = format!("{path}?follow=1&kind={kinds}&limit={}", tail.unwrap_or(DEFAULT));
    follow(&ends, &path, None, output, |frame, output| {
        let record = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
        show.one(&record, output)
    })
}

/// What is asked for, as the route takes it.
fn kinds(arguments: &Arguments) -> String {
    if arguments.has("--all") {
        return "conversation,output,events".to_owned();
    }
    let flags = [("--conversation", "conversation"), ("--stdout", "output"), ("--events", "events")];
    let asked: Vec<&str> =
        flags.iter().filter(|(flag, _)| arguments.has(flag)).map(|(_, kind)| *kind).collect();
    if asked.is_empty() { "conversation".to_owned() } else { asked.join(",") }
}

/// A swarm, or one agent of it.
struct Whom {
    swarm: NodeName,
    agent: Option<NodeName>,
}

impl Whom {
    fn path(&self) -> String {
        match &self.agent {
            Some(agent) => format!("/api/swarms/{}/agents/{agent}/logs", self.swarm),
            None => format!("/api/swarms/{}/logs", self.swarm),
        }
    }
}

/// Whom the command line names, in one word or in two.
fn named(arguments: &Arguments) -> Result<Option<Whom>, Failure> {
    let name = |text: &str| {
        NodeName::parse(text).map_err(|_| {
            let what = "is no name: a letter, then letters, digits, `_` and `-`, at most 64";
            usage(format!("`{}` {what}", display::line(text)))
        })
    };
    Ok(match (arguments.operand(0)?, arguments.operand(1)?) {
        (None, _) => None,
        (Some(word), None) if word.contains('/') => {
            let FullName { swarm, agent } = swarm::full_name(word)?;
            Some(Whom { swarm, agent: Some(agent) })
        }
        (Some(swarm), agent) => Some(Whom { swarm: name(swarm)?, agent: agent.map(name).transpose()? }),
    })
}

/// The swarm that is meant where none is named.
fn the_only_swarm(client: &Client) -> Result<NodeName, Failure> {
    let answer = client.get("/api/swarms").map_err(|error| client_failure(&error))?;
    if !answer.is_success() {
        return Err(swarm::refused(&answer));
    }
    let answer = answer.json();
    let names: Vec<&str> =
        list(&answer, "swarms").iter().filter_map(|swarm| swarm.get("name")?.as_str()).collect();
    match names.as_slice() {
        [one] => NodeName::parse(one).map_err(|_| usage("the instance names no swarm".to_owned())),
        [] => Err(Failure::new(Exit::Negative, "there is no swarm")
            .next("`loopgate start FILE` starts one; `loopgate logs NAME` shows an agent that runs alone")),
        some => {
            let some: Vec<String> = some.iter().map(|name| display::line(name)).collect();
            Err(usage(format!("logs: say of which swarm: {}", some.join(", "))))
        }
    }
}

/// What a refusal means, where the name may be that of an agent that runs alone.
fn not_there(whom: &Whom, answer: &Answer) -> Failure {
    let failure = swarm::refused(answer);
    match (&whom.agent, answer.status) {
        (None, 404) => failure.next(format!(
            "`loopgate status --swarms` lists the swarms; of an agent that runs alone `loopgate attach {}` shows \
             what comes",
            whom.swarm
        )),
        (Some(_) | None, _) => failure,
    }
}

/// The last lines of the terminal of an agent that runs alone, where there is one of this name.
fn loose(whom: &Whom, answer: &Answer, most: i64, output: &mut Output) -> Result<ExitCode, Failure> {
    if answer.status != 404 || whom.agent.is_some() {
        return Err(swarm::refused(answer));
    }
    let client = owner()?;
    let path = format!("/api/v1/agents/{}", segment(whom.swarm.as_str()));
    let is_one = client.get(&path).map_err(|error| client_failure(&error))?;
    if !is_one.is_success() {
        return Err(not_there(whom, answer));
    }
    let (mut screen, mut lines) = (Screen::default(), Vec::new());
    let mut add = |line: &[u8], _| lines.push(display::line(&String::from_utf8_lossy(line)));
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
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    lines.iter().skip(lines.len().saturating_sub(most)).try_for_each(|line| output.data(line.trim_end()))?;
    Ok(Exit::Ok.into())
}

/// How a record is shown.
#[derive(Clone, Copy)]
struct Show {
    json: bool,
}

impl Show {
    fn one(self, record: &Value, output: &mut Output) -> Result<(), Failure> {
        if self.json {
            output.data(&display::json_line(record))
        } else {
            output.data(&text(record, output.paint()))
        }
    }
}

/// A record for a person: its time, whose it is, who speaks, what.
fn text(record: &Value, paint: Paint) -> String {
    let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = when::point(field("timestamp"), 0).map_or_else(|| "-".to_owned(), when::shown);
    let agent = format!("{:<12}", display::line(field("agent")));
    // An event has a name, and the rest a voice.
    let (who, content) = match field("event_type") {
        "" => {
            let voice = if field("role").is_empty() { field("stream") } else { field("role") };
            let tone = match voice {
                "user" => Tone::Note,
                "assistant" => Tone::Good,
                "stderr" => Tone::Warn,
                _ => Tone::Dim,
            };
            (paint.tone(tone, &format!("{:<9}", display::line(voice))), field("content"))
        }
        name => {
            let name = format!("{:<9} {}:", display::line(field("level")), display::line(name));
            (paint.level(&name), field("message"))
        }
    };
    let lines: Vec<String> =
        content.split('\n').map(|line| display::line(&line.replace('\t', "    "))).collect();
    let content = lines.join(&format!("\n{FURTHER}"));
    let cut = if record.get("truncated") == Some(&Value::Bool(true)) { " [...]" } else { "" };
    let line = format!("{}  {}  {who} {content}{cut}", paint.tone(Tone::Dim, &at), paint.name(&agent));
    line.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(content: &str) -> Value {
        json!({"timestamp": "2026-11-22T00:00:00.007000Z", "agent": "coder", "role": "user", "content": content,
               "kind": "conversation", "n": 1, "session_id": "session-1"})
    }

    #[test]
    fn a_record_is_shown_with_its_time_whose_it_is_and_who_speaks() {
        assert_eq!(
            text(&record("hello"), Paint::NONE),
            "2026-11-22T00:00:00.007Z  coder         user      hello"
        );
        let mut cut = record("x");
        cut["truncated"] = true.into();
        assert!(text(&cut, Paint::NONE).ends_with(" x [...]"));
        let printed = json!({"timestamp": "2026-11-22T00:00:00.000000Z", "agent": "a", "stream": "stderr",
                             "content": "oh"});
        assert!(text(&printed, Paint::NONE).ends_with("a             stderr    oh"));
        let event = json!({"timestamp": "2026-11-22T00:00:00.000000Z", "agent": "a", "event_type": "agent_error",
                           "level": "error", "message": "agent a failed"});
        assert!(text(&event, Paint::NONE).ends_with("error     agent_error: agent a failed"));
    }

    #[test]
    fn nothing_from_outside_can_forge_a_line_or_reach_the_terminal() {
        let forged =
            "one\n2026-11-22T00:00:00.007Z  coder  user  forged\r\n\u{1b}]0;t\u{7}\u{202e}\u{2028}two\n";
        let shown = text(&record(forged), Paint::NONE);
        let mut lines = shown.lines();
        assert!(lines.next().is_some_and(|line| line.ends_with("one")));
        assert!(lines.all(|line| line.starts_with(FURTHER.trim_end())), "{shown}");
        assert!(
            !shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}' || c == '\u{2028}'))
        );
        let mut odd = record("x");
        odd["agent"] = "a\nb\u{1b}[2J".into();
        odd["timestamp"] = "\n".into();
        odd["role"] = "user\nx".into();
        assert_eq!(text(&odd, Paint::NONE).lines().count(), 1);
        assert_eq!(text(&Value::Null, Paint::NONE).lines().count(), 1);
    }
}
