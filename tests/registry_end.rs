//! What an instance has open, and how it ends, while a letter to another instance is on its way.

#[path = "support/neighbours.rs"]
mod neighbours;
mod support;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use loopgate::exposure::{self, Kind, Report};
use neighbours::{entry, neighbour, register, send, shared, write_entry};
use serde_json::{Value, json};
use support::Instance;

/// The time that a letter may take.
const LETTER: Duration = Duration::from_secs(3);

/// An instance that lives, of this very process: it accepts and never answers.
fn silent(registry: &Path, name: &str) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    write_entry(&registry.join(format!("{name}.json")), &entry(name, &url, std::process::id()));
    listener
}

/// A letter that is held for `name` and on its way now.
fn on_its_way(instance: &Instance, registry: &Path, name: &str) -> (TcpListener, TcpStream) {
    let held = send(instance, name, &json!({ "text": "x", "id": "held" })).json();
    assert_eq!((&held["outcome"], &held["held"]), (&json!("waiting"), &json!(true)), "{held}");
    let listener = silent(registry, name);
    let (stream, _) = listener.accept().expect("the letter");
    (listener, stream)
}

#[test]
fn a_letter_that_is_on_its_way_does_not_hold_up_the_end_and_nothing_is_left_behind() {
    let registry = shared();
    let mut instance = neighbour(registry.path());
    register(&instance, "ours");
    let (_listener, _stream) = on_its_way(&instance, registry.path(), "silent");
    let start = Instant::now();
    assert_eq!(instance.terminate().code(), Some(0));
    let took = start.elapsed();
    assert!(took < LETTER - Duration::from_secs(1), "{took:?}");
    let left: Vec<_> = fs::read_dir(registry.path()).expect("a directory").flatten().collect();
    assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["silent.json"]);
    assert!(!instance.home.path().join("authkey").exists());
}

#[test]
fn a_letter_on_its_way_is_no_difference_in_the_exposure_of_a_working_instance() {
    let registry = shared();
    let instance = neighbour(registry.path());
    register(&instance, "ours");
    let (listener, stream) = on_its_way(&instance, registry.path(), "silent");
    let at = listener.local_addr().expect("an address").to_string();
    let look = || {
        let report = instance.call("GET", "/api/v1/exposure", &Value::Null).json();
        let report = Report::from_json(&report).expect("a report");
        assert_eq!(report.differences, 0, "{}", exposure::table(&report));
        report
    };
    let report = look();
    let outbound: Vec<_> = report.rows.iter().filter(|row| row.kind == Kind::Outbound).collect();
    assert_eq!(outbound.len(), 1, "{}", exposure::table(&report));
    assert_eq!((outbound[0].address.as_str(), outbound[0].observed), (at.as_str(), true));
    let purpose = format!("letters to instance pid {}", std::process::id());
    assert_eq!(outbound[0].purpose, purpose);
    let row = |purpose: &str| report.rows.iter().find(|row| row.purpose == purpose).expect("a row");
    assert_eq!(row("registry, shared with other instances").auth, "mode 0700");
    assert_eq!(
        (row("entries of our agents").count, row("entries of our agents").auth.as_str()),
        (1, "mode 0600")
    );
    drop(stream);
    look();
}

/// The one in the home is nobody else's, and shown all the same.
#[test]
fn without_a_shared_registry_nothing_is_outbound() {
    let instance = Instance::start();
    register(&instance, "ours");
    let answer = instance.call("GET", "/api/v1/exposure", &Value::Null).json();
    let report = Report::from_json(&answer).expect("a report");
    assert_eq!(report.differences, 0, "{}", exposure::table(&report));
    assert!(report.rows.iter().all(|row| row.kind != Kind::Outbound), "{}", exposure::table(&report));
    assert!(report.rows.iter().any(|row| row.purpose == "registry, read by no other instance"));
}
