use std::{
    io::{Read, Write},
    net::TcpListener,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
};

use super::*;

const KEY: &str = "0b7c2e2c-6f43-4c39-b6c5-2f6d2f0d0001";

fn listener() -> (TcpListener, SocketAddr, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let inode =
        std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).expect("a descriptor").ino();
    (listener, at, inode)
}

fn owner(at: SocketAddr, inode: u64) -> Client {
    let mut client = Client::owner(KeyFile {
        auth_key: Secret::new(KEY.as_bytes().to_vec()),
        web_endpoint: at,
        ws_endpoint: at,
        ipc_endpoint: None,
        instance: "i".into(),
        pid: std::process::id(),
        host_pid: None,
        created_at: "2026-11-22T00:00:00Z".into(),
        listener_inode: Some(inode),
    });
    client.deadline = Duration::from_secs(10);
    client
}

/// Answers one connection with `answer` and hands over what it had received until then, the head
/// up to its empty line or the end of the stream.
fn answering(listener: TcpListener, answer: Vec<u8>) -> (JoinHandle<()>, Receiver<String>) {
    let (send, received) = channel();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.extend(byte);
        }
        let _ = stream.write_all(&answer);
        let _ = send.send(String::from_utf8_lossy(&head).into_owned());
    });
    (thread, received)
}

#[test]
fn the_owner_shows_the_key_in_its_header_and_an_agent_its_token() {
    let answer = b"HTTP/1.1 404 Not Found\r\nX-Loopgate-State: done\r\nContent-Length: 2\r\n\r\n{}";
    let (listener_1, at, inode) = listener();
    let (thread, head) = answering(listener_1, answer.to_vec());
    let found = owner(at, inode).get("/api/v1/agents?x=1").expect("an answer");
    assert_eq!((found.status, found.header("x-loopgate-state")), (404, Some("done")));
    assert_eq!(found.json(), serde_json::json!({}));
    let head = head.recv().expect("a head");
    assert!(head.starts_with("GET /api/v1/agents?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-authkey: {KEY}\r\n")), "{head}");
    assert!(head.to_ascii_lowercase().contains(&format!("host: {at}\r\n")), "{head}");
    assert!(!head.to_ascii_lowercase().contains("origin"), "{head}");
    thread.join().expect("it ends");

    let (listener, at, _) = listener();
    let (thread, head) = answering(listener, answer.to_vec());
    let client = Client::of_agent(&format!("http://{at}"), Secret::new(b"lga_1".to_vec())).expect("a client");
    client.post("/api/v1/self/send", &serde_json::json!({"to": "x"})).expect("an answer");
    let head = head.recv().expect("a head");
    assert!(head.contains("authorization: Bearer lga_1\r\n") && !head.contains("authkey"), "{head}");
    thread.join().expect("it ends");
}

/// The connection goes to a listener that is not the instance's: it ends without one byte.
#[test]
fn the_key_is_not_sent_to_a_listener_of_another_inode() {
    let (impostor, at, _) = listener();
    let (_real, _, inode) = listener();
    let (thread, head) = answering(impostor, Vec::new());
    let error = owner(at, inode).get("/").expect_err("refused");
    assert!(matches!(error, ClientError::Unproven(KeyFileError::ForeignListener(_))), "{error}");
    assert_eq!(head.recv().expect("the connection ended"), "");
    thread.join().expect("it ends");
}

#[test]
fn nobody_listening_is_told_as_such() {
    let (listener, at, inode) = listener();
    drop(listener);
    let error = owner(at, inode).get("/").expect_err("refused");
    assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
}

#[test]
fn a_redirect_is_an_answer_and_never_followed() {
    let (other, other_at, _) = listener();
    let (listener, at, inode) = listener();
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{other_at}/\r\nContent-Length: 0\r\n\r\n");
    let (thread, _head) = answering(listener, answer.into_bytes());
    assert_eq!(owner(at, inode).get("/").expect("an answer").status, 302);
    thread.join().expect("it ends");
    other.set_nonblocking(true).expect("non-blocking");
    assert!(other.accept().is_err(), "nobody came");
}

