//! `loopgate serve`: puts an instance together, says that it is ready, and ends it in order.
//!
//! The order is the point: secrets leave the environment before any thread exists, the home is
//! locked before anything in it is written, the key file is written before anybody is let in, and
//! at the end nobody is let in before the agents are ended. Nothing here decides who may call.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    admit::{Keyring, Keys, Policy},
    agent::{self, Agents},
    api::{App, AppParts, KeyFileHook, PeerProbe, VERSION},
    backend::user::{self, User},
    bus::{
        audit::{self, Audit, AuditError},
        mail::Mail,
    },
    cli::{Exit, Failure, verbs::home_failure},
    exposure::Declared,
    gate::{self, Gate},
    limits,
    registry::{self as others, Registry},
    store::{Home, LockError, RealDisk, journal, keyfile},
    swarm::Swarms,
    sys::{
        clock::SystemClock,
        env, inherited, memory,
        process::{self, Descriptors},
        random,
        signal::{SIGHUP, SIGINT, SIGTERM, SignalFd},
    },
    wire::{clock::Clock, secret::Secret},
};

mod events;
mod forward;
mod keys;
mod life;
mod logger;
mod mail;
mod registry;
mod settings;
mod swarms;

use forward::Forwarder;
use keys::KeyFileWriter;
use life::Watch;
use settings::{AgentUser, Environment, Flags, SettingError, Settings};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long a letter to another instance that is on its way holds up the end.
const FORWARD_STOP: Duration = Duration::from_millis(500);

/// How long WebSockets may take to say good-bye; the gate closes those that have not.
const SOCKETS_STOP: Duration = Duration::from_millis(500);

/// How long the connections may take to end; the agents have their own bound.
const GATE_STOP: Duration = Duration::from_millis(1_000);

/// How long the agents may take to end.
const AGENTS_STOP: Duration = Duration::from_millis(limits::STOP_MS);

/// How long the disk may take for the last audit entries.
const AUDIT_STOP: Duration = Duration::from_millis(1_000);

/// How long whoever started us may take to make room for the ready line.
const READY_LINE: Duration = Duration::from_secs(1);

/// The arguments of `serve`.
#[derive(Debug, Default, Clone)]
pub struct ServeArgs {
    /// end when stdin closes
    pub watch_stdin: bool,
    /// end when the process that started us does
    pub watch_parent: bool,
    /// read the owner key from this descriptor
    pub key_fd: Option<i32>,
    /// the home; beats the environment
    pub wavedata: Option<PathBuf>,
    /// what the ready line's `instance:` shows
    pub instance: Option<String>,
    /// whom sandboxed commands run as; beats the environment
    pub agent_user: Option<String>,
}

/// Serves until a signal, or until what it was told to watch is gone.
pub fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    if args
        .instance
        .as_deref()
        .is_some_and(|name| name.len() > 128 || !name.bytes().all(|b| b.is_ascii_graphic()))
    {
        return Err(Failure::new(
            Exit::Usage,
            "--instance is shown in a line of words: give visible ASCII without spaces",
        ));
    }
    // First of all: no other thread, and no descriptor of ours, may exist yet.
    let key_file = args.key_fd.map(inherited::take).transpose().map_err(|_| {
        Failure::new(Exit::BadConfig, "--key-fd names a descriptor that is not open")
            .next("pass a pipe or file as descriptor 3 or above")
    })?;
    process::close_inherited(args.key_fd.and_then(|fd| u32::try_from(fd).ok()))
        .map_err(|error| broken("descriptors cannot be closed", &error))?;
    memory::return_large_buffers();
    let environment = Environment::capture(env::take_secret);
    harden().map_err(|error| broken("the process cannot be protected", &error))?;
    let signals = SignalFd::new(&[SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| broken("signals cannot be read", &error))?;
    let flags = Flags {
        wavedata: args.wavedata.clone(),
        key_from_descriptor: key_file.is_some(),
        agent_user: args.agent_user.clone(),
    };
    let mut settings = Settings::read(environment, &flags).map_err(bad_setting)?;
    let user = agent_user(settings.agent_user.as_ref())?;
    let from_host = settings.auth_key.as_ref().is_some_and(|(name, _)| name == "AGENTMUX_AUTH_KEY");
    let Ok(watch) = Watch::new(args.watch_stdin || from_host, args.watch_parent || from_host) else {
        // Who started us is gone already, so nobody waits for an instance.
        return Ok(Exit::Ok.into());
    };
    let owner_key = owner_key(settings.auth_key.take().map(|(_, key)| key), key_file)?;
    let home = Arc::new(Home::create(&settings.home).map_err(|error| home_failure(&error))?);
    let _lock = home.lock().map_err(|error| lock_failure(&home, &error))?;
    let descriptors =
        process::raise_descriptor_limit().map_err(|error| broken("limits cannot be read", &error))?;
    logger::start();
    for name in &settings.unused {
        log::warn!("{name} is set and has no effect: what it is for is not built yet");
    }
    let instance = Instance::build(settings, owner_key, &home, (descriptors, user), from_host)?;
    instance.serve(&home, args, &watch, &signals)
}

