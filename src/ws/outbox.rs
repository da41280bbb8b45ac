//! What goes out on one connection: whole frames in order, bounded, written as the socket takes them.
//!
//! Does no I/O. A slow reader makes it fill, and a full one takes no more: its owner closes then.
//! Answers to pings have a bound of their own, so that a flood of pings neither grows the queue nor
//! closes it. Each frame has a number, so that whoever must know learns when the socket had it.

use std::{collections::VecDeque, io::IoSlice};

/// Answers to pings that wait; the newest replaces the last above this (RFC 6455, 5.5.3).
const PONGS: usize = 16;

/// Frames that are offered to the socket in one call.
const AT_ONCE: usize = 16;

/// The kinds of frames that a server sends, with their first byte: final, no extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text = 0x81,
    Binary = 0x82,
    Close = 0x88,
    Ping = 0x89,
    Pong = 0x8A,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

struct Frame {
    kind: Kind,
    bytes: Vec<u8>,
}

/// Frames that wait. `written <= queue[0].bytes.len()`; `bytes` and `messages` count what is in it.
pub(super) struct Outbox {
    queue: VecDeque<Frame>,
    /// of the first frame
    written: usize,
    bytes: usize,
    /// frames that count against the bound: all but pongs and the close
    messages: usize,
    pongs: usize,
    most_messages: usize,
    most_bytes: usize,
    /// number of the last frame that was put in
    put: u64,
    /// number of the last frame that the socket has taken
    gone: u64,
    /// no frame above this number is told of as taken
    last_true: u64,
    /// since when the socket takes nothing
    stuck_since: u64,
}

impl Outbox {
    /// An empty one that takes no more once `messages` or `bytes` wait.
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            written: 0,
            bytes: 0,
            messages: 0,
            pongs: 0,
            most_messages: messages.max(1),
            most_bytes: bytes.max(1),
            put: 0,
            gone: 0,
            last_true: u64::MAX,
            stuck_since: 0,
        }
    }

    /// Puts a message or a ping in, whose payload is these parts. The number is the frame's.
    pub(super) fn push(&mut self, kind: Kind, payload: &[&[u8]], now: u64) -> Result<u64, Full> {
        if self.messages >= self.most_messages || self.bytes >= self.most_bytes {
            return Err(Full);
        }
        Ok(self.put_in(kind, payload, now))
    }

    /// Puts the answer to a ping in.
    pub(super) fn pong(&mut self, payload: &[u8], now: u64) {
        if self.pongs < PONGS {
            self.put_in(Kind::Pong, &[payload], now);
            return;
        }
        // The first frame may be half written.
        let last = self.queue.iter_mut().skip(1).rev().find(|frame| frame.kind == Kind::Pong);
        if let Some(last) = last {
            self.bytes = self.bytes.saturating_sub(last.bytes.len());
            last.bytes = encoded(Kind::Pong, &[payload]);
            self.bytes = self.bytes.saturating_add(last.bytes.len());
        }
    }

    /// Puts the close in, behind what waits; there is always room for it.
    pub(super) fn close(&mut self, payload: &[u8], now: u64) {
        self.put_in(Kind::Close, &[payload], now);
    }

    /// Forgets what the socket has not begun to take.
    pub(super) fn drop_unsent(&mut self) {
        let keep = usize::from(self.written > 0);
        for frame in self.queue.drain(keep.min(self.queue.len())..) {
            self.bytes = self.bytes.saturating_sub(frame.bytes.len());
            match frame.kind {
                Kind::Pong => self.pongs = self.pongs.saturating_sub(1),
                Kind::Text | Kind::Binary | Kind::Ping => self.messages = self.messages.saturating_sub(1),
                Kind::Close => {}
            }
        }
        // What is put in from here on would seem to be one of those that were dropped.
        self.last_true = self.gone.saturating_add(u64::try_from(keep).unwrap_or(0));
    }

    /// Whether less than a part of `1 / part` of what may wait does.
    pub(super) fn has_room(&self, part: usize) -> bool {
        let below = |count: usize, most: usize| count < most.checked_div(part).unwrap_or(most).max(1);
        below(self.messages, self.most_messages) && below(self.bytes, self.most_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of the last frame that was put in.
    pub(super) fn put(&self) -> u64 {
        self.put
    }

    /// Number of the last frame that the socket has taken whole.
    pub(super) fn gone(&self) -> u64 {
        self.gone.min(self.last_true)
    }

    /// Since when something waits and the socket has taken nothing; `None` where nothing waits.
    pub(super) fn stuck_since(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.stuck_since)
    }

    /// What to write next, for one vectored write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut skip = self.written;
        let next = self.queue.iter().take(AT_ONCE);
        next.map(|frame| {
            let rest = frame.bytes.get(skip..).unwrap_or_default();
            skip = 0;
            IoSlice::new(rest)
        })
        .collect()
    }

    /// The socket has taken `count` bytes of [`Outbox::slices`].
    pub(super) fn wrote(&mut self, mut count: usize, now: u64) {
        if count > 0 {
            self.stuck_since = now;
        }
        while let Some(first) = self.queue.front() {
            let rest = first.bytes.len().saturating_sub(self.written);
            if count < rest {
                self.written = self.written.saturating_add(count);
                return;
            }
            count = count.saturating_sub(rest);
            self.bytes = self.bytes.saturating_sub(first.bytes.len());
            match first.kind {
                Kind::Pong => self.pongs = self.pongs.saturating_sub(1),
                Kind::Text | Kind::Binary | Kind::Ping => self.messages = self.messages.saturating_sub(1),
                Kind::Close => {}
            }
            self.queue.pop_front();
            self.written = 0;
            self.gone = self.gone.saturating_add(1);
        }
        // A burst's room is given back.
        self.queue.shrink_to(AT_ONCE);
    }

    fn put_in(&mut self, kind: Kind, payload: &[&[u8]], now: u64) -> u64 {
        if self.queue.is_empty() {
            self.stuck_since = now;
        }
        let bytes = encoded(kind, payload);
        self.bytes = self.bytes.saturating_add(bytes.len());
        match kind {
            Kind::Pong => self.pongs = self.pongs.saturating_add(1),
            Kind::Text | Kind::Binary | Kind::Ping => self.messages = self.messages.saturating_add(1),
            Kind::Close => {}
        }
        self.queue.push_back(Frame { kind, bytes });
        self.put = self.put.saturating_add(1);
        self.put
    }
}

