//! What the tests that kill share: a kept connection whose server may end at any moment, messages as
//! their readers get them, and reproducible randomness.

#![allow(dead_code)] // each test file uses its own part

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::support::{Answer, PATIENCE};

/// One message as a reader got it.
#[derive(Debug, Clone)]
pub struct Reading {
    pub text: String,
    pub redelivered: bool,
}

impl Reading {
    /// From a message as `/api/bus/messages` and `bus:message` show it.
    pub fn of(message: &Value) -> Self {
        let text = message["payload"].as_str().expect("a payload").to_owned();
        Self { text, redelivered: message["redelivered"] == true }
    }
}

/// A kept connection; `None` for a request that got no whole answer.
pub struct Client<'a> {
    stream: Option<BufReader<TcpStream>>,
    address: SocketAddr,
    credential: (&'a str, &'a str),
}

impl<'a> Client<'a> {
    pub fn new(address: SocketAddr, key: &'a str) -> Self {
        Self::with(address, ("X-AuthKey", key))
    }

    pub fn with(address: SocketAddr, credential: (&'a str, &'a str)) -> Self {
        let stream = TcpStream::connect(address).ok().map(|stream| {
            stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
            stream.set_nodelay(true).expect("no delay");
            BufReader::new(stream)
        });
        Self { stream, address, credential }
    }

    pub fn call(&mut self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (name, value) = self.credential;
        let length = body.len();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{name}: {value}\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            self.address
        );
        let stream = self.stream.as_mut()?;
        stream.get_ref().write_all(request.as_bytes()).ok()?;
        whole_answer(stream)
    }

    /// A destructive read.
    pub fn messages(&mut self, name: &str, limit: usize) -> Option<Vec<Reading>> {
        let path = format!("/api/bus/messages?agent_id={name}&limit={limit}");
        let answer = self.call("GET", &path, &Value::Null)?;
        assert_eq!(answer.status, 200, "{}", answer.json());
        Some(answer.json()["messages"].as_array().expect("messages").iter().map(Reading::of).collect())
    }
}

/// An answer, all of it or nothing: what was cut off was not delivered.
fn whole_answer(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let mut answer = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    answer.status = line.split(' ').nth(1)?.parse().ok()?;
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.split_once(':') else { break };
        answer.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = answer.header("content-length").and_then(|v| v.parse().ok()).expect("a length");
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).ok()?;
    Some(answer)
}

/// xorshift64: reproducible, and good enough to choose moments.
pub struct Random(pub u64);

impl Random {
    /// Of one run of many with a seed.
    pub fn of_run(seed: u64, run: u64) -> Self {
        Self(seed.wrapping_add(run.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// How many runs the variable asks for, and with which seed; printed first, so that it is there whatever
/// fails.
pub fn runs_and_seed(variable: &str, otherwise: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    let runs = number(variable).unwrap_or(otherwise);
    let seed = number("LOOPGATE_RELIABILITY_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).expect("randomness");
        u64::from(u32::from_ne_bytes(bytes))
    });
    println!("seed {seed}, {runs} runs");
    (runs, seed)
}
