use std::{net::TcpListener, os::fd::AsRawFd};

use super::*;
use crate::store::testing::TempHome;

const KEY: &str = "0b7c2e2c-6f43-4c39-b6c5-2f6d2f0d0001";

/// The inode of a listener, as an instance reads it of its own.
fn inode(listener: &TcpListener) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino()
}

fn file(at: SocketAddr, pid: u32, listener_inode: Option<u64>) -> KeyFile {
    KeyFile {
        auth_key: Secret::new(KEY.as_bytes().to_vec()),
        web_endpoint: at,
        ws_endpoint: at,
        ipc_endpoint: None,
        instance: "c9a1b0de-0000-4000-8000-000000000001".into(),
        pid,
        host_pid: None,
        created_at: "2026-11-22T00:00:00Z".into(),
        listener_inode,
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    (listener, at)
}

/// A process number that no process has.
fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().expect("a process");
    child.wait().expect("it ends");
    child.id()
}

#[test]
fn what_is_written_is_read_back_and_trusted_while_the_instance_listens() {
    let temp = TempHome::new();
    let (listener, at) = listener();
    for inode in [Some(inode(&listener)), None] {
        write(&temp.home(), &file(at, std::process::id(), inode)).expect("written");
        let found = read(&temp.home()).expect("trusted");
        assert!(found.auth_key.matches(KEY.as_bytes()));
        assert_eq!((found.web_endpoint, found.pid), (at, std::process::id()));
    }
}

#[test]
fn a_key_file_of_a_process_that_has_ended_means_that_nothing_runs() {
    let temp = TempHome::new();
    let (listener, at) = listener();
    write(&temp.home(), &file(at, dead_pid(), Some(inode(&listener)))).expect("written");
    let error = read(&temp.home()).err().expect("refused");
    assert!(matches!(error, KeyFileError::Dead(_)) && error.is_not_running(), "{error}");
}

#[test]
fn a_key_file_whose_port_nobody_holds_means_that_nothing_runs() {
    let temp = TempHome::new();
    let (listener, at) = listener();
    let inode = inode(&listener);
    drop(listener);
    write(&temp.home(), &file(at, std::process::id(), Some(inode))).expect("written");
    let error = read(&temp.home()).err().expect("refused");
    assert!(matches!(error, KeyFileError::NoListener(_)) && error.is_not_running(), "{error}");
}

#[test]
fn a_listener_of_another_inode_is_not_the_instance() {
    let temp = TempHome::new();
    let ((listener, at), (other, _)) = (listener(), listener());
    assert_ne!(inode(&listener), inode(&other));
    write(&temp.home(), &file(at, std::process::id(), Some(inode(&other)))).expect("written");
    let error = read(&temp.home()).err().expect("refused");
    assert!(matches!(error, KeyFileError::ForeignListener(_)) && !error.is_not_running(), "{error}");
}

/// Without an inode in the file, the descriptors of its process are looked through: a living
/// process of ours that does not hold the listener is not the instance.
#[test]
fn a_listener_that_the_named_process_does_not_hold_is_not_the_instance() {
    let temp = TempHome::new();
    let (_listener, at) = listener();
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("a process that waits");
    write(&temp.home(), &file(at, child.id(), None)).expect("written");
    let error = read(&temp.home()).err().expect("refused");
    drop(child.stdin.take());
    child.wait().expect("it ends");
    assert!(matches!(error, KeyFileError::ForeignListener(_)), "{error}");
}

#[test]
fn the_process_of_another_user_is_not_the_instance() {
    use std::os::unix::process::CommandExt;

    let (listener, at) = listener();
    // Process 1 is root's; root itself starts one of nobody's.
    let mut child = (process::uid() == 0).then(|| {
        let mut command = std::process::Command::new("cat");
        command.stdin(std::process::Stdio::piped()).uid(65_534).gid(65_534);
        command.spawn().expect("a process that waits")
    });
    let pid = child.as_ref().map_or(1, std::process::Child::id);
    let error = file(at, pid, Some(inode(&listener))).verify().expect_err("refused");
    if let Some(child) = &mut child {
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }
    assert!(matches!(error, KeyFileError::ForeignProcess(other) if other == pid), "{error}");
}

#[test]
fn only_a_literal_with_a_port_is_an_endpoint() {
    let at = "127.0.0.1:4000".parse().expect("an address");
    let good = String::from_utf8(file(at, 1, Some(7)).to_bytes()).expect("text");
    assert!(KeyFile::parse(good.as_bytes()).is_ok());
    for endpoint in ["127.0.0.2:1", "[::1]:65535", "10.0.0.1:4000", "[2001:db8::1]:4000"] {
        let text = good.replace("127.0.0.1:4000", endpoint);
        assert!(KeyFile::parse(text.as_bytes()).is_ok(), "{endpoint}");
    }
    for endpoint in [
        "localhost:4000",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:",
        "127.1:4000",
        "0x7f000001:4000",
        "2130706433:4000",
        "0.0.0.0:4000",
        "224.0.0.1:4000",
        "255.255.255.255:4000",
        "[ff02::1]:4000",
        "[fe80::1%2]:4000",
        "[::]:4000",
        "[::ffff:127.0.0.1]:4000",
        "[::1%1]:4000",
        "[0::1]:4000",
        "127.0.0.1:04000",
        "127.0.0.1:65536",
        "http://127.0.0.1:4000",
        "127.0.0.1:4000/",
        "user@127.0.0.1:4000",
        " 127.0.0.1:4000",
        "127.0.0.1:4000\\n",
        "",
        "evil.example:80",
        "127.0.0.1.evil.example:80",
        "unix:/run/x",
    ] {
        let text = good.replace("127.0.0.1:4000", endpoint);
        assert!(KeyFile::parse(text.as_bytes()).is_err(), "{endpoint}");
    }
}

