//! What a connection says: the protocol above the frames.
//!
//! A [`Session`] is called on the connection's own thread, one call at a time, and answers through
//! [`Out`]. It never sees a socket and never closes one: it asks for a close.

use super::{
    machine::PULL_BELOW,
    outbox::{Kind, Outbox},
};

/// A protocol above the frames of one connection. `now` is in ms of the connection's clock.
pub trait Session {
    /// The connection is there.
    fn opened(&mut self, out: &mut Out<'_>);

    /// A text message came.
    fn text(&mut self, text: &str, out: &mut Out<'_>);

    /// A binary message came.
    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>);

    /// Another thread woke the connection.
    fn woken(&mut self) {}

    /// Does what is due; called each turn. The answer is when it wants to be called at the latest.
    fn tick(&mut self, out: &mut Out<'_>) -> Option<u64> {
        let _ = out;
        None
    }

    /// There is room, and more may be sent: at most a few frames. Called each turn, and again until
    /// it puts nothing in.
    fn pull(&mut self, out: &mut Out<'_>) {
        let _ = out;
    }

    /// The socket has taken all frames up to this number.
    fn sent(&mut self, through: u64) {
        let _ = through;
    }
}

/// The way out of a connection, for the length of one call.
pub struct Out<'a> {
    pub(super) outbox: &'a mut Outbox,
    pub(super) now: u64,
    /// a close that was asked for; the first one counts
    pub(super) close: &'a mut Option<(u16, &'static str)>,
    /// a frame found no room
    pub(super) overflow: &'a mut bool,
    /// it is to be asked for more, though it put nothing in
    pub(super) more: &'a mut bool,
    /// what was done is enough for a turn
    pub(super) rest: &'a mut bool,
}

impl Out<'_> {
    /// The time of this turn.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Sends a text message. The number is for [`Session::sent`].
    pub fn text(&mut self, text: &str) -> u64 {
        self.put(Kind::Text, &[text.as_bytes()])
    }

    /// Sends a text message that is put together of these parts.
    pub fn parts(&mut self, parts: &[&str]) -> u64 {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.put(Kind::Text, &parts)
    }

    /// Whether there is room for what nobody asked for; without it [`Session::pull`] is called when there is.
    pub fn has_room(&self) -> bool {
        self.outbox.has_room(PULL_BELOW)
    }

    /// Asks for another [`Session::pull`] in any case: it ended before it had seen all that there is.
    pub fn again(&mut self) {
        *self.more = true;
    }

    /// Leaves further messages to the next turn: this one took its time, and writing, pings and the end go between.
    pub fn rest(&mut self) {
        *self.rest = true;
    }

    /// Sends a binary message.
    pub fn binary(&mut self, bytes: &[u8]) -> u64 {
        self.put(Kind::Binary, &[bytes])
    }

    /// Sends a ping of the protocol, without a payload.
    pub fn ping(&mut self) {
        self.put(Kind::Ping, &[&[]]);
    }

    /// Closes the connection behind what was sent so far.
    pub fn close(&mut self, code: u16, reason: &'static str) {
        self.close.get_or_insert((code, reason));
    }

    /// Without room the connection is about to be closed, and the number is never reached.
    fn put(&mut self, kind: Kind, payload: &[&[u8]]) -> u64 {
        self.outbox.push(kind, payload, self.now).unwrap_or_else(|_| {
            *self.overflow = true;
            u64::MAX
        })
    }
}
