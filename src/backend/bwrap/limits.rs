//! What a sandbox may use: limits of each process, which the kernel always keeps, and limits of the whole, for
//! which a cgroup is needed.
//!
//! A cgroup is had from systemd, where one runs and the machine has cgroup v2. Where there is none, what only a
//! cgroup can keep is not kept, and is said to be so; with `"limits": "required"` nothing starts then.

use std::path::Path;

use serde_json::{Map, Value};

/// The most processes and threads of a sandbox whose config names no number.
pub const TASKS: u64 = 1024;
/// The most that each directory in memory holds where the config names no memory.
pub const IN_MEMORY: u64 = 1 << 30;

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// bytes; of each process, and of the whole where there is a cgroup
    pub memory: Option<u64>,
    /// processes and threads
    pub tasks: Option<u64>,
    /// seconds of processor time, of each process
    pub cpu_seconds: Option<u64>,
    /// bytes of each file
    pub file_size: Option<u64>,
    /// processors; of the whole
    pub cpus: Option<f64>,
    /// the share of the processors among others; of the whole
    pub shares: Option<u64>,
    /// what others go before, 0 to 19
    pub nice: Option<u64>,
    /// one that cannot be kept refuses the start
    pub required: bool,
}

impl Limits {
    /// Reads them from options that were checked. `None` where one is malformed after all: it is not taken for
    /// no limit.
    pub fn read(options: &Map<String, Value>) -> Option<Self> {
        let given = |name: &str| options.get(name).filter(|value| !value.is_null());
        let whole = |name: &str| match given(name) {
            None => Some(None),
            Some(value) => value.as_u64().filter(|number| *number > 0 || name == "nice").map(Some),
        };
        let bytes = |name: &str| given(name).map_or(Some(None), |value| bytes(value).map(Some));
        Some(Self {
            memory: bytes("memory_limit")?,
            tasks: whole("tasks_max")?,
            cpu_seconds: whole("cpu_seconds")?,
            file_size: bytes("file_size_limit")?,
            cpus: match given("cpu_limit") {
                None => None,
                Some(value) => Some(value.as_f64().filter(|number| *number > 0.0)?),
            },
            shares: whole("cpu_shares")?,
            nice: whole("nice")?,
            required: match given("limits").map(Value::as_str) {
                None | Some(Some("best")) => false,
                Some(Some("required")) => true,
                Some(_) => return None,
            },
        })
    }

    /// The options that cannot be kept, by what there is.
    pub fn not_kept(&self, cgroup: bool, nice: bool) -> Vec<&'static str> {
        let of_whole = [("cpu_limit", self.cpus.is_some()), ("cpu_shares", self.shares.is_some())];
        let mut all: Vec<_> =
            of_whole.into_iter().filter(|(_, asked)| *asked && !cgroup).map(|(name, _)| name).collect();
        if self.nice.is_some() && !nice {
            all.push("nice");
        }
        all
    }

    /// Whether a cgroup would keep anything.
    pub fn wants_cgroup(&self) -> bool {
        self.memory.is_some() || self.tasks.is_some() || self.cpus.is_some() || self.shares.is_some()
    }

    /// How many processes and threads there may be.
    pub fn tasks(&self) -> u64 {
        self.tasks.unwrap_or(TASKS)
    }

    /// How much each directory in memory may hold, in bytes.
    pub fn in_memory(&self) -> u64 {
        self.memory.unwrap_or(IN_MEMORY)
    }

    /// What is started in front of a program, so that all it starts is in a cgroup of its own. `name` is of letters,
    /// digits and `-`. systemd-run is told by a variable where its user's systemd is, which `env` gives it; the
    /// program gets none, for the environment of bubblewrap can be read in the sandbox.
    pub fn in_scope(&self, manager: Manager, tools: Tools<'_>, name: &str) -> Vec<Vec<u8>> {
        let Tools { systemd_run, env } = tools;
        let [env, systemd_run] = [env, systemd_run].map(|tool| tool.as_os_str().as_encoded_bytes().to_vec());
        let mut words = Vec::new();
        if let Manager::User { uid } = manager {
            words.extend([env.clone(), format!("XDG_RUNTIME_DIR={}", runtime(uid)).into_bytes()]);
        }
        words.push(systemd_run);
        let mut say = |text: String| words.push(text.into_bytes());
        match manager {
            Manager::User { .. } => say("--user".to_owned()),
            Manager::System { uid, gid } => {
                say(format!("--uid={uid}"));
                say(format!("--gid={gid}"));
            }
        }
        for text in ["--scope", "--quiet", "--collect"] {
            say(text.to_owned());
        }
        say(format!("--unit=loopgate-{name}"));
        let properties = [
            ("MemoryMax", self.memory.map(|bytes| bytes.to_string())),
            ("MemorySwapMax", self.memory.map(|_| "0".to_owned())),
            ("TasksMax", self.tasks.map(|tasks| tasks.to_string())),
            ("CPUQuota", self.cpus.map(|cpus| format!("{}%", percent(cpus)))),
            ("CPUWeight", self.shares.map(|shares| shares.to_string())),
        ];
        for (name, value) in properties {
            if let Some(value) = value {
                say(format!("--property={name}={value}"));
            }
        }
        say("--".to_owned());
        words.extend([env, b"-i".to_vec()]);
        words
    }
}

/// The programs that a cgroup is asked for with.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// asks systemd
    pub systemd_run: &'a Path,
    /// sets and clears variables
    pub env: &'a Path,
}

