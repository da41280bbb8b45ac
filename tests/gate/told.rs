//! What a handler learns of its peer: whether it is still there, and whether it got the answer.

use std::{io::Read, net::Shutdown, sync::atomic::Ordering, time::Duration};

use socket2::SockRef;

use crate::{
    deadlines::let_time_pass,
    rig::{Peer, Rig, until},
};

/// More than the buffers of both sockets take.
const HUGE: &str = "67108864";

impl Rig {
    fn told(&self) -> Vec<bool> {
        self.service.told.lock().unwrap().clone()
    }

    /// Until one answer's fate is told: which.
    #[track_caller]
    fn fate(&self) -> bool {
        until("its fate", || !self.told().is_empty());
        until("the end of the handler", || self.open() == 0);
        assert_eq!(self.told().len(), 1, "told once");
        self.told()[0]
    }
}

/// Ends a connection as a crash would: the other side is reset.
fn reset(peer: Peer) {
    SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn an_answer_that_was_taken_is_told_as_taken_once_each() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    for count in 1..=3 {
        assert_eq!(peer.get("/told?10").body.len(), 10);
        until("its fate", || rig.told().len() == count);
    }
    peer.send("GET /told HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(peer.answers_to_the_end().len(), 1);
    until("the last one's fate", || rig.told().len() == 4);
    assert_eq!(rig.told(), [true; 4], "the last answer of a connection too");
}

#[test]
fn a_long_answer_is_told_as_taken_only_when_all_of_it_is() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send(format!("GET /told?{HUGE} HTTP/1.1\r\n\r\n"));
    let mut first = [0; 1000];
    peer.stream.read_exact(&mut first).unwrap();
    assert!(rig.told().is_empty(), "most of it is still on our side");
    peer.ahead.extend(first);
    assert_eq!(peer.answer().body.len().to_string(), HUGE);
    until("its fate", || rig.told() == [true]);
}

#[test]
fn a_head_takes_nothing_and_is_told_so() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send("HEAD /told?10 HTTP/1.1\r\n\r\n");
    assert_eq!(peer.answer_without_body().header("Content-Length"), Some("10"));
    until("its fate", || rig.told() == [false]);
    assert_eq!(peer.get("/").status, 200, "and the connection goes on");
}

#[test]
fn an_answer_to_nobody_is_told_as_not_taken() {
    for end in [drop, reset] {
        let rig = Rig::new();
        let mut peer = rig.connect();
        peer.send("GET /told-gone?10 HTTP/1.1\r\n\r\n");
        until("its handler", || rig.service.labels().len() == 1);
        end(peer);
        assert!(!rig.fate());
    }
}

#[test]
fn an_answer_that_its_peer_breaks_off_is_told_as_not_taken() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    peer.send(format!("GET /told?{HUGE} HTTP/1.1\r\n\r\n"));
    peer.stream.read_exact(&mut [0; 1000]).unwrap();
    drop(peer);
    assert!(!rig.fate());
}

#[test]
fn an_answer_that_the_deadline_cuts_is_told_as_not_taken() {
    let rig = Rig::new();
    let mut deaf = rig.seated();
    deaf.send(format!("GET /told?{HUGE} HTTP/1.1\r\n\r\n"));
    until("its handler", || rig.service.labels().len() == 1);
    let_time_pass(&rig, "the deadline", || rig.open() == 0);
    assert!(!rig.fate());
}

#[test]
fn an_answer_that_the_servers_end_cuts_is_told_as_not_taken() {
    let rig = Rig::new();
    let mut deaf = rig.seated();
    deaf.send(format!("GET /told?{HUGE} HTTP/1.1\r\n\r\n"));
    deaf.stream.read_exact(&mut [0; 1000]).unwrap();
    let service = rig.service.clone();
    rig.gate.stop(Duration::ZERO);
    until("its fate", || *service.told.lock().unwrap() == [false]);
}

#[test]
fn a_panic_of_who_is_told_ends_nothing() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    assert_eq!(peer.get("/told-panics?3").body.len(), 3);
    assert_eq!(peer.get("/told?4").body.len(), 4, "the connection goes on");
    until("both fates", || rig.told() == [true, true]);
    assert_eq!(rig.count(|counters| &counters.panics), 1);
}

#[test]
fn a_peer_that_waits_is_there_whatever_it_sent_ahead() {
    let rig = Rig::new();
    let mut peer = rig.connect();
    assert_eq!(peer.get("/is-gone").body, b"false");
    // The second request lies unread in the socket while the first is handled.
    let filler = "x".repeat(8000);
    peer.send(format!("GET /is-gone HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX: {filler}\r\n\r\nGET /is-gone HTTP"));
    assert_eq!(peer.answer().body, b"false");
    assert_eq!(peer.answer().status, 200);
}

#[test]
fn a_peer_that_ended_its_side_or_was_reset_is_gone() {
    type End = fn(&Peer);
    let ends: [End; 2] = [
        |peer| peer.stream.shutdown(Shutdown::Write).unwrap(),
        |peer| {
            SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).unwrap();
            // Unread bytes ahead of the end hide nothing.
            let _ = SockRef::from(&peer.stream).send(b"GET / HTTP/1.1\r\n\r\n");
        },
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let rig = Rig::new();
        let mut peer = rig.connect();
        peer.send("GET /until-gone HTTP/1.1\r\n\r\n");
        until("its handler", || rig.service.labels().len() == 1);
        assert_eq!(rig.service.noticed.load(Ordering::SeqCst), 0, "it is there");
        end(&peer);
        // The one that half closed keeps its socket, the other one drops it.
        let kept = (at == 0).then_some(peer);
        until("the news", || rig.service.noticed.load(Ordering::SeqCst) == 1);
        drop(kept);
    }
}
