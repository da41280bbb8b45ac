//! The options of the backends: one table of names, of the backends that have them, and of what they may be
//! (spec genswarms H.3).
//!
//! An option that a backend does not have is refused, not dropped: an agent with a memory limit that nobody
//! keeps, or with a network that is not isolated after all, is worse than none (L.1.5, L.1.16, L.3).

use serde_json::{Map, Value};

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
    row(STORE_PATHS, &[Bwrap], Rule::Texts),
    row("store", &[Bwrap], Rule::Word(&["full"])),
    row("seccomp", &[Bwrap], Rule::Flag),
    row("privilege_mode", &[Bwrap], Rule::Word(&["rootless"])),
    row("proc_mount", &[Bwrap], Rule::Word(&["proc"])),
    row("endpoint_env", &[Bwrap], Rule::Variables),
    row("egress", &[Bwrap], Rule::Egress),
    row("localhost", &[Bwrap], Rule::Flag),
    row("limits", &[Bwrap], Rule::Word(&["best", "required"])),
    row("nice", &[Bwrap], Rule::Whole(0, 19)),
    row("cpu_shares", &[Bwrap], Rule::Whole(1, 10_000)),
    row("cpu_seconds", &[Bwrap], Rule::Whole(1, 31_536_000)),
    row("file_size_limit", &[Bwrap], Rule::Memory),
    row("tasks_max", &[Bwrap], Rule::Whole(1, 1_000_000)),
    row("memory_limit", &[Bwrap, Docker, AppleContainer], Rule::Memory),
    row("memory_swap", &[Docker], Rule::Memory),
    row("cpu_limit", &[Bwrap, Docker, AppleContainer], Rule::Cpus),
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

const STORE_PATHS: &str = "extra_store_paths";

/// What GenSwarms' sandbox took and this one does not do, by option and value; any value where there is none.
/// Why, and what to do instead.
const OTHERWISE: &[(&str, Option<&str>, &str, &str)] = &[
    ("seccomp", Some("false"), "the filter of system calls cannot be turned off", "leave it out"),
    (
        "privilege_mode",
        Some("cgroup"),
        "limits are kept by whatever the system has, without a mode",
        "leave it out; \"limits\": \"required\" refuses the start where one cannot be kept",
    ),
    (
        "store",
        Some("closure"),
        "all of /nix/store is shown, read-only",
        "leave it out; what else is to be seen goes into extra_ro_binds",
    ),
    (
        STORE_PATHS,
        None,
        "all of /nix/store is shown, read-only",
        "leave it out; what else is to be seen goes into extra_ro_binds",
    ),
    (
        "proc_mount",
        Some("bind"),
        "it would show the processes of the machine",
        "leave it out: a sandbox has a /proc of its own",
    ),
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

/// What a backend is told, wherever it stands: what the agent's config says counts before its `opts`.
pub fn merged(config: Option<&Map<String, Value>>, opts: &Map<String, Value>) -> Map<String, Value> {
    let value = |name: &str| config.and_then(|config| config.get(name)).or_else(|| opts.get(name));
    let all = names().chain([NETWORK]);
    all.filter_map(|name| Some((name.to_owned(), value(name)?.clone()))).collect()
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
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let other = OTHERWISE.iter().find(|(of, is, ..)| *of == name && is.is_none_or(|is| is == shown));
    if let Some((_, _, why, instead)) = other {
        return Err(Wrong::new("unsupported_option", *why).by_name().next(*instead));
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
    fn what_this_sandbox_does_not_do_is_refused_with_what_to_do_instead() {
        for (name, odd, fine) in [
            ("seccomp", json!(false), json!(true)),
            ("privilege_mode", json!("cgroup"), json!("rootless")),
            ("store", json!("closure"), json!("full")),
            ("proc_mount", json!("bind"), json!("proc")),
        ] {
            let wrong = check(Bwrap, name, &odd).unwrap_err();
            assert_eq!((wrong.code, wrong.next.is_some()), ("unsupported_option", true), "{name}");
            assert_eq!(code(Bwrap, name, fine), "", "{name}");
        }
        assert_eq!(code(Bwrap, STORE_PATHS, json!(["/nix/store/x"])), "unsupported_option");
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
