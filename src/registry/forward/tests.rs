use std::{
    path::PathBuf,
    sync::{Arc, Barrier, Mutex, mpsc::channel},
    thread,
};

use super::*;
use crate::{
    client::testing::{StandIn, http},
    registry::{Origin, Speaks, testing::letter},
    wire::{address::HomeId, id::AgentId, json, secret::Secret},
};

const OWN: &str = "own-instance";
const TAKEN: &str =
    r#"{"success":true,"request_id":"id-1","timestamp":1,"outcome":"delivered","instance":"i","loopgate":1}"#;
const GENEROUS: Duration = Duration::from_secs(30);

/// Files in which stands what a test says; keeps what was said to be gone.
#[derive(Default)]
struct Files {
    again: Option<Peer>,
    gone: Mutex<Vec<AgentId>>,
}

impl Entries for Files {
    fn again(&self, _: &Peer) -> Option<Peer> {
        self.again.clone()
    }

    fn gone(&self, peer: &Peer) {
        self.gone.lock().expect("no panic").push(peer.agent.clone());
    }
}

fn home(text: &str) -> HomeId {
    HomeId::parse(text).expect("a home")
}

fn peer(stand_in: &StandIn, speaks: Speaks, key: &str) -> Peer {
    Peer {
        agent: AgentId::parse("a").expect("an id"),
        home: home("bbbbbbbbbbbb"),
        instance: Some("its-instance".into()),
        at: stand_in.at,
        pid: std::process::id(),
        inode: stand_in.inode,
        speaks,
        block_id: "b".into(),
        key: Some(Arc::new(Secret::new(key.as_bytes().to_vec()))),
        file: PathBuf::from("a.json"),
    }
}

/// A letter of our own, by a new forwarder; its counts come too.
fn send(to: &Peer, files: &Files) -> (Forwarded, Counts) {
    let forwarder = Forwarder::new(OWN);
    let home = home("aaaaaaaaaaaa");
    (forwarder.forward(to, &letter(&home, &[]), files), forwarder.counts())
}

fn is_taken(forwarded: &Forwarded) -> bool {
    matches!(forwarded, Forwarded::Taken { .. })
}

#[test]
fn a_letter_goes_to_a_peer_that_says_it_has_it() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let (forwarded, counts) = send(&peer(&stand_in, Speaks::Loopgate, "key-1"), &Files::default());
    let Forwarded::Taken { body, there } = forwarded else { panic!("{forwarded:?}") };
    assert_eq!(body, json::parse(TAKEN.as_bytes()).expect("JSON"));
    assert_eq!(there.outcome.as_deref(), Some("delivered"));
    assert_eq!(counts, Counts { taken: 1, ..Counts::default() });
    let heard = stand_in.heard();
    assert!(heard.contains("key-1") && heard.contains("\"path\":[\"own-instance\"]"), "{heard}");
    assert!(heard.contains("\"forward_hops\":1"), "{heard}");
}

/// Agents, and those whom another instance speaks for, leave the owner's place free.
#[test]
fn what_is_handed_on_waits_for_no_place() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let to = peer(&stand_in, Speaks::Loopgate, "key-1");
    let forwarder = Forwarder { turn: GENEROUS, ..Forwarder::new(OWN) };
    let others = limits::FORWARDS_PER_PEER - limits::FORWARDS_PER_PEER_KEPT;
    let held: Vec<_> =
        (0..others).filter_map(|_| forwarder.places.enter(to.at, Class::Agent, Duration::ZERO)).collect();
    assert_eq!(held.len(), others);
    let (home, path, files) = (home("aaaaaaaaaaaa"), ["first".to_owned()], Files::default());
    let begin = Instant::now();
    let handed_on = forwarder.forward(&to, &letter(&home, &path), &files);
    assert!(matches!(handed_on, Forwarded::NotReached(NotReached::Busy)), "{handed_on:?}");
    assert!(begin.elapsed() < GENEROUS / 2);
    assert!(is_taken(&forwarder.forward(&to, &letter(&home, &[]), &files)), "the owner's goes");
}

