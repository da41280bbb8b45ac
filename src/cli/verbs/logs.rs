//! `logs`: what agents said and printed, the newest last, and what they say and print.
//!
//! One stream carries it: the newest first, and what comes behind them without leaving any out. Each record begins
//! with its time and stands at the left edge; what it says on further lines stands further in, also where a terminal
//! would break a line, so that no text can make up a record. A name that is no swarm's may be that of an agent that runs alone: then its terminal's last
//! lines are shown.

mod alone;

use std::{io, os::fd::AsFd, process::ExitCode};

use serde_json::Value;

use super::{
    client_failure,
    follow::{Ends, follow},
    mail::list,
    swarm,
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
    client::Client,
    limits,
    sys::tty,
    wire::{
        id::AgentId,
        node::{FullName, NodeName},
    },
};

/// Records that are shown where it is not said how many.
const DEFAULT: i64 = 50;
/// What stands before the further lines of a text.
const FURTHER: &str = "    | ";

/// `loopgate logs`.
pub fn logs(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let asked = Asked {
        most: arguments.number("--tail", 1..=limits::LOG_PAGE as i64)?.unwrap_or(DEFAULT),
        kinds: kinds(arguments),
        json: arguments.has("--json"),
    };
    let named = named(arguments)?;
    // Before anything else: from here on Ctrl-C is heard and not obeyed at once.
    let ends = arguments.has("--follow").then(Ends::new).transpose()?;
    let whom = match named {
        Named::Swarm(whom) => whom,
        Named::Nobody => Whom { swarm: the_only_swarm(&swarm::operator()?)?, agent: None },
        // Nobody needs to be asked about a swarm of this name.
        Named::Alone(name) if ends.is_some() => return Err(alone::not_followed(name.as_str())),
        Named::Alone(name) => {
            let shown = alone::last_lines(name.as_str(), &asked, output)?;
            return shown.ok_or_else(|| alone::nobody(name.as_str()));
        }
    };
    let (client, path) = (swarm::operator()?, whom.path());
    let Some(ends) = ends else {
        let query = format!("{path}?kind={}&limit={}", asked.kind(), asked.most);
        let answer = client.get(&query).map_err(|error| client_failure(&error))?;
        if !answer.is_success() {
            let may_be_alone = answer.status == 404 && whom.agent.is_none();
            let name = whom.swarm.as_str();
            let shown = if may_be_alone { alone::last_lines(name, &asked, output)? } else { None };
            return shown.ok_or_else(|| match may_be_alone {
                true => alone::nobody(name),
                false => swarm::refused(&answer),
            });
        }
        let answer = answer.json();
        let records = list(&answer, "logs");
        if records.is_empty() && !asked.json {
            output.say("nothing of that was logged yet; --all shows what was printed and what happened too");
        }
        records.iter().try_for_each(|record| asked.show(record, output))?;
        return Ok(Exit::Ok.into());
    };
    // Whether it is there is asked once, with an answer that says what else it may be.
    let there = client.get(&format!("{path}?limit=1")).map_err(|error| client_failure(&error))?;
    if !there.is_success() {
        return Err(match (&whom.agent, there.status) {
            (None, 404) => alone::not_followed(whom.swarm.as_str()),
            (Some(_) | None, _) => swarm::refused(&there),
        });
    }
    drop(client);
    let path = format!("{path}?follow=1&kind={}&limit={}", asked.kind(), asked.most);
    follow(&ends, &path, None, None, output, |frame, output| {
        let record = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
        asked.show(&record, output)
    })
}

/// What is asked for, and how it is shown.
struct Asked {
    most: i64,
    /// none where none was named
    kinds: Vec<&'static str>,
    json: bool,
}

impl Asked {
    /// The kinds as the route takes them.
    fn kind(&self) -> String {
        if self.kinds.is_empty() { "conversation".to_owned() } else { self.kinds.join(",") }
    }

    fn show(&self, record: &Value, output: &mut Output) -> Result<(), Failure> {
        if self.json {
            output.data(&display::json_line(record))
        } else {
            output.data(&text(record, output.paint(), width()))
        }
    }
}

/// The kinds that were named.
fn kinds(arguments: &Arguments) -> Vec<&'static str> {
    let flags = [("--conversation", "conversation"), ("--stdout", "output"), ("--events", "events")];
    let all = arguments.has("--all");
    flags.iter().filter(|(flag, _)| all || arguments.has(flag)).map(|(_, kind)| *kind).collect()
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

/// Whom the command line names.
enum Named {
    Nobody,
    Swarm(Whom),
    /// what is no name of a swarm, but may be that of an agent that runs alone
    Alone(AgentId),
}

