//! A user's terminal: a program on it, and the test at the other end.

#![allow(dead_code)] // each test file uses its own part

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    time::Instant,
};

use loopgate::sys::{pty, tty::Size};

use crate::support::{PATIENCE, until};

/// A program on a terminal that the test holds the other end of.
pub struct OnTerminal {
    pub child: Child,
    master: File,
    pub slave: OwnedFd,
    seen: Vec<u8>,
}

impl OnTerminal {
    pub fn start(command: &mut Command, size: Size) -> Self {
        let pty = pty::open(size).expect("a terminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it runs");
        Self { child, master: pty.master, slave: pty.slave, seen: Vec::new() }
    }

    /// All that came so far.
    pub fn text(&mut self) -> String {
        let mut buffer = [0; 4096];
        // the terminal's side that we hold does not block
        while let Ok(read @ 1..) = self.master.read(&mut buffer) {
            self.seen.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    #[track_caller]
    pub fn until(&mut self, awaited: &str) -> String {
        let end = Instant::now() + PATIENCE;
        until(awaited, || {
            let text = self.text();
            // Shown, because what came instead tells more than that something did not come.
            assert!(Instant::now() < end, "waited in vain for {awaited:?}; there came {text:?}");
            text.contains(awaited).then_some(text)
        })
    }

    pub fn type_keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).expect("typed");
    }

    /// Whether the terminal echoes what is typed, as it does for a shell and not in raw mode.
    pub fn echoes(&self) -> bool {
        let settings =
            Command::new("stty").arg("-a").stdin(self.slave.try_clone().expect("a descriptor")).output();
        let text = String::from_utf8(settings.expect("stty").stdout).expect("text");
        text.split_whitespace().any(|word| word == "echo")
    }

    pub fn end(&mut self) -> Option<i32> {
        until("the program's end", || {
            self.text();
            self.child.try_wait().expect("a child")
        })
        .code()
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
