//! A client of the swarms' channel that writes and reads its frames by hand, in both versions.

#![allow(dead_code)] // each test file uses its own part

use std::{collections::VecDeque, net::SocketAddr};

use serde_json::{Value, json};

use crate::{
    frames::{CLOSE, Got, PING, PONG, Socket, TEXT, code},
    support::{Answer, until},
};

/// What came on a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub join_ref: Value,
    pub reference: Value,
    pub topic: String,
    pub event: String,
    pub payload: Value,
}

/// One connection.
pub struct Client {
    pub socket: Socket,
    vsn: &'static str,
    last: u64,
    /// what came while something else was waited for
    pub heard: VecDeque<Heard>,
}

impl Client {
    /// Asks for the upgrade with this version, and these parameters and headers.
    pub fn open(
        address: SocketAddr,
        vsn: &'static str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Answer> {
        let socket = Socket::open(address, &format!("/swarm/websocket?vsn={vsn}{query}"), headers)?;
        Ok(Self { socket, vsn, last: 0, heard: VecDeque::new() })
    }

    /// Where no token is needed.
    pub fn of(address: SocketAddr) -> Self {
        Self::open(address, "2.0.0", "", &[]).unwrap_or_else(|answer| panic!("no upgrade: {answer:?}"))
    }

    /// Sends an event; the number is its ref.
    pub fn push(&mut self, join_ref: &Value, topic: &str, event: &str, payload: &Value) -> String {
        self.last += 1;
        let own = self.last.to_string();
        let frame = match self.vsn {
            "2.0.0" => json!([join_ref, own, topic, event, payload]),
            _ => {
                json!({"topic": topic, "event": event, "payload": payload, "ref": own, "join_ref": join_ref})
            }
        };
        self.socket.text(&frame.to_string()).expect("sent");
        own
    }

    /// The next frame.
    #[track_caller]
    pub fn next(&mut self) -> Heard {
        self.heard.pop_front().unwrap_or_else(|| self.read())
    }

    #[track_caller]
    fn read(&mut self) -> Heard {
        let frame: Value = serde_json::from_str(&self.socket.next_text()).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match self.vsn {
            "2.0.0" => {
                let [join_ref, reference, topic, event, payload] =
                    frame.as_array().expect("an array").as_slice()
                else {
                    panic!("five: {frame}")
                };
                Heard {
                    join_ref: join_ref.clone(),
                    reference: reference.clone(),
                    topic: text(topic),
                    event: text(event),
                    payload: payload.clone(),
                }
            }
            _ => Heard {
                join_ref: Value::Null,
                reference: frame["ref"].clone(),
                topic: text(&frame["topic"]),
                event: text(&frame["event"]),
                payload: frame["payload"].clone(),
            },
        }
    }

    /// Sends an event and waits for its answer: its status and its response.
    #[track_caller]
    pub fn ask(&mut self, join_ref: &Value, topic: &str, event: &str, payload: &Value) -> (String, Value) {
        let own = self.push(join_ref, topic, event, payload);
        until("an answer", || {
            let heard = self.read();
            if heard.event == "phx_reply" && heard.reference == json!(own) {
                let status = heard.payload["status"].as_str().expect("a status").to_owned();
                return Some((status, heard.payload["response"].clone()));
            }
            self.heard.push_back(heard);
            None
        })
    }

    /// Joins a swarm, by the ref `1`.
    #[track_caller]
    pub fn join(&mut self, swarm: &str) {
        let joined = self.ask(&json!("1"), &format!("swarm:{swarm}"), "phx_join", &json!({}));
        assert_eq!(joined, ("ok".to_owned(), json!({"swarm": swarm})));
    }

    /// Asks on a topic that was joined so.
    #[track_caller]
    pub fn asked(&mut self, swarm: &str, event: &str, payload: &Value) -> Value {
        let (status, response) = self.ask(&json!("1"), &format!("swarm:{swarm}"), event, payload);
        assert_eq!(status, "ok", "{event}: {response}");
        response
    }

    /// The next push of this name, and how many others came before it.
    #[track_caller]
    pub fn told(&mut self, event: &str) -> Value {
        until(event, || {
            let heard = self.next();
            (heard.event == event).then_some(heard.payload)
        })
    }

    /// Everything up to the close, and its code; `None` where it was cut.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<String>, Option<u16>) {
        let mut texts = Vec::new();
        loop {
            match self.socket.message() {
                Got::Frame { opcode: CLOSE, payload, .. } => return (texts, Some(code(&payload))),
                Got::Frame { opcode: TEXT, payload, .. } => {
                    texts.push(String::from_utf8(payload).expect("UTF-8"));
                }
                Got::Frame { opcode: PING | PONG, .. } => {}
                Got::Frame { .. } | Got::Late => panic!("it was not closed"),
                Got::End | Got::Reset => return (texts, None),
            }
        }
    }
}
