//! The control arm: the same probes in namespaces of their own, where everything is answered and nothing is
//! refused.
//!
//! The sandbox without what makes it one: it has the system's programs and directories in memory, and powers over
//! its own network and nobody else's. Its user is root there and whoever runs the proof outside.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    backend::bwrap::{program, system, words::Mount},
    egress::probe::{Finding, VERB, World},
    limits,
    sys::inherited,
};

/// How long all probes may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that are read, and bytes of one.
const LINES: usize = 256;
const LINE: u64 = 64 * 1024;
/// Who answers questions for names there: an address of its loopback.
const RESOLVER: &[u8] = b"nameserver 192.0.2.53\n";
/// Powers that the probes need, over the namespaces alone.
const POWERS: [&str; 4] = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_SYS_PTRACE"];

/// What the probes found there; why they could not be made.
pub(super) fn run(world: &World) -> Result<Vec<Finding>, String> {
    let bwrap = program::bwrap().map_err(|_| "bubblewrap cannot be used here".to_owned())?;
    let own = File::open("/proc/self/exe").map_err(|_| "this program cannot be opened".to_owned())?;
    let resolver = piped(RESOLVER).map_err(|_| "no descriptors are left".to_owned())?;
    let mut command = Command::new(bwrap);
    command.args(["--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]);
    command.args(["--uid", "0", "--gid", "0", "--die-with-parent", "--new-session", "--clearenv"]);
    POWERS.iter().for_each(|power| {
        command.args(["--cap-add", power]);
    });
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
    for mount in system::system(&system::look) {
        let (how, what, at) = match mount {
            Mount::Read(from, at) => ("--ro-bind", from, at),
            Mount::Link(to, at) => ("--symlink", to, at),
            // The system is shown by these two alone.
            Mount::Write(..) | Mount::Data(..) | Mount::Empty(_) => continue,
        };
        command.arg(how).arg(what).arg(at);
    }
    command.args(["--ro-bind-data", &resolver.as_raw_fd().to_string(), "/etc/resolv.conf"]);
    let path = format!("/proc/self/fd/{}", own.as_raw_fd());
    command.args(["--", &path, VERB]).arg(OsString::from_vec(world.to_word().into_bytes()));
    inherited::pass(&mut command, resolver);
    inherited::pass(&mut command, own.into());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|_| "bubblewrap cannot be started".to_owned())?;
    drop(command);
    findings(child)
}

/// What it prints within the time; it is ended then.
fn findings(mut child: Child) -> Result<Vec<Finding>, String> {
    let Some(stdout) = child.stdout.take() else { return Err("it has no output".to_owned()) };
    let (tell, told) = mpsc::channel();
    let read = move || {
        let mut lines = BufReader::new(stdout.take(LINE.saturating_mul(LINES as u64))).lines();
        while let Some(Ok(line)) = lines.next() {
            if tell.send(line).is_err() {
                break;
            }
        }
    };
    let reader =
        thread::Builder::new().name("proof-control".to_owned()).stack_size(limits::THREAD_STACK).spawn(read);
    let mut found = Vec::new();
    let end = Instant::now().checked_add(PATIENCE).unwrap_or_else(Instant::now);
    let done = reader.is_ok()
        && loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = told.recv_timeout(left) else { break false };
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if value.get("done").is_some() {
                break true;
            }
            found.extend(Finding::from_json(&value));
        };
    // Its namespaces end with it, and everything in them.
    let _ = child.kill();
    let _ = child.wait();
    if done || !found.is_empty() { Ok(found) } else { Err("its network could not be made".to_owned()) }
}

/// Something to be read to its end from a descriptor.
fn piped(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(bytes)?;
    Ok(reader.into())
}
