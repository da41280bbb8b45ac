//! `loopgate prove-isolation` in real sandboxes: what must pass passes, what gets through is told, and nothing is
//! left of a proof.

#[allow(unsafe_code)]
mod support;

use std::{
    fs,
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use support::{TempDir, binary};

/// Every probe that a sandbox has to stop on any machine of ours. Not among them: `alg`, whose control arm needs a
/// family that kernels are built without.
const MUST_PASS: [&str; 33] = [
    "tcp4",
    "tcp6",
    "udp53",
    "icmp",
    "own_ports",
    "metadata",
    "dns",
    "abstract_socket",
    "path_sockets",
    "any_socket",
    "descriptors",
    "netlink",
    "packet",
    "vsock",
    "io_uring",
    "user_namespace",
    "ptrace",
    "process_vm",
    "proc_mem",
    "pidfd_getfd",
    "forwarder_connect",
    "forwarder_absolute_form",
    "forwarder_other_host",
    "forwarder_second_host",
    "forwarder_tls",
    "forwarder_smuggling",
    "forwarder_path",
    "forwarder_host_forms",
    "forwarder_bytes",
    "forwarder_redirect",
    "forwarder_body",
    "outlive",
    "endpoint_only",
];

fn has_bubblewrap() -> bool {
    let there = Path::new("/usr/bin/bwrap").exists();
    if !there {
        println!("skipped: bubblewrap missing");
    }
    there
}

fn config(folder: &TempDir, options: Value) -> String {
    let mut config = json!({"network": "isolated", "command": ["cat"]});
    let fields = config.as_object_mut().expect("an object");
    fields.extend(options.as_object().expect("an object").clone());
    let agent = json!({"name": "reader", "backend": "bwrap", "config": config});
    let path = folder.path().join("swarm.json");
    fs::write(&path, json!({"name": "research", "agents": [agent]}).to_string()).expect("a file");
    path.to_str().expect("text").to_owned()
}

fn prove(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("prove-isolation").args(arguments);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TMPDIR", std::env::temp_dir());
    command.output().expect("it runs")
}

fn verdicts(output: &Output) -> Vec<(String, String)> {
    let proof: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = proof["proofs"][0]["probes"].as_array().expect("rows");
    let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    rows.iter().map(|row| (text(row, "probe"), text(row, "verdict"))).collect()
}

#[test]
fn every_probe_that_must_be_stopped_is_stopped_and_its_control_gets_through() {
    if !has_bubblewrap() {
        return;
    }
    let folder = TempDir::new();
    let output = prove(&[&config(&folder, json!({})), "--json"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let verdicts = verdicts(&output);
    for probe in MUST_PASS {
        assert!(verdicts.contains(&(probe.to_owned(), "PASS".to_owned())), "{probe}: {told}");
    }
    assert_eq!(verdicts.len(), MUST_PASS.len() + 1, "{verdicts:?}");
}

/// A directory that is shown may hold a socket: nothing else hides it, so the proof has to find it.
#[test]
fn what_gets_through_fails_the_proof_and_is_named() {
    if !has_bubblewrap() {
        return;
    }
    let folder = TempDir::new();
    let shown = folder.path().join("shown");
    fs::create_dir(&shown).expect("a directory");
    let _listener = UnixListener::bind(shown.join("host.sock")).expect("a socket");
    let path = config(&folder, json!({"extra_ro_binds": [[shown, "/data"]]}));
    let output = prove(&[&path, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let failed: Vec<_> =
        verdicts(&output).into_iter().filter(|(_, v)| v == "FAIL").map(|(name, _)| name).collect();
    assert_eq!(failed, ["any_socket"]);
    let table = prove(&[&path]);
    assert_eq!(table.status.code(), Some(1));
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.contains("FAIL") && text.contains("/data/host.sock"), "{text}");
    assert!(String::from_utf8_lossy(&table.stderr).contains("1 of the probes got through"));
}

#[test]
fn what_is_not_isolated_is_no_proof() {
    let folder = TempDir::new();
    let open = config(&folder, json!({"network": "open"}));
    let output = prove(&[&open]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not isolated"));
    let output = prove(&[&config(&folder, json!({})), "--agent", "writer"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no agent writer"));
}
