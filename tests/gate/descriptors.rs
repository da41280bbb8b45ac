//! A process without descriptors goes on serving.
//!
//! The server runs in a child process with few descriptors: this test program once more, told by
//! its environment to be that child.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::atomic::Ordering,
};

use crate::rig::{Peer, Rig, until};

const CHILD: &str = "LOOPGATE_TEST_FEW_DESCRIPTORS";

/// A gate in a process of its own with 40 descriptors.
struct Few {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Few {
    fn start() -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "descriptors::the_child_with_few_descriptors",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut few = Self { child, lines, address: ([127, 0, 0, 1], 0).into() };
        few.address = few.said("address ").parse().unwrap();
        few
    }

    /// Says a word to the child; what it answers.
    fn tell(&mut self, word: &str) -> u64 {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        self.said(&format!("{word} ")).parse().unwrap()
    }

    /// The rest of its next line that has `prefix` in it; the test harness talks on the same stream.
    fn said(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the child is gone");
            if let Some(at) = line.find(prefix) {
                return line[at + prefix.len()..].trim().to_owned();
            }
        }
    }
}

impl Drop for Few {
    fn drop(&mut self) {
        // Its stdin ends, and so does it.
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// The child's part; nothing in an ordinary run.
#[test]
fn the_child_with_few_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let rig = Rig::new();
    println!("\naddress {}", rig.gate.local_addr());
    let mut eaten = Vec::new();
    for word in std::io::stdin().lines() {
        let word = word.unwrap();
        let answer = match word.as_str() {
            "eat" => {
                eaten.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
                eaten.len() as u64
            }
            "free" => {
                eaten.clear();
                0
            }
            "waiting" => rig.service.waiting.load(Ordering::SeqCst),
            "release" => {
                rig.service.release();
                0
            }
            "errors" => rig.count(|counters| &counters.accept_errors),
            "evicted" => rig.count(|counters| &counters.evicted),
            "open" => rig.open(),
            other => panic!("{other}"),
        };
        println!("{word} {answer}");
    }
    // Said, not returned: the harness would write to a stream that may be gone.
    std::process::exit(0);
}

#[test]
fn a_process_out_of_descriptors_evicts_and_goes_on() {
    let mut few = Few::start();
    let mut crowd: Vec<_> = (0..200).map(|_| Peer::connect(few.address)).collect();
    for n in 0..20 {
        let mut peer = Peer::connect(few.address);
        assert_eq!(peer.known_get("/").status, 200, "{n}");
        crowd.push(peer);
    }
    assert!(few.tell("errors") > 0 && few.tell("evicted") > 0);
    // Once the crowd is gone, everything is as before.
    drop(crowd);
    until("their end", || few.tell("open") == 0);
    let (errors, evicted) = (few.tell("errors"), few.tell("evicted"));
    for _ in 0..100 {
        assert_eq!(Peer::connect(few.address).get("/").status, 200);
    }
    until("their end", || few.tell("open") == 0);
    assert_eq!((few.tell("errors"), few.tell("evicted")), (errors, evicted));
}

#[test]
fn descriptors_used_up_elsewhere_and_freed_again_do_not_end_the_accept_loop() {
    let mut few = Few::start();
    assert!(few.tell("eat") > 0);
    // All that can be accepted is busy, so nobody can be evicted and newcomers are turned away.
    let mut busy = Vec::new();
    let mut turned_away = 0;
    while turned_away < 5 {
        let mut peer = Peer::connect(few.address);
        peer.send("GET /wait HTTP/1.1\r\n\r\n");
        let before = busy.len() as u64;
        let mut probe = peer.stream.try_clone().unwrap();
        probe.set_read_timeout(Some(std::time::Duration::from_millis(5))).unwrap();
        until("a place or the end", || {
            let mut byte = [0];
            match std::io::Read::read(&mut probe, &mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => few.tell("waiting") > before,
                _ => true,
            }
        });
        if few.tell("waiting") > before {
            busy.push(peer);
        } else {
            turned_away += 1;
        }
        assert!(busy.len() < 40);
    }
    assert!(few.tell("errors") > 0);
    few.tell("free");
    few.tell("release");
    for peer in &mut busy {
        peer.stream.set_read_timeout(Some(crate::rig::PATIENCE)).unwrap();
        assert_eq!(peer.answer().status, 200);
    }
    for _ in 0..100 {
        assert_eq!(Peer::connect(few.address).get("/").status, 200);
    }
}
