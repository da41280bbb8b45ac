//! AgentMux's session without a socket: what its clients see for what they send, by the numbers of
//! spec agentmux D and L.

mod bus;
mod events;

use std::sync::{Arc, atomic::Ordering};

use serde_json::{Value, json};

use super::{testing::World, *};
use crate::ws::{Settings, Sockets, machine::Machine, testing};

/// One client's connection.
struct Client {
    machine: Machine,
    session: AgentMux,
    now: u64,
    /// whether the client reads
    reads: bool,
}

impl Client {
    /// One that has seen the first two frames.
    fn of(world: &Arc<World>) -> Self {
        let mut client = Self::unopened(world);
        assert_eq!(client.said().len(), 2);
        client
    }

    fn unopened(world: &Arc<World>) -> Self {
        let seat = Sockets::new(1).enter().unwrap().unwrap();
        let mut session = AgentMux::new(Arc::clone(world) as _, &seat);
        let machine = Machine::new(Settings::default(), &mut session, 0);
        Self { machine, session, now: 0, reads: true }
    }

    /// A turn; the text frames that came.
    fn said(&mut self) -> Vec<Value> {
        let texts = self.frames().into_iter().filter(|(first, _)| *first == 0x81);
        texts.map(|(_, payload)| serde_json::from_slice(&payload).unwrap()).collect()
    }

    /// A turn, as if woken; all frames that came.
    fn frames(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut out = Vec::new();
        self.session.woken();
        loop {
            self.machine.turn(&mut self.session, self.now);
            while self.reads && self.machine.wants_output() {
                let bytes: Vec<u8> = self.machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
                self.machine.wrote(bytes.len(), self.now);
                out.extend(bytes);
            }
            self.machine.settle(&mut self.session);
            if !self.machine.is_ready() {
                return testing::frames(&out);
            }
        }
    }

    /// Sends a text frame; what came back.
    fn say(&mut self, frame: &Value) -> Vec<Value> {
        self.say_text(&frame.to_string())
    }

    fn say_text(&mut self, text: &str) -> Vec<Value> {
        for part in testing::frame(0x81, text.as_bytes()).chunks(4096) {
            self.machine.receive(part, self.now);
        }
        self.said()
    }

    /// An RPC; the `data` of its answer.
    fn rpc(&mut self, command: &str, data: &Value) -> Value {
        let message = json!({ "command": command, "reqid": "r1", "data": data });
        let mut answers = self.say(&json!({ "wscommand": "rpc", "message": message }));
        let mut answer = answers.remove(0);
        assert_eq!(answer["eventtype"], "rpc");
        assert_eq!(answer["data"]["resid"], "r1", "{answer}");
        answer["data"].take()
    }
}

#[test]
fn case_d2_only_text_counts_and_a_ping_and_a_close_of_the_protocol_are_answered() {
    let mut client = Client::of(&World::new());
    for (sent, answered) in [
        (testing::frame(0x82, b"{\"type\":\"ping\"}"), vec![]),
        (testing::frame(0x89, b"still there?"), vec![(0x8a, b"still there?".to_vec())]),
        (testing::frame(0x8a, b"unasked"), vec![]),
        (testing::frame(0x88, &1000_u16.to_be_bytes()), vec![(0x88, 1000_u16.to_be_bytes().to_vec())]),
    ] {
        client.machine.receive(&sent, 0);
        assert_eq!(client.frames(), answered);
    }
    let mut client = Client::of(&World::new());
    let over = limits::WS_MESSAGE as u64 + 1;
    client.machine.receive(&[&[0x81, 0xff][..], &over.to_be_bytes()].concat(), 0);
    let frames = client.frames();
    assert_eq!((frames[0].0, &frames[0].1[..2]), (0x88, &1009_u16.to_be_bytes()[..]));
}

