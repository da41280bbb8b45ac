//! The client side of a WebSocket over a bare socket, so that it can send what no library would:
//! wrong bits, wrong lengths, no mask, half frames. What it receives it holds against RFC 6455.

#![allow(dead_code)] // each test file uses its own part

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::{Answer, PATIENCE, read_answer};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The key of the example in RFC 6455 section 1.3, and its answer there.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame as it is sent; whether it is right is the caller's business.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub fin: bool,
    /// The three reserved bits, 0 to 7.
    pub rsv: u8,
    pub opcode: u8,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A whole message or control frame.
    pub fn of(opcode: u8, payload: &'a [u8]) -> Self {
        Self { fin: true, rsv: 0, opcode, payload }
    }

    /// A part of a message.
    pub fn part(opcode: u8, fin: bool, payload: &'a [u8]) -> Self {
        Self { fin, rsv: 0, opcode, payload }
    }

    /// Its bytes, masked, put at the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode);
        length(out, 0x80, self.payload.len() as u64);
        let key = [0x37, 0xfa, 0x21, 0x3d];
        out.extend(key);
        mask(out, key, self.payload);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 14);
        self.write(&mut out);
        out
    }
}

/// The length field of a frame, of the shortest form, with the mask bit in `bit`.
pub fn length(out: &mut Vec<u8>, bit: u8, length: u64) {
    match length {
        0..=125 => out.push(bit | length as u8),
        126..=0xffff => {
            out.push(bit | 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend(length.to_be_bytes());
        }
    }
}

/// Eight bytes at a time: unoptimised builds do this for hundreds of MiB.
fn mask(out: &mut Vec<u8>, key: [u8; 4], payload: &[u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (eights, rest) = payload.as_chunks::<8>();
    for eight in eights {
        out.extend_from_slice(&(u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes());
    }
    out.extend(rest.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The payload of a close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

/// What comes from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    Frame {
        fin: bool,
        opcode: u8,
        payload: Vec<u8>,
    },
    /// the end of the stream
    End,
    /// the connection was reset
    Reset,
    /// nothing, within the time for a read
    Late,
}

/// One connection after the upgrade.
pub struct Socket {
    pub stream: BufReader<TcpStream>,
}

impl Socket {
    /// Asks for the upgrade; any answer but 101 comes back as the error.
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Answer> {
        let stream = TcpStream::connect(address).expect("the server accepts");
        Self::over(stream, path, headers).expect("the server answers")
    }

    /// The same over a connection that is there, whose server may end at any moment.
    pub fn over(stream: TcpStream, path: &str, headers: &[(&str, &str)]) -> io::Result<Result<Self, Answer>> {
        let address = stream.peer_addr()?;
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a deadline");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        (&stream).write_all(request.as_bytes())?;
        let mut stream = BufReader::with_capacity(64 * 1024, stream);
        let answer = read_answer(&mut stream);
        if answer.status == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if answer.status != 101 {
            return Ok(Err(answer));
        }
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT), "{answer:?}");
        assert_eq!(answer.header("sec-websocket-extensions"), None, "none was offered");
        Ok(Ok(Self { stream }))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_ref().write_all(bytes)
    }

    pub fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        self.send(&frame.bytes())
    }

    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.frame(Frame::of(TEXT, text.as_bytes()))
    }

    /// How long a read waits.
    pub fn patience(&self, time: Duration) {
        self.stream.get_ref().set_read_timeout(Some(time)).expect("a deadline");
    }

    /// The next frame. A masked one, one with a reserved bit, or one longer in form than need be
    /// fails the test.
    pub fn receive(&mut self) -> Got {
        match self.frame_in() {
            Ok(got) => got,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Got::Late,
                ErrorKind::UnexpectedEof => Got::End,
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Got::Reset,
                _ => panic!("{error}"),
            },
        }
    }

    fn frame_in(&mut self) -> io::Result<Got> {
        if self.stream.fill_buf()?.is_empty() {
            return Ok(Got::End);
        }
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let [first, second] = head;
        assert_eq!(first & 0x70, 0, "a reserved bit is set");
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let length = match second {
            126 => {
                let mut two = [0; 2];
                self.stream.read_exact(&mut two)?;
                let length = u64::from(u16::from_be_bytes(two));
                assert!(length > 125, "{length} in 16 bits");
                length
            }
            127 => {
                let mut eight = [0; 8];
                self.stream.read_exact(&mut eight)?;
                let length = u64::from_be_bytes(eight);
                assert!(length > 0xffff, "{length} in 64 bits");
                length
            }
            short => u64::from(short),
        };
        assert!(length <= 64 * 1024 * 1024, "a frame of {length} bytes");
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload)?;
        let opcode = first & 0x0f;
        assert!(matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG), "opcode {opcode}");
        assert!(opcode < CLOSE || (length <= 125 && first & 0x80 != 0), "a control frame is short and whole");
        Ok(Got::Frame { fin: first & 0x80 != 0, opcode, payload })
    }

    /// The next whole message or control frame; fragments are put together.
    pub fn message(&mut self) -> Got {
        let mut begun: Option<(u8, Vec<u8>)> = None;
        loop {
            match self.receive() {
                Got::Frame { fin, opcode, payload } if opcode < CLOSE => {
                    assert_eq!(opcode == CONTINUATION, begun.is_some(), "a fragment continues a message");
                    let (kind, mut whole) = begun.unwrap_or((opcode, Vec::new()));
                    whole.extend(payload);
                    if fin {
                        return Got::Frame { fin, opcode: kind, payload: whole };
                    }
                    begun = Some((kind, whole));
                }
                other => return other,
            }
        }
    }

    /// The next text message; pings and pongs are passed over.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        loop {
            match self.message() {
                Got::Frame { opcode: TEXT, payload, .. } => {
                    return String::from_utf8(payload).expect("UTF-8");
                }
                Got::Frame { opcode: PING | PONG, .. } => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    /// The code of the close frame that ends it, everything before it passed over; `None` if the
    /// connection was cut without one.
    #[track_caller]
    pub fn closed(&mut self) -> Option<u16> {
        loop {
            match self.receive() {
                Got::Frame { opcode: CLOSE, payload, .. } => return Some(code(&payload)),
                Got::Frame { .. } => {}
                Got::End | Got::Reset => return None,
                Got::Late => panic!("it was not closed"),
            }
        }
    }
}

/// The code of a close frame's payload; 1005 where it has none.
pub fn code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
}