/// Everything that an instance is, before it lets anybody in.
struct Instance {
    listener: TcpListener,
    address: SocketAddr,
    agents: Arc<Agents>,
    swarms: Arc<Swarms>,
    mail: Arc<Mail>,
    app: Arc<App>,
    registry: Arc<Registry>,
    /// as the key file names it
    id: String,
    /// for the first writing of the key file
    owner_key: Secret,
    key_file: KeyFileWriter,
}

impl Instance {
    fn build(
        settings: Settings,
        owner_key: Secret,
        home: &Arc<Home>,
        (descriptors, user): (Descriptors, Option<User>),
        from_host: bool,
    ) -> Result<Self, Failure> {
        let listener = bind(settings.bind)?;
        let address = listener.local_addr().map_err(|error| broken("the listener has no address", &error))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random = |error| broken("the system gives no random bytes", &error);
        let id = random::uuid().map_err(random)?;
        // Before the directories of the audit and of mail, which sync the home: it outlives a loss of power then,
        // before any letter tells it.
        let own_home = registry::identity(home)?;
        let audit = open_audit(home, Arc::clone(&clock), &id)?;
        let of_agents = agent::Settings::new(format!("http://{}", near(address)), descriptors.theirs);
        let of_agents = of_agents.within(descriptors.ours).with_user(user);
        if of_agents.most < limits::AGENTS {
            log::warn!(
                "at most {} agents will run: the hard limit of descriptors is {}; raise it (ulimit -Hn) for up to {}",
                of_agents.most,
                descriptors.ours,
                limits::AGENTS
            );
        }
        let agents = Agents::new(Arc::clone(&clock), of_agents)
            .map_err(|error| broken("agents cannot be run", &error))?;
        let mail = mail::open(home, &clock)?;
        let endpoints = settings.model.policy(address).map_err(bad_setting)?;
        let swarms::Opened { swarms, skills, config_dir } = swarms::open(
            home,
            &agents,
            &clock,
            events::open(home, &clock)?,
            near(address),
            &settings.swarms,
            endpoints,
        )?;
        let inode = inode(&listener).map_err(|error| broken("the listener cannot be identified", &error))?;
        let key_file = KeyFileWriter {
            home: Arc::clone(home),
            address: near(address),
            inode,
            instance: id.clone(),
            from_host,
        };
        let rewritten = key_file.clone();
        let peer_key = keys::mint().map_err(random)?;
        let registry = registry::open(
            others::Settings {
                directory: settings.registry.directory.clone(),
                shared: settings.registry.shared,
                home: own_home,
                instance: id.clone(),
                at: address,
                pid: std::process::id(),
                listener_inode: inode,
                key: Secret::new(peer_key.expose().to_vec()),
                clock: Arc::clone(&clock),
            },
            &settings.registry,
        )?;
        let declared =
            swarms::declare(Declared::instance(address, home.path()), home.path(), &settings.swarms);
        let app = App::new(AppParts {
            policy: Policy {
                port: address.port(),
                bound: address,
                hosts: settings.hosts,
                cors: settings.cors,
                host_origin: None,
                keys: Arc::new(Keyring::new(Keys {
                    owner: Secret::new(owner_key.expose().to_vec()),
                    peer: peer_key,
                })),
                api_token: settings.api_token,
                config_token: settings.config_token,
            },
            fleet: Arc::clone(&agents) as _,
            peers: Box::new(PeerProbe::new(std::process::id(), process::uid())),
            audit,
            mail: Arc::clone(&mail),
            elsewhere: Arc::clone(&registry) as _,
            key_file: KeyFileHook { write: Box::new(move |key| rewritten.write(key)), from_host },
            clock,
            instance: id.clone(),
            declared: declared.with_registry(&settings.registry.directory, settings.registry.shared),
            swarms: Arc::clone(&swarms),
            skills,
            config_dir,
        });
        Ok(Self { listener, address, agents, swarms, mail, app, registry, id, owner_key, key_file })
    }

