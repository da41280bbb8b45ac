use std::{
    net::{Shutdown, SocketAddr, TcpListener},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    super::{ANSWER_HEAD, by_hand::FIELDS},
    *,
};
use crate::{
    store::KeyFile,
    sys::poll::{Entry, poll},
    wire::secret::Secret,
};

const KEY: &str = "0b7c2e2c-6f43-4c39-b6c5-2f6d2f0d0001";

fn inode(listener: &TcpListener) -> u64 {
    std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino()
}

fn client(at: SocketAddr, inode: u64) -> Client {
    Client::owner(KeyFile {
        auth_key: Secret::new(KEY.as_bytes().to_vec()),
        web_endpoint: at,
        ws_endpoint: at,
        ipc_endpoint: None,
        instance: "i".into(),
        pid: std::process::id(),
        host_pid: None,
        created_at: "2026-11-22T00:00:00Z".into(),
        listener_inode: Some(inode),
    })
}

/// A server of one connection. It reads the head, then `act` has it, with the key that was asked with.
fn serving(act: impl FnOnce(TcpStream, &str) + Send + 'static) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = client(listener.local_addr().expect("an address"), inode(&listener));
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("text");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        act(stream, key.unwrap_or_default());
        head
    });
    (client, thread)
}

fn right(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        sha1::accept_key(key)
    )
}

