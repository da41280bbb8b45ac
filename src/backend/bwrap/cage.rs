//! The sandbox of one start: what is shown of the host as it is now, and the way of a program into it.
//!
//! What was looked at is what is shown: each place goes to the shim with its device and number, and nothing runs where
//! another stands. Whatever fails on the way lets go of all that was made, in the reverse order.

use std::{
    ffi::CString,
    fs::File,
    io::Write,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    HOME, INBOX, OUTBOX, SKILLS, WORKSPACE,
    binds::{self, Bind},
    guard::{Guard, Guards},
    limits::{self, Manager, Tools},
    program,
    sandbox::{Network, Sandbox, refused},
    system,
    variables::inside,
    way::{Open, Way},
    words::{self, Mount, Plan},
};
use crate::{
    agent::{
        StartError,
        cage::{Boundary, Built, Cage, Inside, Staged, User, not_run},
    },
    egress::shim::{self, Layers, NotIn, Order, Place},
    sys::{inherited, process, seccomp, stage},
};

/// The most that a pipe is sure to take at once.
const PIPE: usize = 60 * 1024;

/// Builds the sandbox of each start of one agent.
pub(super) struct BwrapCage {
    pub sandbox: Sandbox,
    /// the one way out, where that is all it has
    pub way: Option<Way>,
    pub guards: Arc<Guards>,
    /// the home of loopgate
    pub home: PathBuf,
    /// whom it runs as, where we are root
    pub user: Option<User>,
    pub facts: Arc<Facts>,
}

/// What is known of a sandbox once it is there.
#[derive(Default)]
pub(super) struct Facts(Mutex<Known>);

/// The same at one moment.
#[derive(Clone, Default)]
pub(super) struct Known {
    pub layers: Option<Layers>,
    pub not_kept: Vec<&'static str>,
    pub cgroup: bool,
}

impl Known {
    /// Each layer by its name, beside the namespaces.
    pub fn layers_shown(&self) -> Vec<String> {
        let mut layers = Vec::new();
        if let Some(applied) = &self.layers {
            if applied.seccomp {
                layers.push("seccomp".to_owned());
            }
            layers.extend(applied.landlock.map(|version| format!("landlock {version}")));
        }
        if self.cgroup {
            layers.push("cgroup".to_owned());
        }
        layers
    }
}

impl Facts {
    pub fn now(&self) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Held until nothing of the tree is left; in this order let go.
struct Held {
    _way: Option<Open>,
    _guards: Vec<Guard>,
}

impl Cage for BwrapCage {
    fn reaches_instance(&self) -> bool {
        matches!(self.sandbox.network, Network::Open)
    }

    fn boundary(&self) -> Option<Boundary> {
        let known = self.facts.now();
        let (network, layers) = (self.sandbox.network.name(), known.layers_shown());
        Some(Boundary { backend: "bwrap", network, layers, limits_not_kept: known.not_kept })
    }

