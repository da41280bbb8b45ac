//! Hostile clients of `/ws`, with a right key: an owner's page that hangs, or whoever got the key.
//!
//! Each is bounded in what it costs: the connection is closed with the code that says why, memory
//! stays near the idle size, and another caller is answered throughout. `tests/run` gives the release
//! binary in LOOPGATE_TEST_BIN.

#[path = "support/attack.rs"]
mod attack;
#[path = "support/frames.rs"]
mod frames;
mod support;

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use attack::{LEFT_BEHIND, Size, alone, back_at, under_attack};
use frames::{BINARY, CLOSE, CONTINUATION, Frame, Got, PING, PONG, Socket, TEXT, close};
use loopgate::limits;
use serde_json::{Value, json};
use support::{Answer, Instance, until};

fn try_open(instance: &Instance) -> Result<Socket, Answer> {
    Socket::open(instance.address, "/ws", &[("X-AuthKey", &instance.key)])
}

#[track_caller]
fn open(instance: &Instance) -> Socket {
    try_open(instance).unwrap_or_else(|answer| panic!("no upgrade: {answer:?}"))
}

/// A JSON ping, which is answered with a text frame.
const ASK: &[u8] = br#"{"type":"ping","stime":1}"#;

/// Not closed, and answers.
#[track_caller]
fn still_serves(socket: &mut Socket) {
    socket.frame(Frame::of(TEXT, ASK)).expect("taken");
    until("a pong", || socket.next_text().contains(r#""type":"pong""#).then_some(()));
}

/// Each is one connection and one wrong thing; the code says whose fault it was.
#[test]
fn what_is_no_websocket_frame_closes_the_connection_with_its_code() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let length = |length: u64| {
        let mut head = vec![0x80 | BINARY];
        frames::length(&mut head, 0x80, length);
        [head, vec![1, 2, 3, 4, 5]].concat()
    };
    let close_with = |payload: &[u8]| Frame::of(CLOSE, payload).bytes();
    let unmasked = [&[0x80 | TEXT, ASK.len() as u8][..], ASK].concat();
    let two_parts =
        [Frame::part(TEXT, false, b"\xe2\x82").bytes(), Frame::of(CONTINUATION, b"\xff").bytes()].concat();
    let wrong: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("a frame without a mask", unmasked, &[1002]),
        ("a reserved bit", Frame { rsv: 4, ..Frame::of(TEXT, ASK) }.bytes(), &[1002]),
        ("a reserved opcode", Frame::of(3, b"").bytes(), &[1002]),
        ("a ping of 126 bytes", Frame::of(PING, &[0; 126]).bytes(), &[1002]),
        ("a ping in parts", Frame::part(PING, false, b"").bytes(), &[1002]),
        ("a continuation of nothing", Frame::of(CONTINUATION, b"x").bytes(), &[1002]),
        ("text that is not UTF-8", Frame::of(TEXT, b"\xc3\x28").bytes(), &[1007]),
        ("parts that are not UTF-8", two_parts, &[1007]),
        ("a frame of 2 MiB", length(2 * 1024 * 1024), &[1009]),
        ("a frame of 2^40 bytes", length(1 << 40), &[1009]),
        ("a frame of 2^63 - 1 bytes", length((1 << 63) - 1), &[1009]),
        ("a frame of 2^63 bytes, which no length may be", length(1 << 63), &[1002, 1009]),
        ("a close of one byte", close_with(b"x"), &[1002]),
        ("a close with junk", close_with(&[0xff; 60]), &[1002, 1007]),
        ("a close with a code that nobody may send", close_with(&close(1005, b"")), &[1002]),
        ("a close with a reason that is not UTF-8", close_with(&close(1000, b"\xc3\x28")), &[1002, 1007]),
    ];
    under_attack(&instance, || {
        for (what, bytes, codes) in &wrong {
            let mut socket = open(&instance);
            socket.send(bytes).expect("sent");
            let code = socket.closed();
            assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {code:?}");
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn the_129th_socket_is_refused_and_gets_in_when_one_has_gone() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let mut open: Vec<Socket> = (0..limits::WS_CONNECTIONS).map(|_| open(&instance)).collect();
    for _ in 0..2 {
        let refused = try_open(&instance).err().expect("one too many");
        assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("websockets_full")));
    }
    assert_eq!(instance.call("GET", "/api/v1/status", &Value::Null).status, 200);
    still_serves(open.last_mut().expect("one"));
    drop(open.pop());
    let mut next = until("a place", || try_open(&instance).ok());
    still_serves(&mut next);
    drop((open, next));
    back_at(&instance, idle, LEFT_BEHIND);
}

/// It asks and never reads the answers.
#[test]
fn a_client_that_never_reads_is_cut_off_and_its_queue_is_bounded() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        let mut socket = open(&instance);
        // As large a piece of answer as the instance gives for a short question.
        let flood = Frame::of(TEXT, ASK).bytes().repeat(1_000);
        let mut largest = 0;
        let begun = Instant::now();
        // Until it is closed: what the sockets' buffers hold comes first.
        while socket.send(&flood).is_ok() {
            largest = largest.max(Size::of(&instance).resident);
            assert!(begun.elapsed() < Duration::from_secs(60), "it is never cut off");
        }
        assert!(largest <= idle.resident + LEFT_BEHIND, "{largest} after {idle:?}");
        let code = socket.closed();
        assert!(matches!(code, Some(1013) | None), "{code:?}");
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

/// The frontend's page hangs; another one registers for the same agent.
#[test]
fn what_a_hanging_reader_was_not_sent_waits_for_the_next_one() {
    const COUNT: usize = 600;
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let register = json!({ "type": "bus:register", "agent_id": "page" }).to_string();
    let mut hanging = open(&instance);
    hanging.text(&register).unwrap();
    let filler = "x".repeat(40_000);
    for at in 0..COUNT {
        let body = json!({ "from": "tester", "to": "page", "payload": format!("{at} {filler}") });
        let sent = instance.call("POST", "/api/bus/send", &body).json();
        assert_eq!(sent["status"], "sent", "message {at}: {sent}");
    }
    let now = Size::of(&instance);
    assert!(now.resident <= idle.resident + LEFT_BEHIND, "the messages are on disk: {now:?} after {idle:?}");
    let mut second = open(&instance);
    second.text(&register).unwrap();
    let mut seen = vec![0_usize; COUNT];
    let mut take = |socket: &mut Socket, stop: &dyn Fn(&[usize]) -> bool| {
        while !stop(&seen) {
            let Got::Frame { opcode, payload, .. } = socket.message() else { break };
            if opcode != TEXT {
                continue;
            }
            let frame: Value = serde_json::from_slice(&payload).expect("JSON");
            if frame["type"] == "bus:message" {
                let text = frame["data"]["payload"].as_str().expect("a payload");
                let at: usize = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
                seen[at] += 1;
                assert!(seen[at] == 1 || frame["data"]["redelivered"] == true, "{at} comes again unmarked");
            }
        }
    };
    // What the first one's buffers hold was sent to it; the rest comes to the second.
    hanging.patience(Duration::from_secs(1));
    take(&mut hanging, &|_| false);
    take(&mut second, &|seen| seen.iter().all(|times| *times > 0));
    let lost = seen.iter().filter(|times| **times == 0).count();
    assert_eq!(lost, 0, "of {COUNT} messages");
}

#[test]
fn a_ping_flood_holds_one_pong_and_nobody_up() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        let mut socket = open(&instance);
        let flood = Frame::of(PING, &[7; 125]).bytes().repeat(500);
        let mut largest = 0;
        let (mut sent, mut open) = (0, true);
        // 50 MB, read by nobody.
        for _ in 0..800 {
            open = open && socket.send(&flood).is_ok();
            sent += 1;
            largest = largest.max(Size::of(&instance).resident);
            if !open {
                break;
            }
        }
        assert!(largest <= idle.resident + LEFT_BEHIND, "{largest} after {idle:?}, {sent} floods");
        if open {
            still_serves(&mut socket);
        } else {
            assert!(matches!(socket.closed(), Some(1008 | 1013) | None));
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

#[test]
fn a_message_without_end_is_closed_at_its_limit() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    under_attack(&instance, || {
        for size in [1_000, 65_536] {
            let mut socket = open(&instance);
            let fragment = Frame::part(CONTINUATION, false, &vec![b'a'; size]).bytes();
            socket.frame(Frame::part(TEXT, false, b"it begins")).unwrap();
            let begun = Instant::now();
            let mut largest = 0;
            // Behind its close frame it reads on for a moment, so that the frame is not lost in a reset.
            while socket.send(&fragment).is_ok() {
                assert!(begun.elapsed() < Duration::from_secs(20), "it never ends");
                if begun.elapsed().as_millis().is_multiple_of(16) {
                    largest = largest.max(Size::of(&instance).resident);
                }
            }
            assert!(largest <= idle.resident + LEFT_BEHIND, "{largest} after {idle:?}");
            let code = socket.closed();
            assert!(matches!(code, Some(1009) | None), "{code:?}");
        }
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

/// tungstenite alone spins through these in one call.
#[test]
fn five_million_empty_continuations_hold_nobody_up() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let begun = Instant::now();
    under_attack(&instance, || {
        let mut socket = open(&instance);
        let mut neighbour = open(&instance);
        socket.frame(Frame::part(TEXT, false, b"")).unwrap();
        let many = Frame::part(CONTINUATION, false, b"").bytes().repeat(50_000);
        let mut open = true;
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            open = open && socket.send(&many).is_ok();
            let asked = Instant::now();
            still_serves(&mut neighbour);
            slowest = slowest.max(asked.elapsed());
        }
        assert!(slowest < Duration::from_secs(2), "another socket waited {slowest:?}");
        let now = Size::of(&instance);
        assert!(now.resident <= idle.resident + LEFT_BEHIND, "{now:?} after {idle:?}");
        // It may have gone through all of them, or given up; what it does not do is hang.
        if open && socket.frame(Frame::of(CONTINUATION, b"")).is_ok() {
            socket.patience(Duration::from_secs(1));
            let _ = socket.frame(Frame::of(TEXT, ASK));
            let alive = until("an answer or an end", || match socket.message() {
                Got::Frame { opcode: TEXT, payload, .. } => payload.ends_with(b"}").then_some(true),
                Got::Frame { opcode: CLOSE, payload, .. } => {
                    assert!(matches!(frames::code(&payload), 1002 | 1008 | 1009), "{payload:?}");
                    Some(false)
                }
                Got::End | Got::Reset => Some(false),
                Got::Frame { .. } | Got::Late => None,
            });
            println!("after five million empty fragments: alive {alive}");
        } else {
            assert!(matches!(socket.closed(), Some(1002 | 1008 | 1009) | None));
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
    back_at(&instance, idle, LEFT_BEHIND);
}

/// Half a frame, one byte a second, and nothing at all: a place is not held for ever.
#[test]
fn a_dripped_frame_and_a_silent_client_are_closed_at_the_deadline() {
    let _alone = alone();
    let instance = Instance::start();
    let idle = Size::of(&instance);
    let limit = Duration::from_millis(limits::WS_SILENCE_MS);
    under_attack(&instance, || {
        let begun = Instant::now();
        let frame = Frame::of(TEXT, &[b'x'; 100]).bytes();
        let mut dripped: Vec<Socket> = (0..10).map(|_| open(&instance)).collect();
        let mut silent = open(&instance);
        let mut answered = open(&instance);
        let mut next = 0;
        // The silent one's reads are the clock: one byte of the others for each second without a frame.
        silent.patience(Duration::from_secs(1));
        let code = loop {
            assert!(begun.elapsed() < limit * 2, "it is never closed");
            match silent.receive() {
                Got::Frame { opcode: CLOSE, payload, .. } => break Some(frames::code(&payload)),
                Got::End | Got::Reset => break None,
                Got::Frame { .. } | Got::Late => {}
            }
            if begun.elapsed() > Duration::from_secs(next as u64) && next < frame.len() {
                // A closed one takes no more.
                dripped.iter_mut().for_each(|socket| drop(socket.send(&frame[next..=next])));
                next += 1;
                still_serves(&mut answered);
            }
        };
        assert!(matches!(code, Some(1001 | 1002 | 1008) | None), "{code:?}");
        let took = begun.elapsed();
        assert!(took + Duration::from_secs(2) > limit && took < limit + Duration::from_secs(10), "{took:?}");
        for socket in &mut dripped {
            socket.patience(Duration::from_secs(20));
            let code = socket.closed();
            assert!(matches!(code, Some(1002 | 1008) | None), "{code:?}");
        }
        still_serves(&mut answered);
    });
    back_at(&instance, idle, LEFT_BEHIND);
}

/// RFC 6455 section 4.1: nothing is sent before the handshake has been answered, but who does must not
/// be able to make a request of it.
#[test]
fn bytes_behind_the_upgrade_are_frames_and_never_a_request() {
    let _alone = alone();
    let instance = Instance::start();
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        instance.address, instance.key
    );
    let request = format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: {}\r\nX-AuthKey: {}\r\n\r\n",
        instance.address, instance.key
    );
    let mut stream = instance.connect();
    stream.write_all(&[upgrade.as_bytes(), request.as_bytes()].concat()).unwrap();
    let mut all = Vec::new();
    if let Err(error) = BufReader::new(stream).read_to_end(&mut all) {
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset), "{error}");
    }
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");

    let mut stream = instance.connect();
    stream.write_all(&[upgrade.as_bytes(), &Frame::of(PING, b"early").bytes()].concat()).unwrap();
    let mut stream = BufReader::new(stream);
    assert_eq!(support::read_answer(&mut stream).status, 101);
    let mut socket = Socket { stream };
    until("the pong", || match socket.receive() {
        Got::Frame { opcode: PONG, payload, .. } => (payload == b"early").then_some(()),
        Got::Frame { .. } => None,
        other => panic!("{other:?}"),
    });
}
