use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::PathBuf,
    thread,
};

use super::*;
use crate::client::Client;

/// A home with a key file, and the listener that the file names.
struct Stage {
    path: PathBuf,
    listener: TcpListener,
}

impl Stage {
    fn new() -> Self {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).expect("randomness");
        let name = format!("loopgate-client-{:016x}", u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(name);
        drop(Home::create(&path).expect("a home"));
        Self { path, listener: TcpListener::bind("127.0.0.1:0").expect("a port") }
    }

    fn home(&self) -> Home {
        Home::open(&self.path).expect("a home")
    }

    fn at(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    fn file(&self, key: &str, instance: &str) -> KeyFile {
        let inode = std::fs::metadata(format!("/proc/self/fd/{}", self.listener.as_raw_fd()));
        KeyFile {
            auth_key: Secret::new(key.as_bytes().to_vec()),
            web_endpoint: self.at(),
            ws_endpoint: self.at(),
            ipc_endpoint: None,
            instance: instance.to_owned(),
            pid: std::process::id(),
            host_pid: None,
            created_at: "2026-11-22T00:00:00Z".to_owned(),
            listener_inode: Some(inode.expect("a descriptor").ino()),
        }
    }

    fn write(&self, key: &str, instance: &str) {
        keyfile::write(&self.home(), &self.file(key, instance)).expect("written");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn shown(key: &Key) -> String {
    let (_, value) = key.now().header().expect("can be sent").expect("a header");
    value.to_str().expect("text").to_owned()
}

#[test]
fn only_another_key_of_the_same_instance_replaces_the_owners() {
    let stage = Stage::new();
    let key = Key::of_owner(stage.file("first", "i"), Some(stage.home()));
    let used = key.now();
    assert!(!key.renewed(&used), "there is no key file");
    for (text, instance) in [("first", "i"), ("second", "another")] {
        stage.write(text, instance);
        assert!(!key.renewed(&used), "{text} of {instance}");
    }
    stage.write("second", "i");
    assert!(key.renewed(&used));
    assert_eq!((shown(&key), key.now().number), ("second".to_owned(), 1));
    std::fs::remove_file(stage.path.join(keyfile::FILE)).expect("removed");
    assert!(key.renewed(&used), "it was already, by another thread");
    assert!(!key.renewed(&key.now()));
    let blind = Key::of_owner(stage.file("first", "i"), None);
    assert!(!blind.renewed(&blind.now()), "nobody said where to look");
    let agent = Key::of_agent(Secret::new(b"lga_1".to_vec()));
    assert!(!agent.renewed(&agent.now()), "an agent never looks");
}

/// Answers each connection: 200 to `right`, else 401. The keys and bodies that came.
fn serving(listener: &TcpListener, connections: usize, right: &'static str) -> Vec<(String, String)> {
    let one = |_| {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let length = field("content-length: ").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body");
        let key = field("x-authkey: ").expect("a key");
        let status = if key == right { "200 OK" } else { "401 Unauthorized" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).expect("taken");
        (key, String::from_utf8(body).expect("text"))
    };
    (0..connections).map(one).collect()
}

#[test]
fn a_request_that_was_refused_for_its_key_is_made_again_with_the_next_one() {
    let stage = Stage::new();
    let client = Client::owner_in(stage.home(), stage.file("first", "i"));
    stage.write("second", "i");
    let (answer, came) = thread::scope(|scope| {
        let server = scope.spawn(|| serving(&stage.listener, 2, "second"));
        let answer = client.post("/x", &serde_json::json!({"n": 1})).expect("an answer");
        (answer, server.join().expect("it ends"))
    });
    assert_eq!(answer.status, 200);
    let body = r#"{"n":1}"#.to_owned();
    assert_eq!(came, [("first".to_owned(), body.clone()), ("second".to_owned(), body)]);
    assert_eq!(client.key_number(), 1);
}

#[test]
fn a_refusal_without_another_key_is_the_answer_at_once() {
    let stage = Stage::new();
    let client = Client::owner_in(stage.home(), stage.file("first", "i"));
    stage.write("first", "i");
    let (answer, came) = thread::scope(|scope| {
        let server = scope.spawn(|| serving(&stage.listener, 1, "second"));
        let answer = client.get("/x").expect("an answer");
        (answer, server.join().expect("it ends"))
    });
    assert_eq!((answer.status, came.len(), client.renew()), (401, 1, 0));
}