    fn build(&self, inside: Inside<'_>) -> Result<Built, StartError> {
        let bwrap = program::bwrap()?;
        let end = self.way.as_ref().map(Way::look_up).transpose()?;
        let (uid, gid) = match self.user {
            Some(user) => (user.uid, user.gid),
            None => (process::uid(), process::gid()),
        };
        if uid == 0 {
            return Err(sandbox(
                "sandbox_user",
                "nothing is run in a sandbox as root: set LOOPGATE_AGENT_USER",
            ));
        }
        let mut shown = Shown { stages: self.user.is_some(), ..Shown::default() };
        self.places(uid, &mut shown)?;
        let mut mounts = system::system(&system::look);
        let mut descriptors = Vec::new();
        let texts = [
            ("/etc/passwd", Some(system::passwd((uid, gid)))),
            ("/etc/group", Some(system::group(gid))),
            ("/etc/hosts", Some(system::HOSTS.to_owned())),
            ("/etc/resolv.conf", self.resolvers()),
        ];
        for (at, text) in texts {
            let Some(text) = text else { continue };
            let read = pipe_with(text.as_bytes())?;
            mounts.push(Mount::Data(read.as_raw_fd(), at.to_owned()));
            descriptors.push(read);
        }
        mounts.push(Mount::Empty(HOME.to_owned()));
        mounts.append(&mut shown.mounts);
        let mut guards = Vec::new();
        for (place, from) in std::mem::take(&mut shown.writable) {
            let guard = self.guards.protect(&place)?;
            guard.binds.iter().for_each(|bind| shown.guarded(bind, &place, &from));
            guards.push(guard);
        }
        mounts.append(&mut shown.mounts);
        let open = self.reaches_instance();
        let limits = &self.sandbox.limits;
        let filter = pipe_with(&seccomp::encoded().ok_or(StartError::Failed("architecture"))?)?;
        let plan = Plan {
            open,
            user: (uid, gid),
            chdir: WORKSPACE,
            memory: limits.in_memory(),
            filter: filter.as_raw_fd(),
            mounts: &mounts,
        };
        let words = words::encoded(&words::words(&plan)).ok_or(StartError::OutOfBounds("workspace"))?;
        let words = pipe_with(&words)?;
        let exe = File::open("/proc/self/exe").map_err(|_| StartError::Failed("program"))?;
        let (ours, theirs) = UnixStream::pair().map_err(|_| StartError::Failed("descriptors"))?;
        let theirs = OwnedFd::from(theirs);
        let mut command = self.prefix()?;
        command.extend(
            [
                bwrap.as_os_str().as_bytes(),
                b"--args",
                words.as_raw_fd().to_string().as_bytes(),
                b"--",
                format!("/proc/self/fd/{}", exe.as_raw_fd()).as_bytes(),
                b"sandbox-shim",
                theirs.as_raw_fd().to_string().as_bytes(),
            ]
            .map(<[u8]>::to_vec),
        );
        descriptors.extend([words, filter, exe.into(), theirs]);
        let order = Order {
            command: inside.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
            env: self::inside(inside.env, &self.sandbox.extra_path, self.way.as_ref()),
            cwd: WORKSPACE.as_bytes().to_vec(),
            terminal: inside.terminal,
            port: self.way.as_ref().map(|_| shim::PORT),
            localhost: self.sandbox.localhost,
            places: shown.places,
            limits: shim::Limits {
                memory: limits.memory,
                processes: Some(limits.tasks()),
                cpu_seconds: limits.cpu_seconds,
                file_size: limits.file_size,
                descriptors: inside.descriptors,
            },
        };
        let facts = Arc::clone(&self.facts);
        Ok(Built {
            command,
            descriptors,
            user: self.user.map(|user| (user, shown.staged)),
            enter: Box::new(move |until| {
                let mut way = None;
                let ready = |listener| {
                    if let (Some(end), Some(listener)) = (end, listener) {
                        way = Some(end(listener)?);
                    }
                    Ok(())
                };
                let layers = shim::let_in(ours, &order, until, ready).map_err(not_in)?;
                facts.set(|known| known.layers = Some(layers));
                Ok(Box::new(Held { _way: way, _guards: guards }))
            }),
        })
    }
}

impl BwrapCage {
    /// All places of the host that are shown, but for what guards the workspace.
    fn places(&self, uid: u32, shown: &mut Shown) -> Result<(), StartError> {
        let Sandbox { workspace, own, letters, binds, .. } = &self.sandbox;
        let found = if *own {
            Bind::own(workspace, WORKSPACE, true)
        } else {
            Bind::of_operator(workspace, WORKSPACE, true, &self.home)
        };
        let workspace = found.map_err(|why| StartError::Sandbox {
            code: "workspace",
            reason: format!("its workspace {why}").into(),
        })?;
        if !own && binds::is_a_users_home(&workspace.source) {
            return Err(sandbox("workspace", "its workspace is a user's home: take a directory in it"));
        }
        if !workspace.directory {
            return Err(sandbox("workspace", "its workspace is no directory"));
        }
        if self.user.is_some() && workspace.owner != uid {
            // One without letters belongs to no swarm, and works where it was started.
            let or = if letters.is_some() { "leave `workspace` out" } else { "start it in one of theirs" };
            let reason = format!(
                "its workspace belongs to another user than the agents': make it theirs (chown {uid}), or {or}"
            );
            return Err(StartError::Sandbox { code: "workspace_owner", reason: reason.into() });
        }
        if let Some(letters) = letters {
            for (source, at, writable) in [
                (&letters.outbox, OUTBOX, true),
                (&letters.inbox, INBOX, false),
                (&letters.skills, SKILLS, false),
            ] {
                let bind = Bind::own(source, at, writable).map_err(|_| StartError::Failed("directories"))?;
                shown.bind(&bind)?;
            }
        }
        shown.bind(&workspace)?;
        shown.writable.push((workspace.clone(), shown.mounted_from(&workspace)));
        for (index, (source, at, writable)) in binds.iter().enumerate() {
            let option = if *writable { "extra_rw_binds" } else { "extra_ro_binds" };
            let number = binds.iter().take(index).filter(|(.., other)| other == writable).count();
            let bind = Bind::of_operator(source, at, *writable, &self.home)
                .map_err(|why| refused(option, number, why))?;
            if *writable && bind.overlaps(&workspace) {
                return Err(refused(option, number, "holds the workspace, or lies in it"));
            }
            shown.bind(&bind)?;
            if *writable && bind.directory {
                shown.writable.push((bind.clone(), shown.mounted_from(&bind)));
            }
        }
        Ok(())
    }

    /// An open agent asks the machine's resolvers; that is all that it is told of them.
    fn resolvers(&self) -> Option<String> {
        let text = std::fs::read_to_string("/etc/resolv.conf").ok().filter(|_| self.reaches_instance())?;
        let lines =
            text.lines().filter(|line| line.starts_with("nameserver ") || line.starts_with("options "));
        Some(lines.take(16).map(|line| format!("{line}\n")).collect())
    }