    fn serve(
        self,
        home: &Home,
        args: &ServeArgs,
        watch: &Watch,
        signals: &SignalFd,
    ) -> Result<ExitCode, Failure> {
        let shown = args.instance.clone().unwrap_or_else(|| self.id.clone());
        self.key_file.write(&self.owner_key).map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("the key file cannot be written: {error}"))
                .next(format!("look at {}", home.path().display()))
        })?;
        let started = Gate::start(self.listener, Arc::clone(&self.app), gate::Settings::default());
        let gate = started.map_err(|error| {
            let _ = keyfile::remove(home, &self.id);
            broken("no thread can be started", &error)
        })?;
        let app = Arc::clone(&self.app);
        let keeper = mail::Keeper::start(Arc::clone(&self.mail), move || app.drain()).map_err(|error| {
            let _ = keyfile::remove(home, &self.id);
            broken("no thread can be started", &error)
        })?;
        self.app.show_counters(gate.counters());
        let started = self.app.audit().start().and_then(|()| self.swarms.events().start());
        let forwarder = started.and_then(|()| Forwarder::start(Arc::clone(&self.app)));
        let forwarder = forwarder.map_err(|error| {
            let _ = keyfile::remove(home, &self.id);
            broken("no thread can be started", &error)
        })?;
        let writer = registry::start(&self.registry, &self.app).map_err(|error| {
            let _ = keyfile::remove(home, &self.id);
            broken("no thread can be started", &error)
        })?;
        // To the end of this function.
        let _ticker = self.swarms.run().map_err(|error| {
            let _ = keyfile::remove(home, &self.id);
            broken("no thread can be started", &error)
        })?;
        say_ready(self.key_file.from_host, self.address, &shown);
        memory::forget_code();
        let ending = watch.wait(signals);
        // First of all, so that nobody is sent here while it ends.
        writer.end();
        forwarder.end(FORWARD_STOP);
        // Requests that wait for messages are answered at once.
        keeper.end();
        self.app.sockets().stop(SOCKETS_STOP);
        gate.stop(GATE_STOP);
        // Before its agents are ended under it, or a swarm would start again what it sees ended.
        self.swarms.stop_all(AGENTS_STOP);
        self.agents.stop_all(AGENTS_STOP);
        // What the last answers and terminals said of their messages.
        self.app.settle();
        self.mail.end();
        // Last of all, so that what ended is in them.
        self.swarms.events().stop(Instant::now() + events::STOP);
        self.app.audit().stop(Instant::now() + AUDIT_STOP);
        // A file that is not ours any more stays; one that cannot be removed is found out by its pid.
        let _ = keyfile::remove(home, &self.id);
        ending.map(|_| Exit::Ok.into()).map_err(|error| broken("waiting failed", &error))
    }
}

/// The audit in the home, whose last entries are there.
fn open_audit(home: &Home, clock: Arc<dyn Clock>, instance: &str) -> Result<Arc<Audit>, Failure> {
    let random = |error| broken("the system gives no random bytes", &error);
    let text_key = Secret::new(random::bytes::<32>().map_err(random)?.to_vec());
    let fresh_key = random::bytes::<32>().map_err(random)?;
    let disk = RealDisk::open(home, audit::DIRECTORY).map_err(|error| home_failure(&error))?;
    let settings = journal::Settings { unwritten_bytes: limits::AUDIT_QUEUE, ..journal::Settings::default() };
    let (audit, opened) = Audit::open(Box::new(disk), settings, (text_key, fresh_key), clock, instance)
        .map_err(|error| audit_failure(home, &error))?;
    if opened.torn.is_some() || opened.bad_in_all > 0 {
        log::warn!(
            "{} places of the audit are not entries, and its last line was {}: see `loopgate audit verify`",
            opened.bad_in_all,
            if opened.torn.is_some() { "cut" } else { "whole" }
        );
    }
    Ok(audit)
}

