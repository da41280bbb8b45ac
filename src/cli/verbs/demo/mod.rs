//! `demo`: all of it once, on this machine, with nothing left behind.
//!
//! The instance is a process of its own, and this one speaks to it as any client does: HTTP and
//! the key file. What is told was done or read at that moment; nothing is prepared.

mod stage;

use std::{path::Path, process::ExitCode};

use serde_json::{Value, json};

use super::{expect_success, exposure, own::shown, owner_at};
use crate::{
    cli::{
        display::{self, Filter},
        outcome::{Exit, Failure},
        output::Output,
        parse::Arguments,
    },
    client::Client,
    sys::proc,
};
use stage::Stage;

/// The agents' programs.
const SCRIPTS: [(&str, &str); 2] = [
    ("first.sh", include_str!("../../../../examples/first.sh")),
    ("second.sh", include_str!("../../../../examples/second.sh")),
];

/// What is typed into the first agent.
const MESSAGE: &str = "the tests are green";

/// `loopgate demo`.
pub fn demo(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let keep = arguments.has("--keep");
    let mut stage = Stage::new(&SCRIPTS)?;
    output.data("loopgate demo: all of this happens on 127.0.0.1 and in one temporary directory.")?;
    let played = play(&mut stage, keep, output)?;
    if keep {
        stage.keep();
        let (directory, home) = (quoted(stage.directory()), quoted(&stage.home()));
        output.data(&format!(
            "\nIt goes on running. To look around:\n  export LOOPGATE_HOME={home}\n  loopgate agents\n  loopgate attach second\nTo stop it and remove all of it:\n  kill {}; rm -rf {directory}",
            played.instance
        ))?;
    } else {
        end(&mut stage, &played, output)?;
    }
    match played.differences {
        0 => Ok(Exit::Ok.into()),
        many => Err(Failure::new(Exit::Negative, format!("{many} rows of the exposure table differ"))),
    }
}

/// A path as one word of a shell's command line.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
    if text.bytes().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What the steps leave for the end.
struct Played {
    client: Client,
    instance: u32,
    /// all processes that there were: pid, start, what it is
    processes: Vec<(u32, u64, String)>,
    differences: u64,
}

fn play(stage: &mut Stage, keep: bool, output: &mut Output) -> Result<Played, Failure> {
    let (ready, instance) = stage.serve(keep)?;
    output.data(&format!(
        "\n1. Started `loopgate serve` as process {instance}. Its ready line:\n   | {ready}"
    ))?;

    let home = stage.home();
    let client = owner_at(&home)?;
    let status = expect_success(client.get("/api/v1/status"))?.json();
    output.data(&format!(
        "\n2. Read {}/authkey: it is private, its process lives, and that process's socket listens\n   at {}. With the key in it, GET /api/v1/status says:\n   | version {}, pid {}, instance {}",
        home.display(),
        client.address(),
        shown(status.get("version")),
        shown(status.get("pid")),
        shown(status.get("instance")),
    ))?;

    output.data("\n3. Started two agents, each in a terminal of its own (POST /api/v1/agents):")?;
    let mut processes = vec![(instance, started(instance), "the instance".to_owned())];
    for (name, accepted) in [("first", &[][..]), ("second", &["first"][..])] {
        let record = start(stage, &client, name, accepted)?;
        for (field, what) in [("pid", format!("agent {name}")), ("keeper_pid", format!("keeper of {name}"))] {
            let pid = record.get(field).and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
            processes.extend(pid.map(|pid| (pid, started(pid), what)));
        }
        let greeting = terminal(stage, &client, name, &format!("{name}: ready"))?;
        let (pid, keeper) = (shown(record.get("pid")), shown(record.get("keeper_pid")));
        output.data(&format!("   {name}: pid {pid}, kept by {keeper}; its terminal shows:"))?;
        show(&greeting, output)?;
    }

    let body = json!({ "target_agent": "first", "message": MESSAGE });
    let answer = expect_success(client.post("/agentmux/reactive/inject", &body))?.json();
    if answer.get("success").and_then(Value::as_bool) != Some(true) {
        let why = shown(answer.get("error"));
        return Err(Failure::new(Exit::Bug, format!("the message was not typed: {why}")));
    }
    output.data(&format!(
        "\n4. Typed \"{MESSAGE}\" into the first (POST /agentmux/reactive/inject): {}.\n   It ran `loopgate send second ...` itself, with its own token. Its terminal shows:",
        shown(answer.get("outcome"))
    ))?;
    show(&terminal(stage, &client, "first", " for second, id ")?, output)?;

    output.data(
        "\n5. Read back from the terminal of the second, which accepts typed messages from the first:",
    )?;
    let read = format!("second: message 1 reads: @first: please note: {MESSAGE}");
    show(&terminal(stage, &client, "second", &read)?, output)?;

    output.data("\n6. What the running instance has open (GET /api/v1/exposure):\n")?;
    let report = expect_success(client.get("/api/v1/exposure"))?.json();
    for line in exposure::lines(&report) {
        output.data(&format!("  {line}"))?;
    }
    Ok(Played { client, instance, processes, differences: exposure::differences(&report) })
}

