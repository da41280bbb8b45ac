//! What of the endpoint's answer goes to the agent: a pure function.
//!
//! The head is written anew. It has one length or chunks, never both; nothing about the connection to the
//! endpoint, nothing that a browser would remember, nothing that leads elsewhere.

/// Fields that are left out: those of one connection, the length, what leads or binds to somewhere else.
const DROPPED: [&str; 18] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "set-cookie",
    "set-cookie2",
    "alt-svc",
    "strict-transport-security",
    "location",
    "content-location",
    "refresh",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
];

/// How the end of a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// there is none
    None,
    /// so many bytes
    Length(u64),
    /// in chunks
    Chunked,
}

/// How the body of an answer of this status is framed, whose length may be known.
pub fn framing(status: u16, length: Option<u64>) -> Framing {
    match (status, length) {
        (204 | 304, _) => Framing::None,
        (_, Some(length)) => Framing::Length(length),
        (_, None) => Framing::Chunked,
    }
}

/// The head of the answer. `close`: it is the connection's last.
pub fn response(status: u16, headers: &[(String, Vec<u8>)], framing: Framing, close: bool) -> Vec<u8> {
    let reason = if status == 200 { "OK" } else { "" };
    let mut out = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    let listed: Vec<&[u8]> = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, value)| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let by_connection = listed.iter().any(|one| one.eq_ignore_ascii_case(name.as_bytes()));
        if !by_connection && !is_dropped(&name) && is_sound(&name, value) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.trim_ascii());
            out.extend_from_slice(b"\r\n");
        }
    }
    match framing {
        Framing::None => {}
        Framing::Length(length) => out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes()),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

pub(super) fn is_dropped(name: &str) -> bool {
    DROPPED.contains(&name) || name.starts_with("proxy-") || name.starts_with("x-egress-")
}

/// A token, and a value without control bytes (RFC 9110, 5.1 and 5.5).
fn is_sound(name: &str, value: &[u8]) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty()
        && name.bytes().all(token)
        && value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..=0xff))
}