/// What asking at a server gives that answers with `answer(key)` and then ends.
fn asked(answer: impl FnOnce(&str) -> String + Send + 'static) -> Result<Opened, ClientError> {
    let (client, thread) = serving(move |mut stream, key| {
        let _ = stream.write_all(answer(key).as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    });
    let opened = client.socket("/ws");
    thread.join().expect("no panic");
    opened
}

/// Waits for the next message.
#[track_caller]
fn heard(socket: &mut Socket) -> Result<Heard, ClientError> {
    loop {
        match socket.hear() {
            Ok(Heard::Busy) => {}
            Ok(Heard::Nothing) => {
                let mut entries = [Entry::new(socket.as_fd(), true, socket.wants_output())];
                assert_eq!(poll(&mut entries, Some(Duration::from_secs(20))).expect("poll"), 1, "silence");
            }
            other => return other,
        }
    }
}

#[track_caller]
fn open(opened: Result<Opened, ClientError>) -> Box<Socket> {
    match opened {
        Ok(Opened::Socket(socket)) => socket,
        Ok(Opened::Refused(answer)) => panic!("refused: {}", answer.status),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_socket_is_asked_for_with_the_key_in_its_header_and_speaks_both_ways() {
    let (client, thread) = serving(|mut stream, key| {
        // A frame on the heels of the head, in the same packet.
        let mut bytes = right(key).into_bytes();
        bytes.extend(b"\x81\x05hello");
        stream.write_all(&bytes).expect("written");
        let mut frames = WebSocket::from_raw_socket(stream, Role::Server, None);
        assert_eq!(frames.read().expect("a message"), Message::text("greetings"));
        frames.send(Message::Ping(b"there?".to_vec().into())).expect("sent");
        assert_eq!(frames.read().expect("a pong"), Message::Pong(b"there?".to_vec().into()));
        frames.send(Message::text("more")).expect("sent");
        let _ =
            frames.close(Some(tungstenite::protocol::CloseFrame { code: 1001.into(), reason: "".into() }));
        let _ = frames.flush();
    });
    let mut socket = open(client.socket("/ws?tabid=x"));
    assert_eq!(heard(&mut socket).expect("a message"), Heard::Text("hello".into()));
    socket.send("greetings".into()).expect("sent");
    assert_eq!(heard(&mut socket).expect("a message"), Heard::Text("more".into()));
    assert_eq!(heard(&mut socket).expect("the end"), Heard::Closed(1001));
    let head = thread.join().expect("no panic");
    assert!(head.starts_with("GET /ws?tabid=x HTTP/1.1\r\n") && !head.contains(&format!("={KEY}")), "{head}");
    assert!(head.contains(&format!("\r\nx-authkey: {KEY}\r\n")), "{head}");
}

#[test]
fn a_socket_sends_no_key_to_a_listener_that_is_not_the_instance() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let result = client(at, inode(&listener) + 1).socket("/ws");
    assert!(matches!(result, Err(ClientError::Unproven(_))));
    let (mut stream, _) = listener.accept().expect("it connected");
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).expect("the end");
    assert!(sent.is_empty(), "not a byte went out");
    drop(listener);
    assert!(matches!(
        client(at, 1).socket("/ws"),
        Err(ClientError::NotRunning(_) | ClientError::Unproven(_))
    ));
    assert!(matches!(client(at, 1).socket("ws"), Err(ClientError::Request)));
    assert!(matches!(client(at, 1).socket("/ws\r\nX: y"), Err(ClientError::Request)));
}

#[test]
fn an_answer_in_place_of_the_101_is_an_answer() {
    let opened = asked(|_| {
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n\
         {\"code\":\"full\"}and more"
            .to_owned()
    });
    let Ok(Opened::Refused(answer)) = opened else { panic!("it is refused") };
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("full")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    // A redirect is an answer too, and is not followed.
    let opened =
        asked(|_| "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into());
    assert!(matches!(opened, Ok(Opened::Refused(Answer { status: 302, .. }))));
}

#[test]
fn a_101_that_does_not_answer_our_request_is_refused() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 14] = [
        ("another key", |_| right("dGhlIHNhbXBsZSBub25jZQ==")),
        ("no accept key", |text| text.replace("Sec-WebSocket-Accept", "X")),
        ("two accept keys", |text| text.replace("\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n")),
        ("a subprotocol", |text| text.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n")),
        ("an extension", |text| text.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n")),
        ("a body", |text| text.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")),
        ("no upgrade", |text| text.replace("Upgrade: websocket", "X: y")),
        ("another upgrade", |text| text.replace("Upgrade: websocket", "Upgrade: h2c")),
        ("no connection", |text| text.replace("Connection: Upgrade", "Connection: close")),
        ("another version", |text| text.replace("HTTP/1.1", "HTTP/1.0")),
        ("a bare line feed", |text| text.replace("Connection: Upgrade\r\n", "Connection: Upgrade\n")),
        ("a folded line", |text| text.replace("Connection: Upgrade", "Connection: x,\r\n Upgrade")),
        ("a space before the colon", |text| text.replace("Upgrade:", "Upgrade :")),
        ("half a head", |text| text.trim_end().to_owned()),
    ];
    for (what, change) in changes {
        let opened = asked(move |key| change(right(key)));
        assert!(matches!(opened, Err(ClientError::Broken(_))), "{what}");
    }
    drop(open(asked(right)));
}

#[test]
fn an_answers_head_is_bounded_however_it_comes() {
    for text in [
        format!("HTTP/1.1 101 x\r\nX: {}\r\n\r\n", "x".repeat(ANSWER_HEAD)),
        "x".repeat(2 * ANSWER_HEAD),
        format!("HTTP/1.1 101 x\r\n{}\r\n", "X: y\r\n".repeat(FIELDS + 1)),
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello".to_owned(),
        "HTTP/1.1 99 x\r\n\r\n".to_owned(),
        "HTTP/1.1 1010 x\r\n\r\n".to_owned(),
        String::new(),
    ] {
        let shown: String = text.chars().take(40).collect();
        assert!(matches!(asked(move |_| text), Err(ClientError::Broken(_))), "{shown}");
    }
    let whole = right("k").into_bytes();
    for length in 0..whole.len() {
        assert_eq!(AnswerHead::parse(&whole[..length]), Ok(None), "byte by byte");
    }
    assert!(matches!(AnswerHead::parse(&whole), Ok(Some((_, length))) if length == whole.len()));
}

#[test]
fn a_client_refuses_a_message_over_its_limit() {
    let sent = |length: usize| {
        let (client, thread) = serving(move |mut stream, key| {
            stream.write_all(right(key).as_bytes()).expect("written");
            let mut frames = WebSocket::from_raw_socket(stream, Role::Server, None);
            let _ = frames.send(Message::text("x".repeat(length)));
            // Until the client has had enough.
            let _ = frames.read();
        });
        let mut socket = open(client.socket("/ws"));
        let heard = heard(&mut socket);
        drop(socket);
        thread.join().expect("no panic");
        heard
    };
    assert!(
        matches!(sent(limits::CLIENT_MESSAGE), Ok(Heard::Text(text)) if text.len() == limits::CLIENT_MESSAGE)
    );
    assert!(matches!(sent(limits::CLIENT_MESSAGE + 1), Err(ClientError::Broken(_))));
}

#[test]
fn a_connection_that_breaks_is_told_as_closed_or_broken_and_never_waited_for() {
    let (told, tell) = mpsc::channel::<()>();
    let (client, thread) = serving(move |mut stream, key| {
        stream.write_all(right(key).as_bytes()).expect("written");
        let _ = tell.recv();
    });
    let mut socket = open(client.socket("/ws"));
    assert_eq!(socket.hear().expect("it is there"), Heard::Nothing);
    drop(told);
    thread.join().expect("no panic");
    assert!(matches!(heard(&mut socket), Err(ClientError::Broken(_)) | Ok(Heard::Closed(1006))));
}

#[test]
fn what_is_no_message_gets_a_share_of_the_callers_time_and_not_all_of_it() {
    for frame in [&b"\x89\x00"[..], b"\x00\x00", b"\x82\x00"] {
        let (client, thread) = serving(move |mut stream, key| {
            let mut bytes = right(key).into_bytes();
            if frame[0] == 0 {
                bytes.extend(b"\x01\x01x");
            }
            let flood = frame.repeat(32 * 1024);
            let mut written = stream.write_all(&bytes);
            while written.is_ok() {
                written = stream.write_all(&flood);
            }
        });
        let mut socket = open(client.socket("/ws"));
        let mut busy = 0;
        while busy < 3 {
            match socket.hear().expect("a flood breaks nothing") {
                Heard::Busy => busy += 1,
                Heard::Nothing => {
                    let mut entries = [Entry::new(socket.as_fd(), true, socket.wants_output())];
                    assert_eq!(poll(&mut entries, Some(Duration::from_secs(20))).expect("poll"), 1);
                }
                other => panic!("no message came: {other:?}"),
            }
        }
        drop(socket);
        thread.join().expect("no panic");
    }
}
