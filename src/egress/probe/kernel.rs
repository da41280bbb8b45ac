//! Probes of what the kernel would let a process do to itself and to others.
//!
//! What is tried on another process is tried on a child of the probe, which every rule but a filter allows;
//! its memory as a file is that of the sandbox's first process.

use std::{
    fs::{self, File},
    io,
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use super::{
    Arm, Outcome, World,
    answers::{Answers, name_of},
    steps,
};
use crate::sys::attempt::{self, Attempt};

/// Descriptors beside the three streams, and the one that looks.
pub(super) fn descriptors(world: &World) -> Outcome {
    let _other = match world.arm {
        Arm::Sandbox => None,
        Arm::Control => UnixStream::pair().ok(),
    };
    let entries = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries,
        Err(error) => return Outcome::Cannot(name_of(&error)),
    };
    // The one that looks is gone by the time it is asked about.
    let open = entries.flatten().filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap_or(u32::MAX);
        // The streams are pipes or a terminal; a socket would lead to whoever is at its other end.
        let is_stream = number <= 2 && !target.as_os_str().as_encoded_bytes().starts_with(b"socket:");
        (!is_stream).then(|| format!("{number} -> {}", target.display()))
    });
    let mut open: Vec<String> = open.collect();
    let own = format!("/proc/{}/fd", std::process::id());
    // It is open while the list is read, and only then.
    open.retain(|text| !text.ends_with(&own) || fs::read_link(own_entry(text)).is_ok());
    if open.is_empty() {
        Outcome::Blocked("0, 1 and 2 only".to_owned())
    } else {
        Outcome::Reached(open.join(", "))
    }
}

/// The entry of a line of the list above.
fn own_entry(text: &str) -> String {
    format!("/proc/self/fd/{}", text.split(' ').next().unwrap_or_default())
}

pub(super) fn io_uring(world: &World) -> Outcome {
    one(world, "io_uring_setup", attempt::attempt(Attempt::IoUring))
}

/// In a process of its own: one with threads may not.
pub(super) fn user_namespace(world: &World) -> Outcome {
    let mut answers = Answers::new(world);
    let answer = match steps::run_as_process(steps::UNSHARE) {
        Ok(word) if word == steps::DONE => Ok(()),
        Ok(word) => Err(word),
        Err(error) => Err(name_of(&error)),
    };
    answers.note("unshare", answer);
    answers.outcome()
}

pub(super) fn ptrace(world: &World) -> Outcome {
    on_child(world, "PTRACE_SEIZE", Attempt::Seize)
}

pub(super) fn process_vm(world: &World) -> Outcome {
    on_child(world, "process_vm_readv", Attempt::ReadMemory)
}

pub(super) fn pidfd_getfd(world: &World) -> Outcome {
    on_child(world, "pidfd_getfd", Attempt::TakeDescriptor)
}

pub(super) fn proc_mem(world: &World) -> Outcome {
    let mut answers = Answers::new(world);
    let open = |pid: u32| File::open(format!("/proc/{pid}/mem")).map(|_| ()).map_err(|error| name_of(&error));
    match world.arm {
        Arm::Sandbox => answers.note("the first process", open(1)),
        Arm::Control => match Held::start() {
            Ok(held) => answers.note("a child", open(held.0.id())),
            Err(error) => return Outcome::Cannot(name_of(&error)),
        },
    }
    answers.outcome()
}

fn on_child(world: &World, what: &str, make: fn(u32) -> Attempt) -> Outcome {
    match Held::start() {
        Ok(held) => one(world, what, attempt::attempt(make(held.0.id()))),
        Err(error) => Outcome::Cannot(format!("no child could be started: {}", name_of(&error))),
    }
}

fn one(world: &World, what: &str, answer: io::Result<()>) -> Outcome {
    let mut answers = Answers::new(world);
    answers.note(what, answer.map_err(|error| name_of(&error)));
    answers.outcome()
}

/// A child that waits; dropped, it ends.
struct Held(Child);

impl Held {
    fn start() -> io::Result<Self> {
        let mut command = Command::new(steps::PROGRAM);
        command.args([steps::VERB, "step", steps::WAIT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It has ended by itself, or is killed: nobody else waits for it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