/// What is not loopback could be another machine: only the kernel's word about the very socket makes
/// it ours.
#[test]
fn an_address_beyond_loopback_needs_the_listeners_inode() {
    let at = "10.0.0.1:4000".parse().expect("an address");
    let with = file(at, 1, Some(7)).to_bytes();
    assert!(KeyFile::parse(&with).is_ok());
    let without = file(at, 1, None).to_bytes();
    assert!(matches!(KeyFile::parse(&without), Err(KeyFileError::Malformed("listener_inode"))));
    let error = file(at, std::process::id(), Some(7)).verify().expect_err("refused");
    assert!(matches!(error, KeyFileError::NoListener(_)), "{error}");
}

#[test]
fn every_field_is_there_once_and_of_its_kind() {
    let at = "127.0.0.1:4000".parse().expect("an address");
    let good: Value = serde_json::from_slice(&file(at, 1, Some(7)).to_bytes()).expect("JSON");
    let cases = [
        ("version", json!(2)),
        ("version", json!("1")),
        ("version", json!(1.0)),
        ("auth_key", json!("")),
        ("auth_key", json!("a b")),
        ("auth_key", json!("a\r\nX-Evil: 1")),
        ("auth_key", json!("k\u{e9}y")),
        ("auth_key", json!("k".repeat(4097))),
        ("auth_key", json!(7)),
        ("instance", json!("")),
        ("instance", json!("a\u{1b}[2J")),
        ("pid", json!(0)),
        ("pid", json!(-1)),
        ("pid", json!(4_294_967_295_u64)),
        ("pid", json!("1")),
        ("host_pid", json!(0)),
        ("created_at", json!(1_780_000_000)),
        ("listener_inode", json!(0)),
        ("listener_inode", json!("7")),
        ("ipc_endpoint", json!("localhost:1")),
        ("extra", json!([])),
        ("extra", json!({})),
    ];
    for (name, value) in cases {
        let mut changed = good.clone();
        changed[name] = value;
        assert!(KeyFile::parse(changed.to_string().as_bytes()).is_err(), "{changed}");
    }
    for name in ["version", "auth_key", "web_endpoint", "ws_endpoint", "instance", "pid", "created_at"] {
        let mut changed = good.clone();
        changed.as_object_mut().expect("an object").remove(name);
        assert!(KeyFile::parse(changed.to_string().as_bytes()).is_err(), "without {name}");
    }
    let text = good.to_string();
    for twice in [r#"{"pid":1,"#, r#"{"\u0070id":1,"#, r#"{"web_endpoint":"127.0.0.1:4000","#] {
        let text = text.replacen('{', twice, 1);
        assert!(KeyFile::parse(text.as_bytes()).is_err(), "{text}");
    }
    for text in ["", "{}", "null", "[]", "{\"version\":1", &format!("{text}{text}"), &format!("{text}\0")] {
        assert!(KeyFile::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_unknown_field_of_a_later_version_is_passed_over() {
    let at = "127.0.0.1:4000".parse().expect("an address");
    let mut value: Value = serde_json::from_slice(&file(at, 1, Some(7)).to_bytes()).expect("JSON");
    value["added:later"] = json!("\"a\": {\\");
    assert!(KeyFile::parse(value.to_string().as_bytes()).is_ok());
}

#[test]
fn removing_leaves_the_file_of_another_launch() {
    let temp = TempHome::new();
    let at = "127.0.0.1:4000".parse().expect("an address");
    write(&temp.home(), &file(at, 1, None)).expect("written");
    remove(&temp.home(), "another").expect("fine");
    assert!(temp.path().join(FILE).exists());
    remove(&temp.home(), "c9a1b0de-0000-4000-8000-000000000001").expect("removed");
    assert!(!temp.path().join(FILE).exists());
    remove(&temp.home(), "another").expect("nothing to remove");
}

#[test]
fn an_error_never_shows_the_key() {
    let at = "127.0.0.1:4000".parse().expect("an address");
    let text = String::from_utf8(file(at, 1, None).to_bytes()).expect("text");
    let error = KeyFile::parse(text.replace("127.0.0.1:4000", KEY).as_bytes()).err().expect("refused");
    assert!(!format!("{error} {error:?}").contains(KEY));
}

#[test]
fn a_listener_on_all_addresses_is_not_found_on_another_machines() {
    let wide = TcpListener::bind("0.0.0.0:0").expect("a port");
    let (port, inode) = (wide.local_addr().expect("an address").port(), Some(inode(&wide)));
    let pid = std::process::id();
    assert!(listener_is(([127, 0, 0, 1], port).into(), pid, inode).is_ok());
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], port));
    assert!(matches!(listener_is(elsewhere, pid, inode), Err(KeyFileError::NoListener(_))));
}
