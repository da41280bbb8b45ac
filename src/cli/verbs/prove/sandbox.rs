//! One proof: both arms of all probes, and what is seen from outside.
//!
//! The sandbox is built and started by the code that an instance uses, keeper and all, in a home of its own that
//! is gone afterwards. From outside it is seen whether anything of it stays behind, and what its endpoint was asked.

use std::{
    fs,
    net::SocketAddr,
    os::{linux::net::SocketAddrExt, unix::fs::MetadataExt, unix::net},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{
    control,
    endpoint::StandIn,
    outside::{addresses, left, sockets},
    verdict::{self, Row},
};
use crate::{
    agent::{Agents, Controller, Exit as Ended, MemberSpec, Settings, Sink, Stream},
    backend::{self, Backends, Told, form::Form},
    cli::outcome::{Exit, Failure},
    egress::{
        endpoint::Endpoint,
        policy::{Here, Parts, Policy},
        probe::{self, Arm, Finding, Outcome, World},
    },
    store::Home,
    swarm::config::AgentConfig,
    sys::{
        clock::SystemClock,
        process::{self, PidFd},
        random,
        signal::SIGKILL,
    },
    wire::{node::FullName, secret::Secret},
};

/// How long a sandbox may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// This program inside the sandbox, where no path leads to it: the shim is it.
const PROGRAM: &str = "/proc/self/exe";

/// All rows of the proof of one agent.
pub(super) fn prove(agent: &AgentConfig) -> Result<Vec<Row>, Failure> {
    let failed = |what: &str| Failure::new(Exit::CannotCreate, format!("the proof cannot be made: {what}"));
    let scene = Scene::set(agent).map_err(|what| failed(&what))?;
    let world = scene.world(Arm::Sandbox);
    let control = control::run(&World { arm: Arm::Control, ..world.clone() });
    let (control, none) = match control {
        Ok(findings) => (findings, None),
        Err(why) => (Vec::new(), Some(Outcome::Cannot(why))),
    };
    let found = scene.run(&[PROGRAM, probe::VERB, &world.to_word()])?;
    let mut rows: Vec<Row> = probe::PROBES
        .iter()
        .map(|probe| {
            let control = verdict::of(&control, probe.name).or(none.as_ref());
            Row::judge(probe.name, probe.about, verdict::of(&found, probe.name), control)
        })
        .collect();
    rows.push(scene.outlive()?);
    rows.push(scene.endpoint_row());
    Ok(rows)
}

/// What a proof is made with; gone when it is dropped.
struct Scene {
    /// dropped before the home
    backends: Backends,
    agents: Arc<Agents>,
    form: Form,
    config: Map<String, Value>,
    workspace: PathBuf,
    own: bool,
    greeter: StandIn,
    endpoint: StandIn,
    nonce: String,
    key: String,
    prefix: String,
    sockets: Vec<String>,
    abstract_name: String,
    _listeners: [net::UnixListener; 2],
    _home: TempHome,
}

/// A directory of ours, removed with all that is in it.
struct TempHome(PathBuf);

impl Drop for TempHome {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Scene {
    fn set(agent: &AgentConfig) -> Result<Self, String> {
        let said = |what: &'static str| move |_: std::io::Error| what.to_owned();
        let mark = random::uuid().map_err(said("the system gives no random bytes"))?;
        let directory = std::env::temp_dir().join(format!("loopgate-proof-{mark}"));
        let home =
            Arc::new(Home::create(&directory).map_err(|_| "no directory can be made for it".to_owned())?);
        let remove = TempHome(directory.clone());
        let nonce = format!("reached-{mark}");
        let greeter = StandIn::greeter(&nonce).map_err(said("no port can be listened to"))?;
        let endpoint = StandIn::endpoint(&nonce, greeter.at()).map_err(said("no port can be listened to"))?;
        let prefix = prefix(&agent.config);
        let key = format!("proof-{mark}");
        let policy = policy(endpoint.at(), &prefix, &key)?;
        process::become_subreaper().map_err(said("the system refuses to hand over orphans"))?;
        let asked = std::env::var("LOOPGATE_AGENT_USER").ok().filter(|text| !text.is_empty());
        let user = backend::user::of(asked.as_deref()).map_err(|error| error.to_string())?;
        let settings = Settings::new("http://127.0.0.1:1".to_owned(), 1_024).with_user(user);
        let agents =
            Agents::new(Arc::new(SystemClock), settings).map_err(said("no thread can be started"))?;
        let backends = Backends::new(Arc::clone(&agents), policy).with_sandboxes(&home);
        let named = agent.workspace.as_deref().filter(|path| path.starts_with('/'));
        let workspace = match named {
            Some(path) => PathBuf::from(path),
            None => lent(&directory, user.map(|user| (user.uid, user.gid)))?,
        };
        let abstract_name = format!("loopgate-proof-{mark}");
        let socket = directory.join("socket");
        let name = net::SocketAddr::from_abstract_name(abstract_name.as_bytes());
        let listeners = [
            name.and_then(|name| net::UnixListener::bind_addr(&name)).map_err(said("no socket"))?,
            net::UnixListener::bind(&socket).map_err(said("no socket"))?,
        ];
        let mut config = agent.config.clone();
        // It leads to the stand-in, with the stand-in's key.
        ["endpoint", "api_key"].into_iter().for_each(|name| drop(config.remove(name)));
        Ok(Self {
            backends,
            agents,
            form: without_endpoint(&agent.backend),
            config,
            own: named.is_none(),
            workspace,
            greeter,
            endpoint,
            nonce,
            key,
            prefix,
            sockets: sockets(&socket),
            abstract_name,
            _listeners: listeners,
            _home: remove,
        })
    }

    fn world(&self, arm: Arm) -> World {
        World {
            arm,
            nonce: self.nonce.clone(),
            host_network: fs::metadata("/proc/self/ns/net").map_or(0, |network| network.ino()),
            ports: vec![self.greeter.at().port(), self.endpoint.at().port()],
            addresses: addresses(),
            abstract_name: self.abstract_name.clone(),
            sockets: self.sockets.clone(),
            forwarder: Some(crate::egress::shim::PORT),
            prefix: self.prefix.clone(),
        }
    }

    /// Runs a command in the sandbox to its end; what it found.
    fn run(&self, command: &[&str]) -> Result<Vec<Finding>, Failure> {
        let heard = Arc::new(Heard::default());
        let running = self.start(command, heard.clone())?;
        heard.wait(control::PATIENCE);
        running.end(GONE);
        Ok(heard.findings())
    }

    fn start(
        &self,
        command: &[&str],
        heard: Arc<Heard>,
    ) -> Result<Arc<dyn crate::backend::Running>, Failure> {
        let Ok(name) = FullName::parse("proof/agent") else {
            return Err(Failure::new(Exit::Bug, "the proof has no name"));
        };
        let spec = MemberSpec {
            name,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            cwd: self.workspace.clone(),
            env: Vec::new(),
            controller: Controller::Pipe,
            cage: None,
        };
        let told = Told { config: Some(&self.config), of_operator: !self.own, ..Told::default() };
        self.backends.start(&self.form, spec, told, heard).map_err(|fault| {
            let what = format!("the sandbox cannot be built: {}", fault);
            Failure::new(Exit::CannotCreate, what).next("an instance would refuse to start this agent, too")
        })
    }

    /// Whether a process that left its session and its parent outlives the agent.
    fn outlive(&self) -> Result<Row, Failure> {
        let about = "a process that leaves its session and its parent";
        let (inside, outside) = (format!("{}-in", self.nonce), format!("{}-out", self.nonce));
        let heard = Arc::new(Heard::default());
        let running = self.start(&[PROGRAM, probe::VERB, "step", probe::LEAVE, &inside], heard.clone())?;
        heard.wait(GONE);
        let ended = running.end(GONE);
        let sandbox = match (ended, left(&inside).is_empty()) {
            (true, true) => Outcome::Blocked("nothing was left when its command had ended".to_owned()),
            (_, _) => Outcome::Reached("something was left when its command had ended".to_owned()),
        };
        let left_outside = Command::new(PROGRAM)
            .args([probe::VERB, "step", probe::LEAVE, &outside])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(|_| left(&outside));
        let control = match left_outside {
            Ok(pids) if !pids.is_empty() => {
                pids.iter()
                    .filter_map(|pid| PidFd::open(*pid).ok())
                    .for_each(|one| drop(one.signal(SIGKILL)));
                Outcome::Reached("it was left".to_owned())
            }
            Ok(_) => Outcome::Blocked("nothing was left".to_owned()),
            Err(_) => Outcome::Cannot("no process can be started".to_owned()),
        };
        Ok(Row::judge("outlive", about, Some(&sandbox), Some(&control)))
    }

    /// Whether the endpoint was asked for what is its own, with the key of outside, and for nothing else.
    fn endpoint_row(&self) -> Row {
        let about = "anything at the endpoint but its own calls, with the key from outside";
        let models = format!("GET {}/models", self.prefix);
        let host = self.endpoint.at().to_string();
        let seen = self.endpoint.seen();
        let wrong = seen.iter().find(|asked| {
            let line = asked.line.strip_suffix(" HTTP/1.1").unwrap_or_default();
            let known = line == models || line.starts_with(&format!("{models}/"));
            let keys = [asked.values("authorization"), asked.values("x-api-key")].concat();
            let bearer = format!("Bearer {}", self.key);
            let right = keys.len() == 1 && keys.iter().all(|key| *key == self.key || **key == bearer);
            !known || !right || asked.values("host") != [host.as_str()]
        });
        let sandbox = match (wrong, seen.len()) {
            (Some(asked), _) => Outcome::Reached(format!("it was asked: {}", asked.line)),
            (None, 0) => Outcome::Cannot(format!("its own paths do not have {models}, so it was not asked")),
            (None, count) => Outcome::Blocked(format!("{count} calls, all of them the endpoint's own")),
        };
        let control = Outcome::Reached("the other probes' controls were let through".to_owned());
        Row::judge("endpoint_only", about, Some(&sandbox), Some(&control))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.agents.stop_all(GONE);
    }
}

/// Hears the lines of the probes.
#[derive(Default)]
struct Heard {
    state: Mutex<(Vec<Finding>, bool)>,
    changed: Condvar,
}

impl Heard {
    fn findings(&self) -> Vec<Finding> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Until it has ended, or the time is over.
    fn wait(&self, within: Duration) {
        let end = Instant::now().checked_add(within).unwrap_or_else(Instant::now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.1 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Sink for Heard {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        let value = serde_json::from_slice(line).unwrap_or(Value::Null);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = stream == Stream::Out && !cut && state.0.len() < probe::PROBES.len();
        state.0.extend(Finding::from_json(&value).filter(|_| fits));
    }

    fn quiet(&self) {}

    fn ended(&self, _: Option<Ended>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// What the paths of the configured endpoint begin with; of the usual one where none is said.
fn prefix(config: &Map<String, Value>) -> String {
    let asked = config.get("endpoint").and_then(Value::as_str).map(str::to_owned);
    let operators =
        || ["LOOPGATE_LLM_ENDPOINT", "SUBZEROCLAW_ENDPOINT"].iter().find_map(|n| std::env::var(n).ok());
    let endpoint = asked.or_else(operators).and_then(|text| Endpoint::parse(&text).ok());
    endpoint.unwrap_or_default().routes().base
}

fn policy(at: SocketAddr, prefix: &str, key: &str) -> Result<Policy, String> {
    let operator = Endpoint::parse(&format!("http://{at}{prefix}")).map_err(|_| "no endpoint".to_owned())?;
    let parts = Parts {
        operator,
        key: Some(Secret::new(key.as_bytes().to_vec())),
        allowed: Vec::new(),
        own: Vec::new(),
        authorities: None,
        system: Arc::new(Here),
    };
    Ok(Policy::new(parts))
}

fn without_endpoint(form: &Form) -> Form {
    match form {
        Form::Bwrap { opts } => {
            let mut opts = opts.clone();
            ["endpoint", "api_key"].into_iter().for_each(|name| drop(opts.remove(name)));
            Form::Bwrap { opts }
        }
        Form::Local | Form::Mock | Form::Docker { .. } | Form::AppleContainer { .. } | Form::Ssh { .. } => {
            form.clone()
        }
    }
}

/// A workspace of the proof's own.
fn lent(home: &Path, to: Option<(u32, u32)>) -> Result<PathBuf, String> {
    let path = home.join("workspace");
    let made = fs::create_dir(&path).and_then(|()| match to {
        Some((uid, gid)) => std::os::unix::fs::chown(&path, Some(uid), Some(gid)),
        None => Ok(()),
    });
    made.map(|()| path).map_err(|_| "no directory can be made for it".to_owned())
}
