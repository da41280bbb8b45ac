//! What a well-behaved client gets.

use std::{net::Shutdown, sync::atomic::Ordering, time::Duration};

use crate::rig::{Rig, until};

#[test]
fn every_answer_carries_the_headers_that_the_gate_promises() {
    let rig = Rig::new();
    let answer = rig.connect().get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Content-Length"), Some("0"));
    // The clock shows 1,000 s after the epoch.
    assert_eq!(answer.header("Date"), Some("Thu, 01 Jan 1970 00:16:40 GMT"));
    assert_eq!(answer.header("Connection"), None);
    assert_eq!(answer.header("Server"), None);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    for n in 1..=100 {
        assert_eq!(peer.get("/count").body, n.to_string().into_bytes());
    }
    assert_eq!(rig.count(|counters| &counters.accepted), 1);
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    let mut writer = peer.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        let mut requests = String::new();
        for n in 0..10_000 {
            let body = n.to_string();
            requests.push_str(&format!(
                "POST /{n} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
        writer.write_all(requests.as_bytes()).unwrap();
    });
    for n in 0..10_000 {
        let answer = peer.answer();
        assert_eq!(answer.header("X-Label"), Some(&*format!("POST /{n}")));
        assert_eq!(answer.body, n.to_string().into_bytes());
    }
    sender.join().unwrap();
    assert_eq!(rig.service.decided.load(Ordering::SeqCst), 10_000);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    for _ in 0..2 {
        for byte in b"POST /slow HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" {
            peer.send([*byte]);
        }
        let answer = peer.answer();
        assert_eq!((answer.status, answer.body), (200, b"hello".to_vec()));
    }
}

#[test]
fn the_last_answer_says_that_it_is_the_last() {
    let rig = Rig::new();
    for request in
        ["GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"]
    {
        let mut peer = rig.connect();
        // What is behind it is not read as a request.
        peer.send(format!("{request}GET /behind HTTP/1.1\r\n\r\n"));
        let answer = peer.answer();
        assert!(answer.status == 200 && answer.closes());
        assert!(peer.is_at_its_end());
    }
    assert_eq!(rig.service.labels(), ["GET /", "GET /"]);
}

#[test]
fn head_is_answered_without_the_body() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    for path in ["/zeroes?100", "/zeroes?1000000", "/refused"] {
        peer.send(format!("HEAD {path} HTTP/1.1\r\n\r\n"));
        let answer = peer.answer_without_body();
        assert!(answer.header("Content-Length").is_some_and(|length| length != "0"), "{path}");
    }
    assert_eq!(peer.get("/count").body, b"4");
}

#[test]
fn an_answer_without_content_has_no_length() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    let answer = peer.get("/empty");
    assert_eq!((answer.status, answer.header("Content-Length")), (204, None));
    assert_eq!(peer.get("/count").body, b"2");
}

#[test]
fn large_answers_arrive_whole() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    for length in [0, 1, 4_095, 16 * 1024, 16 * 1024 + 1, 1024 * 1024, 30 * 1024 * 1024] {
        assert_eq!(peer.get(&format!("/zeroes?{length}")).body.len(), length);
    }
}

