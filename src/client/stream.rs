//! What an instance tells as it happens: server-sent events, for our own verbs.
//!
//! The same address and the same look at who listens there as for every request; the answer is checked
//! before the first of its frames is believed. Nothing here blocks but [`Frames::next`], which has a
//! deadline. A frame has a bound, and an instance that says nothing for too long is not waited for: it has
//! a comment for whoever waits, oftener than that.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use super::{
    Answer, Client, ClientError,
    by_hand::{AnswerHead, Answered, answered, malformed},
};
use crate::{
    limits,
    sys::poll::{Entry, poll},
};

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// What came of asking for a stream.
pub enum Streamed {
    /// there it is
    Frames(Box<Frames>),
    /// another answer than 200
    Refused(Answer),
}

/// One stream of frames. Dropping it ends it.
pub struct Frames {
    stream: TcpStream,
    frames: Decoder,
    /// when something last came
    heard: Instant,
    silence: Duration,
}

/// One frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// what it is; `message` where it does not say
    pub event: String,
    /// its place in the stream, where it has one: a number, or two with `-` between them
    pub id: Option<String>,
    /// what it says
    pub data: String,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// a frame
    Frame(Frame),
    /// nothing more for now
    Nothing,
    /// the connection has ended
    Ended,
}

impl Client {
    /// Asks for the stream at `path`; where `after` is given, for what comes behind that place.
    pub fn stream(&self, path: &str, after: Option<&str>) -> Result<Streamed, ClientError> {
        let mut fields = "Accept: text/event-stream, application/json\r\nConnection: close\r\n".to_owned();
        if let Some(after) = after {
            fields.push_str(&format!("Last-Event-ID: {after}\r\n"));
        }
        let streamed = |shown: &_| {
            let mut stream = self.ask_by_hand(shown, path, &fields)?;
            open(&mut stream).map_err(|error| self.explain_io(&error)).map(|opened| match opened {
                Ok(frames) => {
                    let (heard, silence) = (Instant::now(), Duration::from_millis(limits::CLIENT_SILENCE_MS));
                    Streamed::Frames(Box::new(Frames { stream, frames, heard, silence }))
                }
                Err(answer) => Streamed::Refused(answer),
            })
        };
        let is_refused =
            |streamed: &Streamed| matches!(streamed, Streamed::Refused(answer) if answer.status == 401);
        self.with_key(streamed, is_refused)
    }
}

/// Reads the head; what came behind it, or the answer that it is in its place.
fn open(stream: &mut TcpStream) -> std::io::Result<Result<Decoder, Answer>> {
    let (head, ahead) = match answered(stream, 200)? {
        Answered::Wanted(head, ahead) => (head, ahead),
        Answered::Refused(answer) => return Ok(Err(answer)),
    };
    is_a_stream(&head).map_err(malformed)?;
    stream.set_nonblocking(true)?;
    Ok(Ok(Decoder { bytes: ahead, ..Decoder::default() }))
}

/// Whether this 200 is the head of a stream that ends with its connection.
fn is_a_stream(head: &AnswerHead) -> Result<(), &'static str> {
    let kind = head.one("content-type")?.unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream") {
        return Err("the answer is not a stream of events");
    }
    for unasked in ["content-length", "transfer-encoding", "content-encoding"] {
        if head.one(unasked)?.is_some() {
            return Err("the answer is a stream in another form than was asked for");
        }
    }
    Ok(())
}

impl Frames {
    /// The next frame of what has come; reads where there is none.
    pub fn hear(&mut self) -> Result<Told, ClientError> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(Told::Frame(frame));
            }
            let mut buffer = [0; READ];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Told::Ended),
                Ok(count) => {
                    self.heard = Instant::now();
                    self.frames.feed(buffer.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return if self.silent_from() <= Instant::now() {
                        Err(ClientError::Silent(self.silence))
                    } else {
                        Ok(Told::Nothing)
                    };
                }
                Err(error) => return Err(ClientError::Broken(error.to_string())),
            }
        }
    }

    /// From when on the silence is too long; [`Frames::hear`] says so then.
    pub fn silent_from(&self) -> Instant {
        self.heard.checked_add(self.silence).unwrap_or(self.heard)
    }

    /// Waits for the next frame until then; `None` where the stream or the time has ended.
    pub fn next(&mut self, until: Instant) -> Result<Option<Frame>, ClientError> {
        loop {
            match self.hear()? {
                Told::Frame(frame) => return Ok(Some(frame)),
                Told::Ended => return Ok(None),
                Told::Nothing => {}
            }
            let left = until.min(self.silent_from()).saturating_duration_since(Instant::now());
            if left.is_zero() && until <= Instant::now() {
                return Ok(None);
            }
            let mut entries = [Entry::new(self.stream.as_fd(), true, false)];
            poll(&mut entries, Some(left)).map_err(|error| ClientError::Broken(error.to_string()))?;
        }
    }
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Takes frames apart as browsers do (the HTML standard, "server-sent events"), ids excepted: ours are numbers.
#[derive(Debug, Default)]
struct Decoder {
    /// what has come and is not used
    bytes: Vec<u8>,
    /// of it, what was taken apart; never more
    used: usize,
    /// of the rest, what has no end of a line
    looked: usize,
    /// of the frame that is not complete
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    size: usize,
}

impl Decoder {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used.min(self.bytes.len()));
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is complete.
    fn next(&mut self) -> Result<Option<Frame>, ClientError> {
        loop {
            let rest = self.bytes.get(self.used..).unwrap_or_default();
            let fresh = rest.get(self.looked..).unwrap_or_default();
            let Some(at) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.looked = rest.len();
                if self.size.saturating_add(rest.len()) > limits::CLIENT_FRAME {
                    return Err(ClientError::FrameTooLarge);
                }
                return Ok(None);
            };
            let end = self.looked.saturating_add(at);
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = std::str::from_utf8(line)
                .map_err(|_| ClientError::Broken("a frame is not UTF-8".to_owned()))?
                .to_owned();
            self.used = self.used.saturating_add(end).saturating_add(1);
            self.looked = 0;
            self.size = self.size.saturating_add(line.len());
            if self.size > limits::CLIENT_FRAME {
                return Err(ClientError::FrameTooLarge);
            }
            if let Some(frame) = self.line(&line) {
                return Ok(Some(frame));
            }
        }
    }

    /// One line; the frame that it ends. Comments and fields that are not known are nothing.
    fn line(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            let (data, id) = (std::mem::take(&mut self.data), self.id.take());
            let complete = std::mem::take(&mut self.has_data);
            let event = if event.is_empty() { "message".to_owned() } else { event };
            return complete.then_some(Frame { event, id, data });
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "id" => self.id = is_place(value).then(|| value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

/// Whether this is a place as instances give it out, and not what else might stand in a field of a request.
fn is_place(text: &str) -> bool {
    let number = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').map_or_else(|| number(text), |(one, other)| number(one) && number(other))
}

#[cfg(test)]
mod tests;
