//! `attach` and its WebSocket: what it says on it, and what it makes of one that breaks, floods or
//! refuses. A stand-in plays the instance where a real one would not do so on demand.

#[path = "support/stand_in.rs"]
mod stand_in;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
};

use loopgate::{
    sys::tty::Size,
    wire::{base64, sha1},
};
use serde_json::{Value, json};
use stand_in::{inode, new_home, write_key_file};
use support::{Instance, PATIENCE, TempDir, until};
use terminal::OnTerminal;
use tungstenite::{Message, WebSocket, protocol::Role};

const SIZE: Size = Size { rows: 24, cols: 80 };

/// An instance with one agent "a", whose terminal is "b1".
struct Stage {
    _temp: TempDir,
    home: PathBuf,
    sockets: Receiver<Socket>,
    /// instead of a 101
    refusal: Arc<Mutex<Option<String>>>,
}

impl Stage {
    fn new() -> Self {
        let (temp, home) = new_home();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        write_key_file(&home, at, std::process::id(), Some(inode(&listener)));
        let (send, sockets) = channel();
        let refusal = Arc::new(Mutex::new(None));
        let refusing = Arc::clone(&refusal);
        // Ends with the process: nobody connects any more.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &send, &refusing);
            }
        });
        Self { _temp: temp, home, sockets, refusal }
    }

    fn attach(&self) -> OnTerminal {
        OnTerminal::start(&mut stand_in::loopgate(&self.home, &["attach", "a"]), SIZE)
    }

    /// The next connection, past what is said on each: the end is asked for, and a size given.
    fn socket(&self) -> Socket {
        let mut socket = self.sockets.recv_timeout(PATIENCE).expect("it connects");
        let status = socket.said();
        assert_eq!(status["message"]["data"]["event"], "controllerstatus", "{status}");
        assert_eq!(status["message"]["data"]["scopes"], json!(["block:b1"]));
        let size = socket.said();
        assert_eq!(size["termsize"], json!({ "rows": 24, "cols": 80 }), "{size}");
        socket.answer(&status, None);
        socket
    }
}

fn serve(mut stream: TcpStream, sockets: &Sender<Socket>, refusal: &Mutex<Option<String>>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    if !head.starts_with("GET /ws HTTP/1.1\r\n") {
        let record = json!({ "name": "a", "block_id": "b1", "state": "running",
            "output": { "start": 0, "end": 0 } })
        .to_string();
        let length = record.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{record}"
        );
        let _ = stream.write_all(answer.as_bytes());
        return;
    }
    assert_eq!(field("x-authkey: ").as_deref(), Some(stand_in::KEY), "the key is in its header");
    if let Some(refusal) = &*refusal.lock().expect("no panic") {
        let _ = stream.write_all(refusal.as_bytes());
        return;
    }
    let accept = sha1::accept_key(&field("Sec-WebSocket-Key: ").expect("a key"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).expect("written");
    let _ = sockets.send(Socket(WebSocket::from_raw_socket(stream, Role::Server, None)));
}