#[test]
fn a_peer_that_waits_for_100_continue_gets_it() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("POST /a HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let interim = peer.answer();
    assert_eq!((interim.status, interim.head.as_str()), (100, "HTTP/1.1 100 Continue\r\n\r\n"));
    peer.send("hello");
    let answer = peer.answer();
    assert_eq!((answer.status, answer.body), (200, b"hello".to_vec()));

    // One that has begun to send, one without a body and one of HTTP/1.0 do not wait.
    peer.send("POST /b HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nh");
    until("the first byte", || rig.service.decided.load(Ordering::SeqCst) == 2);
    peer.send("i");
    assert_eq!(peer.answer().body, b"hi");
    peer.send("POST /c HTTP/1.1\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(peer.answer().status, 200);
    peer.send("POST /d HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    until("its head", || rig.service.decided.load(Ordering::SeqCst) == 4);
    peer.send("hi");
    assert_eq!(peer.answer().status, 200);
}

#[test]
fn nobody_is_told_to_continue_and_then_refused() {
    let rig = Rig::new();
    for (target, length, status) in [("/refused", 5, 401), ("/a", 65_537, 413), ("/a", 2_000_000, 413)] {
        let mut peer = rig.connect();
        peer.send(format!(
            "POST {target} HTTP/1.1\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        ));
        let answer = peer.answer();
        assert!(answer.status == status && answer.closes(), "{answer:?}");
        assert!(peer.is_at_its_end());
    }
}

#[test]
fn an_upgrade_gets_the_bytes_that_came_early() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("GET /upgrade HTTP/1.1\r\nConnection: Upgrade\r\n\r\nearly");
    let answer = peer.answer();
    assert_eq!((answer.status, answer.header("Upgrade")), (101, Some("plus-one")));
    assert_eq!((answer.header("Content-Length"), answer.closes()), (None, false));
    peer.send(" GET /smuggled HTTP/1.1\r\n\r\n");
    let _ = peer.stream.shutdown(Shutdown::Write);
    while !peer.ahead.ends_with(b"\x0e\x0b\x0e\x0b") {
        assert!(peer.ahead.len() < 100);
        let mut bytes = [0; 100];
        let count = std::io::Read::read(&mut peer.stream, &mut bytes).unwrap();
        assert!(count > 0, "{:?}", peer.ahead);
        peer.ahead.extend_from_slice(&bytes[..count]);
    }
    assert!(peer.ahead.starts_with(b"fbsmz!HFU!0tnvhhmfe"));
    assert_eq!(rig.service.labels(), ["GET /upgrade"]);
    until("its end", || rig.open() == 0);
}

#[test]
fn a_panic_in_a_handler_ends_one_connection_and_tells_nothing() {
    let rig = Rig::new();
    let mut other = rig.connect();
    assert_eq!(other.get("/").status, 200);
    for path in ["/panics", "/decide-panics"] {
        let mut peer = rig.connect();
        let answer = peer.get(path);
        assert!(answer.status == 500 && answer.closes());
        assert!(!String::from_utf8_lossy(&answer.body).contains("as the test asked"));
        assert!(peer.is_at_its_end());
    }
    assert_eq!(rig.count(|counters| &counters.panics), 2);
    assert_eq!(other.get("/").status, 200);
}

#[test]
fn a_refusal_by_the_gate_after_admission_carries_the_tickets_headers() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("POST /a HTTP/1.1\r\nContent-Length: 65537\r\n\r\n");
    let answer = peer.answer();
    assert_eq!((answer.status, answer.header("X-Label")), (413, Some("POST /a")));
}

#[test]
fn stopping_ends_waiting_connections_at_once_and_busy_ones_after_their_answer() {
    let rig = Rig::new();
    let mut idle = rig.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut upgraded = rig.connect();
    assert_eq!(upgraded.get("/upgrade").status, 101);
    let mut busy = rig.connect();
    busy.send("GET /wait HTTP/1.1\r\n\r\n");
    until("a busy handler", || rig.service.waiting.load(Ordering::SeqCst) == 1);
    let address = rig.gate.local_addr();
    let (gate, service) = (rig.gate, rig.service);
    let counters = gate.counters();
    let stopper = std::thread::spawn(move || gate.stop(Duration::from_secs(20)));
    assert!(idle.is_at_its_end() && upgraded.is_at_its_end());
    service.release();
    let answer = busy.answer();
    assert!(answer.status == 200 && answer.closes());
    assert!(busy.is_at_its_end());
    stopper.join().unwrap();
    assert_eq!(counters.open.load(Ordering::SeqCst), 0);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn stopping_does_not_wait_for_a_handler_that_never_ends() {
    let rig = Rig::new();
    let mut busy = rig.connect();
    busy.send("GET /wait HTTP/1.1\r\n\r\n");
    until("a busy handler", || rig.service.waiting.load(Ordering::SeqCst) == 1);
    rig.gate.stop(Duration::from_millis(20));
    assert!(busy.is_at_its_end());
    rig.service.release();
}