fn audit_failure(home: &Home, error: &AuditError) -> Failure {
    let exit = match error {
        AuditError::KeyMissing | AuditError::KeyMalformed => Exit::BadData,
        AuditError::Key(_) | AuditError::Io(_) | AuditError::Journal(_) => Exit::CannotCreate,
    };
    let directory = home.path().join(audit::DIRECTORY);
    Failure::new(exit, format!("the audit in {} cannot be written: {error}", directory.display()))
        .next(error.next())
}

/// Makes this process hard to look into, and the one that its agents' orphans fall to.
fn harden() -> io::Result<()> {
    process::harden()?;
    process::become_subreaper()
}

/// The key that was brought along by one way or the other, or a fresh one.
fn owner_key(from_environment: Option<Secret>, from_descriptor: Option<File>) -> Result<Secret, Failure> {
    if let Some(key) = from_environment {
        return Ok(key);
    }
    let Some(file) = from_descriptor else {
        return keys::mint().map_err(|error| broken("the system gives no random bytes", &error));
    };
    let key = keys::read(file).map_err(|error| {
        Failure::new(Exit::BadConfig, format!("the key cannot be read from --key-fd: {error}"))
    })?;
    match keys::fault(key.expose()) {
        None => Ok(key),
        Some(fault) => Err(Failure::new(Exit::BadConfig, format!("the key from --key-fd {fault}"))
            .next("write the key's characters to the descriptor, or leave --key-fd out: then a key is made")),
    }
}

fn bind(at: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        if at.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Without it a port that served a moment ago could not be bound again.
        socket.set_reuse_address(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|error| {
        let (exit, next) = match error.kind() {
            io::ErrorKind::AddrInUse => {
                (Exit::TryLater, "choose another LOOPGATE_PORT, or 0 for any free one")
            }
            io::ErrorKind::PermissionDenied => {
                (Exit::NotPermitted, "choose a LOOPGATE_PORT of 1024 or above")
            }
            _ => (Exit::CannotCreate, "set GENSWARMS_HTTP_IP to an address of this machine, or unset it"),
        };
        Failure::new(exit, format!("{at} cannot be listened on: {error}")).next(next)
    })
}

fn inode(listener: &TcpListener) -> io::Result<u64> {
    Ok(File::from(OwnedFd::from(listener.try_clone()?)).metadata()?.ino())
}

/// The address by which a client on this machine reaches a listener.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The line that hosts wait for (spec agentmux A.4). Whoever reads it may be gone.
fn say_ready(from_host: bool, address: SocketAddr, instance: &str) {
    let prefix = if from_host { "AGENTMUXSRV" } else { "LOOPGATE" };
    let built = option_env!("LOOPGATE_BUILDTIME").unwrap_or("dev");
    let line = format!(
        "{prefix}-ESTART ws:{address} web:{address} version:{VERSION} buildtime:{built} instance:{instance}\n"
    );
    logger::say(&line, READY_LINE);
}

/// Whom sandboxed commands run as.
fn agent_user(asked: Option<&AgentUser>) -> Result<Option<User>, Failure> {
    user::of(asked.map(|asked| asked.value.as_str())).map_err(|error| {
        let name = asked.map_or("nobody", |asked| &asked.name);
        let failure = Failure::new(Exit::BadConfig, format!("{name} {error}"));
        match asked {
            Some(_) => failure.next("correct it, or leave it out: root's commands run as nobody then"),
            None => failure.next("name the user of sandboxed commands with --agent-user"),
        }
    })
}

fn bad_setting(error: SettingError) -> Failure {
    Failure::new(Exit::BadConfig, format!("{} {}", error.name, error.what)).next("correct it, or unset it")
}

fn lock_failure(home: &Home, error: &LockError) -> Failure {
    let exit = match error {
        LockError::Held(_) => Exit::TryLater,
        LockError::File(_) => Exit::NotPermitted,
    };
    Failure::new(exit, format!("{}: {error}", home.path().display()))
        .next("end that instance, or give this one a home of its own with LOOPGATE_HOME")
}

fn broken(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("{what}: {error}"))
}
