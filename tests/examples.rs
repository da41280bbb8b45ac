//! The examples that people copy, run as they stand.

mod support;

use std::process::Command;

use support::{binary, path};

/// Sent to nobody, kept over `kill -9`, read once, acknowledged.
#[test]
fn the_third_example_shows_a_message_that_outlives_the_instance() {
    let program = binary();
    let mut search = program.parent().expect("a directory").as_os_str().to_owned();
    search.push(":");
    search.push(path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/third.sh");
    let mut command = Command::new("sh");
    // The script finds `loopgate` by name: the binary under test must be called that.
    assert_eq!(program.file_name().and_then(|name| name.to_str()), Some("loopgate"));
    let ran = command.arg(script).env_clear().env("PATH", search).env("HOME", "/nonexistent").output();
    let ran = ran.expect("sh runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    let steps: Vec<&str> = ["1. ", "2. ", "3. ", "4. ", "5. "].into_iter().collect();
    let parts: Vec<&str> = steps
        .iter()
        .map(|step| out.find(step).expect("a step"))
        .collect::<Vec<_>>()
        .windows(2)
        .map(|at| &out[at[0]..at[1]])
        .collect();
    assert_eq!(
        parts[0].matches("waiting for night (no agent of that name yet), id build-17").count(),
        2,
        "{out}"
    );
    assert!(parts[2].contains("the build is green"), "{out}");
    assert_eq!(parts[3].matches("the build is green").count(), 1, "read once: {out}");
    let (_, end) = out.split_once("5. ").expect("the end");
    assert!(end.contains("read"), "{out}");
}
