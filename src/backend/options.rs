//! The options of the backends: one table of names, of the backends that have them, and of what they may be
//! (spec genswarms H.3).
//!
//! An option that a backend does not have is refused, not dropped: an agent with a memory limit that nobody
//! keeps, or with a network that is not isolated after all, is worse than none (L.1.5, L.1.16, L.3).

use serde_json::Value;

use super::values::{self, Rule};
use crate::wire::{
    document::{Wrong, quoted},
    nearest,
};

/// A backend, without what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// a process of this user
    Local,
    /// no process; answers from a script
    Mock,
    /// a process in namespaces of its own
    Bwrap,
    /// a container
    Docker,
    /// a container of Apple's
    AppleContainer,
    /// a process on another machine
    Ssh,
}

use Kind::{AppleContainer, Bwrap, Docker, Local, Mock, Ssh};

const ALL: &[Kind] = &[Local, Mock, Bwrap, Docker, AppleContainer, Ssh];
const CONTAINERS: &[Kind] = &[Docker, AppleContainer];

/// One option.
struct Row {
    name: &'static str,
    on: &'static [Kind],
    rule: Rule,
}

const fn row(name: &'static str, on: &'static [Kind], rule: Rule) -> Row {
    Row { name, on, rule }
}

/// All options but `env`, `command`, `network` and what the turns of an agent need, which have readers of
/// their own.
const TABLE: &[Row] = &[
    row("endpoint", ALL, Rule::Endpoint),
    row("api_key", ALL, Rule::Secret),
    row("request_extra", ALL, Rule::Object),
    row("compact_extra", ALL, Rule::Object),
    row("extra_path", &[Bwrap], Rule::Texts),
    row("extra_ro_binds", &[Bwrap], Rule::Pairs),
    row("extra_rw_binds", &[Bwrap], Rule::Pairs),
    row("extra_store_paths", &[Bwrap], Rule::Texts),
    row("store", &[Bwrap], Rule::Word(&["full", "closure"])),
    row("seccomp", &[Bwrap], Rule::Flag),
    row("privilege_mode", &[Bwrap], Rule::Word(&["cgroup", "rootless"])),
    row("proc_mount", &[Bwrap], Rule::Word(&["proc", "bind"])),
    row("nice", &[Bwrap], Rule::Whole(-20, 19)),
    row("cpu_shares", &[Bwrap], Rule::Whole(1, 10_000)),
    row("tasks_max", &[Bwrap], Rule::Whole(1, 1_000_000)),
    row("memory_limit", &[Bwrap, Docker, AppleContainer], Rule::Memory),
    row("memory_swap", &[Docker], Rule::Memory),
    row("cpu_limit", CONTAINERS, Rule::Cpus),
    row("pids_limit", &[Docker], Rule::Whole(1, 1_000_000)),
    row("volumes", CONTAINERS, Rule::Pairs),
    row("container_name", CONTAINERS, Rule::Text),
    row("port", &[Ssh], Rule::Whole(1, 65_535)),
    row("user", &[Ssh], Rule::Text),
    row("remote_user", &[Ssh], Rule::Text),
    row("key_path", &[Ssh], Rule::Text),
    row("password", &[Ssh], Rule::Secret),
    row("silently_accept_hosts", &[Ssh], Rule::Flag),
    row("nixos", &[Ssh], Rule::Flag),
];

/// What an agent is told whatever its backend is: not an option of one.
const ELSEWHERE: [&str; 7] = ["command", "cmd", "workspace", "env", "extra_env", "max_turns", "presets"];

/// The network option: every backend has it, and only some can isolate.
pub const NETWORK: &str = "network";

impl Kind {
    /// Its name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Local => "local",
            Mock => "mock",
            Bwrap => "bwrap",
            Docker => "docker",
            AppleContainer => "apple_container",
            Ssh => "ssh",
        }
    }

    /// The backend of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|kind| kind.name())
    }
}

/// The names of all options that stand in the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name)
}