#[test]
fn a_client_refuses_an_answer_over_its_limit() {
    for (size, fits) in [(limits::CLIENT_ANSWER, true), (limits::CLIENT_ANSWER + 1, false)] {
        let (listener, at, inode) = listener();
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + size, b'x');
        let (thread, _head) = answering(listener, answer);
        match owner(at, inode).get("/") {
            Ok(answer) => assert!(fits && answer.body.len() == size),
            Err(error) => assert!(!fits && matches!(error, ClientError::TooLarge), "{error}"),
        }
        thread.join().expect("it ends");
    }
    let (listener, at, inode) = listener();
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(ANSWER_HEAD));
    let (thread, _head) = answering(listener, answer.into_bytes());
    let error = owner(at, inode).get("/").expect_err("refused");
    assert!(matches!(error, ClientError::TooLarge), "{error}");
    thread.join().expect("it ends");
}

#[test]
fn a_silent_server_ends_in_a_time_out() {
    let (_listener, at, inode) = listener();
    let mut client = owner(at, inode);
    client.deadline = Duration::from_millis(100);
    let error = client.get("/").expect_err("refused");
    assert!(matches!(error, ClientError::TimedOut(_)), "{error}");
}

#[test]
fn an_agents_url_is_http_and_a_literal_or_nothing() {
    let token = || Secret::new(b"lga_1".to_vec());
    for good in
        ["http://127.0.0.1:4000", "http://127.0.0.1:4000/", "http://[::1]:4000", "http://10.0.0.1:4000"]
    {
        assert!(Client::of_agent(good, token()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "http://",
        "127.0.0.1:4000",
        "https://127.0.0.1:4000",
        "http://localhost:4000",
        "http://127.0.0.1",
        "http://0.0.0.0:4000",
        "http://127.0.0.1:0",
        "http://127.0.0.1:4000/x",
        "http://127.0.0.1:4000@evil.example",
        "http://evil.example@127.0.0.1:4000",
        "http://127.0.0.1:4000?x",
        "HTTP://127.0.0.1:4000",
        "http://[::1%2]:4000",
        "http://[::ffff:127.0.0.1]:4000",
    ] {
        assert!(matches!(Client::of_agent(bad, token()), Err(ClientError::Address)), "{bad}");
    }
}

#[test]
fn a_body_over_the_largest_is_told_and_not_sent() {
    let (_listener, at, inode) = listener();
    let body = vec![b' '; limits::BODY_LARGEST + 1];
    let answer = owner(at, inode).call("POST", "/", Some(body), Duration::ZERO);
    assert!(matches!(answer, Err(ClientError::BodyTooLarge(bytes)) if bytes == limits::BODY_LARGEST + 1));
}

#[test]
fn what_is_no_path_or_no_header_value_is_not_sent() {
    let (_listener, at, inode) = listener();
    for path in ["", "agents", "/a b", "/a\r\nX: 1", "/ä", "http://evil.example/"] {
        assert!(matches!(owner(at, inode).get(path), Err(ClientError::Request)), "{path:?}");
    }
    let client =
        Client::of_agent(&format!("http://{at}"), Secret::new(b"a\r\nX: 1".to_vec())).expect("a client");
    assert!(matches!(client.get("/"), Err(ClientError::Credential)));
}

/// 192.0.2.0/24 is nobody's (RFC 5737): a connection would leave the machine.
#[test]
fn nothing_is_sent_to_an_address_that_is_not_this_machines() {
    let token = Secret::new(b"lga_token".to_vec());
    let client = Client::of_agent("http://192.0.2.1:9", token).expect("a literal address");
    assert!(matches!(client.get("/"), Err(ClientError::Unproven(KeyFileError::NoListener(_)))));
}
