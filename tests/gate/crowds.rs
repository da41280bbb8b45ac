//! Too many connections: who goes, who stays.

use std::{net::TcpStream, sync::atomic::Ordering};

use loopgate::limits;

use crate::rig::{Peer, Rig, until};

fn evicted(rig: &Rig) -> u64 {
    rig.count(|counters| &counters.evicted)
}

/// One that waits since a moment of its own.
fn waiting(rig: &Rig) -> Peer {
    rig.clock.advance(1);
    rig.seated()
}

#[test]
fn the_oldest_waiting_connection_is_evicted_first() {
    let rig = Rig::with(|settings| (settings.connections, settings.admitted) = (3, 0));
    let mut first = waiting(&rig);
    let mut second = waiting(&rig);
    let mut third = waiting(&rig);
    // The first is not the one that waits longest any more.
    rig.clock.advance(1);
    assert_eq!(first.get("/").status, 200);
    let mut fourth = waiting(&rig);
    assert!(second.is_at_its_end());
    let mut fifth = waiting(&rig);
    assert!(third.is_at_its_end());
    for peer in [&mut first, &mut fourth, &mut fifth] {
        assert_eq!(peer.get("/").status, 200);
    }
    assert_eq!((evicted(&rig), rig.open()), (2, 3));
}

#[test]
fn a_busy_connection_is_never_evicted() {
    let rig = Rig::with(|settings| (settings.connections, settings.admitted) = (2, 0));
    let mut busy = waiting(&rig);
    busy.send("GET /wait HTTP/1.1\r\n\r\n");
    until("a busy handler", || rig.service.waiting.load(Ordering::SeqCst) == 1);
    let mut idle = waiting(&rig);
    let mut newcomer = waiting(&rig);
    assert!(idle.is_at_its_end());
    newcomer.send("GET /wait HTTP/1.1\r\n\r\n");
    until("two busy handlers", || rig.service.waiting.load(Ordering::SeqCst) == 2);

    // Now nobody can go.
    let answers = rig.connect().answers_to_the_end();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [503]);
    assert!(answers[0].closes());
    assert_eq!(rig.count(|counters| &counters.refused_full), 1);

    rig.service.release();
    assert_eq!((busy.answer().status, newcomer.answer().status), (200, 200));
}

#[test]
fn strangers_cannot_take_the_places_of_admitted_callers() {
    let rig = Rig::with(|settings| (settings.connections, settings.admitted) = (6, 2));
    let mut known: Vec<_> = (0..2).map(|_| waiting(&rig)).collect();
    for peer in &mut known {
        assert_eq!(peer.known_get("/").status, 200);
    }
    let mut crowd: Vec<_> = (0..100).map(|_| waiting(&rig)).collect();
    assert_eq!(rig.open(), 6, "two who are known and four strangers");
    for peer in &mut known {
        assert_eq!(peer.known_get("/").status, 200);
    }
    // A known caller's next connection finds its place among the strangers.
    let mut next = waiting(&rig);
    assert_eq!(next.known_get("/").status, 200);
    assert_eq!(crowd.last_mut().unwrap().get("/").status, 200);
    assert_eq!((evicted(&rig), rig.open()), (97, 6));
}

#[test]
fn admitted_callers_may_hold_every_place_and_then_the_oldest_of_them_goes() {
    let rig = Rig::with(|settings| (settings.connections, settings.admitted) = (3, 1));
    let mut known: Vec<_> = (0..4)
        .map(|_| {
            let mut peer = waiting(&rig);
            assert_eq!(peer.known_get("/").status, 200);
            peer
        })
        .collect();
    assert!(known.remove(0).is_at_its_end());
    for peer in &mut known {
        assert_eq!(peer.known_get("/").status, 200);
    }
}

/// With the program's own numbers: 2,000 half-sent heads, and known callers all the while.
#[test]
fn two_thousand_half_sent_heads_do_not_keep_a_known_caller_out() {
    // This process has both ends of every connection.
    loopgate::sys::process::raise_descriptor_limit().unwrap();
    let rig = Rig::new();
    let mut known = rig.connect();
    assert_eq!(known.known_get("/").status, 200);
    let mut crowd: Vec<TcpStream> = Vec::new();
    for n in 0..2_000 {
        let mut peer = rig.connect();
        peer.send("GET / HTTP/1.1\r\nHost: h");
        crowd.push(peer.stream);
        if n % 100 == 0 {
            assert_eq!(known.known_get("/").status, 200);
            assert_eq!(rig.connect().known_get("/").status, 200);
            assert!(rig.open() <= limits::CONNECTIONS as u64);
        }
    }
    until("their evictions", || evicted(&rig) >= 1_550);
    assert!(rig.open() <= (limits::CONNECTIONS - limits::CONNECTIONS_ADMITTED) as u64 + 1);
    until("the deadline", || {
        rig.clock.advance(1_000);
        rig.open() == 0
    });
    assert_eq!(rig.connect().known_get("/").status, 200);
}
