//! A sandbox for tests of what happens inside one: the real bubblewrap around the binary under test.

use std::{
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use loopgate::sys::inherited;

/// Whether bubblewrap is there and may make namespaces here.
pub fn works() -> bool {
    let mut command = Command::new("bwrap");
    let ran = command.args(["--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"]).output();
    ran.is_ok_and(|ran| ran.status.success())
}

/// A sandbox with our shim in it.
pub struct Sandbox {
    pub child: Child,
    /// our end of its socket pair
    pub socket: Option<UnixStream>,
}

impl Sandbox {
    /// Starts it. `workspace` is its /workspace, writable; `words` are more of bwrap's; a terminal takes the place
    /// of all three streams.
    pub fn start(workspace: &Path, words: &[&str], pass: Vec<OwnedFd>, terminal: Option<OwnedFd>) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let exe = OwnedFd::from(std::fs::File::open(crate::support::binary()).unwrap());
        let mut command = Command::new("bwrap");
        command
            .args("--unshare-user --unshare-all --disable-userns --die-with-parent --new-session".split(' '));
        command
            .args("--clearenv --cap-drop ALL --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run".split(' '));
        command.args([
            "--tmpfs",
            "/home",
            "--dir",
            "/home/agent",
            "--ro-bind",
            "/usr",
            "/usr",
            "--dir",
            "/etc",
        ]);
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64"] {
            match std::fs::read_link(name) {
                Ok(to) => command.arg("--symlink").arg(to).arg(name),
                Err(_) => command.args(["--ro-bind-try", name, name]),
            };
        }
        command.arg("--bind").arg(workspace).arg("/workspace").args(words);
        let exe = inherited::pass(&mut command, exe);
        let socket = inherited::pass(&mut command, theirs.into());
        for descriptor in pass {
            inherited::pass(&mut command, descriptor);
        }
        command.arg("--").arg(format!("/proc/self/fd/{exe}")).args(["sandbox-shim", &socket.to_string()]);
        match terminal {
            Some(terminal) => command
                .stdin(terminal.try_clone().unwrap())
                .stdout(terminal.try_clone().unwrap())
                .stderr(terminal),
            None => command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()),
        };
        let child = command.process_group(0).spawn().unwrap();
        // Our copies go with it: the other end closes when the shim lets go of it.
        drop(command);
        Self { child, socket: Some(ours) }
    }

    /// What the program wrote until its end.
    pub fn output(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.child.wait().unwrap();
        text
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe with something in it, whose descriptor keeps its number.
pub fn file_of(bytes: &[u8]) -> OwnedFd {
    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, bytes).unwrap();
    let reader = OwnedFd::from(reader);
    assert!(reader.as_raw_fd() > 2);
    reader
}