#[test]
fn case_d3_the_config_comes_first_and_then_a_ping_each_ten_seconds() {
    let mut client = Client::unopened(&World::new());
    let first = client.frames();
    assert_eq!(
        String::from_utf8(first[0].1.clone()).unwrap(),
        r#"{"eventtype":"rpc","data":{"command":"eventrecv","data":{"event":"config","data":{"fullconfig":{"settings":{}}}}}}"#
    );
    let ping = (0x81, br#"{"type":"ping","stime":1234}"#.to_vec());
    assert_eq!(first[1..], *std::slice::from_ref(&ping));
    client.now = 9_999;
    assert_eq!(client.frames(), []);
    for round in 1..3 {
        client.now = round * 10_000;
        assert_eq!(client.frames(), [ping.clone(), (0x89, Vec::new())]);
        assert_eq!(client.machine.deadline(), client.now.min(20_000) + 10_000);
    }
}

#[test]
fn case_l51_a_ping_gets_a_pong_and_what_is_not_understood_is_ignored() {
    let mut client = Client::of(&World::new());
    let pong = [json!({ "type": "pong", "stime": 1_234 })];
    assert_eq!(client.say(&json!({ "type": "ping", "stime": 1 })), pong);
    for ignored in [
        "",
        "{bad",
        "[]",
        "7",
        r#"{"type":"ping","stime":1.5}"#,
        r#"{"type":"nothing"}"#,
        r#"{"wscommand":"nothing"}"#,
        r#"{"type":"pong"}"#,
        r#"{"type":"bus:register"}"#,
        r#"{"type":"bus:send","from":"a","to":"b"}"#,
        r#"{"wscommand":"rpc"}"#,
    ] {
        assert_eq!(client.say_text(ignored), [] as [Value; 0], "{ignored}");
    }
    client.machine.receive(&testing::frame(0x82, b"binary"), 0);
    assert_eq!(client.frames(), []);
    assert_eq!(client.session.sockets.ignored(), 11, "all but the pong");
    assert_eq!(client.say(&json!({ "type": "ping" })), pong, "the connection is usable");
}

#[test]
fn case_l52_waveinfo_answers_and_an_unknown_command_is_named() {
    let mut client = Client::of(&World::new());
    assert_eq!(
        client.rpc("waveinfo", &Value::Null),
        json!({ "resid": "r1", "data": { "version": "1.2.3" } })
    );
    assert_eq!(client.rpc("x", &Value::Null), json!({ "resid": "r1", "error": "unknown command: x" }));
    let long = client.rpc(&"x".repeat(100_000), &Value::Null);
    assert!(long["error"].as_str().unwrap().len() < 1000, "an answer does not repeat what is too long");
}

#[test]
fn case_d5_void_commands_are_answered_where_they_want_an_answer() {
    let mut client = Client::of(&World::new());
    for command in ["routeannounce", "routeunannounce", "eventunsuball"] {
        assert_eq!(client.rpc(command, &Value::Null), json!({ "resid": "r1" }), "{command}");
    }
    assert_eq!(client.rpc("getfullconfig", &Value::Null)["data"], json!({ "settings": {} }));
    for silent in [
        json!({ "command": "waveinfo" }),
        json!({ "command": "x" }),
        json!({ "command": "waveinfo", "reqid": "1", "cancel": true }),
        json!({ "command": "eventrecv", "reqid": "1", "data": { "event": "config" } }),
        json!({ "resid": "1", "data": {} }),
    ] {
        let said = client.say(&json!({ "wscommand": "rpc", "message": silent }));
        assert_eq!(said, [] as [Value; 0], "{silent}");
    }
}

#[test]
fn case_d5_controllerinput_types_and_resizes_or_says_why_not() {
    let world = World::new();
    world.start("b1");
    let mut client = Client::of(&world);
    let mut input = |data: Value| client.rpc("controllerinput", &data);
    assert_eq!(input(json!({ "blockid": "b1", "inputdata64": "aGk=" })), json!({ "resid": "r1" }));
    let size = json!({ "rows": 50, "cols": 100 });
    assert_eq!(input(json!({ "blockid": "b1", "termsize": size })), json!({ "resid": "r1" }));
    for (data, error) in [
        (json!({ "blockid": "no", "inputdata64": "aGk=" }), "no controller for block no"),
        (json!({ "blockid": "b1" }), "controllerinput: no input data, signal, or termsize"),
        (
            json!({ "blockid": "b1", "inputdata64": "aGk" }),
            "controllerinput: field 'inputdata64' must be standard base64 with padding",
        ),
        (json!({ "blockid": "b1", "termsize": { "rows": 1, "cols": 80 } }), "rows is out of bounds"),
        (
            json!({ "blockid": "b1", "termsize": { "rows": 1.5, "cols": 80 } }),
            "controllerinput: field 'termsize' must be an object with rows and cols",
        ),
        (json!({ "inputdata64": "aGk=" }), "controllerinput: field 'blockid' is missing"),
        (json!([]), "controllerinput: the body must be a JSON object"),
    ] {
        assert_eq!(input(data)["error"], error);
    }
    let large = crate::wire::base64::encode(&vec![b'x'; limits::BODY_SMALL + 1]);
    assert_eq!(
        input(json!({ "blockid": "b1", "inputdata64": large }))["error"],
        "failed to send input: more than 65536 bytes"
    );
    client.say(&json!({ "wscommand": "blockinput", "blockid": "b1", "inputdata64": "IQ==" }));
    client.say(&json!({ "wscommand": "blockinput", "blockid": "no", "inputdata64": "IQ==" }));
    client.say(
        &json!({ "wscommand": "setblocktermsize", "blockid": "b1", "termsize": { "rows": 9, "cols": 8 } }),
    );
    let blocks = world.blocks.lock().unwrap();
    assert_eq!((blocks["b1"].keys.as_slice(), blocks["b1"].size), (&b"hi!"[..], (9, 8)));
}

#[test]
fn case_d5_controllerresync_takes_the_size_and_restarts_nothing() {
    let world = World::new();
    world.start("b1");
    let mut client = Client::of(&world);
    let options = json!({ "termsize": { "rows": 30, "cols": 90 } });
    let resync = json!({ "blockid": "b1", "tabid": "t", "rtopts": options });
    assert_eq!(client.rpc("controllerresync", &resync), json!({ "resid": "r1" }));
    assert_eq!(world.blocks.lock().unwrap()["b1"].size, (30, 90));
    let unknown = client.rpc("controllerresync", &json!({ "blockid": "no", "tabid": "t" }));
    assert_eq!(unknown["error"], "no controller for block no");
    let force = client.rpc("controllerresync", &json!({ "blockid": "b1", "forcerestart": true }));
    assert!(force["error"].as_str().unwrap().contains("cannot be restarted"));
}
