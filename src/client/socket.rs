//! A WebSocket to the instance, for our own verbs: the same address, the same checks of who listens
//! there before the credential goes out, no proxy, no redirect.
//!
//! The upgrade is our own: one request, and a 101 that is read strictly, within a bound and a
//! deadline, and whose accept key is compared. What the instance sends in its place is an ordinary
//! answer. After it frames are tungstenite's; nothing here blocks, and whoever polls says when.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use super::{ANSWER_HEAD, Answer, Client, ClientError, key::Shown, pinned::ConnectError};
use crate::{
    limits,
    sys::random,
    wire::{base64, sha1},
};

/// Deadline of the upgrade, once connected.
const UPGRADE: Duration = Duration::from_secs(10);
/// Most fields in the head of an answer.
const FIELDS: usize = 64;
/// Largest body that comes in place of a 101.
const REFUSAL: usize = 64 * 1024;
/// Buffer of what is read, and of what waits to be written.
const BUFFER: usize = 64 * 1024;
/// Bytes that one [`Socket::hear`] takes from the connection.
const SHARE: usize = 256 * 1024;

/// What came of asking for a WebSocket.
pub enum Opened {
    /// there it is
    Socket(Box<Socket>),
    /// another answer than 101
    Refused(Answer),
}

/// One WebSocket. Reads and writes never block.
pub struct Socket {
    frames: WebSocket<Metered>,
    unwritten: bool,
}

/// A stream that gives no more than a share at once: the decoder takes empty fragments for as long as
/// there are any.
struct Metered {
    stream: TcpStream,
    left: usize,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left);
        match buffer.get_mut(..most) {
            Some(room) if !room.is_empty() => {
                let count = self.stream.read(room)?;
                self.left = self.left.saturating_sub(count);
                Ok(count)
            }
            Some(_) | None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What has been heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// a text message
    Text(String),
    /// nothing more for now
    Nothing,
    /// much that is no message, and there may be more: to be asked again without waiting
    Busy,
    /// the other side has closed, and said why where it did: the code, 1006 without one
    Closed(u16),
}

impl Client {
    /// Asks for a WebSocket at `path`.
    pub fn socket(&self, path: &str) -> Result<Opened, ClientError> {
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ClientError::Request);
        }
        let is_refused = |opened: &Opened| matches!(opened, Opened::Refused(answer) if answer.status == 401);
        self.with_key(|key| self.socket_with(key, path), is_refused)
    }

    fn socket_with(&self, key: &Shown, path: &str) -> Result<Opened, ClientError> {
        let shown = key.header()?;
        let credential = match &shown {
            None => String::new(),
            Some((name, value)) => {
                format!("{name}: {}\r\n", value.to_str().map_err(|_| ClientError::Credential)?)
            }
        };
        let nonce: [u8; 16] = random::bytes().map_err(|error| ClientError::Broken(error.to_string()))?;
        let key = base64::encode(&nonce);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{credential}\r\n",
            self.at
        )
        .into_bytes();
        let stream = self.pinned.tcp(super::CONNECT).map_err(|error| match error {
            ConnectError::Unproven(error) => ClientError::Unproven(error),
            ConnectError::Io(error) => self.explain_io(&error),
        })?;
        let opened = upgrade(stream, &request, &key);
        // Both hold the key, which nobody needs to find here later.
        let mut credential = credential.into_bytes();
        credential.fill(0);
        request.fill(0);
        std::hint::black_box((&request, &credential));
        opened.map_err(|error| self.explain_io(&error))
    }

    fn explain_io(&self, error: &io::Error) -> ClientError {
        match error.kind() {
            ErrorKind::ConnectionRefused => ClientError::NotRunning(self.at),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => ClientError::TimedOut("upgrade".to_owned()),
            _ => ClientError::Broken(error.to_string()),
        }
    }
}