/// What stands in for an instance and is none: nothing of it counts as taken.
#[test]
fn a_lying_peer_leaves_it_open_whether_the_letter_arrived() {
    for (status, body) in [
        ("200 OK", r#"{"success":true,"request_id":"id-1","timestamp":1}"#),
        ("200 OK", r#"{"success":true,"request_id":"id-2","loopgate":1}"#),
        ("200 OK", "<html>ok</html>"),
        ("200 OK", r#"[{"success":true,"request_id":"id-1","loopgate":1}]"#),
        ("200 OK", r#"{"success":true,"request_id":"id-1","loopg"#),
        ("500 Oh", TAKEN),
        ("302 Found", TAKEN),
    ] {
        let stand_in = StandIn::answering(http(status, body));
        let files = Files::default();
        let (forwarded, counts) = send(&peer(&stand_in, Speaks::Loopgate, "key-1"), &files);
        assert_eq!(forwarded, Forwarded::Unsure(Unsure::Junk), "{status} {body}");
        assert_eq!(counts, Counts { unsure: 1, ..Counts::default() });
        assert!(files.gone.lock().expect("no panic").is_empty(), "a failing peer keeps its entry");
    }
}

#[test]
fn the_dead_lose_their_entry_and_the_failing_keep_it() {
    let stand_in = StandIn::new(|visit| drop(visit.request()));
    let to = peer(&stand_in, Speaks::Loopgate, "key-1");
    let files = Files::default();
    let (forwarded, _) = send(&to, &files);
    assert_eq!(forwarded, Forwarded::Unsure(Unsure::Broken));
    assert!(files.gone.lock().expect("no panic").is_empty());
    drop(stand_in);
    let (forwarded, counts) = send(&to, &files);
    assert_eq!(forwarded, Forwarded::NotReached(NotReached::Gone));
    assert_eq!(counts, Counts { not_reached: 1, ..Counts::default() });
    assert_eq!(*files.gone.lock().expect("no panic"), [to.agent]);
}

/// The port of a peer that has ended, with another program on it, or with the peer itself that was started
/// again and has not written its entry yet.
#[test]
fn whoever_listens_on_a_peers_port_now_gets_no_key() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let to = Peer { inode: stand_in.inode + 1, ..peer(&stand_in, Speaks::Loopgate, "key-1") };
    assert_eq!(send(&to, &Files::default()).0, Forwarded::NotReached(NotReached::Impostor));
    assert_eq!(stand_in.heard(), "");
}

#[test]
fn a_key_that_is_not_taken_is_read_again_once() {
    let stand_in = StandIn::new(|visit| {
        visit.request();
        let key = visit.heard().rsplit_once("x-authkey: ").map(|(_, rest)| rest.starts_with("new-key"));
        let answer = if key == Some(true) { http("200 OK", TAKEN) } else { http("401 Unauthorized", "{}") };
        visit.say(answer.as_bytes());
    });
    let old = peer(&stand_in, Speaks::Loopgate, "old-key");
    let code = |forwarded: Forwarded| match forwarded {
        Forwarded::Refused { code, lasting, .. } => (code, lasting),
        other => panic!("{other:?}"),
    };
    let requests = || stand_in.heard().matches("POST ").count();

    let files = Files { again: Some(peer(&stand_in, Speaks::Loopgate, "new-key")), ..Files::default() };
    let (forwarded, counts) = send(&old, &files);
    assert!(is_taken(&forwarded), "{forwarded:?}");
    assert_eq!((counts, requests()), (Counts { taken: 1, ..Counts::default() }, 2));

    for (again, more) in [
        (None, 1),
        (Some(peer(&stand_in, Speaks::Loopgate, "old-key")), 1),
        (Some(Peer { home: home("cccccccccccc"), ..peer(&stand_in, Speaks::Loopgate, "new-key") }), 1),
        (Some(peer(&stand_in, Speaks::Loopgate, "wrong-too")), 2),
    ] {
        let before = requests();
        let (forwarded, _) = send(&old, &Files { again, ..Files::default() });
        assert_eq!(code(forwarded), ("peer_key_refused".into(), false));
        assert_eq!(requests() - before, more);
    }
}

#[test]
fn a_letter_is_handed_on_three_times_at_most() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let to = peer(&stand_in, Speaks::Loopgate, "key-1");
    let (far, forwarder) = (home("cccccccccccc"), Forwarder::new(OWN));
    for (hops, goes) in [(0, true), (2, true), (3, false), (255, false)] {
        let letter = Letter { hops, ..letter(&far, &[]) };
        assert_eq!(is_taken(&forwarder.forward(&to, &letter, &Files::default())), goes, "{hops}");
    }
}

#[test]
fn no_letter_goes_back_to_where_it_has_been() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let to = peer(&stand_in, Speaks::Loopgate, "key-1");
    let forwarder = Forwarder::new(OWN);
    let path = |id: &str| vec!["another".to_owned(), id.to_owned()];
    let far = home("cccccccccccc");
    for passed in ["its-instance", OWN, "bbbbbbbbbbbb"] {
        let forwarded = forwarder.forward(&to, &letter(&far, &path(passed)), &Files::default());
        assert_eq!(forwarded, Forwarded::NotReached(NotReached::Loop), "{passed}");
    }
    let forwarded = forwarder.forward(&to, &letter(&to.home, &path("before-its-restart")), &Files::default());
    assert_eq!(forwarded, Forwarded::NotReached(NotReached::Loop));
    assert_eq!(stand_in.heard(), "");
    assert!(is_taken(&forwarder.forward(&to, &letter(&far, &path("a-third")), &Files::default())));
}

#[test]
fn what_fits_into_no_request_is_not_sent() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let (to, home) = (peer(&stand_in, Speaks::Loopgate, "key-1"), home("aaaaaaaaaaaa"));
    let forwarder = Forwarder::new(OWN);
    let plain = letter(&home, &[]).body(&to.agent, to.speaks, OWN).len();
    for (length, fits) in [(limits::BODY_SMALL, true), (limits::BODY_SMALL + 1, false)] {
        let text = "x".repeat(length - plain + "words".len());
        let forwarded =
            forwarder.forward(&to, &Letter { text: &text, ..letter(&home, &[]) }, &Files::default());
        assert_eq!(is_taken(&forwarded), fits, "{length}");
        assert!(fits || forwarded == Forwarded::NotReached(NotReached::TooLarge));
    }
}

