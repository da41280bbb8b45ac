//! Exhaustion by a program on the same machine that has no key (attacks of design section 6), against
//! the real binary with its shipped limits.
//!
//! During each attack an admitted caller is answered throughout, on a kept connection and on new ones;
//! threads and memory stay within bounds; afterwards the instance is back near its idle size. Every
//! attack is bounded in count and time and stays on loopback. They run one at a time, so that none
//! hides behind another. `tests/run` gives the release binary in LOOPGATE_TEST_BIN.

#[path = "support/attack.rs"]
mod attack;
mod support;

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use attack::{LEFT_BEHIND, Size, alone, back_at, open, under_attack, under_attack_with};
use loopgate::limits;
use serde_json::{Value, json};
use support::{Instance, TempDir, binary, path, read_answer, until};

/// What a connection may add to the resident size while it is under way: its buffers and the part of
/// its stack that was touched.
const EACH: u64 = 64 * 1024;
/// What a second attack of the same kind may add to that.
const LEFT_AGAIN: u64 = 512 * 1024;

/// Half a head: enough to be a request, never a whole one.
const HALF: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nX-A: ";

#[test]
fn two_thousand_half_heads_leave_an_admitted_caller_answered_and_are_closed_at_the_deadline() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    half_heads(&instance, idle);
    back_at(&instance, idle, LEFT_BEHIND);
    let after = Size::of(&instance);
    half_heads(&instance, idle);
    back_at(&instance, after, LEFT_AGAIN);
}

fn half_heads(instance: &Instance, idle: Size) {
    let held = under_attack(instance, || {
        let held: Vec<TcpStream> = (0..2_000).map(|_| open_with(instance, HALF)).collect();
        let now = Size::of(instance);
        assert!(now.threads <= idle.threads + limits::CONNECTIONS as u64, "{now:?} after {idle:?}");
        assert!(now.resident <= idle.resident + limits::CONNECTIONS as u64 * EACH, "{now:?} after {idle:?}");
        // Held open by the attacker: it is the instance that ends them.
        let begun = Instant::now();
        until("the half heads are closed", || (open(instance) <= 4).then_some(()));
        assert!(begun.elapsed() < Duration::from_millis(limits::HEAD_DEADLINE_MS + 3_000));
        held
    });
    for mut stream in held {
        let mut rest = Vec::new();
        // An evicted one is reset or just closed; a late one is told why.
        let _ = stream.read_to_end(&mut rest);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "),
            "{:?}",
            String::from_utf8_lossy(&rest)
        );
    }
}

