//! The bytes of an answer's head.
//!
//! Every answer says how long it is (or that it has no body, or ends with its connection), when it was
//! made, and that nobody may keep it or guess its type.

use std::io::Write;

use super::Response;
use crate::wire::{clock::Clock, date};

/// What an answer's head depends on besides the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// the connection ends after this answer
    pub(super) close: bool,
    /// nobody knows how long it will be: it ends with the connection
    pub(super) open_ended: bool,
    /// the Date
    pub(super) date: [u8; date::LENGTH],
}

/// The Date of answers, put together once a second.
#[derive(Default)]
pub(super) struct Date {
    /// of the monotonic clock
    second: Option<u64>,
    text: [u8; date::LENGTH],
}

impl Date {
    /// The Date when the monotonic clock shows `now`, at most a second old.
    pub(super) fn at(&mut self, now: u64, clock: &dyn Clock) -> [u8; date::LENGTH] {
        let second = now.checked_div(1_000);
        if self.second != second {
            self.second = second;
            self.text = date::imf_fixdate(clock.unix_ms().checked_div(1_000).unwrap_or(0));
        }
        self.text
    }
}

/// Appends the head of `response`.
pub(super) fn head(response: &Response, manner: &Manner, out: &mut Vec<u8>) {
    let status = response.status();
    // Writing to a Vec does not fail.
    let _ = write!(out, "HTTP/1.1 {status} {}\r\nDate: ", reason(status));
    out.extend_from_slice(&manner.date);
    if has_body(status) {
        if !response.content_type().is_empty() {
            out.extend_from_slice(b"\r\nContent-Type: ");
            out.extend_from_slice(response.content_type().as_bytes());
        }
        if !manner.open_ended {
            let _ = write!(out, "\r\nContent-Length: {}", response.body().len());
        }
    }
    out.extend_from_slice(b"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    for (name, value) in response.headers() {
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    if manner.close || manner.open_ended {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether an answer of this status has a body, be it an empty one (RFC 9110, 6.4.1).
pub(super) fn has_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// The phrase of RFC 9110, 15; empty for a status that the program does not use (RFC 9112, 4: it
/// may be).
fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response, close: bool) -> String {
        let mut out = Vec::new();
        head(response, &Manner { close, open_ended: false, date: date::imf_fixdate(0) }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_answer_says_its_length_and_that_nobody_may_keep_it() {
        let answer = Response::bytes(200, "text/plain", b"12345".to_vec()).with("Vary", "Origin");
        assert_eq!(
            text(&answer, true),
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
             Content-Length: 5\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Vary: Origin\r\nConnection: close\r\n\r\n"
        );
        assert!(text(&Response::empty(200), false).contains("\r\nContent-Length: 0\r\n"));
        assert!(!text(&Response::empty(204), false).contains("Content-Length"));
        assert!(!text(&Response::empty(101), false).contains("Content-Length"));
    }

    #[test]
    fn a_header_value_cannot_become_a_header() {
        let answer = Response::empty(200).with("Allow", "GET\r\nX-Evil: 1");
        assert!(!text(&answer, false).contains("Evil"));
    }
}