/// Which systemd is asked for a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// the one of the user that the instance is
    User {
        /// of the user
        uid: u32,
    },
    /// the machine's, for a program that becomes another user
    System {
        /// of the user
        uid: u32,
        /// of the user
        gid: u32,
    },
}

/// Whether this user's own systemd keeps cgroups v2 here.
pub fn has_manager(uid: u32) -> bool {
    let there = |path: &str| Path::new(path).exists();
    there("/run/systemd/system")
        && there("/sys/fs/cgroup/cgroup.controllers")
        && there(&format!("{}/systemd/private", runtime(uid)))
}

/// Where a user's systemd is found.
fn runtime(uid: u32) -> String {
    format!("/run/user/{uid}")
}

/// At least one: nothing at all is no share of a processor.
fn percent(cpus: f64) -> u64 {
    ((cpus * 100.0) as u64).max(1)
}

/// Bytes, as a number or a text with K, M or G behind it.
fn bytes(value: &Value) -> Option<u64> {
    let number = match value.as_str() {
        None => value.as_u64()?,
        Some(text) => {
            let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
                None => (text, 1),
                Some(digits) if text.ends_with('K') => (digits, 1 << 10),
                Some(digits) if text.ends_with('M') => (digits, 1 << 20),
                Some(digits) => (digits, 1 << 30),
            };
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()?
        }
    };
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Option<Limits> {
        Limits::read(value.as_object().expect("an object"))
    }

    #[test]
    fn limits_are_read_and_one_that_means_nothing_is_an_error_and_not_no_limit() {
        let all =
            read(json!({"memory_limit": "32M", "tasks_max": 5, "cpu_seconds": 7, "file_size_limit": "1K",
            "cpu_limit": 0.5, "cpu_shares": 100, "nice": 0, "limits": "required"}));
        let wanted = Limits {
            memory: Some(32 << 20),
            tasks: Some(5),
            cpu_seconds: Some(7),
            file_size: Some(1024),
            cpus: Some(0.5),
            shares: Some(100),
            nice: Some(0),
            required: true,
        };
        assert_eq!(all, Some(wanted));
        assert_eq!(read(json!({})), Some(Limits::default()));
        for junk in [
            json!({"memory_limit": "plenty"}),
            json!({"memory_limit": "0"}),
            json!({"memory_limit": "99999999999999999999G"}),
            json!({"memory_limit": "18446744073709551615G"}),
            json!({"memory_limit": ""}),
            json!({"memory_limit": "M"}),
            json!({"tasks_max": 0}),
            json!({"tasks_max": "5"}),
            json!({"cpu_limit": -1}),
            json!({"limits": "some"}),
        ] {
            assert_eq!(read(junk.clone()), None, "{junk}");
        }
    }

    #[test]
    fn a_sandbox_that_names_no_limit_has_one_of_tasks_and_of_memory_in_files() {
        let none = Limits::default();
        assert_eq!((none.tasks(), none.in_memory()), (1024, 1 << 30));
        assert!(!none.wants_cgroup(), "nobody is asked for what was not asked for");
        let named = Limits { tasks: Some(5000), memory: Some(1 << 32), ..none };
        assert_eq!((named.tasks(), named.in_memory()), (5000, 1 << 32));
    }

    #[test]
    fn what_only_a_cgroup_keeps_is_said_to_be_not_kept_without_one() {
        let limits =
            Limits { cpus: Some(1.0), shares: Some(5), memory: Some(1), nice: Some(3), ..Limits::default() };
        assert_eq!(limits.not_kept(false, true), ["cpu_limit", "cpu_shares"]);
        assert_eq!(limits.not_kept(true, false), ["nice"]);
        assert!(limits.not_kept(true, true).is_empty());
        let of_process = Limits { memory: Some(1), tasks: Some(2), ..Limits::default() };
        assert!(of_process.not_kept(false, false).is_empty());
    }

    #[test]
    fn a_scope_of_systemd_is_asked_for_word_by_word() {
        let limits = Limits {
            memory: Some(1 << 20),
            tasks: Some(9),
            cpus: Some(1.5),
            shares: Some(7),
            ..Limits::default()
        };
        let said = |manager| -> Vec<String> {
            let tools =
                Tools { systemd_run: Path::new("/usr/bin/systemd-run"), env: Path::new("/usr/bin/env") };
            let words = limits.in_scope(manager, tools, "x-1");
            words.into_iter().map(|word| String::from_utf8(word).expect("text")).collect()
        };
        let user = "/usr/bin/env XDG_RUNTIME_DIR=/run/user/1000 \
                    /usr/bin/systemd-run --user --scope --quiet --collect --unit=loopgate-x-1 \
                    --property=MemoryMax=1048576 --property=MemorySwapMax=0 --property=TasksMax=9 \
                    --property=CPUQuota=150% --property=CPUWeight=7 -- /usr/bin/env -i";
        let of_user = said(Manager::User { uid: 1000 });
        assert_eq!(of_user, user.split_whitespace().collect::<Vec<_>>());
        let system = said(Manager::System { uid: 65534, gid: 65533 });
        assert_eq!(system[1..3], ["--uid=65534", "--gid=65533"]);
        assert!(!system.contains(&"--user".to_owned()));
        assert_eq!(system[3..], of_user[4..]);
        let tools = Tools { systemd_run: Path::new("/r"), env: Path::new("/e") };
        let bare = Limits::default().in_scope(Manager::User { uid: 1 }, tools, "y");
        assert_eq!(bare.len(), 11, "nothing is limited that was not asked for: {bare:?}");
    }
}
