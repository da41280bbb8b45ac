//! Requests whose connection goes on: written by hand, on a connection whose other end is proven, and an
//! answer's head that is read strictly, within a bound and a deadline.
//!
//! An answer of another status than was hoped for is an ordinary one. No proxy, no redirect, no name to
//! resolve, as everywhere here.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{ANSWER_HEAD, Answer, Client, ClientError, key::Shown, pinned::ConnectError};

/// Deadline of the answer's head, once connected.
const ANSWER: Duration = Duration::from_secs(10);
/// Most fields in the head of an answer.
pub(super) const FIELDS: usize = 64;
/// Largest body that comes in place of what was hoped for.
const REFUSAL: usize = 64 * 1024;

/// What was answered.
pub(super) enum Answered {
    /// the head that was hoped for, and what came behind it
    Wanted(AnswerHead, Vec<u8>),
    /// another one
    Refused(Answer),
}

impl Client {
    /// Connects and asks for `path`, with these fields beside the credential. Fields end with CR LF.
    pub(super) fn ask_by_hand(
        &self,
        shown: &Shown,
        path: &str,
        fields: &str,
    ) -> Result<TcpStream, ClientError> {
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientError::Request);
        }
        let header = shown.header()?;
        let credential = match &header {
            None => String::new(),
            Some((name, value)) => {
                format!("{name}: {}\r\n", value.to_str().map_err(|_| ClientError::Credential)?)
            }
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}{credential}\r\n", self.at);
        let stream = self.pinned.tcp(super::CONNECT).map_err(|error| match error {
            ConnectError::Unproven(error) => ClientError::Unproven(error),
            ConnectError::Io(error) => self.explain_io(&error),
        })?;
        let mut request = request.into_bytes();
        let sent = send(&stream, &request);
        // Both hold the key, which nobody needs to find here later.
        let mut credential = credential.into_bytes();
        credential.fill(0);
        request.fill(0);
        std::hint::black_box((&request, &credential));
        sent.map(|()| stream).map_err(|error| self.explain_io(&error))
    }

    pub(super) fn explain_io(&self, error: &io::Error) -> ClientError {
        match error.kind() {
            ErrorKind::ConnectionRefused => ClientError::NotRunning(self.at),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => ClientError::TimedOut("answer".to_owned()),
            _ => ClientError::Broken(error.to_string()),
        }
    }
}

fn send(mut stream: &TcpStream, request: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(request)
}

/// Reads the answer's head; where its status is not `wanted`, all of it.
pub(super) fn answered(stream: &mut TcpStream, wanted: u16) -> io::Result<Answered> {
    let end = Instant::now() + ANSWER;
    let mut ahead = Vec::new();
    let head = loop {
        if let Some((head, length)) = AnswerHead::parse(&ahead).map_err(malformed)? {
            ahead.drain(..length);
            break head;
        }
        read_more(stream, &mut ahead, end)?;
    };
    if head.status == wanted {
        return Ok(Answered::Wanted(head, ahead));
    }
    let length = head.content_length().map_err(malformed)?;
    while ahead.len() < length {
        read_more(stream, &mut ahead, end)?;
    }
    ahead.truncate(length);
    Ok(Answered::Refused(Answer { status: head.status, headers: head.fields, body: ahead }))
}

/// Reads once, before `end`.
fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>, end: Instant) -> io::Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection ended within an answer")),
        Ok(count) => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    /// names in lower case
    pub(super) fields: Vec<(String, String)>,
}

impl AnswerHead {
    /// The head and its length, `None` where more must come; what is wrong where it is not one.
    /// Lines end with CR LF and nothing else, and are not folded.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, &'static str> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.len() > ANSWER_HEAD { Err("an answer's head is too long") } else { Ok(None) };
        };
        if end > ANSWER_HEAD {
            return Err("an answer's head is too long");
        }
        let head = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok());
        let mut lines = head.ok_or("an answer's head is not text")?.split("\r\n");
        let status = lines.next().and_then(status_of).ok_or("an answer does not begin as HTTP/1.1 does")?;
        let fields =
            lines.map(field).collect::<Option<Vec<_>>>().ok_or("a field of an answer is malformed")?;
        if fields.len() > FIELDS {
            return Err("an answer has too many fields");
        }
        Ok(Some((Self { status, fields }, end.saturating_add(4))))
    }

    /// How long the body is; none where it does not say.
    fn content_length(&self) -> Result<usize, &'static str> {
        let Some(text) = self.one("content-length")? else { return Ok(0) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let length = text.parse().ok().filter(|_| digits).ok_or("an answer's length is not a number")?;
        if length > REFUSAL { Err("an answer is too long") } else { Ok(length) }
    }

    /// A field that may stand once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut found =
            self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err("a field of an answer stands twice"),
        }
    }
}

fn status_of(line: &str) -> Option<u16> {
    let (number, reason) = line.strip_prefix("HTTP/1.1 ")?.split_at_checked(3)?;
    let rest = reason.is_empty() || reason.starts_with(' ');
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !reason.bytes().any(|b| b.is_ascii_control());
    number.parse().ok().filter(|status| rest && plain && (100..600).contains(status))
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let value = value.trim_matches([' ', '\t']);
    let plain = !value.bytes().any(|b| b.is_ascii_control() && b != b'\t');
    (!name.is_empty() && name.bytes().all(token) && plain)
        .then(|| (name.to_ascii_lowercase(), value.to_owned()))
}
