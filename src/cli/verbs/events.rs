//! `events`: what happened in the swarms, the newest last, and what happens.
//!
//! What is asked for is put into the query of the route as it is; what it does not understand it names. A
//! page is shown first, and what is followed begins behind its last number, so that nothing lies between.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    client_failure,
    follow::{Ends, follow},
    mail::list,
    segment, swarm,
};
use crate::{
    cli::{
        colour::Tone,
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        when,
    },
    client::Client,
    limits,
    sys::clock::SystemClock,
    wire::clock::Clock,
};

/// Events that are shown where it is not said how many.
const DEFAULT: i64 = 50;
/// The same, where what comes is shown too.
const BEFORE: i64 = 10;

/// `loopgate events`.
pub fn events(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let filters = filters(arguments)?;
    let (from, follows) = (from(arguments)?, arguments.has("--follow"));
    // Before anything else: from here on Ctrl-C is heard and not obeyed at once.
    let ends = follows.then(Ends::new).transpose()?;
    let show = Show { json: arguments.has("--json") };
    let client = swarm::operator()?;
    let last = match from {
        From::Newest(most) => {
            newest(&client, &filters, most.unwrap_or(if follows { BEFORE } else { DEFAULT }), show, output)?
        }
        From::Time(at, most) => {
            let minutes = SystemClock.unix_ms().saturating_sub(at).div_ceil(60_000).max(1);
            let filters = format!("{filters}&minutes={minutes}");
            let young = |event: &Value| time(event).is_none_or(|time| time >= at);
            behind(&client, &filters, 0, most, show, young, output)?
        }
        From::Number(number, most) => behind(&client, &filters, number, most, show, |_| true, output)?,
    };
    let Some(ends) = ends else { return Ok(Exit::Ok.into()) };
    drop(client);
    follow(
        &ends,
        &format!("/api/events?follow=1{filters}"),
        Some("--after"),
        Some(last.to_string()),
        output,
        |frame, output| {
            let event = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
            show.one(&event, output)
        },
    )
}

/// Where it begins, and how many there are at most.
enum From {
    Newest(Option<i64>),
    /// unix ms
    Time(u64, Option<i64>),
    Number(u64, Option<i64>),
}

fn from(arguments: &Arguments) -> Result<From, Failure> {
    let most = arguments.number("--limit", 1..=i64::MAX)?;
    let now = SystemClock.unix_ms();
    let since = match arguments.text("--since")? {
        None => None,
        Some(text) => Some(when::point(text, now).ok_or_else(|| {
            let what = "--since takes 10m, 2h, 3d, an RFC 3339 date with time, or unix milliseconds";
            usage(format!("{what} and not `{}`", display::line(text)))
        })?),
    };
    let minutes =
        arguments.number("--minutes", 1..=i64::MAX)?.and_then(|minutes| u64::try_from(minutes).ok());
    let minutes = minutes.map(|minutes| now.saturating_sub(minutes.saturating_mul(60_000)));
    let after = arguments.number("--after", 0..=i64::MAX)?.and_then(|after| u64::try_from(after).ok());
    let given = [since.is_some(), minutes.is_some(), after.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(usage("events: one of --since, --minutes and --after says where it begins".to_owned()));
    }
    if most.is_some() && arguments.has("--follow") && given.contains(&true) {
        return Err(usage("events: --limit would leave out what lies before the rest".to_owned())
            .next("leave it out, or leave out --follow"));
    }
    Ok(match (since.or(minutes), after) {
        (Some(at), _) => From::Time(at, most),
        (None, Some(after)) => From::Number(after, most),
        (None, None) => From::Newest(most),
    })
}

