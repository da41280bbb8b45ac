//! Probes of the way out itself: what else than the endpoint's own routes it might let through.
//!
//! What gets through is answered by the endpoint, or in the control arm by a proxy that lets everything through,
//! with the nonce in it. So an answer without it, or none, means that nothing was reached.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    Outcome, World,
    answers::{Answers, name_of},
};

/// How long an answer is waited for, and how long more of it.
const PATIENCE: Duration = Duration::from_secs(1);
const MORE: Duration = Duration::from_millis(150);
/// The most of an answer that is read.
const ANSWER: usize = 64 * 1024;
/// A host that is nobody's (RFC 2606).
const ELSEWHERE: &str = "elsewhere.test";
/// The path below the endpoint's that it answers with a redirect, in a proof.
pub const REDIRECTS: &str = "/models/redirect";
/// What stands in a request that only whoever reads it in another way would see.
pub const HIDDEN: &str = "/hidden";

pub(super) fn connect(world: &World) -> Outcome {
    tried(world, |way| {
        way.send("CONNECT", &format!("CONNECT {ELSEWHERE}:443 HTTP/1.1\r\nHost: {ELSEWHERE}:443\r\n\r\n"))
    })
}

pub(super) fn absolute_form(world: &World) -> Outcome {
    tried(world, |way| {
        let models = way.models();
        for url in [format!("http://{ELSEWHERE}{models}"), format!("http://127.0.0.1:{}{models}", way.port)] {
            let request = format!("GET {url} HTTP/1.1\r\nHost: {}\r\n\r\n", way.host());
            way.send(&url, &request);
        }
    })
}