#[test]
fn one_byte_a_second_does_not_move_the_head_deadline() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        let begun = Instant::now();
        let mut slow: Vec<TcpStream> = (0..20).map(|_| open_with(&instance, b"G")).collect();
        // The first one's read is the clock: it gives up after a second, until there is an answer.
        slow[0].set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut bytes = b"ET / HTTP/1.1\r\n".iter();
        let mut first = [0];
        while let Err(error) = slow[0].read(&mut first) {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            let byte = *bytes.next().expect("an end long before the head's");
            slow.iter_mut().for_each(|stream| drop(stream.write(&[byte])));
        }
        let took = begun.elapsed().as_millis() as u64;
        assert!(
            (limits::HEAD_DEADLINE_MS - 100..limits::HEAD_DEADLINE_MS + 2_000).contains(&took),
            "ended after {took} ms"
        );
        for stream in &slow[1..] {
            assert_eq!(read_answer(&mut BufReader::new(stream)).status, 408);
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn clients_that_never_read_are_closed_and_hold_little_memory() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let requests = health(&instance).repeat(100);
    under_attack(&instance, || {
        let deaf: Vec<TcpStream> = (0..64)
            .map(|_| {
                let mut stream = instance.connect();
                stream.set_nonblocking(true).unwrap();
                // Until neither side takes any more: at most 16 MB each.
                for _ in 0..2_000 {
                    if stream.write(&requests).is_err() {
                        break;
                    }
                }
                stream
            })
            .collect();
        let mut largest = 0;
        until("the deaf connections are closed", || {
            largest = largest.max(Size::of(&instance).resident);
            // Those whose socket drained meanwhile go on writing.
            for mut stream in &deaf {
                let _ = stream.write(&requests);
            }
            (open(&instance) <= 4).then_some(())
        });
        assert!(largest <= idle.resident + 64 * EACH + LEFT_BEHIND, "{largest} after {idle:?}");
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_once_each_and_in_order() {
    const COUNT: usize = 10_000;
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let (address, key) = (instance.address, instance.key.as_str());
    under_attack(&instance, || {
        // Which ones ask for a path that does not exist is a pattern that no shift maps to itself.
        let mut random = Random(7);
        let missing: Vec<bool> = (0..COUNT).map(|_| random.next().is_multiple_of(3)).collect();
        let mut stream = instance.connect();
        let mut writer = stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for missing in &missing {
                    let path = if *missing { "/nope" } else { "/" };
                    let request =
                        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nX-AuthKey: {key}\r\n\r\n");
                    writer.write_all(request.as_bytes()).expect("the request is taken");
                }
                writer.shutdown(Shutdown::Write).expect("the end is sent");
            });
            let mut answers = BufReader::new(&mut stream);
            for (at, missing) in missing.iter().enumerate() {
                let expected = if *missing { 404 } else { 200 };
                assert_eq!(read_answer(&mut answers).status, expected, "answer {at}");
            }
            assert_eq!(answers.read(&mut [0]).expect("the end"), 0, "an answer too many");
        });
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn a_hundred_megabyte_header_line_is_refused_at_its_limit() {
    endless(b"GET / HTTP/1.1\r\nX-A: ", &[b'a'; 64 * 1024], 100_000_000);
}

#[test]
fn a_million_headers_are_refused_at_their_limit() {
    endless(b"GET / HTTP/1.1\r\n", &b"A: b\r\n".repeat(10_000), 6_000_000);
}

/// Sends `start` and then `piece` until `total` bytes are sent or the instance has had enough.
fn endless(start: &[u8], piece: &[u8], total: usize) {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        let stream = open_with(&instance, start);
        let mut writer = stream.try_clone().unwrap();
        let (answer, sent) = thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut sent = 0;
                while sent < total {
                    match writer.write(piece) {
                        Ok(n) => sent += n,
                        Err(_) => break,
                    }
                }
                sent
            });
            let answer = read_answer(&mut BufReader::new(&stream));
            let now = Size::of(&instance);
            assert!(now.resident <= idle.resident + LEFT_BEHIND, "{now:?} after {idle:?}");
            (answer, writer.join().unwrap())
        });
        assert_eq!(answer.status, 431);
        // What the sockets' buffers and the bounded drain of a closing connection take.
        assert!(sent < total.min(16_000_000), "{sent} bytes were taken");
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn agents_leave_the_gate_its_descriptors() {
    let _alone = alone();
    let instance = with_descriptors(128);
    let agents: Vec<Value> = (0..8)
        .map(|at| json!({"name": format!("a{at}"), "backend": "local", "config": {"command": ["cat"]}}))
        .collect();
    let swarm = json!({"config": {"name": "all", "agents": agents}});
    assert_eq!(instance.call_as(&[], "POST", "/api/swarms", &swarm).status, 201);
    let one_more =
        instance.call("POST", "/api/v1/agents", &json!({"name": "more", "command": ["cat"], "cwd": "/"}));
    assert_eq!((one_more.status, &one_more.json()["code"]), (503, &json!("agent_limit")));
    // Kept open, they have together what the agents left.
    let head = format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\n\r\n",
        instance.address, instance.key
    );
    let held: Vec<TcpStream> = (0..40).map(|_| open_with(&instance, head.as_bytes())).collect();
    for stream in &held {
        assert_eq!(read_answer(&mut BufReader::new(stream)).status, 200);
    }
}

/// An instance that may have no more open than so many.
fn with_descriptors(most: usize) -> Instance {
    let home = TempDir::new();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {most} && exec \"$0\" serve")]).arg(binary()).env_clear();
    command.env("LOOPGATE_HOME", home.path()).env("HOME", home.path()).env("PATH", path());
    Instance::from_command(home, &mut command)
}

#[test]
fn descriptors_used_up_and_freed_again_do_not_stop_the_instance() {
    let _alone = alone();
    let instance = with_descriptors(64);
    let idle = Size::of(&instance);
    for _ in 0..3 {
        // With some fifty places, a burst of strangers can outrun a caller between its connection and its
        // first byte, before which it is a stranger too.
        under_attack_with(&instance, 5, || {
            let held: Vec<TcpStream> = (0..300).map(|_| open_with(&instance, HALF)).collect();
            let now = Size::of(&instance);
            assert!(now.threads < idle.threads + 64, "{now:?} after {idle:?}");
            drop(held);
        });
        back_at(&instance, idle, LEFT_BEHIND);
    }
}

#[test]
fn a_reset_storm_leaves_nothing_behind() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let request = health(&instance);
    under_attack(&instance, || {
        for at in 0..5_000 {
            let mut stream = instance.connect();
            // A part of a request, all of it, or nothing; then a reset instead of an end.
            let _ = stream.write_all(&request[..request.len() * (at % 3) / 2]);
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn random_bytes_are_never_a_request() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        let mut random = Random(1);
        for at in 0..2_000 {
            let length = random.next() as usize % 2_000 + 1;
            let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            if at % 2 == 0 {
                // Half of them get as far as the fields.
                bytes.splice(..0, *b"GET / HTTP/1.1\r\n");
            }
            let mut stream = instance.connect();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            // A reset may take the end of what nobody wanted.
            let _ = stream.read_to_end(&mut answer);
            let text = String::from_utf8_lossy(&answer);
            assert!(
                answer.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5"),
                "{text}"
            );
            assert!(text.matches("HTTP/1.1 ").count() <= 1, "{text}");
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

fn open_with(instance: &Instance, bytes: &[u8]) -> TcpStream {
    let mut stream = instance.connect();
    // It may have been evicted already.
    let _ = stream.write_all(bytes);
    stream
}

fn health(instance: &Instance) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", instance.address).into_bytes()
}

/// The same numbers in every run (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }
}