/// The four stay there until all others have been told.
#[test]
fn of_forty_letters_to_one_peer_four_are_on_their_way_and_the_rest_are_told_to_wait() {
    let (arrived, arrivals) = channel();
    let go = Arc::new(Barrier::new(limits::FORWARDS_PER_PEER + 1));
    let gate = go.clone();
    let stand_in = StandIn::new(move |visit| {
        visit.request();
        let _ = arrived.send(());
        gate.wait();
        visit.say(http("200 OK", TAKEN).as_bytes());
    });
    let (to, home) = (peer(&stand_in, Speaks::Loopgate, "key-1"), home("aaaaaaaaaaaa"));
    let forwarder =
        Forwarder { patience: Patience { connect: GENEROUS, total: GENEROUS }, ..Forwarder::new(OWN) };
    thread::scope(|scope| {
        let letters: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| forwarder.forward(&to, &letter(&home, &[]), &Files::default())))
            .collect();
        for _ in 0..limits::FORWARDS_PER_PEER {
            arrivals.recv_timeout(GENEROUS).expect("a letter");
        }
        let busy = || forwarder.counts().not_reached as usize;
        while busy() < 40 - limits::FORWARDS_PER_PEER {
            thread::yield_now();
        }
        assert!(arrivals.try_recv().is_err(), "a fifth one came");
        go.wait();
        let outcomes: Vec<Forwarded> =
            letters.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(outcomes.iter().filter(|outcome| is_taken(outcome)).count(), limits::FORWARDS_PER_PEER);
        let told = Forwarded::NotReached(NotReached::Busy);
        assert_eq!(
            outcomes.iter().filter(|outcome| **outcome == told).count(),
            40 - limits::FORWARDS_PER_PEER
        );
    });
}

/// With patience all forty go, four at once.
#[test]
fn letters_take_turns() {
    let stand_in = StandIn::answering(http("200 OK", TAKEN));
    let (to, home) = (peer(&stand_in, Speaks::Loopgate, "key-1"), home("aaaaaaaaaaaa"));
    let forwarder = Forwarder { turn: GENEROUS, ..Forwarder::new(OWN) };
    thread::scope(|scope| {
        for _ in 0..40 {
            scope
                .spawn(|| assert!(is_taken(&forwarder.forward(&to, &letter(&home, &[]), &Files::default()))));
        }
    });
    assert_eq!(forwarder.counts(), Counts { taken: 40, ..Counts::default() });
}

/// Half of the stack of a connection's thread, whose other half is its handler's; the deepest answer too.
#[test]
fn a_letter_fits_on_the_stack_of_a_connections_thread() {
    let depth = limits::JSON_DEPTH - 1;
    let deep = format!(
        r#"{{"success":true,"request_id":"id-1","loopgate":1,"a":{}1{}}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    let stand_in = StandIn::answering(http("200 OK", &deep));
    let to = peer(&stand_in, Speaks::Loopgate, "key-1");
    let send = move || is_taken(&send(&to, &Files::default()).0);
    let thread = thread::Builder::new().stack_size(limits::THREAD_STACK / 2).spawn(send);
    assert!(thread.expect("a thread").join().expect("no panic"));
}

#[test]
fn a_letter_is_an_agents_wherever_the_agent_is() {
    let home = home("0123456789ab");
    let of = |caller| class_of(&Letter { origin: Origin { caller, home: &home }, ..letter(&home, &[]) });
    assert_eq!(of("agent b"), Class::Agent);
    assert_eq!((of("owner"), of("api")), (Class::Owner, Class::Owner));
}