/// One frame of a server: never masked, never fragmented (RFC 6455, 5.2).
fn encoded(kind: Kind, payload: &[&[u8]]) -> Vec<u8> {
    let size = payload.iter().fold(0_usize, |size, part| size.saturating_add(part.len()));
    let mut bytes = Vec::with_capacity(size.saturating_add(10));
    bytes.push(kind as u8);
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(short), _) if short < 126 => bytes.push(short),
        (_, Ok(length)) => {
            bytes.push(126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend_from_slice(&u64::try_from(size).unwrap_or(0).to_be_bytes());
        }
    }
    payload.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `count` bytes out of it.
    fn take(outbox: &mut Outbox, count: usize, now: u64) -> Vec<u8> {
        let all: Vec<u8> = outbox.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = all[..count.min(all.len())].to_vec();
        outbox.wrote(taken.len(), now);
        taken
    }

    #[test]
    fn a_frame_has_the_shortest_length_that_holds_it() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let bytes = encoded(Kind::Text, &[&vec![b'x'; length]]);
            assert_eq!((&bytes[..head.len()], bytes.len()), (head, head.len() + length));
        }
    }

    #[test]
    fn frames_go_out_whole_and_in_order_however_little_the_socket_takes() {
        let mut outbox = Outbox::new(10, 1000);
        assert_eq!(outbox.push(Kind::Text, &[b"one"], 0), Ok(1));
        outbox.pong(b"p", 0);
        assert_eq!(outbox.push(Kind::Binary, &[b"two"], 0), Ok(3));
        let mut all = Vec::new();
        let mut gone = Vec::new();
        while !outbox.is_empty() {
            all.extend(take(&mut outbox, 2, 1));
            gone.push(outbox.gone());
        }
        assert_eq!(all, b"\x81\x03one\x8a\x01p\x82\x03two");
        assert_eq!(gone, [0, 0, 1, 2, 2, 2, 3]);
        assert_eq!(outbox.stuck_since(), None);
    }

    #[test]
    fn a_full_outbox_takes_no_message_and_always_the_close() {
        let mut outbox = Outbox::new(2, 1000);
        assert!(outbox.push(Kind::Text, &[b"1"], 0).is_ok() && outbox.push(Kind::Ping, &[b""], 0).is_ok());
        assert_eq!(outbox.push(Kind::Text, &[b"3"], 0), Err(Full));
        outbox.pong(b"", 0);
        outbox.close(b"", 0);
        assert_eq!(outbox.queue.len(), 4);
        let mut outbox = Outbox::new(100, 10);
        assert!(outbox.push(Kind::Text, &[&[0; 5000]], 0).is_ok(), "one message goes, whatever its size");
        assert_eq!(outbox.push(Kind::Text, &[b""], 0), Err(Full));
    }

    #[test]
    fn a_flood_of_pings_neither_grows_the_outbox_nor_fills_it() {
        let mut outbox = Outbox::new(4, 1000);
        for round in 0..1000_u32 {
            outbox.pong(&round.to_be_bytes(), 0);
        }
        assert_eq!(outbox.queue.len(), PONGS);
        assert_eq!(outbox.queue.back().unwrap().bytes, encoded(Kind::Pong, &[&999_u32.to_be_bytes()]));
        assert_eq!(outbox.bytes, PONGS * 6);
        assert!(outbox.push(Kind::Text, &[b"x"], 0).is_ok());
    }

    #[test]
    fn what_was_not_begun_can_be_dropped_and_what_was_begun_is_finished() {
        let mut outbox = Outbox::new(10, 1000);
        outbox.push(Kind::Text, &[b"begun"], 0).unwrap();
        outbox.push(Kind::Text, &[b"waits"], 0).unwrap();
        take(&mut outbox, 3, 0);
        outbox.drop_unsent();
        outbox.close(b"\x03\xf5", 0);
        assert_eq!(take(&mut outbox, 100, 0), b"egun\x88\x02\x03\xf5");
        assert_eq!((outbox.bytes, outbox.messages, outbox.gone()), (0, 0, 1), "the second never went");
    }

    #[test]
    fn it_is_stuck_since_the_socket_last_took_something() {
        let mut outbox = Outbox::new(10, 1000);
        outbox.push(Kind::Text, &[b"first"], 5).unwrap();
        outbox.push(Kind::Text, &[b"second"], 7).unwrap();
        assert_eq!(outbox.stuck_since(), Some(5));
        take(&mut outbox, 1, 9);
        assert_eq!(outbox.stuck_since(), Some(9));
        outbox.wrote(0, 20);
        assert_eq!(outbox.stuck_since(), Some(9));
    }
}
