//! One connection without its socket: bytes and the time in, bytes and an end out.
//!
//! Holds the bounds: a message that never ends, a peer that says nothing or takes nothing, a close
//! that is never answered each have a deadline; what is not taken fills the outbox, a full outbox
//! ends the connection, and before that no more input is looked at, so that answers alone never
//! fill it. Every end goes through here, in one direction: open, closing, lingering, done.

use std::io::IoSlice;

use super::{
    decode::{Decoder, Incoming, Violation},
    outbox::Outbox,
    session::{Out, Session},
};
use crate::limits;

/// Input is looked at while less than a half of the outbox is full.
const READ_BELOW: usize = 2;

/// More is pulled from the session while less than this part of the outbox is full.
pub(super) const PULL_BELOW: usize = 16;

/// Bytes that may wait to be looked at before more are read.
const INPUT: usize = 16 * 1024;

/// Messages of one turn: each may have to wait for the disk, and pings and the end have their turn.
const MESSAGES: usize = 32;

/// Times that the session is asked for more within one turn.
const PULLS: usize = 16;

const SILENT: &str = "nothing was heard for too long";

/// The close of a connection whose key was changed.
const KEY_ROTATED: (u16, &str) = (4001, "key rotated");

/// The bounds of one connection. The default is [`crate::limits`]; the echo example has others.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// bytes of an inbound message
    pub message: usize,
    /// messages that may wait to go out
    pub queue_messages: usize,
    /// bytes that may wait to go out, one message more excepted
    pub queue_bytes: usize,
    /// bytes that wait in the kernel behind those; `None`: as many as it likes
    pub send_buffer: Option<usize>,
    /// the peer takes nothing of what waits
    pub stall_ms: u64,
    /// no frame comes
    pub silence_ms: u64,
    /// how a connection is closed on which nothing came for so long
    pub silence_close: (u16, &'static str),
    /// whether a pong ends the silence as any other frame does
    pub pongs_count: bool,
    /// from a message's first byte to its last
    pub message_ms: u64,
    /// from the close to the connection's end
    pub close_ms: u64,
}

