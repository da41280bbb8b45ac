//! What the demo puts up and takes down: a temporary directory, and an instance in it.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, OpenOptionsExt, symlink},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
    },
    sys::{
        poll::{Entry, poll},
        process::PidFd,
        random,
        signal::{self, SIGHUP, SIGINT, SIGKILL, SIGTERM, SignalFd},
    },
};

/// How long all steps together may take; taking down comes on top.
const WORK: Duration = Duration::from_secs(10);
/// How long the instance has to end by itself.
const END: Duration = Duration::from_secs(4);
/// How often it is looked whether the user wants out.
const LOOK: Duration = Duration::from_millis(50);

/// The directory and the instance; both are gone when this is dropped, unless it was kept.
pub struct Stage {
    directory: PathBuf,
    instance: Option<Child>,
    signals: SignalFd,
    until: Instant,
    kept: bool,
}

impl Stage {
    /// Makes the directory: the two scripts, a folder for the home, and one for `PATH` with this
    /// program under its usual name.
    pub fn new(scripts: &[(&str, &str)]) -> Result<Self, Failure> {
        // first of all: threads started later must not take the signals
        let signals = SignalFd::new(&[SIGINT, SIGTERM, SIGHUP]).map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("signals cannot be watched: {error}"))
        })?;
        signal::hear_of_children().map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("the instance cannot be waited for: {error}"))
        })?;
        let name = random::bytes()
            .map_err(|error| Failure::new(Exit::CannotCreate, format!("no random bytes: {error}")))?;
        let name = format!("loopgate-demo-{:016x}", u64::from_ne_bytes(name));
        let directory = std::env::temp_dir().join(name);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder.create(&directory).map_err(|error| cannot_make(&directory, &error))?;
        let until = Instant::now().checked_add(WORK).unwrap_or_else(Instant::now);
        let stage = Self { directory, instance: None, signals, until, kept: false };
        let bin = stage.directory.join("bin");
        let made = std::env::current_exe()
            .and_then(|program| {
                builder.create(&bin)?;
                symlink(program, bin.join("loopgate"))
            })
            .and_then(|()| scripts.iter().try_for_each(|(name, text)| write_script(&stage.path(name), text)));
        made.map_err(|error| cannot_make(&stage.directory, &error))?;
        Ok(stage)
    }

    /// The directory that holds everything.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The home of the instance.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// A file or folder of the stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Starts `loopgate serve` and returns its ready line and its pid.
    pub fn serve(&mut self, keep: bool) -> Result<(String, u32), Failure> {
        let program = self.path("bin/loopgate");
        let mut path = program.parent().unwrap_or(&program).as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        let mut command = Command::new(&program);
        command.arg("serve");
        if !keep {
            // should this process be killed, the instance ends too
            command.arg("--watch-parent");
        }
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.directory)
            .env("LOOPGATE_HOME", self.home())
            .envs(std::env::vars_os().filter(|(name, _)| name == "LANG" || name == "TZ"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for this process, which then takes the instance down in order
            .process_group(0);
        let mut child = command.spawn().map_err(|error| {
            Failure::new(Exit::CannotCreate, format!("`loopgate serve` cannot be started: {error}"))
        })?;
        let pid = child.id();
        let stderr = child.stderr.take();
        self.instance = Some(child);
        let (send, lines) = channel();
        let reader = thread::Builder::new().name("stderr".into()).spawn(move || {
            let lines = stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).lines());
            // until its end, so that the instance never waits for a full pipe
            for line in lines.map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        reader.map_err(|error| Failure::new(Exit::CannotCreate, format!("no thread: {error}")))?;
        self.ready_line(&lines).map(|line| (line, pid))
    }

    fn ready_line(&mut self, lines: &Receiver<String>) -> Result<String, Failure> {
        let mut said = String::new();
        loop {
            self.go_on("the instance's ready line")?;
            match lines.recv_timeout(LOOK) {
                Ok(line) if line.contains("-ESTART ") => return Ok(display::line(&line)),
                Ok(line) => said = display::line(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let what = format!("`loopgate serve` ended without a ready line; it last said: {said}");
                    return Err(Failure::new(Exit::Bug, what));
                }
            }
        }
    }

    /// Fails when the user wants out or the time is over.
    pub fn go_on(&self, waiting_for: &str) -> Result<(), Failure> {
        if let Ok(Some(signal)) = self.signals.take() {
            let what = format!("interrupted by signal {signal}; what was started is stopped and removed");
            return Err(Failure::new(Exit::Negative, what));
        }
        if Instant::now() > self.until {
            return Err(Failure::new(Exit::Bug, format!("waited in vain for {waiting_for}"))
                .next("`loopgate demo --keep` leaves everything running to look at"));
        }
        Ok(())
    }

    /// Ends the instance and removes the directory; says how the instance ended.
    pub fn take_down(&mut self) -> Result<String, Failure> {
        let ended = self.end_instance();
        let removed = std::fs::remove_dir_all(&self.directory);
        match (ended, removed) {
            (Ok(how), Ok(())) => {
                self.kept = true;
                Ok(how)
            }
            (Err(failure), _) => Err(failure),
            (Ok(_), Err(error)) => Err(Failure::new(
                Exit::CannotCreate,
                format!("{} cannot be removed: {error}", self.directory.display()),
            )),
        }
    }

    fn end_instance(&mut self) -> Result<String, Failure> {
        let Some(mut child) = self.instance.take() else { return Ok("it was not started".to_owned()) };
        let failed = |error| Failure::new(Exit::Bug, format!("the instance cannot be ended: {error}"));
        let held = PidFd::open(child.id()).map_err(failed)?;
        // one that has ended by itself is fine
        let _ = held.signal(SIGTERM);
        let ready = poll(&mut [Entry::new(held.as_fd(), true, false)], Some(END)).map_err(failed)?;
        if ready == 0 {
            let _ = held.signal(SIGKILL);
        }
        let status = child.wait().map_err(failed)?;
        match (ready, status.code()) {
            (1.., Some(0)) => Ok("exit code 0".to_owned()),
            _ => Err(Failure::new(Exit::Bug, format!("the instance did not end in order: {status}"))),
        }
    }

    /// Leaves all as it is.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept {
            // after a failure that is told already
            let _ = self.take_down();
        }
    }
}

fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(text.as_bytes())
}

fn cannot_make(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("{} cannot be made: {error}", path.display()))
        .next("set TMPDIR to a directory that you can write to")
}
