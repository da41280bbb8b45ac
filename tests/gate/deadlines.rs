//! Time: one deadline for each phase, on a clock that the tests move.

use std::{io::Read, sync::atomic::Ordering, time::Duration};

use loopgate::limits;

use crate::rig::{Peer, Rig, until};

/// Long enough that no other deadline is met while a test looks at one.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Moves the clock on in small steps until `done`.
#[track_caller]
pub fn let_time_pass(rig: &Rig, what: &str, mut done: impl FnMut() -> bool) {
    until(what, || {
        rig.clock.advance(50);
        done()
    });
}

#[test]
fn a_slow_head_is_answered_408_at_the_deadline() {
    let rig = Rig::new();
    let mut slow = rig.seated();
    slow.send("GET / HTTP/1.1\r\nA: ");
    // A byte now and then does not move the deadline: it belongs to the whole head.
    let began = rig.clock_ms();
    let_time_pass(&rig, "the deadline", || {
        slow.send("a");
        rig.count(|counters| &counters.deadline_408) == 1
    });
    assert!(rig.clock_ms() - began >= limits::HEAD_DEADLINE_MS);
    let answer = slow.answer();
    assert!(answer.status == 408 && answer.closes());
    assert!(slow.is_at_its_end());
    assert!(rig.service.labels().is_empty());
    until("its end", || rig.open() == 0);
}

#[test]
fn a_head_within_the_deadline_is_served() {
    let rig = Rig::new();
    let mut slow = rig.seated();
    slow.send("GET / HTTP/1.1\r\n");
    rig.clock.advance(limits::HEAD_DEADLINE_MS - 1);
    slow.send("\r\n");
    assert_eq!(slow.answer().status, 200);
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let rig = Rig::new();
    let mut silent = rig.seated();
    let_time_pass(&rig, "the deadline", || rig.open() == 0);
    assert!(silent.is_at_its_end());
    assert_eq!(rig.count(|counters| &counters.deadline_408), 0);
}

#[test]
fn the_second_head_has_a_deadline_of_its_own() {
    let rig = Rig::with(|settings| settings.idle = NEVER);
    let mut peer = rig.seated();
    assert_eq!(peer.get("/").status, 200);
    peer.send("GET / HT");
    let_time_pass(&rig, "the deadline", || rig.count(|counters| &counters.deadline_408) == 1);
    assert_eq!(peer.answer().status, 408);
}

#[test]
fn a_slow_body_is_answered_408_at_the_deadline() {
    let rig = Rig::new();
    let mut slow = rig.seated();
    slow.send("POST /slow HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
    until("the body's turn", || rig.count(|counters| &counters.bodies_bytes) == 1_000);
    let began = rig.clock_ms();
    let mut sent = 0;
    let_time_pass(&rig, "the deadline", || {
        if sent < 900 {
            slow.send("a");
            sent += 1;
        }
        rig.count(|counters| &counters.deadline_408) == 1
    });
    assert!(rig.clock_ms() - began >= limits::BODY_DEADLINE_MS);
    let answer = slow.answer();
    assert!(answer.status == 408 && answer.closes());
    assert_eq!(answer.header("X-Label"), Some("POST /slow"));
    assert!(slow.is_at_its_end());
    assert!(rig.service.labels().is_empty());
    until("the budget's return", || rig.count(|counters| &counters.bodies_bytes) == 0);
}

#[test]
fn a_client_that_never_reads_is_closed_at_the_deadline() {
    let rig = Rig::new();
    let mut deaf = rig.seated();
    deaf.send("GET /zeroes?67108864 HTTP/1.1\r\n\r\n");
    until("its handler", || rig.service.labels().len() == 1);
    let began = rig.clock_ms();
    let_time_pass(&rig, "the deadline", || rig.open() == 0);
    assert!(rig.clock_ms() - began >= limits::WRITE_DEADLINE_MS);
    // It has not got all of it.
    let mut got = 0;
    let mut bytes = vec![0; 1024 * 1024];
    while let Ok(count) = deaf.stream.read(&mut bytes)
        && count > 0
    {
        got += count;
    }
    assert!(got < 67_108_864, "{got}");
}

#[test]
fn a_client_that_pipelines_and_never_reads_is_closed_at_the_deadline() {
    let rig = Rig::new();
    let deaf = rig.seated();
    let mut sender = Peer { stream: deaf.stream.try_clone().unwrap(), ahead: Vec::new() };
    let thread = std::thread::spawn(move || {
        let requests = "GET /zeroes?100000 HTTP/1.1\r\n\r\n".repeat(1_000);
        for _ in 0..100 {
            sender.send(&requests);
        }
    });
    let_time_pass(&rig, "the deadline", || rig.open() == 0);
    assert!(rig.service.labels().len() < 100_000);
    thread.join().unwrap();
}

#[test]
fn an_idle_connection_is_closed_at_the_deadline() {
    // An answer's deadline must not be met between its last byte and the begin of the silence.
    let rig = Rig::with(|settings| settings.write = NEVER);
    let mut idle = rig.seated();
    assert_eq!(idle.get("/").status, 200);
    rig.clock.advance(limits::IDLE_DEADLINE_MS - 1);
    assert_eq!(idle.get("/").status, 200);
    let began = rig.clock_ms();
    let_time_pass(&rig, "the deadline", || rig.open() == 0);
    assert!(rig.clock_ms() - began >= limits::IDLE_DEADLINE_MS);
    assert!(idle.is_at_its_end());
}

#[test]
fn a_handler_and_an_upgraded_connection_have_no_deadline_of_the_gate() {
    let rig = Rig::new();
    let mut busy = rig.seated();
    busy.send("GET /wait HTTP/1.1\r\n\r\n");
    until("a busy handler", || rig.service.waiting.load(Ordering::SeqCst) == 1);
    let mut upgraded = rig.seated();
    assert_eq!(upgraded.get("/upgrade").status, 101);
    upgraded.send("a");
    let mut byte = [0];
    upgraded.stream.read_exact(&mut byte).unwrap();
    // Somebody else's deadline shows that the watchdog has looked.
    let silent = rig.seated();
    rig.clock.advance(10_000_000);
    until("the watchdog", || rig.open() == 2);
    drop(silent);
    rig.service.release();
    assert_eq!(busy.answer().status, 200);
    upgraded.send("b");
    upgraded.stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"c");
}
