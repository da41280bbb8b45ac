//! Fuzz entry: any bytes as what a client sends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // never in the program

use std::io::{self, ErrorKind, Read, Write};

use tungstenite::{
    Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use super::{
    Out, Session, Settings,
    machine::{End, Machine},
    testing,
};

/// Sends back what comes.
struct Echo;

impl Session for Echo {
    fn opened(&mut self, _: &mut Out<'_>) {}

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        out.text(text);
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        out.binary(bytes);
    }
}

/// Small bounds, so that they are reached.
const SETTINGS: Settings = Settings {
    message: 2_000,
    queue_messages: 8,
    queue_bytes: 4_000,
    send_buffer: None,
    stall_ms: 10,
    silence_ms: 30,
    silence_close: (1008, "silent"),
    pongs_count: true,
    message_ms: 30,
    close_ms: 2,
};

/// The first byte says how the rest is cut. However it is: the same messages come out, nothing is
/// kept that is not part of one, and the connection waits or is closing. And what a client of
/// tungstenite sends comes back as it was.
pub fn fuzz(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = ran(bytes, bytes.len().max(1));
    let pieces = ran(bytes, usize::from(*cut).max(1));
    assert_eq!(whole, pieces, "cut into pieces of {cut}");
    returned(bytes, usize::from(*cut).max(1));
}

/// All frames but pongs, whether the connection lingers, and its end.
type Ran = (Vec<(u8, Vec<u8>)>, bool, Option<End>);

fn ran(bytes: &[u8], cut: usize) -> Ran {
    let mut machine = Machine::new(SETTINGS, &mut Echo, 0);
    let mut out = Vec::new();
    for piece in bytes.chunks(cut) {
        machine.receive(piece, 0);
        turns(&mut machine, &mut out);
    }
    let mut frames = testing::frames(&out);
    // Of many pings at once the newest are answered.
    frames.retain(|(first, _)| *first != 0x8a);
    let is_closed = frames.last().is_some_and(|(first, _)| *first == 0x88);
    assert_eq!(machine.is_lingering(), is_closed, "closed and lingering, or neither");
    assert!(frames.iter().rev().skip(1).all(|(first, _)| *first != 0x88), "nothing follows a close");
    (frames, machine.is_lingering(), machine.end())
}

fn turns(machine: &mut Machine, out: &mut Vec<u8>) {
    loop {
        machine.turn(&mut Echo, 0);
        let slices: Vec<u8> = machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        out.extend_from_slice(&slices);
        machine.wrote(slices.len(), 0);
        machine.settle(&mut Echo);
        if !machine.is_ready() && !machine.wants_output() {
            return;
        }
    }
}

/// Messages made of `bytes`, framed by tungstenite, come back.
fn returned(bytes: &[u8], size: usize) {
    let config = WebSocketConfig::default().write_buffer_size(0).max_write_buffer_size(64 * 1024);
    let mut client = WebSocket::from_raw_socket(Wire::default(), Role::Client, Some(config));
    let sent: Vec<Message> = bytes
        .chunks(size)
        .take(50)
        .map(|chunk| match std::str::from_utf8(chunk) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(chunk.to_vec()),
        })
        .collect();
    for message in &sent {
        client.send(message.clone()).unwrap();
    }
    let mut machine = Machine::new(SETTINGS, &mut Echo, 0);
    let mut out = Vec::new();
    for piece in std::mem::take(&mut client.get_mut().written).chunks(size) {
        machine.receive(piece, 0);
        turns(&mut machine, &mut out);
    }
    client.get_mut().incoming = io::Cursor::new(out);
    let back: Vec<Message> = std::iter::from_fn(|| client.read().ok()).collect();
    assert_eq!(back, sent);
}

/// Both ways of a client, in memory.
#[derive(Default)]
struct Wire {
    incoming: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
