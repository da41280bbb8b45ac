//! `/ws` of a running instance, by the numbers of spec agentmux D and L: who gets in, what is said
//! first, a terminal that is watched and typed into, names that end with their connection, and the end
//! of the instance.

#[path = "support/frames.rs"]
mod frames;
mod support;

use frames::{CLOSE, Frame, Socket, close};
use loopgate::{limits, wire::base64};
use serde_json::{Value, json};
use support::{Answer, Instance, until};

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// One client, past its first two frames.
struct Client(Socket);

impl Client {
    fn of(instance: &Instance) -> Self {
        let mut client = Self(open(instance));
        assert_eq!(client.next()["data"]["data"]["event"], "config");
        assert_eq!(client.next()["type"], "ping");
        client
    }

    fn say(&mut self, frame: &Value) {
        self.0.text(&frame.to_string()).expect("sent");
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.0.next_text()).expect("JSON")
    }

    /// The next frame that is not a ping.
    fn told(&mut self) -> Value {
        loop {
            let frame = self.next();
            if frame["type"] != "ping" {
                return frame;
            }
        }
    }

    fn asked(&mut self, frame: &Value) -> Value {
        self.say(frame);
        self.told()
    }

    fn rpc(&mut self, command: &str, data: &Value) {
        self.say(
            &json!({ "wscommand": "rpc", "message": { "command": command, "reqid": "r", "data": data } }),
        );
    }
}

fn open(instance: &Instance) -> Socket {
    Socket::open(instance.address, "/ws?tabid=t", &[("X-AuthKey", &instance.key)])
        .unwrap_or_else(|answer| panic!("no upgrade: {answer:?}"))
}

fn with(instance: &Instance, path: &str, left_out: &str, more: &[(&str, &str)]) -> Answer {
    let fields = UPGRADE.iter().filter(|(name, _)| *name != left_out).chain(more).copied();
    instance.call_as(&fields.collect::<Vec<_>>(), "GET", path, &Value::Null)
}