/// Whether an option of this name stands in the table.
pub fn is_option(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Whether an option of this name decides where and how confined a program runs, and not what its model is told.
pub fn is_of_place(name: &str) -> bool {
    name == NETWORK || TABLE.iter().any(|row| row.name == name && row.on != ALL)
}

/// Checks one option of a backend; what is wrong is told of the option's own value.
pub fn check(kind: Kind, name: &str, value: &Value) -> Result<(), Wrong> {
    if name == NETWORK {
        return network(kind, value);
    }
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        let known = names().chain([NETWORK]).collect::<Vec<_>>();
        let wrong = Wrong::new("unknown_key", format!("no backend has an option {}", quoted(name))).by_name();
        if ELSEWHERE.contains(&name) {
            return Err(wrong.next("put it into the agent's \"config\""));
        }
        return Err(match nearest::nearest(name, known) {
            Some(meant) => wrong.next(format!("did you mean \"{meant}\"?")),
            None => wrong,
        });
    };
    if !row.on.contains(&kind) {
        let have: Vec<_> = row.on.iter().map(|kind| kind.name()).collect();
        let why = format!("does nothing on the backend {}", kind.name());
        return Err(Wrong::new("unsupported_option", why)
            .by_name()
            .next(format!("leave it out; it is for {}", have.join(", "))));
    }
    values::check(row.rule, value).map_err(|(code, why)| Wrong::new(code, why))
}

/// Which network an agent gets. Isolation that a backend cannot give is an error, in whatever way it is asked
/// for (spec genswarms G.1, F.5).
fn network(kind: Kind, value: &Value) -> Result<(), Wrong> {
    let wrong = |why: &str| Err(Wrong::new("invalid_network", why));
    match (value.as_str(), kind) {
        (Some("open"), _) | (Some("isolated"), Bwrap | Docker) => Ok(()),
        (Some("isolated"), Local | Mock | AppleContainer | Ssh) => {
            let why = format!("the backend {} cannot isolate", kind.name());
            Err(Wrong::new("unsupported_network", why)
                .next("take the backend \"bwrap\" or \"docker\", or write \"open\" if that is what you want"))
        }
        (Some(name), Docker) if values::is_word(name) => Ok(()),
        (Some(_) | None, Docker) => wrong("must be \"open\", \"isolated\" or the name of a docker network"),
        (Some(_) | None, Local | Mock | Bwrap | AppleContainer | Ssh) => {
            wrong("must be \"open\" or \"isolated\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(kind: Kind, name: &str, value: Value) -> &'static str {
        check(kind, name, &value).map_or_else(|wrong| wrong.code, |()| "")
    }

    #[test]
    fn isolation_that_a_backend_cannot_give_is_an_error() {
        for kind in ALL {
            let wanted = if matches!(kind, Bwrap | Docker) { "" } else { "unsupported_network" };
            assert_eq!(code(*kind, "network", json!("isolated")), wanted, "{kind:?}");
            assert_eq!(code(*kind, "network", json!("open")), "", "{kind:?}");
            for odd in [
                json!("Isolated"),
                json!(" isolated"),
                json!(":isolated"),
                json!(""),
                json!(true),
                json!(null),
                json!(["isolated"]),
            ] {
                assert_eq!(
                    code(*kind, "network", odd.clone()).is_empty(),
                    *kind == Docker && odd == json!("Isolated"),
                    "{kind:?} {odd}"
                );
            }
        }
        assert_eq!(code(Docker, "network", json!("back-end")), "");
        assert_eq!(code(Bwrap, "network", json!("back-end")), "invalid_network");
        assert_eq!(code(Docker, "network", json!("--privileged")), "invalid_network");
    }

    #[test]
    fn an_option_of_another_backend_is_refused_and_not_dropped() {
        assert_eq!(code(Local, "memory_limit", json!("1G")), "unsupported_option");
        assert_eq!(code(Ssh, "seccomp", json!(true)), "unsupported_option");
        assert_eq!(code(Bwrap, "memory_limit", json!("1G")), "");
        let wrong = check(Bwrap, "seccmop", &json!(true)).unwrap_err();
        assert_eq!((wrong.code, wrong.next.as_deref()), ("unknown_key", Some("did you mean \"seccomp\"?")));
    }
}
