//! `audit` and `audit verify`.
//!
//! The first asks the instance. The second reads the files of the home itself, with and without an
//! instance, and changes nothing: what it says does not depend on a process that might be another's.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    expect_success, home_failure, home_path,
    mail::{list, time},
    own::shown,
    owner,
};
use crate::{
    bus::audit::{self, AuditError, LookError, Noted, Report},
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        when,
    },
    store::{Home, HomeError},
    sys::clock::SystemClock,
    wire::clock::Clock,
};

/// Entries asked for at once.
const PAGE: u64 = 500;

/// `loopgate audit`.
pub fn audit(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match arguments.operand(0)? {
        None if arguments.has("--noted") => Err(usage("audit: --noted goes with `verify`".to_owned())),
        None => show(arguments, output),
        Some("verify") if arguments.has("--since") || arguments.has("--limit") => {
            Err(usage("audit: `verify` reads the whole log, without --since or --limit".to_owned()))
        }
        Some("verify") => verify(arguments, output),
        Some(other) => Err(usage(format!("audit: there is no `audit {}`", display::line(other)))),
    }
}

fn show(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let since = match arguments.text("--since")? {
        None => 0,
        Some(text) => when::point(text, SystemClock.unix_ms()).ok_or_else(|| {
            let what = "--since takes 10m, 2h, 3d, an RFC 3339 date with time, or unix milliseconds";
            usage(format!("{what} and not `{}`", display::line(text)))
        })?,
    };
    // with --since everything from there on is meant
    let default = if since > 0 { i64::MAX } else { 100 };
    let limit = arguments.number("--limit", 1..=i64::MAX)?.unwrap_or(default);
    let mut left = u64::try_from(limit).unwrap_or_default();
    let client = owner()?;
    let mut before = String::new();
    let mut any = false;
    while left > 0 {
        let path = format!("/api/v1/audit?since={since}&limit={}{before}", left.min(PAGE));
        let page = expect_success(client.get(&path))?.json();
        let entries = list(&page, "entries");
        for entry in entries {
            any = true;
            output.data(&if arguments.has("--json") { display::json_line(entry) } else { row(entry) })?;
        }
        left = left.saturating_sub(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        match page.get("next").and_then(Value::as_u64) {
            Some(next) if !entries.is_empty() => before = format!("&before={next}"),
            Some(_) | None => break,
        }
    }
    if !any {
        output.say("no entries");
    }
    Ok(Exit::Ok.into())
}

/// Number, time, kind, then what the entry says.
fn row(entry: &Value) -> String {
    let mut line =
        format!("{}  {}  {}", shown(entry.get("n")), time(entry.get("timestamp")), shown(entry.get("kind")));
    for (name, value) in entry.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "n" | "timestamp" | "kind") && !value.is_null() {
            line.push_str(&format!("  {}={}", display::line(name), shown(Some(value))));
        }
    }
    line
}

fn verify(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let noted = match arguments.text("--noted")? {
        None => None,
        Some(text) => Some(Noted::parse(text).ok_or_else(|| {
            usage("--noted takes what `loopgate audit verify` printed to note: a number, `:` and 64 hexadecimal digits".to_owned())
        })?),
    };
    let home = Home::open(&home_path()?).map_err(|error| home_failure(&error))?;
    let report = audit::verify(&home, noted.as_ref()).map_err(|error| look_failure(&home, &error))?;
    if arguments.has("--json") {
        output.json(&json(&report))?;
    } else {
        for line in lines(&report) {
            output.data(&line)?;
        }
    }
    Ok(if report.broken.is_some() { Exit::Negative } else { Exit::Ok }.into())
}

fn look_failure(home: &Home, error: &LookError) -> Failure {
    let directory = home.path().join(audit::DIRECTORY);
    let what = format!("the audit in {} cannot be checked: {error}", directory.display());
    match error {
        LookError::Directory(HomeError::Missing(_)) => {
            Failure::new(Exit::Negative, format!("there is no audit in {} yet", directory.display()))
                .next("`loopgate serve` begins one; LOOPGATE_HOME says in which home")
        }
        LookError::Directory(error) => home_failure(error),
        LookError::Audit(error @ (AuditError::KeyMissing | AuditError::KeyMalformed)) => {
            Failure::new(Exit::BadData, what).next(error.next())
        }
        LookError::Audit(error) => Failure::new(Exit::NotPermitted, what).next(error.next()),
    }
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    match (report.first, report.last) {
        (Some((first, from)), Some((last, to))) => lines.push(format!(
            "{} entries, {first} to {last}, from {} to {}",
            report.entries,
            when::shown(from),
            when::shown(to)
        )),
        (_, _) => lines.push("no entries".to_owned()),
    }
    if report.dropped_through > 0 {
        lines.push(format!("gap: entries up to {} made room for newer ones", report.dropped_through));
    }
    if report.lost > 0 {
        lines.push(format!("gap: {} entries never reached the disk", report.lost));
    }
    if report.unwritten > 0 {
        lines.push(format!(
            "gap: {} entries were counted only, beyond their callers' shares or rates",
            report.unwritten
        ));
    }
    for at in &report.killed {
        lines.push(format!(
            "gap: the instance before {} was killed: its last 100 ms may be missing",
            when::shown(*at)
        ));
    }
    if report.torn {
        lines.push(
            "gap: the newest line is not complete: it is being written, or its writer was killed".to_owned(),
        );
    }
    if report.noted_is_dropped {
        lines.push("what was noted is older than what is kept, and was not compared".to_owned());
    }
    match &report.broken {
        Some(broken) => lines.push(format!(
            "BROKEN: segment {}, line {}, time {}: {}",
            display::line(&broken.segment),
            broken.line,
            broken.at.map_or_else(|| "unknown".to_owned(), when::shown),
            display::line(&broken.why)
        )),
        None => lines.push("sound: every entry follows the one before it".to_owned()),
    }
    if let (None, Some((number, _)), Some(head)) = (&report.broken, report.last, &report.head) {
        lines.push(format!("to note elsewhere, for --noted: {number}:{head}"));
    }
    lines
}

fn json(report: &Report) -> Value {
    let end = |end: Option<(u64, u64)>| end.map(|(number, at)| json!({ "number": number, "timestamp": at }));
    let broken = report.broken.as_ref().map(|broken| {
        json!({ "segment": broken.segment, "line": broken.line, "timestamp": broken.at, "why": broken.why })
    });
    let note = match (&report.broken, report.last, &report.head) {
        (None, Some((number, _)), Some(head)) => Some(format!("{number}:{head}")),
        _ => None,
    };
    json!({
        "sound": report.broken.is_none(),
        "entries": report.entries,
        "first": end(report.first),
        "last": end(report.last),
        "note": note,
        "gaps": {
            "dropped_through": report.dropped_through,
            "lost": report.lost,
            "unwritten": report.unwritten,
            "killed": report.killed_in_all,
            "torn": report.torn,
        },
        "noted_is_dropped": report.noted_is_dropped,
        "broken": broken,
    })
}