/// Spec agentmux L.50, C.3, D.1: the order of the checks, and their words.
#[test]
fn case_l50_who_gets_a_websocket() {
    let instance = Instance::start();
    let key = ("X-AuthKey", instance.key.as_str());
    assert_eq!(with(&instance, "/ws", "", &[]).status, 401);
    assert_eq!(with(&instance, "/ws", "", &[("X-AuthKey", "wrong")]).status, 401);
    assert_eq!(with(&instance, "/ws", "Upgrade", &[]).status, 401, "the key comes first");
    assert_eq!(with(&instance, "/ws", "", &[key, ("Origin", "https://evil.example")]).status, 403);
    for (left_out, more, error) in [
        ("Sec-WebSocket-Version", &[][..], "`Sec-WebSocket-Version` header did not include '13'"),
        ("Upgrade", &[][..], "`Upgrade` header did not include 'websocket'"),
        ("Sec-WebSocket-Key", &[][..], "`Sec-WebSocket-Key` header missing"),
    ] {
        let answer = with(&instance, "/ws", left_out, &[&[key][..], more].concat());
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(error)));
    }
    let plain = instance.call("GET", "/ws", &Value::Null);
    assert_eq!(
        (plain.status, plain.json()["error"].as_str()),
        (400, Some("Connection header did not include 'upgrade'"))
    );
    assert_eq!(instance.call("POST", "/ws", &Value::Null).status, 405);
    let query = format!("/ws?authkey={}&tabid=t", instance.key);
    let mut socket = Socket::open(instance.address, &query, &[]).expect("the query key opens /ws");
    let first = socket.next_text();
    assert_eq!(
        first,
        r#"{"eventtype":"rpc","data":{"command":"eventrecv","data":{"event":"config","data":{"fullconfig":{"settings":{}}}}}}"#
    );
    assert!(socket.next_text().starts_with(r#"{"type":"ping","stime":"#));
    let page = [key, ("Origin", "http://localhost:5173"), ("Sec-WebSocket-Protocol", "x")];
    let mut socket = Socket::open(instance.address, "/ws", &page).expect("the page's origin is let in");
    assert!(socket.next_text().contains("config"));
}

/// Spec agentmux L.51 and L.52.
#[test]
fn case_l52_a_connection_answers_and_stays_usable() {
    let instance = Instance::start();
    let mut client = Client::of(&instance);
    assert_eq!(client.asked(&json!({ "type": "ping", "stime": 1 }))["type"], "pong");
    client.0.text("{bad").expect("sent");
    client.0.text(r#"{"type":"ping","stime":1.5}"#).expect("sent");
    client.rpc("waveinfo", &Value::Null);
    let answer = client.told();
    assert_eq!(answer["data"]["resid"], "r");
    assert_eq!(answer["data"]["data"]["version"], env!("CARGO_PKG_VERSION"));
    client.rpc("setmeta", &json!({ "oref": "block:x" }));
    assert_eq!(client.told()["data"]["error"], "unknown command: setmeta");
    client.0.frame(Frame::of(CLOSE, &close(1000, b""))).expect("sent");
    assert_eq!(client.0.closed(), Some(1000), "a close is answered");
}

/// Spec agentmux L.53 and K.3.10.
#[test]
fn case_l53_a_name_ends_with_its_connection_and_never_takes_a_newer_one_along() {
    let instance = Instance::start();
    let registered = |client: &mut Client, name: &str| {
        let answer = client.asked(&json!({ "type": "bus:register", "agent_id": name }));
        assert_eq!(answer, json!({ "type": "bus:registered", "agent_id": name }));
    };
    let names = || -> Vec<(String, String)> {
        let list = instance.call("GET", "/api/bus/agents", &Value::Null).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = list["agents"].as_array().unwrap().iter();
        list.map(|agent| (text(&agent["id"]), text(&agent["connection_type"]))).collect()
    };
    let (mut old, mut new) = (Client::of(&instance), Client::of(&instance));
    registered(&mut old, "own");
    registered(&mut old, "shared");
    registered(&mut new, "shared");
    let websocket = |name: &str| (name.to_owned(), "websocket".to_owned());
    assert_eq!(names(), [websocket("own"), websocket("shared")]);
    drop(old);
    until("the closed connection's name is gone", || (names() == [websocket("shared")]).then_some(()));
    new.0.frame(Frame::of(CLOSE, &close(1001, b""))).expect("sent");
    assert_eq!(new.0.closed(), Some(1001));
    until("no name is left", || names().is_empty().then_some(()));
}

/// Spec agentmux L.51, D.4 and F: acknowledged first, the more urgent before the others, and pushed to
/// whoever registered last.
#[test]
fn case_l51_mail_is_pushed_to_a_registered_connection() {
    let instance = Instance::start();
    for (text, priority) in [("first", "normal"), ("second", "normal"), ("urgent", "urgent")] {
        let message = json!({ "from": "x", "to": "me", "payload": text, "priority": priority });
        assert_eq!(instance.call("POST", "/api/bus/send", &message).json()["status"], "sent");
    }
    let mut client = Client::of(&instance);
    let register = json!({ "type": "bus:register", "agent_id": "me" });
    assert_eq!(client.asked(&register)["type"], "bus:registered");
    for text in ["urgent", "first", "second"] {
        let message = client.told();
        assert_eq!((&message["type"], &message["data"]["payload"]), (&json!("bus:message"), &json!(text)));
        assert!(message["data"]["redelivered"].is_null() && message["data"]["timestamp"].is_u64());
    }
    let sent = client.asked(&json!({ "type": "bus:send", "from": "me", "to": "me", "payload": "to myself" }));
    assert_eq!(sent["type"], "bus:sent");
    let message = client.told();
    assert_eq!(
        (&message["data"]["id"], &message["data"]["payload"]),
        (&sent["message_id"], &json!("to myself"))
    );
    let injected =
        client.asked(&json!({ "type": "bus:inject", "target": "me", "bus_message": "no terminal" }));
    assert_eq!((&injected["type"], &injected["via"]), (&json!("bus:injected"), &json!("messagebus")));
    assert_eq!(client.told()["data"]["type"], "inject");
    let message = json!({ "from": "x", "payload": "to all" });
    assert_eq!(instance.call("POST", "/api/bus/broadcast", &message).json()["delivered"], 1);
    assert_eq!(client.told()["data"]["payload"], "to all");
    let mut newer = Client::of(&instance);
    newer.asked(&register);
    drop(client);
    instance.call("POST", "/api/bus/send", &json!({ "from": "x", "to": "me", "payload": "newest" }));
    assert_eq!(newer.told()["data"]["payload"], "newest");
    let left = instance.call("GET", "/api/bus/messages?agent_id=me", &Value::Null).json();
    assert_eq!(left["count"], 0, "what was pushed is gone");
}

/// Spec agentmux D.5 and D.6: typed keys come back as output with its offset, the end as a status.
#[test]
fn case_d6_a_terminal_is_watched_and_typed_into() {
    let instance = Instance::start();
    let start = json!({ "name": "a1", "command": ["cat"], "cwd": "/" });
    let block =
        instance.call("POST", "/api/v1/agents", &start).json()["block_id"].as_str().unwrap().to_owned();
    let mut client = Client::of(&instance);
    let scopes = json!([format!("block:{block}")]);
    client.rpc("eventsub", &json!({ "event": "blockfile", "scopes": scopes, "from": 0 }));
    assert_eq!(client.told()["data"], json!({ "resid": "r" }));
    client.rpc("eventsub", &json!({ "event": "controllerstatus", "scopes": scopes }));
    assert_eq!(client.told()["data"], json!({ "resid": "r" }));
    let keys = json!({ "blockid": block, "inputdata64": base64::encode(b"hello\r") });
    client.rpc("controllerinput", &keys);
    let (mut text, mut offset) = (Vec::new(), 0);
    while !String::from_utf8_lossy(&text).contains("hello\r\nhello") {
        let event = client.told()["data"]["data"].clone();
        if event["event"] != "blockfile" {
            continue;
        }
        let data = &event["data"];
        assert_eq!((&data["zoneid"], &data["offset"]), (&json!(block), &json!(offset)));
        text.extend(base64::decode(data["data64"].as_str().unwrap()).unwrap());
        offset = text.len() as u64;
    }
    instance.call("DELETE", "/api/v1/agents/a1", &Value::Null);
    let status = until("the end is told", || {
        let event = client.told()["data"]["data"].clone();
        (event["event"] == "controllerstatus").then(|| event["data"].clone())
    });
    assert_eq!((&status["blockid"], &status["shellprocstatus"]), (&json!(block), &json!("done")));
    client.rpc("controllerinput", &json!({ "blockid": "none", "inputdata64": "eA==" }));
    assert_eq!(client.told()["data"]["error"], "no controller for block none");
}

#[test]
fn more_websockets_than_there_are_places_are_503() {
    let instance = Instance::start();
    let mut sockets: Vec<Socket> = (0..limits::WS_CONNECTIONS).map(|_| open(&instance)).collect();
    let refused = with(&instance, "/ws", "", &[("X-AuthKey", &instance.key)]);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("websockets_full")));
    assert_eq!(instance.call("GET", "/api/v1/status", &Value::Null).status, 200, "others are served");
    sockets.pop();
    until("the place is free again", || {
        Socket::open(instance.address, "/ws", &[("X-AuthKey", &instance.key)]).ok()
    });
}

/// Also that a connection that says nothing does not hold the end up.
#[test]
fn the_end_of_the_instance_is_told_as_1001() {
    let mut instance = Instance::start();
    let (mut one, _silent) = (Client::of(&instance), open(&instance));
    support::signal(instance.pid(), libc::SIGTERM);
    assert_eq!(one.0.closed(), Some(1001));
    assert!(instance.terminate().success());
}
