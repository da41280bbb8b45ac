//! Inbound bytes to messages: tungstenite between a buffer that is filled from outside and a sink.
//!
//! Does no I/O. The decoder sees only what [`Scan`] has let pass, reads from memory and would
//! block where that is empty; what it writes of its own accord (pongs, the answer to a close) is
//! thrown away, because all that goes out goes through one outbox. The same bytes give the same
//! messages, however they are cut.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
};

use tungstenite::{
    Bytes, Error, Message, Utf8Bytes, WebSocket,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, Role, WebSocketConfig},
};

use super::scan::Scan;

/// The decoder's buffer; a message's frames grow it as they come.
const READ_BUFFER: usize = 4 * 1024;

/// After a message above this, the decoder's buffers are given back.
const KEPT: usize = 16 * 1024;

/// What a client must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// 1002: against the rules of RFC 6455
    Protocol(&'static str),
    /// 1007: text that is not UTF-8
    NotUtf8,
    /// 1009: a message over the limit
    TooBig,
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// a text message
    Text(Utf8Bytes),
    /// a binary message
    Binary(Bytes),
    /// a ping, which wants the same bytes back
    Ping(Bytes),
    /// a pong, to whatever
    Pong,
    /// a close; with the code to answer, if it had one
    Close(Option<u16>),
}

/// Takes bytes, gives messages.
pub struct Decoder {
    machine: WebSocket<Memory>,
    scan: Scan,
    /// what the scanner found behind the bytes that it let pass
    violation: Option<Violation>,
    most: usize,
    /// the largest message since the buffers were last given back
    largest: usize,
}

impl Decoder {
    /// A decoder for messages of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { machine: machine(most), scan: Scan::new(most), violation: None, most, largest: 0 }
    }

    /// More bytes. After a violation nothing is taken any more.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.violation.is_some() {
            return;
        }
        let (passed, violation) = self.scan.advance(bytes);
        self.machine.get_mut().0.extend(bytes.get(..passed).unwrap_or_default());
        self.violation = violation;
    }

    /// The next message; `None` where more bytes are needed. After an error there is no next one.
    pub fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        match self.machine.read() {
            Ok(message) => Ok(Some(self.incoming(message))),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => match self.violation {
                Some(violation) => Err(violation),
                None => {
                    self.give_back();
                    Ok(None)
                }
            },
            Err(error) => Err(violation(&error)),
        }
    }

    /// Whole frames so far, also those whose message has not ended.
    pub fn frames(&self) -> u64 {
        self.scan.frames()
    }

    /// The same without pongs.
    pub fn frames_but_pongs(&self) -> u64 {
        self.scan.frames_but_pongs()
    }

    /// How many messages have begun.
    pub fn begun(&self) -> u64 {
        self.scan.begun()
    }

    /// A message has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.scan.is_inside()
    }

    /// Bytes that wait for [`Decoder::next`].
    pub fn waiting(&self) -> usize {
        self.machine.get_ref().0.len()
    }

    fn incoming(&mut self, message: Message) -> Incoming {
        self.largest = self.largest.max(message.len());
        match message {
            Message::Text(text) => Incoming::Text(text),
            Message::Binary(bytes) => Incoming::Binary(bytes),
            Message::Ping(bytes) => Incoming::Ping(bytes),
            // A raw frame is never read.
            Message::Pong(_) | Message::Frame(_) => Incoming::Pong,
            Message::Close(frame) => Incoming::Close(frame.map(|CloseFrame { code, .. }| code.into())),
        }
    }

    /// Between two messages the machine holds nothing but its buffers, and those of a large message
    /// would stay for as long as the connection does.
    fn give_back(&mut self) {
        if self.largest > KEPT && !self.scan.is_inside() {
            self.machine = machine(self.most);
            self.largest = 0;
        }
    }
}

/// Set in every field; the size of what it writes is bounded by what control frames may have.
fn machine(most: usize) -> WebSocket<Memory> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(1024)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .accept_unmasked_frames(false);
    WebSocket::from_raw_socket(Memory::default(), Role::Server, Some(config))
}

fn violation(error: &Error) -> Violation {
    match error {
        Error::Utf8(_) => Violation::NotUtf8,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Violation::TooBig,
        Error::Protocol(ProtocolError::InvalidCloseSequence) => {
            Violation::Protocol("a close frame is malformed")
        }
        // What else there is was judged by the scanner, or cannot be of a stream in memory.
        _ => Violation::Protocol("not the frames of RFC 6455"),
    }
}

/// The machine's stream: bytes that wait, and nowhere to write to.
#[derive(Debug, Default)]
struct Memory(VecDeque<u8>);

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The end of the stream is not the machine's to know.
        if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::testing::frame;

    #[test]
    fn a_large_message_leaves_no_buffer_behind_and_breaks_nothing_that_follows() {
        let mut decoder = Decoder::new(1024 * 1024);
        decoder.feed(&frame(0x81, &vec![b'x'; 100 * 1024]));
        decoder.feed(frame(0x81, b"next").split_at(3).0);
        assert!(matches!(decoder.next(), Ok(Some(Incoming::Text(_)))));
        assert_eq!(decoder.next(), Ok(None));
        assert_ne!(decoder.largest, 0, "within a frame nothing may be dropped");
        decoder.feed(frame(0x81, b"next").split_at(3).1);
        assert_eq!(decoder.next(), Ok(Some(Incoming::Text("next".into()))));
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.largest, 0, "the machine with its buffers is a new one");
    }
}