fn start(stage: &Stage, client: &Client, name: &str, accepted: &[&str]) -> Result<Value, Failure> {
    let script = stage.path(&format!("{name}.sh"));
    let body = json!({
        "name": name,
        "command": ["/bin/sh", script.to_string_lossy()],
        "cwd": stage.directory().to_string_lossy(),
        "accept_typed_from": accepted,
        // a shell script wants one Enter and no more
        "submit": "once",
    });
    Ok(expect_success(client.post("/api/v1/agents", &body))?.json())
}

/// All that a terminal has shown by the time it shows `awaited`.
fn terminal(stage: &Stage, client: &Client, name: &str, awaited: &str) -> Result<String, Failure> {
    let mut shown = Vec::new();
    let (mut filter, mut from) = (Filter::new(), 0_u64);
    loop {
        stage.go_on(&format!("`{awaited}` on the terminal of {name}"))?;
        let path = format!("/api/v1/agents/{name}/output?from={from}&wait=200");
        let answer = expect_success(client.get(&path))?;
        filter.feed(&answer.body, &mut shown);
        from = answer.header("x-loopgate-next").and_then(|next| next.parse().ok()).unwrap_or(from);
        let text = String::from_utf8_lossy(&shown);
        // a whole line of it
        if text.split_once(awaited).is_some_and(|(_, rest)| rest.contains('\n')) {
            return Ok(text.into_owned());
        }
    }
}

fn show(text: &str, output: &mut Output) -> Result<(), Failure> {
    for line in text.lines() {
        output.data(&format!("   | {}", display::line(line.trim_end_matches('\r'))))?;
    }
    Ok(())
}

fn end(stage: &mut Stage, played: &Played, output: &mut Output) -> Result<(), Failure> {
    for name in ["first", "second"] {
        expect_success(played.client.delete(&format!("/api/v1/agents/{name}")))?;
    }
    let directory = stage.directory().display().to_string();
    let how = stage.take_down()?;
    output.data(&format!(
        "\n7. Stopped both agents (DELETE /api/v1/agents/...), ended the instance ({how}) and removed\n   {directory}."
    ))?;
    let left: Vec<&str> = played
        .processes
        .iter()
        .filter(|(pid, began, _)| started(*pid) == *began && *began != 0)
        .map(|(_, _, what)| what.as_str())
        .collect();
    if left.is_empty() {
        let all: Vec<String> =
            played.processes.iter().map(|(pid, _, what)| format!("{pid} ({what})")).collect();
        output.data(&format!("   Looked for their processes: {} are gone.", all.join(", ")))
    } else {
        Err(Failure::new(Exit::Bug, format!("still there after the end: {}", left.join(", "))))
    }
}

/// When a process started, in the kernel's ticks; 0 when there is none.
fn started(pid: u32) -> u64 {
    proc::stat(pid).map_or(0, |stat| stat.started)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is told to be pasted behind `rm -rf`.
    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/loopgate-demo-1")), "/tmp/loopgate-demo-1");
        assert_eq!(quoted(Path::new("/my tmp/a")), "'/my tmp/a'");
        assert_eq!(quoted(Path::new("/it's; x")), "'/it'\\''s; x'");
    }
}
