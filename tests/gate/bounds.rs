//! Sizes: what is too long, too many or too much.

use std::{io::Write, sync::atomic::Ordering, time::Duration};

use loopgate::limits;

use crate::rig::{Rig, until};

#[test]
fn request_line_over_its_limit_is_414() {
    let rig = Rig::new();
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 16));
    for (length, status) in [(limits::REQUEST_LINE, 200), (limits::REQUEST_LINE + 1, 414)] {
        let answers = rig.exchange(line(length).as_bytes());
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [status]);
    }
    // Not even its end is waited for.
    let mut peer = rig.connect();
    peer.send(vec![b'a'; limits::REQUEST_LINE]);
    assert_eq!(peer.answer().status, 414);
}

#[test]
fn head_over_its_limit_is_431() {
    let rig = Rig::new();
    let head = |length: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(length - 23));
    for (length, status) in [(limits::HEAD, 200), (limits::HEAD + 1, 431)] {
        let answers = rig.exchange(head(length).as_bytes());
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [status]);
    }
}

#[test]
fn more_headers_than_the_limit_is_431() {
    let rig = Rig::new();
    let head = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    for (count, status) in [(limits::HEADERS, 200), (limits::HEADERS + 1, 431), (1_000_000, 431)] {
        let mut peer = rig.connect();
        peer.send(head(count));
        assert_eq!(peer.answer().status, status);
    }
}

#[test]
fn a_header_line_of_100_megabytes_is_refused_at_16_kib() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("GET / HTTP/1.1\r\nA: ");
    let chunk = vec![b'a'; 64 * 1024];
    let mut taken = 0_usize;
    while taken < 100 * 1024 * 1024 {
        match peer.stream.write(&chunk) {
            Ok(count) => taken += count,
            Err(_) => break,
        }
    }
    assert!(taken < 32 * 1024 * 1024, "{taken} bytes were taken");
    assert_eq!(peer.answer().status, 431);
    until("its end", || rig.open() == 0);
}

#[test]
fn a_body_over_its_routes_limit_is_413() {
    let rig = Rig::new();
    for (path, length, status) in [
        ("/a", limits::BODY_SMALL, 200),
        ("/a", limits::BODY_SMALL + 1, 413),
        ("/large", limits::BODY_LARGEST, 200),
    ] {
        let mut peer = rig.connect();
        peer.send(format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"));
        peer.send(vec![b'a'; length]);
        let answer = peer.answer();
        assert_eq!((answer.status, answer.closes()), (status, status == 413));
    }
}

#[test]
fn a_declared_body_over_every_limit_is_413_before_admission() {
    let rig = Rig::new();
    for length in ["1048577", "100000000000", "999999999999999999999"] {
        let answers =
            rig.exchange(format!("POST /large HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [413]);
    }
    assert_eq!(rig.service.decided.load(Ordering::SeqCst), 0);
}

#[test]
fn bodies_beyond_the_budget_are_503() {
    let rig = Rig::with(|settings| settings.body_budget = 100);
    let held = || rig.count(|counters| &counters.bodies_bytes);
    let mut first = rig.connect();
    first.send("POST /first HTTP/1.1\r\nContent-Length: 60\r\n\r\nbegun");
    until("a part of the budget", || held() == 60);

    let mut second = rig.connect();
    second.send("POST /second HTTP/1.1\r\nContent-Length: 41\r\n\r\n");
    let answer = second.answer();
    assert!(answer.status == 503 && answer.closes());
    assert!(second.is_at_its_end());
    // A small one fits beside it.
    let mut third = rig.connect();
    third.send(format!("POST /third HTTP/1.1\r\nContent-Length: 40\r\n\r\n{}", "a".repeat(40)));
    assert_eq!(third.answer().status, 200);

    // One that goes away in the middle gives its part back.
    drop(first);
    until("the budget's return", || held() == 0);
    third.send(format!("POST /again HTTP/1.1\r\nContent-Length: 100\r\n\r\n{}", "a".repeat(100)));
    assert_eq!(third.answer().status, 200);
    until("the budget's return", || held() == 0);
}

#[test]
fn threads_have_the_declared_stack() {
    let rig = Rig::new();
    let answer = rig.connect().get("/stack");
    let bytes: usize = String::from_utf8(answer.body).unwrap().parse().unwrap();
    // The C library may put a guard page inside it, or round up to one.
    let slack = 16 * 1024;
    assert!((limits::THREAD_STACK - slack..=limits::THREAD_STACK + slack).contains(&bytes), "{bytes}");
}

#[test]
fn the_error_answer_survives_unread_input() {
    let rig = Rig::new();
    let body = vec![b'a'; 200_000];
    for _ in 0..50 {
        let mut peer = rig.connect();
        peer.send(format!("POST /refused HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()));
        peer.send(&body);
        let answer = peer.answer();
        assert!(answer.status == 401 && answer.closes());
        assert!(peer.is_at_its_end());
    }
    // A peer that neither goes nor says anything is not waited for longer than the limit.
    let mut silent = rig.connect();
    assert_eq!(silent.get("/refused").status, 401);
    silent.send("nonsense\n");
    assert_eq!(silent.answer().status, 400);
    let linger = Duration::from_millis(limits::LINGER_MS);
    until("the limit", || {
        rig.clock.advance(linger.as_millis() as u64);
        rig.open() == 0
    });
}

#[test]
fn lingering_is_bounded_in_bytes() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("nonsense\n");
    assert_eq!(peer.answer().status, 400);
    // The clock stands still, so it is the number of bytes that ends it.
    let chunk = vec![b'a'; 16 * 1024];
    let mut taken = 0;
    while rig.open() > 0 {
        taken += peer.stream.write(&chunk).unwrap_or(0);
        assert!(taken < 64 * 1024 * 1024, "{taken} bytes were drained");
    }
    assert!(taken >= limits::LINGER_BYTES);
}