pub(super) fn other_host(world: &World) -> Outcome {
    tried(world, |way| {
        for host in [ELSEWHERE.to_owned(), format!("{ELSEWHERE}:{}", way.port), "169.254.169.254".to_owned()]
        {
            way.send(&host, &format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", way.models()));
        }
        let two =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nHost: {ELSEWHERE}\r\n\r\n", way.models(), way.host());
        way.send("two of them", &two);
        way.send("none", &format!("GET {} HTTP/1.1\r\n\r\n", way.models()));
    })
}

/// The first request is a right one; only the second may not be answered by anybody but the forwarder.
pub(super) fn second_host(world: &World) -> Outcome {
    tried(world, |way| {
        let models = way.models();
        let first = format!("GET {models} HTTP/1.1\r\nHost: {}\r\n\r\n", way.host());
        let second = format!("GET {models} HTTP/1.1\r\nHost: {ELSEWHERE}\r\n\r\n");
        way.send_and_count("the second", &format!("{first}{second}"), 2);
    })
}

/// A hello of TLS is answered by TLS, or not at all.
pub(super) fn tls(world: &World) -> Outcome {
    tried(world, |way| {
        // The record of a hello (RFC 8446, 5.1) of 64 bytes; what is in it is not looked at before it is whole.
        let mut hello = vec![0x16, 3, 1, 0, 64, 1, 0, 0, 60, 3, 3];
        hello.resize(69, 0);
        way.send_bytes("ClientHello", &hello, 1);
    })
}

pub(super) fn smuggling(world: &World) -> Outcome {
    tried(world, |way| {
        let hidden = format!("GET {HIDDEN} HTTP/1.1\r\nHost: {}\r\n\r\n", way.host());
        let head = format!("POST {}/messages HTTP/1.1\r\nHost: {}\r\n", way.prefix(), way.host());
        let length = hidden.len();
        for (what, fields) in [
            ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n")),
            ("length and chunked", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
            ("chunked", "Transfer-Encoding: chunked\r\n".to_owned()),
            ("a folded line", format!("Content-Length:\r\n {length}\r\n")),
            ("a space before the colon", format!("Content-Length : {length}\r\n")),
            ("a bare LF", format!("Content-Length: {length}\nX: y\r\n")),
            ("a signed length", format!("Content-Length: +{length}\r\n")),
        ] {
            way.send(what, &format!("{head}{fields}\r\n{hidden}"));
        }
    })
}

pub(super) fn path(world: &World) -> Outcome {
    tried(world, |way| {
        let prefix = way.prefix().to_owned();
        for path in [
            "/".to_owned(),
            "/api/v1/keys".to_owned(),
            format!("{prefix}/files"),
            format!("{prefix}/models/../files"),
            format!("{prefix}/models/%2e%2e/files"),
            format!("{prefix}/models%2f..%2ffiles"),
            format!("{prefix}//models"),
            format!("{prefix}/modelsx"),
        ] {
            way.send(&path, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", way.host()));
        }
        let delete = format!("DELETE {} HTTP/1.1\r\nHost: {}\r\n\r\n", way.models(), way.host());
        way.send("DELETE", &delete);
    })
}

pub(super) fn host_forms(world: &World) -> Outcome {
    tried(world, |way| {
        let port = way.port;
        for host in [
            format!("user@127.0.0.1:{port}"),
            format!("127.0.0.1:{port}@{ELSEWHERE}"),
            format!("localhost.:{port}"),
            format!("2130706433:{port}"),
            format!("0x7f000001:{port}"),
            format!("0177.0.0.1:{port}"),
            format!("127.1:{port}"),
            format!("xn--loclhost-bza:{port}"),
            format!("loc\u{e4}lhost:{port}"),
            format!("127.0.0.1:{}", port.wrapping_add(1)),
        ] {
            way.send(&host, &format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", way.models()));
        }
    })
}

pub(super) fn odd_bytes(world: &World) -> Outcome {
    tried(world, |way| {
        let (models, host) = (way.models(), way.host());
        for (what, request) in [
            ("NUL in the path", format!("GET {models}\0 HTTP/1.1\r\nHost: {host}\r\n\r\n")),
            ("%00 in the path", format!("GET {models}/%00 HTTP/1.1\r\nHost: {host}\r\n\r\n")),
            ("NUL in a field", format!("GET {models} HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n")),
            ("CR in a field", format!("GET {models} HTTP/1.1\r\nHost: {host}\r\nX: a\rHost: b\r\n\r\n")),
            ("LF in the path", format!("GET {models}\nX: y HTTP/1.1\r\nHost: {host}\r\n\r\n")),
            ("%0d%0a in the path", format!("GET {models}/%0d%0aX:y HTTP/1.1\r\nHost: {host}\r\n\r\n")),
        ] {
            way.send(what, &request);
        }
    })
}

/// The endpoint's answer leads to a listener that would answer with the nonce.
pub(super) fn redirect(world: &World) -> Outcome {
    tried(world, |way| {
        let path = format!("{}{REDIRECTS}", way.prefix());
        way.send(REDIRECTS, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", way.host()));
    })
}

pub(super) fn endless_body(world: &World) -> Outcome {
    tried(world, |way| {
        let request = format!(
            "POST {}/messages HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000000000\r\n\r\n{{",
            way.prefix(),
            way.host()
        );
        way.send("a terabyte", &request);
    })
}

/// The way out, and what came of the attempts through it.
struct Way<'a> {
    world: &'a World,
    port: u16,
    answers: Answers<'a>,
}

fn tried<'a>(world: &'a World, attempts: impl FnOnce(&mut Way<'a>)) -> Outcome {
    let Some(port) = world.forwarder else {
        return Outcome::Cannot("the network is open: there is no forwarder".to_owned());
    };
    let mut way = Way { world, port, answers: Answers::new(world) };
    if !way.answers_at_all() {
        return Outcome::Cannot("a right request has no answer either".to_owned());
    }
    attempts(&mut way);
    way.answers.outcome()
}

impl Way<'_> {
    fn prefix(&self) -> &str {
        &self.world.prefix
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn models(&self) -> String {
        format!("{}/models", self.world.prefix)
    }

    /// Whether anything would be seen to get through: a request for what the agent may have.
    fn answers_at_all(&self) -> bool {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.models(), self.host());
        let nonce = self.world.nonce.as_bytes();
        let is_there = |bytes: Vec<u8>| bytes.windows(nonce.len().max(1)).any(|part| part == nonce);
        self.exchange(request.as_bytes()).is_ok_and(is_there)
    }

    /// Sends a request that must not be let through.
    fn send(&mut self, what: &str, request: &str) {
        self.send_bytes(what, request.as_bytes(), 1);
    }

    /// Sends several, of which all but the last may be answered.
    fn send_and_count(&mut self, what: &str, request: &str, answers: usize) {
        self.send_bytes(what, request.as_bytes(), answers);
    }

    fn send_bytes(&mut self, what: &str, request: &[u8], answers: usize) {
        let what: String = what.chars().filter(|c| !c.is_control()).take(60).collect();
        let answer = match self.exchange(request) {
            Ok(bytes) => {
                let nonce = self.world.nonce.as_bytes();
                let through = bytes.windows(nonce.len().max(1)).filter(|part| *part == nonce).count();
                if through >= answers { Ok(()) } else { Err(line_of(&bytes)) }
            }
            Err(error) => Err(name_of(&error)),
        };
        self.answers.note(what, answer);
    }

    /// What is answered within the time; the connection may stay open.
    fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Whoever closes at the first wrong byte has refused, too.
        // The sending side stays open: one that is shut counts as gone.
        let _ = stream.write_all(request);
        let end = Instant::now().checked_add(PATIENCE).unwrap_or_else(Instant::now);
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || answer.len() > ANSWER {
                return Ok(answer);
            }
            stream.set_read_timeout(Some(if answer.is_empty() { left } else { left.min(MORE) }))?;
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return Ok(answer),
                Ok(count) => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            }
        }
    }
}

/// The first line of an answer, and the code with which it was refused.
fn line_of(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer.get(..answer.len().min(1024)).unwrap_or_default());
    let status = text.lines().next().unwrap_or_default().strip_prefix("HTTP/1.1 ").unwrap_or_default();
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    let code = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-egress-refusal"))
        .map(|(_, code)| code)
        .next()
        .unwrap_or_default();
    match (status, code) {
        ("", _) => "closed without an answer".to_owned(),
        (status, "") => status.trim_end().to_owned(),
        (status, code) => format!("{} [{code}]", status.trim_end()),
    }
}
