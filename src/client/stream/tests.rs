use std::{
    sync::{Arc, Mutex},
    thread,
};

use super::{
    super::{
        key::Key,
        testing::{StandIn, Visit, http},
    },
    *,
};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";

fn client(stand_in: &StandIn) -> Client {
    Client::of(stand_in.at, std::process::id(), Some(stand_in.inode), Key::of_operator(None))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// What asking gives at a stand-in that behaves so.
fn asked(behave: impl Fn(&mut Visit) + Send + Sync + 'static) -> (Result<Streamed, ClientError>, StandIn) {
    let stand_in = StandIn::new(move |visit| {
        visit.request();
        behave(visit);
    });
    (client(&stand_in).stream("/events?follow=1", Some("7")), stand_in)
}

#[track_caller]
fn frames(streamed: Result<Streamed, ClientError>) -> Box<Frames> {
    match streamed {
        Ok(Streamed::Frames(frames)) => frames,
        Ok(Streamed::Refused(answer)) => panic!("refused with {}", answer.status),
        Err(error) => panic!("{error}"),
    }
}

fn frame(event: &str, id: Option<u64>, data: &str) -> Frame {
    Frame { event: event.to_owned(), id: id.map(|id| id.to_string()), data: data.to_owned() }
}

#[test]
fn frames_come_in_their_order_and_comments_are_nothing() {
    let (streamed, stand_in) = asked(|visit| {
        visit.say(HEAD.as_bytes());
        visit.say(b":\n\nid: 8\nevent: event\ndata: {\"a\":1}\n\n: beat\n\nevent: gap\r\ndata: {}\r\n\r\n");
        visit.say(b"data: one\ndata:two\nretry: 1\n\nid: 9\nevent: event\ndata: half");
    });
    let mut frames = frames(streamed);
    let mut next = || frames.next(soon()).expect("frames");
    assert_eq!(next(), Some(frame("event", Some(8), "{\"a\":1}")));
    assert_eq!(next(), Some(frame("gap", None, "{}")));
    assert_eq!(next(), Some(frame("message", None, "one\ntwo")));
    assert_eq!(next(), None, "what is not complete is no frame");
    let heard = stand_in.heard();
    assert!(heard.starts_with("GET /events?follow=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("\r\nLast-Event-ID: 7\r\n") && heard.contains("text/event-stream"), "{heard}");
    drop(frames);
}

#[test]
fn another_answer_than_a_stream_is_told_as_what_it_is() {
    let (refused, _stand_in) =
        asked(|visit| _ = visit.say(http("503 Service Unavailable", "{\"code\":\"busy\"}").as_bytes()));
    let Ok(Streamed::Refused(answer)) = refused else { panic!("an answer") };
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("busy")));
    for wrong in [
        HEAD.replace("text/event-stream", "application/json"),
        HEAD.replace("Connection: close", "Content-Length: 5"),
        HEAD.replace("Connection: close", "Transfer-Encoding: chunked"),
        HEAD.replace("HTTP/1.1", "HTTP/1.0"),
        HEAD.replace("Content-Type", "X: y\nContent-Type"),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        String::new(),
    ] {
        let (streamed, _stand_in) = asked(move |visit| _ = visit.say(wrong.as_bytes()));
        assert!(matches!(streamed, Err(ClientError::Broken(_))));
    }
}

#[test]
fn a_frame_is_bounded_however_it_comes() {
    let line = format!("data: {}\n", "x".repeat(1_000));
    let endless = "data: ".to_owned() + &"x".repeat(limits::CLIENT_FRAME + 1);
    for text in [line.repeat(limits::CLIENT_FRAME / 1_000 + 1), endless.clone(), endless.replace("data", ":")]
    {
        let mut decoder = Decoder::default();
        let mut outcome = Ok(None);
        for piece in text.as_bytes().chunks(READ) {
            decoder.feed(piece);
            outcome = decoder.next();
            if outcome.is_err() {
                break;
            }
        }
        assert!(matches!(outcome, Err(ClientError::FrameTooLarge)));
    }
    // As many as one likes, each within the bound.
    let mut decoder = Decoder::default();
    for _ in 0..4 {
        decoder.feed(format!("data: {}\n\n", "x".repeat(limits::CLIENT_FRAME / 2)).as_bytes());
        assert!(decoder.next().expect("within the bound").is_some());
        assert!(decoder.next().expect("nothing more").is_none());
    }
    assert!(decoder.bytes.len() <= limits::CLIENT_FRAME);
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    let text = "id: 1\nevent: event\ndata: \u{e4}\u{1f600}\n\n:\n\nevent: end\r\ndata: x\r\n\r\ndata\n\n";
    let whole = |step: usize| {
        let (mut decoder, mut found) = (Decoder::default(), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            decoder.feed(piece);
            while let Some(frame) = decoder.next().expect("frames") {
                found.push(frame);
            }
        }
        found
    };
    let wanted =
        [frame("event", Some(1), "\u{e4}\u{1f600}"), frame("end", None, "x"), frame("message", None, "")];
    for step in 1..text.len() {
        assert_eq!(whole(step), wanted, "{step}");
    }
}

#[test]
fn an_instance_that_falls_silent_is_not_waited_for() {
    const { assert!(limits::CLIENT_SILENCE_MS > 2 * limits::STREAM_BEAT_MS) };
    let done = Arc::new(Mutex::new(()));
    let held = done.lock().expect("free");
    let own = Arc::clone(&done);
    let (streamed, stand_in) = asked(move |visit| {
        visit.say(HEAD.as_bytes());
        visit.say(b":\n\n");
        drop(own.lock());
    });
    let mut frames = frames(streamed);
    assert_eq!(frames.silence, Duration::from_secs(40));
    frames.silence = Duration::from_millis(30);
    let end = frames.next(soon());
    assert!(matches!(end, Err(ClientError::Silent(_))), "{end:?}");
    drop(held);
    drop(frames);
    drop(stand_in);
}

#[test]
fn a_deadline_is_kept_and_nothing_is_lost_by_it() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let (streamed, stand_in) = asked(move |visit| {
        visit.say(HEAD.as_bytes());
        visit.say(b"data: ");
        let _ = gone.lock().expect("one visit").recv();
        visit.say(b"late\n\n");
    });
    let mut frames = frames(streamed);
    assert_eq!(frames.next(Instant::now()).expect("no frame yet"), None);
    let sends = thread::spawn(move || go.send(()));
    assert_eq!(frames.next(soon()).expect("a frame"), Some(frame("message", None, "late")));
    sends.join().expect("no panic").expect("sent");
    drop(frames);
    drop(stand_in);
}
