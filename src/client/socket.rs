//! A WebSocket to the instance, for our own verbs: the same address, the same checks of who listens
//! there before the credential goes out, no proxy, no redirect.
//!
//! The upgrade is our own: one request, and a 101 whose accept key is compared ([`super::by_hand`]). After
//! it frames are tungstenite's; nothing here blocks, and whoever polls says when.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
};

use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use super::{
    Answer, Client, ClientError,
    by_hand::{AnswerHead, Answered, answered, malformed},
    key::Shown,
};
use crate::{
    limits,
    sys::random,
    wire::{base64, sha1},
};

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
        let is_refused = |opened: &Opened| matches!(opened, Opened::Refused(answer) if answer.status == 401);
        self.with_key(|key| self.socket_with(key, path), is_refused)
    }

    fn socket_with(&self, key: &Shown, path: &str) -> Result<Opened, ClientError> {
        let nonce: [u8; 16] = random::bytes().map_err(|error| ClientError::Broken(error.to_string()))?;
        let nonce = base64::encode(&nonce);
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
        );
        let stream = self.ask_by_hand(key, path, &fields)?;
        upgrade(stream, &nonce).map_err(|error| self.explain_io(&error))
    }
}

fn upgrade(mut stream: TcpStream, key: &str) -> io::Result<Opened> {
    let (head, ahead) = match answered(&mut stream, 101)? {
        Answered::Wanted(head, ahead) => (head, ahead),
        Answered::Refused(answer) => return Ok(Opened::Refused(answer)),
    };
    accepts(&head, key).map_err(malformed)?;
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

/// Whether this 101 answers the request with that key, and agrees to nothing that was not asked.
fn accepts(head: &AnswerHead, key: &str) -> Result<(), &'static str> {
    if head.one("sec-websocket-accept")? != Some(sha1::accept_key(key).as_str()) {
        return Err("the 101 does not answer our key");
    }
    let upgrade = head.one("upgrade")?.unwrap_or_default();
    let connection = head.one("connection")?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket")
        || !connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
    {
        return Err("the 101 is not one of a WebSocket");
    }
    for unasked in ["sec-websocket-protocol", "sec-websocket-extensions", "content-length"] {
        if head.one(unasked)?.is_some() {
            return Err("the 101 agrees to what was not asked");
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests;
