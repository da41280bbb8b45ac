//! What the tests of exhaustion share: an admitted caller who must be answered throughout, and the size
//! of the instance before and after.

#![allow(dead_code)] // each test file uses its own part

use std::{
    fs,
    io::{BufReader, Write},
    net::TcpStream,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Answer, Instance, PATIENCE, read_answer, skipped};

/// What may stay behind after a first attack, and does not grow with a second one: the C library keeps
/// 40 MiB of stacks, 160 of ours with 12 KiB touched, and a few heaps of its allocator.
pub const LEFT_BEHIND: u64 = 6 * 1024 * 1024;

/// What an instance takes of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub threads: u64,
    /// bytes of memory of its own: its code is shared, and its pages come with use and go when the
    /// kernel or the program lets go of them
    pub resident: u64,
    /// `None` where this user may not look: the instance is not dumpable
    pub descriptors: Option<usize>,
}

impl Size {
    pub fn of(instance: &Instance) -> Self {
        let pid = instance.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the instance lives");
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of /proc");
            value.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        Self {
            threads: field("Threads:"),
            resident: field("RssAnon:") * 1024,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count),
        }
    }
}

/// Waits until the instance is near the size that it had before an attack, `left` bytes above it at most.
#[track_caller]
pub fn back_at(instance: &Instance, idle: Size, left: u64) {
    if idle.descriptors.is_none() {
        skipped("root, to count the instance's descriptors:");
    }
    let mut now = idle;
    let end = Instant::now() + PATIENCE;
    loop {
        now = if Instant::now() < end { Size::of(instance) } else { panic!("{now:?} after {idle:?}") };
        // One connection of our own may still be on its way out.
        if now.threads <= idle.threads + 1
            && now.descriptors <= idle.descriptors.map(|count| count + 1)
            && now.resident <= idle.resident + left
        {
            return;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Runs `attack` while an admitted caller asks again and again, on a kept connection and on new ones,
/// and must be answered every time.
pub fn under_attack<T>(instance: &Instance, attack: impl FnOnce() -> T) -> T {
    under_attack_with(instance, 1, attack)
}

/// The same; a new connection may be closed without a byte of an answer, and is tried up to `tries` times.
pub fn under_attack_with<T>(instance: &Instance, tries: usize, attack: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    // Admitted before the attack begins.
    let mut kept = instance.connect();
    assert_eq!(ask(instance, &mut kept).status, 200);
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) || rounds < 10 {
                assert_eq!(ask(instance, &mut kept).status, 200, "kept connection, round {rounds}");
                let mut answers = (0..tries).map(|_| ask(instance, &mut instance.connect()).status);
                let answer = answers.find(|status| *status != 0);
                assert_eq!(answer, Some(200), "new connection, round {rounds}");
                rounds += 1;
                thread::park_timeout(Duration::from_millis(5));
            }
        });
        // The caller must end whatever becomes of the attack.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attack));
        over.store(true, Ordering::Relaxed);
        caller.join().expect("an admitted caller is answered throughout");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One request with the owner key, which must be answered within five seconds; status 0 where it is not.
pub fn ask(instance: &Instance, stream: &mut TcpStream) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = format!(
        "GET /agentmux/reactive/agents HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\n\r\n",
        instance.address, instance.key
    );
    // Where it is not taken, there is no answer either.
    let _ = stream.write_all(request.as_bytes());
    read_answer(&mut BufReader::new(stream))
}

/// Connections that the instance has open, the one that asks among them.
pub fn open(instance: &Instance) -> u64 {
    let answer = instance.call("GET", "/api/v1/status", &Value::Null);
    answer.json()["connections"]["open"].as_u64().expect("a number of open connections")
}

/// One attack at a time, with room for its sockets.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    loopgate::sys::process::raise_descriptor_limit().expect("the limit can be raised to its hard one");
    guard
}
