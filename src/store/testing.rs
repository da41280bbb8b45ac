//! What the tests of this folder share.

use std::{
    fs::File,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::Home;

/// A temporary directory, removed at the end, for a home inside it.
pub struct TempHome(PathBuf);

impl TempHome {
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// In memory where the system has such a place: for tests of names by the ten thousand.
    pub fn in_memory() -> Self {
        Self::new_in(&memory())
    }

    fn new_in(directory: &Path) -> Self {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).expect("randomness");
        let path = directory.join(format!("loopgate-store-{:016x}", u64::from_ne_bytes(random)));
        std::fs::create_dir(&path).expect("a directory");
        let temp = Self(path);
        drop(Home::create(&temp.path()).expect("a home"));
        temp
    }

    /// The home's path.
    pub fn path(&self) -> PathBuf {
        self.0.join("home")
    }

    /// The directory around the home.
    pub fn around(&self) -> &Path {
        &self.0
    }

    pub fn home(&self) -> Home {
        Home::open(&self.path()).expect("a home")
    }
}

impl Drop for TempHome {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A directory for temporary files that no disk holds up, if there is one; in own mounts the one that goes with them.
pub fn memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() && std::env::var_os(OWN_MOUNTS).is_none() { shared } else { std::env::temp_dir() }
}

pub fn mode_of(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("it exists").permissions().mode() & 0o7777
}

/// Whether the test may make files of other users; says so where it may not.
pub fn is_root() -> bool {
    let root = crate::sys::process::uid() == 0;
    if !root {
        println!("skipped: root missing");
    }
    root
}

/// Where two threads wait for each other, ten thousand times and more: without sleeping, which would take longer
/// than what they race for. One that panics takes the other along.
#[derive(Default)]
pub struct Turn {
    arrived: AtomicUsize,
    lost: AtomicBool,
}

/// To be held by both threads.
pub struct Racer<'a>(&'a Turn);

impl Turn {
    pub fn racer(&self) -> Racer<'_> {
        Racer(self)
    }
}

impl Racer<'_> {
    /// A moment, without giving the processor away; `false`.
    pub fn spin(&self) -> bool {
        std::hint::spin_loop();
        false
    }

    pub fn wait(&self) {
        let both = (self.0.arrived.fetch_add(1, Ordering::SeqCst) + 1).next_multiple_of(2);
        let mut spins = 0;
        while self.0.arrived.load(Ordering::SeqCst) < both {
            assert!(!self.0.lost.load(Ordering::SeqCst), "the other thread has failed");
            spins += 1;
            if spins < 200 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

impl Drop for Racer<'_> {
    fn drop(&mut self) {
        self.0.lost.fetch_or(std::thread::panicking(), Ordering::SeqCst);
    }
}

/// Whether the test goes on here. Modes do not bind root: there the test runs once more, as a process of an
/// ordinary user, and this fails where that does.
pub fn is_bound_by_modes(test: &str) -> bool {
    if crate::sys::process::uid() != 0 {
        return true;
    }
    // The program may lie where that user cannot look: it is passed open.
    let script = r#"exec 3<"$0" && exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/3 --exact "$1""#;
    let exe = std::env::current_exe().expect("a test");
    let ran = std::process::Command::new("sh").args(["-c", script]).arg(exe).arg(test).output();
    let ran = ran.expect("a shell");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    false
}

/// Runs a test of this program in a process of its own, with `variable` set to `home`, and shows `each` what it
/// prints, line by line; after so many lines that count the process is killed. Over when it is gone.
pub fn killed_after(
    test: &str,
    (variable, home): (&str, &Path),
    mut lines: u64,
    mut each: impl FnMut(&str) -> bool,
) {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", test, "--nocapture"])
        .env(variable, home)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let said = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    for line in said {
        if !each(&line) {
            continue;
        }
        lines -= u64::from(lines > 0);
        if lines == 0 {
            // What it still says until it is gone counts too.
            let _ = child.kill();
        }
    }
    child.wait().expect("gone");
}

/// Set for a test that runs in mounts of its own.
const OWN_MOUNTS: &str = "LOOPGATE_TEST_OWN_MOUNTS";

/// Runs the test `name` of this module once more, in mounts of its own, and ends it where it hangs. True in that
/// run, which is to do what the test is about.
pub fn in_own_mounts(module: &str, name: &str) -> bool {
    if std::env::var_os(OWN_MOUNTS).is_some() {
        return true;
    }
    let flags = if crate::sys::process::uid() == 0 { "-m" } else { "-Urm" };
    let probe = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: unshare with mount namespaces missing");
        return false;
    }
    let name = format!("{}::{name}", module.split_once("::").map_or(module, |(_, rest)| rest));
    // Under a mount it could not be removed there; here, where the mounts are gone with their process, it can.
    let around = TempHome::in_memory();
    // `timeout` ends it where it hangs.
    let again = Command::new("timeout")
        .args(["-s", "KILL", "120", "unshare", flags])
        .arg(std::env::current_exe().expect("a test binary"))
        .args(["--exact", &name, "--nocapture"])
        .env(OWN_MOUNTS, "1")
        .env("TMPDIR", around.around())
        .status();
    assert!(again.expect("it starts").success());
    false
}

/// A file system that answers nothing that it is asked, until this is dropped. For [`in_own_mounts`] alone.
pub struct Silent(#[expect(dead_code, reason = "held")] Option<File>);

impl Silent {
    pub fn over(path: &Path) -> Self {
        let mode = if path.is_dir() { "40000" } else { "100000" };
        let options = format!("fd=0,rootmode={mode},user_id=0,group_id=0");
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let mounted = device.as_ref().is_ok_and(|device| {
            let device = device.try_clone().expect("a descriptor");
            run(Command::new("mount")
                .args(["-i", "-t", "fuse", "-o", &options, "none"])
                .arg(path)
                .stdin(device))
        });
        if !mounted {
            // One that answers, and is refused all the same.
            println!("skipped: FUSE missing");
            let other = memory().join(format!("loopgate-other-{mode}-{}", std::process::id()));
            let made =
                if path.is_dir() { std::fs::create_dir_all(&other) } else { std::fs::write(&other, "") };
            made.expect("made");
            assert!(run(Command::new("mount").arg("--bind").args([&other, path])), "nothing can be mounted");
        }
        Self(device.ok().filter(|_| mounted))
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