/// In one word or in two.
fn named(arguments: &Arguments) -> Result<Named, Failure> {
    let name = |text: &str| {
        NodeName::parse(text).map_err(|_| {
            let what = "is no name: a letter, then letters, digits, `_` and `-`, at most 64";
            usage(format!("`{}` {what}", display::line(text)))
        })
    };
    Ok(match (arguments.operand(0)?, arguments.operand(1)?) {
        (None, _) => Named::Nobody,
        (Some(word), None) if word.contains('/') => {
            let FullName { swarm, agent } = swarm::full_name(word)?;
            Named::Swarm(Whom { swarm, agent: Some(agent) })
        }
        (Some(word), None) => match AgentId::parse(word) {
            Ok(agent) if NodeName::parse(word).is_err() => Named::Alone(agent),
            Ok(_) | Err(_) => Named::Swarm(Whom { swarm: name(word)?, agent: None }),
        },
        (Some(swarm), Some(agent)) => Named::Swarm(Whom { swarm: name(swarm)?, agent: Some(name(agent)?) }),
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

/// How wide the terminal is now; no bound where there is none.
fn width() -> usize {
    const UNSAID: usize = 80;
    match tty::size(io::stdout().as_fd()).map(|size| usize::from(size.cols)) {
        Ok(0) => UNSAID,
        Ok(columns) => columns,
        Err(_) => usize::MAX,
    }
}

/// A record for a person: its time, whose it is, who speaks, what; no line of it is broken by a terminal.
fn text(record: &Value, paint: Paint, width: usize) -> String {
    let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = when::point(field("timestamp"), 0).map_or_else(|| "-".to_owned(), when::shown);
    let agent = format!("{:<12}", display::line(field("agent")));
    // An event has a name, and the rest a voice.
    let (who, plain, content) = match field("event_type") {
        "" => {
            let voice = if field("role").is_empty() { field("stream") } else { field("role") };
            let tone = match voice {
                "user" => Tone::Note,
                "assistant" => Tone::Good,
                "stderr" => Tone::Warn,
                _ => Tone::Dim,
            };
            let voice = format!("{:<9}", display::line(voice));
            (paint.tone(tone, &voice), voice, field("content"))
        }
        name => {
            let (level, name) = (format!("{:<9}", display::line(field("level"))), display::line(name));
            (format!("{} {name}:", paint.level(&level)), format!("{level} {name}:"), field("message"))
        }
    };
    let cut = if record.get("truncated") == Some(&Value::Bool(true)) { " [...]" } else { "" };
    let content = format!("{content}{cut}");
    let before = [at.as_str(), &agent, &plain].iter().map(|text| columns(text) + 2).sum::<usize>();
    let mut lines = Vec::new();
    for line in content.split('\n') {
        let line = display::line(&line.replace('\t', "    "));
        let room = width.saturating_sub(if lines.is_empty() { before } else { FURTHER.len() });
        broken(&line, room, width.saturating_sub(FURTHER.len()), &mut lines);
    }
    let content = lines.join(&format!("\n{FURTHER}"));
    let line = format!("{}  {}  {who} {content}", paint.tone(Tone::Dim, &at), paint.name(&agent));
    line.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Breaks a line where the terminal would: its first part has this room, each other that.
fn broken(line: &str, first: usize, others: usize, lines: &mut Vec<String>) {
    let (mut part, mut left) = (String::new(), first);
    for c in line.chars() {
        let wide = columns(c.encode_utf8(&mut [0; 4]));
        if wide > left {
            lines.push(std::mem::take(&mut part));
            left = others.max(2);
        }
        part.push(c);
        left = left.saturating_sub(wide);
    }
    lines.push(part);
}

/// How many columns a text takes at most: no terminal gives a character more than two.
fn columns(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
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
            text(&record("hello"), Paint::NONE, usize::MAX),
            "2026-11-22T00:00:00.007Z  coder         user      hello"
        );
        let mut cut = record("x");
        cut["truncated"] = true.into();
        assert!(text(&cut, Paint::NONE, usize::MAX).ends_with(" x [...]"));
        let printed = json!({"timestamp": "2026-11-22T00:00:00.000000Z", "agent": "a", "stream": "stderr",
                             "content": "oh"});
        assert!(text(&printed, Paint::NONE, usize::MAX).ends_with("a             stderr    oh"));
        let event = json!({"timestamp": "2026-11-22T00:00:00.000000Z", "agent": "a", "event_type": "agent_error",
                           "level": "error", "message": "agent a failed"});
        assert!(text(&event, Paint::NONE, usize::MAX).ends_with("error     agent_error: agent a failed"));
        let painted = text(&event, Paint::ALWAYS, usize::MAX);
        let level = Paint::ALWAYS.level("error    ");
        assert!(painted.ends_with(&format!("  {level} agent_error: agent a failed")), "as `events` does");
    }

    #[test]
    fn nothing_from_outside_can_forge_a_line_or_reach_the_terminal() {
        let forged =
            "one\n2026-11-22T00:00:00.007Z  coder  user  forged\r\n\u{1b}]0;t\u{7}\u{202e}\u{2028}two\n";
        let shown = text(&record(forged), Paint::NONE, usize::MAX);
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
        assert_eq!(text(&odd, Paint::NONE, usize::MAX).lines().count(), 1);
        assert_eq!(text(&Value::Null, Paint::NONE, usize::MAX).lines().count(), 1);
    }

    #[test]
    fn a_text_as_wide_as_the_terminal_forges_no_record() {
        let record_like = "2026-11-22T00:00:00.007Z  coder         user      forged";
        for width in [60, 80, 81, 200] {
            for pad in 0..=2 * width {
                let content =
                    format!("{}{record_like}\n{}{record_like}", " ".repeat(pad), "\u{4e2d}".repeat(pad));
                let shown = text(&record(&content), Paint::NONE, width);
                let lines: Vec<&str> = shown.lines().collect();
                assert!(lines.iter().all(|line| columns(line) <= width), "{shown}");
                assert!(lines.iter().skip(1).all(|line| line.starts_with(FURTHER.trim_end())), "{shown}");
            }
        }
        let narrow = text(&record("hello"), Paint::NONE, 3);
        assert!(narrow.lines().count() > 1 && narrow.replace(['\n', ' ', '|'], "").ends_with("hello"));
    }
}
