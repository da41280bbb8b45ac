//! Answers whose end nobody knows when they begin.

use std::{
    io::Read,
    net::Shutdown,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    deadlines::let_time_pass,
    rig::{Peer, Rig, until},
};

/// Asks for a stream and reads its head and its beginning.
fn begun(peer: &mut Peer, request: &str) -> String {
    peer.send(request);
    let answer = peer.answer();
    assert_eq!((answer.status, answer.header("Content-Length")), (200, None), "{}", answer.head);
    assert!(answer.closes() && answer.body.is_empty(), "{}", answer.head);
    let mut first = [0; 6];
    let taken = first.len().min(peer.ahead.len());
    first[..taken].copy_from_slice(&peer.ahead.drain(..taken).collect::<Vec<_>>());
    peer.stream.read_exact(&mut first[taken..]).unwrap();
    String::from_utf8(first.to_vec()).unwrap()
}

fn rest(peer: &mut Peer) -> String {
    let mut rest = std::mem::take(&mut peer.ahead);
    peer.stream.read_to_end(&mut rest).unwrap();
    String::from_utf8(rest).unwrap()
}

fn streams(rig: &Rig) -> u64 {
    rig.service.streaming.load(Ordering::SeqCst)
}

#[test]
fn a_stream_has_no_length_and_ends_with_its_connection() {
    let rig = Rig::new();
    for version in ["1.1", "1.0"] {
        let mut peer = rig.connect();
        assert_eq!(begun(&mut peer, &format!("GET /stream HTTP/{version}\r\n\r\n")), "first\n");
        rig.service.release();
        assert_eq!(rest(&mut peer), "last\n", "HTTP/{version}");
    }
    until("their end", || rig.open() == 0);
}

#[test]
fn nothing_is_streamed_to_a_head() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("HEAD /stream HTTP/1.1\r\n\r\n");
    let answer = peer.answer_without_body();
    assert!(answer.status == 200 && answer.closes() && answer.header("Content-Length").is_none());
    assert!(peer.is_at_its_end());
    assert_eq!(streams(&rig), 0);
}

#[test]
fn a_request_behind_that_of_a_stream_is_not_answered_and_what_was_written_arrives() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    let two = "GET /stream HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n";
    assert_eq!(begun(&mut peer, two), "first\n");
    // Input that nobody reads: a close at once would reset the connection, and the end be lost.
    peer.send([b'x'; 10_000]);
    rig.service.release();
    assert_eq!(rest(&mut peer), "last\n");
    assert_eq!(rig.service.labels(), ["GET /stream"]);
}

#[test]
fn a_stream_is_never_evicted_and_has_no_deadline_of_the_gate() {
    let rig = Rig::with(|settings| (settings.connections, settings.admitted) = (2, 1));
    let mut stream = rig.connect();
    begun(&mut stream, "GET /stream HTTP/1.1\r\nX-AuthKey: key\r\n\r\n");
    // It counts as an admitted caller's place, and strangers have one between them.
    let mut stranger = rig.seated();
    let _newcomer = rig.seated();
    assert!(stranger.is_at_its_end());
    // Longer than any deadline, as the one of the stranger shows.
    let mut slow = rig.seated();
    slow.send("GET");
    let_time_pass(&rig, "the stranger's end", || rig.count(|counters| &counters.deadline_408) == 1);
    rig.clock.advance(3_600_000);
    let mut later = rig.seated();
    assert_eq!(later.get("/").status, 200);
    assert_eq!(streams(&rig), 1);
    rig.service.release();
    assert_eq!(rest(&mut stream), "last\n");
}

#[test]
fn the_end_of_the_gate_ends_a_stream_and_a_panic_in_one_ends_it_alone() {
    let rig = Rig::new();
    let mut panics = rig.connect();
    panics.send("GET /stream-panics HTTP/1.1\r\n\r\n");
    assert_eq!(panics.answer().status, 200);
    assert!(panics.is_at_its_end());
    until("the count", || rig.count(|counters| &counters.panics) == 1);
    let mut peer = rig.connect();
    begun(&mut peer, "GET /stream HTTP/1.1\r\n\r\n");
    let (gate, service) = (rig.gate, Arc::clone(&rig.service));
    let stops = std::thread::spawn(move || gate.stop(Duration::from_secs(20)));
    // The gate shuts the socket down; whoever writes notices and leaves.
    assert_eq!(rest(&mut peer), "");
    service.release();
    stops.join().unwrap();
    let _ = peer.stream.shutdown(Shutdown::Both);
}
