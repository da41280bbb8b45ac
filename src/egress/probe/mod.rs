//! What an isolated agent might try, tried: the probes of `loopgate prove-isolation`.
//!
//! One program, run twice. In the sandbox it is the agent's command, and nothing that it tries may succeed; in
//! the control arm, a network of its own where every forbidden address is answered by a listener of ours, all of
//! it must, or else a probe that is never answered would look like one that is stopped. Nothing is sent off the
//! machine: before the first packet the sandbox's network is compared with the host's. The verdict is made
//! outside, from both arms.

mod answers;
mod ground;
mod http;
mod kernel;
mod reach;
mod steps;
mod unix;
mod world;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::{Value, json};

pub use http::REDIRECTS;
pub use steps::{LEAVE, VERB};
pub use world::{Arm, World};

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// it got through; what shows it
    Reached(String),
    /// it was stopped; by what
    Blocked(String),
    /// it could not be tried here; why
    Cannot(String),
}

/// One probe.
pub struct Probe {
    /// its name, which stays
    pub name: &'static str,
    /// what it tries
    pub about: &'static str,
    /// a sandbox of an isolated agent must stop it wherever the control arm succeeds
    try_it: fn(&World) -> Outcome,
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// its name
    pub probe: String,
    /// what became of it
    pub outcome: Outcome,
}

const fn probe(name: &'static str, about: &'static str, try_it: fn(&World) -> Outcome) -> Probe {
    Probe { name, about, try_it }
}

/// All probes that a process makes by itself, in the order in which they are made. Those that can end the process
/// come last.
pub const PROBES: &[Probe] = &[
    probe("tcp4", "a TCP connection to an IPv4 address", reach::tcp4),
    probe("tcp6", "a TCP connection to an IPv6 address", reach::tcp6),
    probe("udp53", "a DNS question by UDP to an address", reach::udp53),
    probe("icmp", "an ICMP echo", reach::icmp),
    probe("own_ports", "this machine's listeners, by each of its addresses", reach::own_ports),
    probe("metadata", "the metadata addresses of clouds", reach::metadata),
    probe("dns", "any look-up of a name", reach::dns),
    probe("abstract_socket", "an abstract unix socket of the host", unix::abstract_socket),
    probe("path_sockets", "sockets in /run, /tmp and the user's runtime directory", unix::path_sockets),
    probe("any_socket", "a socket anywhere in the file system", unix::any_socket),
    probe("descriptors", "a descriptor that somebody left open", kernel::descriptors),
    probe("netlink", "a netlink socket", unix::netlink),
    probe("packet", "a packet socket", unix::packet),
    probe("vsock", "a socket to the hypervisor", unix::vsock),
    probe("alg", "a socket to the kernel's ciphers", unix::alg),
    probe("io_uring", "an io_uring", kernel::io_uring),
    probe("user_namespace", "a user namespace of its own", kernel::user_namespace),
    probe("ptrace", "tracing another process", kernel::ptrace),
    probe("process_vm", "reading another process's memory", kernel::process_vm),
    probe("proc_mem", "opening another process's memory as a file", kernel::proc_mem),
    probe("pidfd_getfd", "taking another process's descriptor", kernel::pidfd_getfd),
    probe("forwarder_connect", "CONNECT through the forwarder", http::connect),
    probe("forwarder_absolute_form", "a request for another host's URL", http::absolute_form),
    probe("forwarder_other_host", "a request with another Host", http::other_host),
    probe("forwarder_second_host", "a second request with another Host on one connection", http::second_host),
    probe("forwarder_tls", "TLS with another server's name through the forwarder", http::tls),
    probe("forwarder_smuggling", "a second request hidden in a body", http::smuggling),
    probe("forwarder_path", "a path that is not one of the endpoint's", http::path),
    probe("forwarder_host_forms", "Hosts with userinfo, a final dot, number and IDN forms", http::host_forms),
    probe("forwarder_bytes", "NUL, CR and LF in a request", http::odd_bytes),
    probe("forwarder_redirect", "an endpoint's redirect to somewhere else", http::redirect),
    probe("forwarder_body", "a body without end", http::endless_body),
];

impl Outcome {
    fn word(&self) -> (&'static str, &str) {
        match self {
            Self::Reached(evidence) => ("reached", evidence),
            Self::Blocked(evidence) => ("blocked", evidence),
            Self::Cannot(evidence) => ("cannot", evidence),
        }
    }
}

impl Finding {
    /// As one line of JSON.
    pub fn to_json(&self) -> Value {
        let (outcome, evidence) = self.outcome.word();
        json!({ "probe": self.probe, "outcome": outcome, "evidence": evidence })
    }

    /// Reads such a line. What it says comes out of a sandbox: it is bounded, and filtered by whoever shows it.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let evidence = text("evidence")?;
        let outcome = match text("outcome")?.as_str() {
            "reached" => Outcome::Reached(evidence),
            "blocked" => Outcome::Blocked(evidence),
            "cannot" => Outcome::Cannot(evidence),
            _ => return None,
        };
        Some(Self { probe: text("probe")?, outcome })
    }
}

/// The hidden verb `sandbox-probe`: `WORLD` makes all probes and prints what they found, a line each;
/// `step NAME` is a part of one that needs a process of its own. Does nothing that its caller may not do.
pub fn run(words: &[String]) -> ExitCode {
    match words {
        [flag, step, rest @ ..] if flag == "step" => steps::run(step, rest),
        [world] => match World::parse(world) {
            Some(world) => all(&world).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
            None => ExitCode::from(2),
        },
        _ => ExitCode::from(2),
    }
}

fn all(world: &World) -> io::Result<()> {
    let ground = match world.arm {
        Arm::Sandbox => Ok(None),
        Arm::Control => ground::prepare(world).map(Some),
    };
    let mut out = io::stdout().lock();
    for probe in PROBES {
        let outcome = match &ground {
            Ok(_) => (probe.try_it)(world),
            Err(reason) => Outcome::Cannot(format!("the control arm could not be made: {reason}")),
        };
        let finding = Finding { probe: probe.name.to_owned(), outcome };
        writeln!(out, "{}", finding.to_json())?;
        out.flush()?;
    }
    writeln!(out, "{}", json!({ "done": true }))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_finding_is_read_as_it_was_written() {
        for outcome in [
            Outcome::Reached("a\n\"b\"".to_owned()),
            Outcome::Blocked(String::new()),
            Outcome::Cannot("no".to_owned()),
        ] {
            let finding = Finding { probe: "tcp4".to_owned(), outcome };
            let line = finding.to_json().to_string();
            assert!(!line.contains('\n'));
            assert_eq!(Finding::from_json(&serde_json::from_str(&line).unwrap()), Some(finding));
        }
        assert_eq!(Finding::from_json(&json!({"probe": "x", "outcome": "fine", "evidence": ""})), None);
    }

    #[test]
    fn every_probe_has_a_name_of_its_own() {
        let names: BTreeSet<_> = PROBES.iter().map(|probe| probe.name).collect();
        assert_eq!(names.len(), PROBES.len());
    }
}