/// The instance's end of a WebSocket.
struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// The next thing that attach says.
    #[track_caller]
    fn said(&mut self) -> Value {
        loop {
            match self.0.read().expect("it says something") {
                Message::Text(text) => return serde_json::from_str(text.as_str()).expect("JSON"),
                Message::Pong(_) | Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn tell(&mut self, data: &Value) {
        let text = json!({ "eventtype": "rpc", "data": data }).to_string();
        self.0.send(Message::text(text)).expect("sent");
    }

    fn answer(&mut self, to: &Value, error: Option<&str>) {
        let mut data = json!({ "resid": to["message"]["reqid"] });
        if let Some(error) = error {
            data["error"] = error.into();
        }
        self.tell(&data);
    }

    fn output(&mut self, offset: u64, bytes: &[u8]) {
        let data = json!({ "zoneid": "b1", "filename": "term", "fileop": "append",
            "data64": base64::encode(bytes), "offset": offset });
        let event = json!({ "event": "blockfile", "scopes": ["block:b1"], "data": data });
        self.tell(&json!({ "command": "eventrecv", "data": event }));
    }

    /// Output is asked for from this offset.
    #[track_caller]
    fn is_asked_from(&mut self, offset: u64) {
        let said = self.said();
        assert_eq!(said["message"]["data"]["event"], "blockfile", "{said}");
        assert_eq!(said["message"]["data"]["from"], offset, "{said}");
        self.answer(&said, None);
    }

    /// The next keys, and what they came in.
    #[track_caller]
    fn keys(&mut self) -> (Vec<u8>, Value) {
        let said = self.said();
        assert_eq!(said["message"]["command"], "controllerinput", "{said}");
        assert_eq!(said["message"]["data"]["blockid"], "b1");
        let keys = said["message"]["data"]["inputdata64"].as_str().and_then(base64::decode);
        (keys.expect("base64"), said)
    }
}

#[test]
fn attach_goes_on_where_it_was_when_its_connection_breaks() {
    let stage = Stage::new();
    let mut user = stage.attach();
    let mut first = stage.socket();
    first.is_asked_from(0);
    first.output(0, b"one\n");
    user.until("one");
    user.type_keys(b"k");
    assert_eq!(first.keys().0, b"k");
    // Not answered: whether it was typed, nobody knows.
    let _ = first.0.get_ref().shutdown(Shutdown::Both);
    let mut second = stage.socket();
    second.is_asked_from(4);
    // More than was asked for: what was shown is not shown again.
    second.output(2, b"e\ntwo\n");
    let text = user.until("two");
    // Keys that may be lost ring a bell.
    assert!(text.ends_with("\r\none\n\x07two\n"), "{text:?}");
    user.type_keys(b"x");
    let (keys, said) = second.keys();
    assert_eq!(keys, b"x", "and are not typed twice");
    second.answer(&said, None);
    user.type_keys(b"\x1d");
    assert_eq!(user.end(), Some(0));
    assert!(user.text().contains("left a; it goes on") && user.echoes());
}

#[test]
fn attach_gives_up_on_an_instance_whose_connections_all_break() {
    let stage = Stage::new();
    let mut user = stage.attach();
    // The one that it began with, and five more.
    for _ in 0..6 {
        let socket = stage.sockets.recv_timeout(PATIENCE).expect("it connects");
        let _ = socket.0.get_ref().shutdown(Shutdown::Both);
    }
    user.until("breaks off again and again");
    assert_eq!(user.end(), Some(75));
    assert!(user.echoes());
}

#[test]
fn attach_says_what_was_lost_and_answers_pings() {
    let stage = Stage::new();
    let mut user = stage.attach();
    let mut socket = stage.socket();
    socket.is_asked_from(0);
    socket.output(0, b"begin\x1b[3");
    socket.output(14, b"1mend\n");
    let text = user.until("end");
    assert!(text.contains("\r\n[loopgate: gap, 6 bytes were not shown]\r\n1mend"), "{text:?}");
    socket.0.send(Message::Ping(b"there?".to_vec().into())).expect("sent");
    assert_eq!(socket.0.read().expect("a pong"), Message::Pong(b"there?".to_vec().into()));
    drop(user);
}

#[test]
fn attach_offers_keys_again_to_a_terminal_that_takes_none() {
    const FULL: &str = "failed to send input: queue full";
    let stage = Stage::new();
    let mut user = stage.attach();
    let mut socket = stage.socket();
    socket.is_asked_from(0);
    user.type_keys(b"a");
    for _ in 0..3 {
        let (keys, said) = socket.keys();
        assert_eq!(keys, b"a");
        // Typed meanwhile, it waits for its turn.
        user.type_keys(b"b");
        socket.answer(&said, Some(FULL));
    }
    let (keys, said) = socket.keys();
    assert_eq!(keys, b"a");
    socket.answer(&said, None);
    let (keys, mut said) = socket.keys();
    assert_eq!(keys, b"bbb");
    let mut offers = 1;
    loop {
        socket.answer(&said, Some(FULL));
        if user.text().contains('\x07') {
            break;
        }
        // After the last offer nothing comes until there is more to type.
        if offers == 40 {
            user.until("\x07");
            break;
        }
        let (keys, again) = socket.keys();
        assert_eq!(keys, b"bbb");
        (offers, said) = (offers + 1, again);
    }
    assert_eq!(offers, 40);
    user.type_keys(b"c");
    assert_eq!(socket.keys().0, b"c");
}

#[test]
fn keys_before_leaving_are_sent_and_those_behind_it_are_not() {
    let stage = Stage::new();
    let mut user = stage.attach();
    let mut socket = stage.socket();
    socket.is_asked_from(0);
    until("raw mode", || (!user.echoes()).then_some(()));
    user.type_keys(b"last\x1dnot this");
    let (keys, said) = socket.keys();
    assert_eq!(keys, b"last");
    assert!(user.child.try_wait().expect("a child").is_none(), "it waits for them to be taken");
    socket.answer(&said, None);
    assert_eq!(user.end(), Some(0));
}

#[test]
fn attach_leaves_to_the_instance_what_its_terminal_does_not_take() {
    let stage = Stage::new();
    let mut user = stage.attach();
    let mut socket = stage.socket();
    socket.is_asked_from(0);
    let line = [b"0123456789abcde\n".as_slice(); 1024].concat();
    socket.0.get_ref().set_nonblocking(true).expect("a socket");
    let mut sent = 0;
    // Nobody reads the user's terminal: after some hundred kilobytes attach asks for no more.
    let said = until("its word that it is enough", || {
        if sent < 4 << 20 {
            socket.output(sent, &line);
            sent += line.len() as u64;
        }
        match socket.0.read() {
            Ok(Message::Text(text)) => serde_json::from_str::<Value>(text.as_str()).ok(),
            Ok(_) | Err(_) => None,
        }
    });
    assert_eq!(said["message"]["command"], "eventunsub", "{said}");
    assert!(sent < 4 << 20, "{sent} bytes are kept here");
    socket.0.get_ref().set_nonblocking(false).expect("a socket");
    // The user reads again, and attach asks for what comes next.
    let reader = std::thread::spawn(move || {
        until("the next line", || user.text().contains("all of it\n").then_some(()));
        user.text().matches("0123456789abcde\n").count()
    });
    let said = socket.said();
    let from = said["message"]["data"]["from"].as_u64().expect("an offset");
    assert!(from <= sent, "{said}");
    // What was on its way already comes twice, and is shown once.
    let all = line.repeat(usize::try_from(sent).expect("small") / line.len());
    for (at, piece) in all.chunks(line.len()).enumerate() {
        let at = (at * line.len()) as u64;
        if at + piece.len() as u64 > from {
            socket.output(at, piece);
        }
    }
    socket.output(sent, b"all of it\n");
    let lines = reader.join().expect("no panic");
    assert_eq!(lines as u64, sent / 16, "nothing was lost");
}

#[test]
fn a_refused_websocket_is_told_with_its_reason() {
    let stage = Stage::new();
    let body = json!({ "error": "there are 128 WebSockets already", "code": "websockets_full" }).to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    *stage.refusal.lock().expect("no panic") = Some(answer);
    let mut user = stage.attach();
    let text = user.until("websockets_full]");
    assert!(text.contains("there are 128 WebSockets already"), "{text}");
    assert_eq!(user.end(), Some(75));
    assert!(user.echoes());
}

fn start(instance: &Instance, name: &str, script: &str) {
    let body = json!({ "name": name, "command": ["/bin/sh", "-c", script], "cwd": "/" });
    assert_eq!(instance.call("POST", "/api/v1/agents", &body).status, 201);
}

#[test]
fn attach_joins_with_the_last_screens_full_and_whole_lines() {
    let instance = Instance::start();
    start(&instance, "a", "seq -f 'line %07.0f.' 20000; echo ready; exec cat");
    until("all of it", || {
        let record = instance.call("GET", "/api/v1/agents/a", &Value::Null).json();
        (record["output"]["end"].as_u64()? == 20_000 * 15 + 7).then_some(())
    });
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), SIZE);
    let text = user.until("ready");
    let lines: Vec<_> = text.lines().filter(|line| line.contains("0.") || line.contains("line")).collect();
    assert!(text.len() > 60_000 && text.len() <= 64 * 1024 + 200, "{}", text.len());
    assert!(!text.contains("gap"), "nothing is missing that was asked for");
    let first = lines.iter().position(|line| line.starts_with("line ")).expect("a line");
    assert!(lines[first..].iter().all(|line| line.len() == 13), "{:?}", &lines[first..first + 2]);
}

#[test]
fn attach_shows_the_last_output_of_an_agent_that_ends_in_a_flood() {
    let instance = Instance::start();
    start(&instance, "a", "read x; seq -f 'line %07.0f.' 20000; echo last; exit 3");
    let mut user = OnTerminal::start(&mut instance.loopgate(&["attach", "a"]), SIZE);
    user.until("attached to a");
    user.type_keys(b"\r");
    let text = user.until("a has ended: done (exit 3)");
    assert!(text.contains("line 0020000.\r\nlast\r\n"), "{:?}", &text[text.len() - 200..]);
    assert_eq!(text.matches("line ").count(), 20_000);
    assert_eq!(user.end(), Some(0));
}