    /// What is started in front of bubblewrap, for limits of the whole; what cannot be kept is noted, or refuses.
    fn prefix(&self) -> Result<Vec<Vec<u8>>, StartError> {
        let limits = &self.sandbox.limits;
        let run = match self.user {
            None if limits.wants_cgroup() && limits::has_manager(process::uid()) => {
                let [run, env] = ["systemd-run", "env"].map(|name| program::find(name).and_then(Result::ok));
                run.zip(env)
            }
            // Whoever becomes another user has no systemd of his own.
            Some(_) | None => None,
        };
        let nice = limits.nice.and_then(|_| program::find("nice")).and_then(Result::ok);
        let not_kept = limits.not_kept(run.is_some(), nice.is_some());
        if limits.required && !not_kept.is_empty() {
            let reason = format!("this machine cannot keep its limits: {}", not_kept.join(", "));
            return Err(StartError::Sandbox { code: "limits_unavailable", reason: reason.into() });
        }
        let mut words = Vec::new();
        if let Some((systemd_run, env)) = &run {
            let mark = crate::sys::random::uuid().map_err(|_| StartError::Failed("randomness"))?;
            words = limits.in_scope(Manager::User { uid: process::uid() }, Tools { systemd_run, env }, &mark);
        }
        if let (Some(program), Some(nice)) = (&nice, limits.nice) {
            words.extend([program.as_os_str().as_bytes().to_vec(), b"-n".to_vec(), nice.to_string().into()]);
        }
        self.facts.set(|known| (known.not_kept, known.cgroup) = (not_kept, run.is_some()));
        Ok(words)
    }
}

/// What is shown, as it comes together.
#[derive(Default)]
struct Shown {
    mounts: Vec<Mount>,
    places: Vec<Place>,
    /// places are reached through where root puts them
    stages: bool,
    staged: Vec<Staged>,
    /// directories that are guarded, and where each is bound from
    writable: Vec<(Bind, PathBuf)>,
}

impl Shown {
    fn bind(&mut self, bind: &Bind) -> Result<(), StartError> {
        let from = if self.stages {
            let source = CString::new(bind.source.as_os_str().as_bytes());
            let source = source.map_err(|_| StartError::OutOfBounds("workspace"))?;
            self.staged.push(Staged { source, directory: bind.directory });
            self.last_staged()
        } else {
            bind.source.clone()
        };
        self.mount(bind, from);
        Ok(())
    }

    /// Where what was shown last is bound from.
    fn mounted_from(&self, bind: &Bind) -> PathBuf {
        if self.stages { self.last_staged() } else { bind.source.clone() }
    }

    fn last_staged(&self) -> PathBuf {
        Path::new(stage::PLACE).join(self.staged.len().saturating_sub(1).to_string())
    }

    /// Something below a guarded directory, bound over itself.
    fn guarded(&mut self, bind: &Bind, place: &Bind, from: &Path) {
        let from = bind.source.strip_prefix(&place.source).map(|rest| from.join(rest));
        self.mount(bind, from.unwrap_or_else(|_| bind.source.clone()));
    }

    fn mount(&mut self, bind: &Bind, from: PathBuf) {
        let at = bind.at.clone();
        self.mounts.push(if bind.writable { Mount::Write(from, at) } else { Mount::Read(from, at) });
        let path = bind.at.as_bytes().to_vec();
        let Bind { device, inode, writable, .. } = *bind;
        self.places.push(Place { path, device, inode, writable });
    }
}

/// A pipe that holds these bytes and then ends; its end to be read.
fn pipe_with(bytes: &[u8]) -> Result<OwnedFd, StartError> {
    if bytes.len() > PIPE {
        return Err(sandbox("sandbox_words", "its paths and places are too long together"));
    }
    let (read, write) = std::io::pipe().map_err(|_| StartError::Failed("descriptors"))?;
    let mut write = File::from(OwnedFd::from(write));
    // A pipe of a user who has many may be smaller than usual: then there is an error, and no wait.
    let written = inherited::do_not_block(&write).and_then(|()| write.write_all(bytes));
    written.map(|()| read.into()).map_err(|_| StartError::Failed("pipes"))
}

fn sandbox(code: &'static str, reason: &'static str) -> StartError {
    StartError::Sandbox { code, reason: reason.into() }
}

/// Why a program was not let in.
fn not_in(error: NotIn<StartError>) -> StartError {
    match error {
        NotIn::NotReady(error) => error,
        NotIn::NotRun(errno) => not_run(errno),
        NotIn::Gone => sandbox(
            "sandbox_not_built",
            "bubblewrap could not build the sandbox: the system may not let this user make namespaces (try `bwrap \
             --unshare-all --ro-bind / / true`)",
        ),
        NotIn::Late => sandbox("sandbox_late", "the sandbox was not ready in time"),
        NotIn::Failed(step, errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            let reason = format!("{}: {error}", step.sentence());
            StartError::Sandbox { code: "sandbox_step", reason: reason.into() }
        }
        NotIn::Refused(what) => {
            let reason = format!("the sandbox is not as it has to be: {what}");
            StartError::Sandbox { code: "sandbox_step", reason: reason.into() }
        }
        NotIn::System(_) => sandbox("sandbox_step", "the sandbox could not be spoken to"),
    }
}
