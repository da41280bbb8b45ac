//! Requests that two readers could read in two ways: one answer at most, and never a second request.

use std::{io::Write, net::Shutdown, sync::atomic::Ordering};

use crate::rig::{Rig, until};

/// The request that an attacker would like to be read behind another.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// Each is sent whole, with [`SMUGGLED`] behind it: exactly one answer of this status, the end of the
/// connection, and nothing of it reaches a handler.
#[test]
fn whatever_can_be_read_in_two_ways_is_refused_once() {
    let rig = Rig::new();
    for (request, status) in [
        // two lengths, length and chunked, chunked in disguise
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 36\r\nContent-Length: 36\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 0, 36\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding:\u{b}chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding\u{0}: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        // lengths that are none
        ("POST / HTTP/1.1\r\nContent-Length: +0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1 0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length : 0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\n Content-Length: 0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
        // folded lines, bare CR and LF, control bytes
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n X: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\nX: a\n\n", 400),
        ("GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\rX: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\r\n\r\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\u{0}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\u{1b}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX: a\u{7f}\r\n\r\n", 400),
        ("GET /\u{0} HTTP/1.1\r\n\r\n", 400),
        ("\r\nGET / HTTP/1.1\r\n\r\n", 400),
        ("\u{0}", 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", 400),
        // names
        ("GET / HTTP/1.1\r\nX : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX\t: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX(: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nX\u{e4}: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: a\r\n\r\n", 400),
        // targets and versions
        ("GET http://127.0.0.1/ HTTP/1.1\r\nHost: evil.com\r\n\r\n", 400),
        ("GET //127.0.0.1 / HTTP/1.1\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\n\r\n", 400),
        ("GET /\t HTTP/1.1\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.1x\r\n\r\n", 400),
        ("GET / HTTPS/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("CONNECT evil.com:443 HTTP/1.1\r\n\r\n", 501),
        ("get / HTTP/1.1\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 101-upgrade\r\n\r\nhello", 417),
    ] {
        let answers = rig.exchange(format!("{request}{SMUGGLED}").as_bytes());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [status], "{request:?}");
        assert!(answers[0].closes(), "{request:?}");
    }
    assert_eq!(rig.service.decided.load(Ordering::SeqCst), 0);
    until("their end", || rig.open() == 0);
}

#[test]
fn a_body_is_never_read_as_a_request() {
    let rig = Rig::new();
    let length = SMUGGLED.len();
    for (request, statuses) in [
        // taken as a body, and the request behind it is a request
        (
            format!("POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}GET /b HTTP/1.1\r\n\r\n"),
            &[200, 200][..],
        ),
        (
            format!("GET /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}GET /b HTTP/1.1\r\n\r\n"),
            &[200, 200],
        ),
        (
            format!(
                "HEAD /empty HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}GET /b HTTP/1.1\r\n\r\n"
            ),
            &[204, 200],
        ),
        // not taken, so nothing behind it is read either
        (format!("POST /refused HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"), &[401]),
        (format!("GET /refused HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"), &[401]),
        (format!("POST /a HTTP/1.1\r\nContent-Length: 65537\r\n\r\n{SMUGGLED}"), &[413]),
        (format!("POST /decide-panics HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"), &[500]),
        // shorter than declared: never handled
        (format!("POST /short HTTP/1.1\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", length + 1), &[]),
    ] {
        let answers = rig.exchange(request.as_bytes());
        let got: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(got, statuses, "{request:?}");
    }
    let labels = rig.service.labels();
    assert!(!labels.iter().any(|label| label.contains("smuggled") || label.contains("short")), "{labels:?}");
    let bodies: Vec<_> = rig.service.handled.lock().unwrap().iter().map(|(_, body)| body.len()).collect();
    assert_eq!(bodies, [length, 0, length, 0, length, 0]);
}

#[test]
fn a_refused_request_without_a_body_keeps_the_connection() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    assert_eq!(peer.get("/refused").status, 401);
    assert_eq!(peer.get("/count").body, b"2");
}

#[test]
fn a_wrong_request_in_a_pipeline_is_answered_in_its_turn() {
    let rig = Rig::new();
    let answers = rig.exchange(
        b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/3.0\r\n\r\nGET /4 HTTP/1.1\r\n\r\n",
    );
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 505]);
    assert_eq!(rig.service.labels(), ["GET /1", "GET /2"]);
}

#[test]
fn half_a_request_gets_no_answer() {
    let rig = Rig::new();
    for half in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r"]
    {
        assert!(rig.exchange(half.as_bytes()).is_empty(), "{half:?}");
    }
    assert!(rig.service.labels().is_empty());
    until("their end", || rig.open() == 0);
}

#[test]
fn random_bytes_never_get_more_than_one_answer() {
    let rig = Rig::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..300)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        let answers = rig.exchange(&bytes);
        assert!(answers.len() <= 1 && answers.iter().all(|answer| answer.status >= 400), "{bytes:?}");
    }
    until("their end", || rig.open() == 0);
    assert!(rig.service.labels().is_empty());
}

#[test]
fn connections_that_are_reset_leave_nothing_behind() {
    let rig = Rig::new();
    for n in 0..300 {
        let mut peer = rig.connect();
        let _ = peer.stream.write(&b"POST /a HTTP/1.1\r\nContent-Length: 100\r\n\r\nhello"[..n % 45]);
        socket2::SockRef::from(&peer.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        let _ = peer.stream.shutdown(Shutdown::Write);
    }
    until("their end", || rig.open() == 0);
    assert_eq!(rig.connect().get("/").status, 200);
}
