//! What the gate asks of the program behind it.
//!
//! The gate owns sockets, deadlines and framing; the service decides from a head alone whether a body is
//! read at all, and answers requests that it admitted. The proof of admission is the service's own type,
//! which the gate passes on and cannot make.

use std::{
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use super::Response;
use crate::wire::head::{Head, HeadError};

/// The program behind the gate. Called from many connection threads at once.
pub trait Service: Send + Sync + 'static {
    /// What the service remembers of one connection between its requests.
    type Conn: Send;
    /// Proof that a head was admitted, what for, and the headers that every answer to it carries.
    type Ticket: Send;

    /// A connection was accepted: `peer` from, `local` the address it arrived on.
    fn open(&self, peer: SocketAddr, local: SocketAddr) -> Self::Conn;

    /// Decides from the head alone; the body has not been read. Must not block.
    fn decide(&self, conn: &mut Self::Conn, head: &Head) -> Decision<Self::Ticket>;

    /// Answers an admitted request. May wait, with a deadline of its own, and asks `peer` meanwhile
    /// whether anybody waits for the answer.
    fn handle(
        &self,
        conn: &mut Self::Conn,
        ticket: &Self::Ticket,
        head: &Head,
        body: &[u8],
        peer: &Peer<'_>,
    ) -> Reply;

    /// The answer to a head that could not be parsed; the gate closes after it.
    fn malformed(&self, error: HeadError) -> Response;

    /// The answer when the gate itself refuses: 408 (deadline), 413 (over the route's limit), 500
    /// (a handler panicked), 503 (out of body budget, or of connections). The gate closes after it.
    /// `ticket` is there where [`Service::decide`] had admitted the request.
    fn refused(&self, status: u16, ticket: Option<&Self::Ticket>) -> Response;
}

/// What the service decided from a head.
pub enum Decision<T> {
    /// Answer this and read no body. The connection stays only where there is no body to skip.
    Refuse(Response),
    /// Go on: read a body of at most `body_limit` bytes, then call [`Service::handle`].
    Admit {
        /// handed to `handle`
        ticket: T,
        /// bytes
        body_limit: usize,
        /// whether a credential was checked that keeps the connection's place; `false` for what
        /// anybody may ask (health, preflight), and for callers who must not crowd others out.
        /// An admitted connection counts against the places kept for admitted callers.
        admitted: bool,
    },
}

/// An answer, or the end of HTTP on this connection.
pub enum Reply {
    /// One answer; the connection goes on where both sides want it to.
    Response(Response),
    /// The same, and what is told whether the socket took all of the answer.
    Told(Response, Told),
    /// Send the answer (101), then hand the connection over.
    Upgrade(Upgrade),
    /// Send the answer's head without a length, then let somebody write the rest: it ends with the
    /// connection.
    Stream(Stream),
}

/// Called once, after an answer: `true` where the socket took all of it and the peer had not ended its
/// side before. Of what a peer that ends in that very moment has read, no socket knows.
pub type Told = Box<dyn FnOnce(bool) + Send>;

/// Whoever waits for an answer.
pub struct Peer<'a>(&'a dyn Fn() -> bool);

impl<'a> Peer<'a> {
    /// One of whom `is_gone` tells, without blocking, whether it will send nothing more.
    pub fn new(is_gone: &'a dyn Fn() -> bool) -> Self {
        Self(is_gone)
    }

    /// Whether it has closed, or at least its own side: then nobody waits any more.
    pub fn is_gone(&self) -> bool {
        (self.0)()
    }
}

/// What takes a connection over after its 101.
pub struct Upgrade {
    /// status 101 and its headers
    pub response: Response,
    /// runs on the connection's thread until the connection's end
    pub run: Box<dyn FnOnce(Upgraded) + Send>,
}

/// An answer of a length that nobody knows yet (RFC 9112, 6.3: it ends where the connection does).
pub struct Stream {
    /// a status with a body, and its headers; a body that it has is the beginning
    pub response: Response,
    /// writes the rest, on the connection's thread; never called for a HEAD. The deadlines are its own,
    /// and it leaves when the peer does.
    pub run: Box<dyn FnOnce(Upgraded) + Send>,
}

/// A connection after its 101, or after the head of its last answer.
pub struct Upgraded {
    /// the socket; the gate keeps a handle with which it shuts it down when the server stops
    pub stream: TcpStream,
    /// bytes that the peer sent behind the head
    pub rest: Vec<u8>,
    /// when the head was written
    pub since: Instant,
}