fn upgrade(mut stream: TcpStream, request: &[u8], key: &str) -> io::Result<Opened> {
    let end = Instant::now() + UPGRADE;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(UPGRADE))?;
    stream.write_all(request)?;
    let mut ahead = Vec::new();
    let head = loop {
        if let Some((head, length)) = AnswerHead::parse(&ahead).map_err(malformed)? {
            ahead.drain(..length);
            break head;
        }
        read_more(&mut stream, &mut ahead, end)?;
    };
    if head.status != 101 {
        let length = head.content_length().map_err(malformed)?;
        while ahead.len() < length {
            read_more(&mut stream, &mut ahead, end)?;
        }
        ahead.truncate(length);
        return Ok(Opened::Refused(Answer { status: head.status, headers: head.fields, body: ahead }));
    }
    head.accepts(key).map_err(malformed)?;
    stream.set_nonblocking(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::CLIENT_MESSAGE)
        .max_message_size(Some(limits::CLIENT_MESSAGE))
        .max_frame_size(Some(limits::CLIENT_MESSAGE));
    let stream = Metered { stream, left: SHARE };
    let frames = WebSocket::from_partially_read(stream, ahead, Role::Client, Some(config));
    Ok(Opened::Socket(Box::new(Socket { frames, unwritten: false })))
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

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

impl Socket {
    /// Sends a text message; what the socket does not take now goes with a later call.
    pub fn send(&mut self, text: String) -> Result<(), ClientError> {
        let sent = self.frames.write(Message::text(text));
        self.keep(sent)?;
        self.flush()
    }

    /// Writes what waits to be written.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        let flushed = self.frames.flush();
        self.unwritten = matches!(&flushed, Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock);
        self.keep(flushed)
    }

    /// Whether something waits to be written.
    pub fn wants_output(&self) -> bool {
        self.unwritten
    }

    /// The next message. Pings are answered on the way.
    pub fn hear(&mut self) -> Result<Heard, ClientError> {
        self.frames.get_mut().left = SHARE;
        loop {
            match self.frames.read() {
                Ok(Message::Text(text)) => return Ok(Heard::Text(text.as_str().to_owned())),
                // Only text matters; a pong to a ping is written with the flush.
                Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(frame)) => {
                    return Ok(Heard::Closed(frame.map_or(1006, |frame| frame.code.into())));
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    self.flush()?;
                    let all = self.frames.get_ref().left == 0;
                    return Ok(if all { Heard::Busy } else { Heard::Nothing });
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(Heard::Closed(1006)),
                Err(error) => return Err(ClientError::Broken(error.to_string())),
            }
        }
    }

    /// Says goodbye; whoever drops the socket then does not wait for the answer.
    pub fn close(&mut self) {
        let _ = self.frames.close(None);
        let _ = self.frames.flush();
    }

    fn keep(&self, done: Result<(), Error>) -> Result<(), ClientError> {
        match done {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(ClientError::Broken(error.to_string())),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.get_ref().stream.as_fd()
    }
}

/// The head of an answer to an upgrade.
#[derive(Debug, PartialEq, Eq)]
struct AnswerHead {
    status: u16,
    /// names in lower case
    fields: Vec<(String, String)>,
}

impl AnswerHead {
    /// The head and its length, `None` where more must come; what is wrong where it is not one.
    /// Lines end with CR LF and nothing else, and are not folded.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, &'static str> {
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

    /// Whether this 101 answers the request with that key, and agrees to nothing that was not asked.
    fn accepts(&self, key: &str) -> Result<(), &'static str> {
        if self.one("sec-websocket-accept")? != Some(sha1::accept_key(key).as_str()) {
            return Err("the 101 does not answer our key");
        }
        let upgrade = self.one("upgrade")?.unwrap_or_default();
        let connection = self.one("connection")?.unwrap_or_default();
        if !upgrade.eq_ignore_ascii_case("websocket")
            || !connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
        {
            return Err("the 101 is not one of a WebSocket");
        }
        for unasked in ["sec-websocket-protocol", "sec-websocket-extensions", "content-length"] {
            if self.one(unasked)?.is_some() {
                return Err("the 101 agrees to what was not asked");
            }
        }
        Ok(())
    }

    /// How long the body is; none where it does not say.
    fn content_length(&self) -> Result<usize, &'static str> {
        let Some(text) = self.one("content-length")? else { return Ok(0) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let length = text.parse().ok().filter(|_| digits).ok_or("an answer's length is not a number")?;
        if length > REFUSAL { Err("an answer is too long") } else { Ok(length) }
    }

    /// A field that may stand once.
    fn one(&self, name: &str) -> Result<Option<&str>, &'static str> {
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

#[cfg(test)]
mod tests;
