//! The examples that people copy, run as they stand.

mod support;

use std::process::Command;

use support::{binary, path};

/// What an example prints; it must end well.
fn example(name: &str) -> String {
    let program = binary();
    let mut search = program.parent().expect("a directory").as_os_str().to_owned();
    search.push(":");
    search.push(path());
    let script = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/{}"), name);
    let mut command = Command::new("sh");
    // The script finds `loopgate` by name: the binary under test must be called that.
    assert_eq!(program.file_name().and_then(|name| name.to_str()), Some("loopgate"));
    let ran = command.arg(script).env_clear().env("PATH", search).env("HOME", "/nonexistent").output();
    let ran = ran.expect("sh runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    out.into_owned()
}

/// The parts between its steps: `1. ` and so on.
fn parts(out: &str, steps: usize) -> Vec<&str> {
    let mut from: Vec<usize> =
        (1..=steps).map(|step| out.find(&format!("{step}. ")).expect("a step")).collect();
    from.push(out.len());
    from.windows(2).map(|at| &out[at[0]..at[1]]).collect()
}

/// Sent to nobody, kept over `kill -9`, read once, acknowledged.
#[test]
fn the_third_example_shows_a_message_that_outlives_the_instance() {
    let out = example("third.sh");
    let parts = parts(&out, 5);
    assert_eq!(
        parts[0].matches("waiting for night (no agent of that name yet), id build-17").count(),
        2,
        "{out}"
    );
    assert!(parts[2].contains("the build is green"), "{out}");
    assert_eq!(parts[3].matches("the build is green").count(), 1, "read once: {out}");
    assert!(parts[4].contains("read"), "{out}");
}

/// Found by name, asked and answered, held and forwarded.
#[test]
fn the_fourth_example_shows_two_instances_that_find_each_other() {
    let out = example("fourth.sh");
    let parts = parts(&out, 6);
    assert!(parts[1].contains("clerk"), "{out}");
    assert!(parts[2].contains("it is filed under seven"), "{out}");
    assert!(parts[3].contains("night") && parts[3].contains("build-18"), "{out}");
    assert!(parts[4].contains("the build is green"), "{out}");
    assert!(parts[5].contains("forwarded"), "{out}");
}