/// What is asked for, as the end of a query.
fn filters(arguments: &Arguments) -> Result<String, Failure> {
    let levels = match (arguments.has("--errors"), arguments.has("--warnings")) {
        _ if arguments.has("--level") => arguments.texts("--level")?,
        (true, false) => vec!["error"],
        (_, true) => vec!["warning", "error"],
        (false, false) => Vec::new(),
    };
    if arguments.has("--level") && (arguments.has("--errors") || arguments.has("--warnings")) {
        return Err(usage("events: --level, or --errors and --warnings".to_owned()));
    }
    let one = |flag| Ok(arguments.text(flag)?.into_iter().collect::<Vec<_>>());
    let mut query = String::new();
    for (name, words) in [
        ("level", levels),
        ("category", arguments.texts("--category")?),
        ("event_type", one("--type")?),
        ("swarm", one("--swarm")?),
        ("agent", one("--agent")?),
    ] {
        if !words.is_empty() {
            let words: Vec<String> = words.into_iter().map(segment).collect();
            query.push_str(&format!("&{name}={}", words.join(",")));
        }
    }
    Ok(query)
}

/// One page; its events, where to go on, and how many are kept no more.
fn page(client: &Client, query: &str) -> Result<Value, Failure> {
    let answer = client.get(&format!("/api/events?{query}")).map_err(|error| client_failure(&error))?;
    if answer.is_success() { Ok(answer.json()) } else { Err(swarm::refused(&answer)) }
}

fn next_of(page: &Value) -> u64 {
    page.get("next").and_then(Value::as_u64).unwrap_or_default()
}

/// The newest so many, the newest last. Behind which number what follows comes.
fn newest(
    client: &Client,
    filters: &str,
    most: i64,
    show: Show,
    output: &mut Output,
) -> Result<u64, Failure> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most > limits::EVENTS_PAGE {
        let what =
            format!("events: --limit takes at most {} without --since or --after", limits::EVENTS_PAGE);
        return Err(usage(what));
    }
    let page = page(client, &format!("limit={most}{filters}"))?;
    let events = list(&page, "events");
    if events.is_empty() && !show.json {
        output.say("no such event is kept");
    }
    events.iter().rev().try_for_each(|event| show.one(event, output))?;
    Ok(next_of(&page))
}

/// Those behind a number, in pages. Behind which number what follows comes.
fn behind(
    client: &Client,
    filters: &str,
    number: u64,
    most: Option<i64>,
    show: Show,
    wanted: impl Fn(&Value) -> bool,
    output: &mut Output,
) -> Result<u64, Failure> {
    let mut left = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let mut last = number;
    while left > 0 {
        let page = page(client, &format!("since={last}&limit={}{filters}", limits::EVENTS_PAGE))?;
        let missed = page.get("missed").and_then(Value::as_u64).unwrap_or_default();
        // From the beginning on, what is kept no more is nothing that was asked for.
        if missed > 0 && last > 0 {
            output.say(&format!("loopgate: gap: {missed} behind {last} are kept no more"));
        }
        let events = list(&page, "events");
        for event in events.iter().filter(|event| wanted(event)).take(left) {
            show.one(event, output)?;
            left -= 1;
        }
        let next = next_of(&page);
        if events.is_empty() || next <= last {
            return Ok(next.max(last));
        }
        last = next;
    }
    Ok(last)
}

/// When it happened, unix ms.
fn time(event: &Value) -> Option<u64> {
    when::point(event.get("timestamp")?.as_str()?, 0)
}

/// How an event is shown.
#[derive(Clone, Copy)]
struct Show {
    json: bool,
}

impl Show {
    fn one(self, event: &Value, output: &mut Output) -> Result<(), Failure> {
        if self.json {
            return output.data(&display::json_line(event));
        }
        let text = |name: &str| display::line(event.get(name).and_then(Value::as_str).unwrap_or_default());
        let who = match (text("swarm"), text("agent")) {
            (swarm, agent) if agent.is_empty() => swarm,
            (swarm, agent) if swarm.is_empty() => agent,
            (swarm, agent) => format!("{swarm}/{agent}"),
        };
        let who = if who.is_empty() { "-".to_owned() } else { who };
        let at = time(event).map_or_else(|| "-".to_owned(), when::shown);
        let paint = output.paint();
        let line = format!(
            "{}  {}  {who:<20}  {:<18}  {}",
            paint.tone(Tone::Dim, &at),
            paint.level(&format!("{:<7}", text("level"))),
            text("event_type"),
            text("message")
        );
        output.data(line.trim_end())
    }
}