impl Settings {
    /// Those of the channel (spec genswarms D.1): its clients must speak of their own accord. What is on its way
    /// to a slow one is little, so that he is told of a gap early, and is seen to take something.
    pub fn channel() -> Self {
        Self {
            send_buffer: Some(limits::CHANNEL_SEND_BUFFER),
            silence_ms: limits::CHANNEL_SILENCE_MS,
            silence_close: (1002, SILENT),
            pongs_count: false,
            ..Self::default()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            message: limits::WS_MESSAGE,
            queue_messages: limits::WS_QUEUE_MESSAGES,
            queue_bytes: limits::WS_QUEUE_BYTES,
            send_buffer: None,
            stall_ms: limits::WS_STALL_MS,
            silence_ms: limits::WS_SILENCE_MS,
            silence_close: (1008, SILENT),
            pongs_count: true,
            message_ms: limits::WS_MESSAGE_MS,
            close_ms: limits::WS_CLOSE_MS,
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// all that was to be sent is sent
    Clean,
    /// the peer does not take what was to be sent: it is thrown away
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// our close waits or is sent; `heard`: the peer has nothing more to say that matters
    Closing {
        since: u64,
        heard: bool,
    },
    /// all is said; the peer's end is awaited, so that no reset overtakes the close
    Lingering {
        since: u64,
    },
    Done(End),
}

/// A connection's state.
pub(super) struct Machine {
    settings: Settings,
    decoder: Decoder,
    outbox: Outbox,
    state: State,
    /// the peer has ended its sending
    ended: bool,
    /// when the last whole frame came that ends a silence
    frame_at: u64,
    /// when the first byte of the message came that has not ended
    message_since: Option<u64>,
    /// bytes came that were not all looked at: the decoder may hold messages
    has_input: bool,
    /// the session wants to be called by then
    session_due: Option<u64>,
    /// the session had more when it was last asked, or was not asked for lack of room
    has_more: bool,
    /// when it is closed because the key that opened it was changed; [`u64::MAX`]: never
    retires_at: u64,
    /// the session knows that frames up to this number were sent
    told: u64,
}

impl Machine {
    /// A connection that begins now.
    pub(super) fn new(settings: Settings, session: &mut dyn Session, now: u64) -> Self {
        let mut machine = Self {
            decoder: Decoder::new(settings.message),
            outbox: Outbox::new(settings.queue_messages, settings.queue_bytes),
            state: State::Open,
            ended: false,
            frame_at: now,
            message_since: None,
            has_input: false,
            session_due: None,
            has_more: false,
            retires_at: u64::MAX,
            told: 0,
            settings,
        };
        machine.call(now, |out| session.opened(out));
        machine
    }

    /// Bytes came.
    pub(super) fn receive(&mut self, bytes: &[u8], now: u64) {
        match self.state {
            State::Open | State::Closing { heard: false, .. } => {}
            State::Closing { .. } | State::Lingering { .. } | State::Done(_) => return,
        }
        let (heard, begun) = (self.heard(), self.decoder.begun());
        self.decoder.feed(bytes);
        self.has_input = true;
        if self.heard() != heard {
            self.frame_at = now;
        }
        if !self.decoder.is_inside() {
            self.message_since = None;
        } else if self.decoder.begun() != begun {
            self.message_since = Some(now);
        }
    }

    /// The peer has ended its sending.
    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    /// The connection is broken.
    pub(super) fn broken(&mut self) {
        self.state = State::Done(End::Reset);
    }

    /// Closes with 4001 at this moment: the key that opened the connection was changed. What comes from
    /// then on is not looked at.
    pub(super) fn retire_at(&mut self, at: u64) {
        self.retires_at = at;
    }

    /// Does all that can be done now without the socket.
    pub(super) fn turn(&mut self, session: &mut dyn Session, now: u64) {
        if now >= self.retires_at {
            self.close(KEY_ROTATED.0, KEY_ROTATED.1, now);
        }
        self.dispatch(session, now);
        self.enforce(now);
        if self.state == State::Open {
            let mut due = None;
            self.call(now, |out| due = session.tick(out));
            self.session_due = due;
            self.pull(session, now);
        }
    }

    /// Closes, behind what waits to go out.
    pub(super) fn close(&mut self, code: u16, reason: &str, now: u64) {
        self.begin_close(Some((code, reason)), false, now);
    }

    /// What to write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.outbox.slices()
    }

    /// The socket took `count` bytes of that.
    pub(super) fn wrote(&mut self, count: usize, now: u64) {
        self.outbox.wrote(count, now);
    }

    /// Whether input is looked at now. Where not, it waits in the kernel, and so does its sender.
    pub(super) fn wants_input(&self) -> bool {
        match self.state {
            State::Open => !self.ended && self.decoder.waiting() < INPUT && self.outbox.has_room(READ_BELOW),
            State::Closing { .. } | State::Lingering { .. } => !self.ended,
            State::Done(_) => false,
        }
    }

    /// Whether something waits to be written.
    pub(super) fn wants_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether another turn would do something at once.
    pub(super) fn is_ready(&self) -> bool {
        match self.state {
            State::Open => {
                let input = self.has_input && self.outbox.has_room(READ_BELOW);
                input || self.has_more && self.outbox.has_room(PULL_BELOW)
            }
            State::Closing { heard, .. } => self.has_input && !heard,
            State::Lingering { .. } | State::Done(_) => false,
        }
    }

    /// Whether all is said, so that the socket's sending side can end.
    pub(super) fn is_lingering(&self) -> bool {
        matches!(self.state, State::Lingering { .. })
    }

    /// Whether, and how, the connection is over.
    pub(super) fn end(&self) -> Option<End> {
        match self.state {
            State::Done(end) => Some(end),
            State::Open | State::Closing { .. } | State::Lingering { .. } => None,
        }
    }

    /// When a turn is needed, whatever happens.
    pub(super) fn deadline(&self) -> u64 {
        let stall = self.outbox.stuck_since().map(|since| since.saturating_add(self.settings.stall_ms));
        let stall = stall.unwrap_or(u64::MAX);
        match self.state {
            State::Open => {
                let due = self.session_due.unwrap_or(u64::MAX);
                stall.min(self.silent_until()).min(due).min(self.retires_at)
            }
            State::Closing { since, .. } | State::Lingering { since } => {
                stall.min(since.saturating_add(self.settings.close_ms))
            }
            State::Done(_) => 0,
        }
    }

    /// The frames so far that end a silence.
    fn heard(&self) -> u64 {
        if self.settings.pongs_count { self.decoder.frames() } else { self.decoder.frames_but_pongs() }
    }

    /// Until when the peer must have said more.
    fn silent_until(&self) -> u64 {
        match self.message_since {
            Some(since) => since.saturating_add(self.settings.message_ms),
            None => self.frame_at.saturating_add(self.settings.silence_ms),
        }
    }

    /// Hands on the messages that are there, while there is room for answers.
    fn dispatch(&mut self, session: &mut dyn Session, now: u64) {
        for _ in 0..MESSAGES {
            match self.state {
                State::Open if self.outbox.has_room(READ_BELOW) => {}
                State::Closing { heard: false, .. } => {}
                State::Open | State::Closing { .. } | State::Lingering { .. } | State::Done(_) => return,
            }
            let is_open = self.state == State::Open;
            match self.decoder.next() {
                Ok(None) => {
                    self.has_input = false;
                    if self.ended {
                        self.begin_close(None, true, now);
                    }
                    return;
                }
                Ok(Some(Incoming::Close(code))) => {
                    let reply = code.map(|code| (code, ""));
                    return self.begin_close(reply.or(Some((0, ""))), true, now);
                }
                Ok(Some(_)) if !is_open => {}
                Ok(Some(Incoming::Text(text))) => {
                    if self.call(now, |out| session.text(text.as_str(), out)) {
                        return;
                    }
                }
                Ok(Some(Incoming::Binary(bytes))) => {
                    if self.call(now, |out| session.binary(&bytes, out)) {
                        return;
                    }
                }
                Ok(Some(Incoming::Ping(payload))) => self.outbox.pong(&payload, now),
                Ok(Some(Incoming::Pong)) => {}
                Err(violation) => {
                    let reason = match violation {
                        Violation::Protocol(what) => (1002, what),
                        Violation::NotUtf8 => (1007, "text that is not UTF-8"),
                        Violation::TooBig => (1009, "a message over the limit"),
                    };
                    return self.begin_close(Some(reason), true, now);
                }
            }
        }
    }

    /// Keeps the deadlines.
    fn enforce(&mut self, now: u64) {
        let stuck = self.outbox.stuck_since();
        if stuck.is_some_and(|since| now >= since.saturating_add(self.settings.stall_ms)) {
            self.state = State::Done(End::Reset);
            return;
        }
        // Who is not listened to, because he has not taken his answers yet, is not silent.
        if !self.outbox.has_room(READ_BELOW) {
            self.frame_at = now;
        }
        match self.state {
            State::Open if now >= self.silent_until() => {
                let (code, reason) = match self.message_since {
                    Some(_) => (1008, "a message took too long"),
                    None => self.settings.silence_close,
                };
                self.close(code, reason, now);
            }
            State::Closing { since, .. } | State::Lingering { since }
                if now >= since.saturating_add(self.settings.close_ms) =>
            {
                let end = if self.outbox.is_empty() { End::Clean } else { End::Reset };
                self.state = State::Done(end);
            }
            State::Open | State::Closing { .. } | State::Lingering { .. } | State::Done(_) => {}
        }
    }

    /// Lets the session send more, while it has more and there is room.
    fn pull(&mut self, session: &mut dyn Session, now: u64) {
        for _ in 0..PULLS {
            // Not asked: it may have more.
            self.has_more = true;
            if self.state != State::Open || !self.outbox.has_room(PULL_BELOW) {
                return;
            }
            let before = self.outbox.put();
            let mut more = false;
            self.call(now, |out| {
                session.pull(out);
                more = *out.more;
            });
            self.has_more = more || self.outbox.put() != before;
            if !self.has_more {
                return;
            }
        }
    }

    /// After a write: tells the session what is sent, and goes on where all is.
    pub(super) fn settle(&mut self, session: &mut dyn Session) {
        let gone = self.outbox.gone();
        if gone > self.told {
            self.told = gone;
            session.sent(gone);
        }
        if let State::Closing { since, heard } = self.state
            && self.outbox.is_empty()
        {
            if self.ended {
                self.state = State::Done(End::Clean);
            } else if heard {
                self.state = State::Lingering { since };
            }
        }
        if self.is_lingering() && self.ended {
            self.state = State::Done(End::Clean);
        }
    }

    /// Calls the session, and does what it asked for; whether that is enough for a turn.
    fn call(&mut self, now: u64, call: impl FnOnce(&mut Out<'_>)) -> bool {
        let (mut close, mut overflow, mut more, mut rest) = (None, false, false, false);
        call(&mut Out {
            outbox: &mut self.outbox,
            now,
            close: &mut close,
            overflow: &mut overflow,
            more: &mut more,
            rest: &mut rest,
        });
        if overflow {
            // The peer does not read. What it has not begun to get would keep the close from it.
            self.outbox.drop_unsent();
            self.close(1013, "what was to be sent was not taken in time", now);
        } else if let Some((code, reason)) = close {
            self.close(code, reason, now);
        }
        rest
    }

    /// The close frame goes in; `heard`: its answer is not waited for. Code 0: one without a code.
    fn begin_close(&mut self, frame: Option<(u16, &str)>, heard: bool, now: u64) {
        match self.state {
            State::Open => {}
            State::Closing { since, heard: already } => {
                self.state = State::Closing { since, heard: already || heard };
                return;
            }
            State::Lingering { .. } | State::Done(_) => return,
        }
        match frame {
            None => {}
            Some((0, _)) => self.outbox.close(&[], now),
            Some((code, reason)) => {
                let mut payload = code.to_be_bytes().to_vec();
                payload.extend_from_slice(reason.as_bytes());
                self.outbox.close(&payload, now);
            }
        }
        self.state = State::Closing { since: now, heard };
    }
}
