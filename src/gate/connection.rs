//! The way of the requests of one connection, from its first byte to its end.
//!
//! Runs on the connection's own thread with plain blocking reads and writes; whoever must interrupt
//! it shuts the socket down and leaves the reason in its [`Slot`]. Requests are answered in order,
//! each at most once, and the connection never goes on behind an error of framing or a body that
//! was not read.

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    mem::take,
    net::{Shutdown, SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{
    Counters, Decision, Peer, Reply, Response, Service, Stream, Upgrade, Upgraded,
    body::Body,
    encode::{self, Date, Manner},
    server::Shared,
    slot::{Phase, Shut, Slot},
};
use crate::{
    sys::socket,
    wire::{
        head::{Head, HeadError, Method},
        intake::Intake,
    },
};

/// An answer's buffer above this many bytes is not kept between answers.
const KEPT: usize = 4 * 1024;

/// Bodies above this many bytes are written from where they are, beside their head.
const COPIED: usize = 16 * 1024;

/// One connection, on its own thread.
pub(super) struct Connection<'a, S: Service> {
    shared: &'a Shared<S>,
    slot: &'a Slot,
    /// what the service remembers of it
    memory: S::Conn,
    intake: Intake,
    out: Vec<u8>,
    date: Date,
}

/// Why no further request is read.
enum End {
    /// an answer is out; what the peer still sends is drained
    Linger,
    /// there is nobody to talk to
    Gone,
}

impl From<Shut> for End {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::Overdue | Shut::Closed => End::Gone,
        }
    }
}

impl<'a, S: Service> Connection<'a, S> {
    /// A connection from `peer` that arrived on `local`.
    pub(super) fn new(shared: &'a Shared<S>, slot: &'a Slot, peer: SocketAddr, local: SocketAddr) -> Self {
        let memory = shared.service.open(peer, local);
        Self { shared, slot, memory, intake: Intake::default(), out: Vec::new(), date: Date::default() }
    }

    /// Serves it to its end.
    pub(super) fn run(mut self) {
        loop {
            match self.request() {
                Ok(()) => {}
                Err(End::Linger) => return self.linger(),
                Err(End::Gone) => return,
            }
        }
    }

    /// Reads one request and answers it; `Ok` where another may follow.
    fn request(&mut self) -> Result<(), End> {
        let head = self.head()?;
        let with_body = head.method() != Method::Head;
        let (service, memory) = (&self.shared.service, &mut self.memory);
        match guarded(&self.shared.counters, || service.decide(memory, &head)) {
            None => self.refuse(500, None, with_body),
            Some(Decision::Refuse(response)) => {
                // A body that is not read would be read as the next request.
                let close = head.wants_close() || head.content_length() > 0;
                self.answer(&response, with_body, close)
            }
            Some(Decision::Admit { ticket, body_limit, admitted }) => {
                if admitted {
                    self.slot.admit();
                }
                self.handle(&head, &ticket, body_limit)
            }
        }
    }

    /// Reads the next head, or answers what keeps it from being one.
    fn head(&mut self) -> Result<Head, End> {
        loop {
            match self.intake.head() {
                Ok(None) => {}
                Ok(Some(head)) => match self.slot.enter(Phase::Busy, 0) {
                    Ok(()) => return Ok(head),
                    Err(Shut::Overdue) => return self.overdue(None, true),
                    Err(Shut::Closed) => return Err(End::Gone),
                },
                Err(error) => return self.malformed(error),
            }
            // The first byte of a request starts its deadline; that of a connection's first request
            // runs since accept.
            if self.slot.is_idle() && !self.intake.is_empty() {
                self.slot.enter(Phase::Head, self.now())?;
            }
            match (&self.slot.stream).read(self.intake.space()) {
                // A peer that has not begun a request is owed no answer.
                Ok(0) if self.slot.is_overdue() && !self.intake.is_empty() => {
                    return self.overdue(None, true);
                }
                Ok(0) => return Err(End::Gone),
                Ok(count) => self.intake.filled(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// The rest of an admitted request: its body, its handler, its answer.
    fn handle(&mut self, head: &Head, ticket: &S::Ticket, body_limit: usize) -> Result<(), End> {
        let with_body = head.method() != Method::Head;
        let length = head.content_length();
        if length > body_limit {
            return self.refuse(413, Some(ticket), with_body);
        }
        let shared = self.shared;
        let Some(held) = shared.budget.hold(length) else {
            return self.refuse(503, Some(ticket), with_body);
        };
        let body = self.body(head, ticket)?;
        let is_gone = || socket::peer_is_gone(&self.slot.stream);
        let (memory, bytes, peer) = (&mut self.memory, body.bytes(), Peer::new(&is_gone));
        let reply = guarded(&shared.counters, || shared.service.handle(memory, ticket, head, bytes, &peer));
        drop(body);
        drop(held);
        match reply {
            None => self.refuse(500, Some(ticket), with_body),
            Some(Reply::Response(response)) => self.answer(&response, with_body, head.wants_close()),
            Some(Reply::Told(response, told)) => {
                // The socket of a peer that is gone still takes bytes, and drops them.
                let gone = socket::peer_is_gone(&self.slot.stream);
                let answered = self.answer(&response, with_body, head.wants_close());
                let taken = with_body && !gone && !matches!(answered, Err(End::Gone));
                guarded(&shared.counters, || told(taken));
                answered
            }
            Some(Reply::Upgrade(upgrade)) => self.upgrade(upgrade, with_body),
            Some(Reply::Stream(stream)) => self.stream(stream, with_body),
        }
    }

    /// Reads the body that `head` declares.
    fn body(&mut self, head: &Head, ticket: &S::Ticket) -> Result<Body, End> {
        let mut body = Body::of(&mut self.intake, head.content_length());
        if body.is_complete() {
            return Ok(body);
        }
        // A peer that has begun to send does not wait for our word (RFC 9110, 10.1.1).
        if head.expects_continue() && body.is_untouched() {
            self.slot.enter(Phase::Write, self.now())?;
            write(&self.slot.stream, b"HTTP/1.1 100 Continue\r\n\r\n", &[])?;
        }
        self.slot.enter(Phase::Body, self.now())?;
        while !body.is_complete() {
            match (&self.slot.stream).read(body.space()) {
                Ok(0) if self.slot.is_overdue() => return self.overdue(Some(ticket), true),
                // Less than was declared: there is no request to handle.
                Ok(0) => return Err(End::Gone),
                Ok(count) => body.filled(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
        match self.slot.enter(Phase::Busy, 0) {
            Ok(()) => Ok(body),
            Err(Shut::Overdue) => self.overdue(Some(ticket), true),
            Err(Shut::Closed) => Err(End::Gone),
        }
    }

    fn malformed<T>(&mut self, error: HeadError) -> Result<T, End> {
        let response = self.shared.service.malformed(error);
        self.last_answer(&response, true)
    }

    fn overdue<T>(&mut self, ticket: Option<&S::Ticket>, with_body: bool) -> Result<T, End> {
        Counters::add(&self.shared.counters.deadline_408);
        self.refuse(408, ticket, with_body)
    }

    fn refuse<T>(&mut self, status: u16, ticket: Option<&S::Ticket>, with_body: bool) -> Result<T, End> {
        let response = self.shared.service.refused(status, ticket);
        self.last_answer(&response, with_body)
    }

    fn last_answer<T>(&mut self, response: &Response, with_body: bool) -> Result<T, End> {
        self.answer(response, with_body, true)?;
        Err(End::Linger)
    }

    /// Sends one answer. `Err(End::Linger)`: it was the connection's last.
    fn answer(&mut self, response: &Response, with_body: bool, close: bool) -> Result<(), End> {
        let close = close || self.shared.table.is_closed();
        let now = self.send(response, with_body, close, false)?;
        if close {
            return Err(End::Linger);
        }
        Ok(self.slot.enter(Phase::Idle, now)?)
    }

    /// Writes one answer; when it was begun.
    fn send(
        &mut self,
        response: &Response,
        with_body: bool,
        close: bool,
        open_ended: bool,
    ) -> Result<u64, End> {
        let now = self.now();
        self.slot.enter_answer(now)?;
        let manner = Manner { close, open_ended, date: self.date.at(now, &*self.shared.settings.clock) };
        let mut out = take(&mut self.out);
        out.clear();
        encode::head(response, &manner, &mut out);
        let body = if with_body && encode::has_body(response.status()) { response.body() } else { &[] };
        let written = if body.len() <= COPIED {
            out.extend_from_slice(body);
            write(&self.slot.stream, &out, &[])
        } else {
            write(&self.slot.stream, &out, body)
        };
        if out.capacity() <= KEPT {
            self.out = out;
        }
        written.map(|()| now)
    }

    /// Sends a 101 and hands the connection over until its end.
    fn upgrade(&mut self, upgrade: Upgrade, with_body: bool) -> Result<(), End> {
        if upgrade.response.status() != 101 {
            return self.last_answer(&upgrade.response, with_body);
        }
        self.answer(&upgrade.response, false, false)?;
        self.hand_over(upgrade.run)?;
        // Whatever copies of the socket are left, the connection ends here.
        let _ = self.slot.stream.shutdown(Shutdown::Both);
        Err(End::Gone)
    }

    /// Sends the head of an answer whose end nobody knows, and has the rest written.
    fn stream(&mut self, stream: Stream, with_body: bool) -> Result<(), End> {
        let Stream { response, run } = stream;
        let has_body = encode::has_body(response.status());
        self.send(&response, with_body, true, has_body)?;
        if with_body && has_body {
            self.hand_over(run)?;
            // What waited with poll(2) may have left it so.
            let _ = self.slot.stream.set_nonblocking(false);
        }
        Err(End::Linger)
    }

    /// Lets `run` have the connection. From here on neither the watchdog nor an eviction ends it.
    fn hand_over(&mut self, run: impl FnOnce(Upgraded)) -> Result<(), End> {
        self.slot.enter(Phase::Upgraded, 0)?;
        let stream = self.slot.stream.try_clone().map_err(|_| End::Gone)?;
        let upgraded = Upgraded { stream, rest: self.intake.rest(), since: Instant::now() };
        self.out = Vec::new();
        guarded(&self.shared.counters, || run(upgraded));
        Ok(())
    }

    /// Closes so that the last answer arrives: a close with unread input makes the kernel send a
    /// reset, and a reset may overtake the answer (RFC 9112, 9.6).
    fn linger(&mut self) {
        if self.slot.enter(Phase::Linger, self.now()).is_err() {
            return;
        }
        let _ = self.slot.stream.shutdown(Shutdown::Write);
        drop(self.intake.rest());
        let mut left = self.shared.settings.linger_bytes;
        while left > 0 {
            match (&self.slot.stream).read(self.intake.space()) {
                Ok(0) => return,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn now(&self) -> u64 {
        self.shared.settings.clock.monotonic_ms()
    }
}

/// Calls into the service. A panic there ends one request, not the program, and is answered
/// without a word about its cause.
fn guarded<T>(counters: &Counters, call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        Counters::add(&counters.panics);
        log::error!("a handler panicked; its caller was answered 500");
    }
    result.ok()
}

/// Writes both slices, in one call where the socket takes them.
fn write(mut stream: &TcpStream, first: &[u8], second: &[u8]) -> Result<(), End> {
    let mut slices = [IoSlice::new(first), IoSlice::new(second)];
    let mut slices = if second.is_empty() { slices.get_mut(..1).unwrap_or_default() } else { &mut slices };
    while !slices.is_empty() {
        let result = match &slices {
            [one] => stream.write(one),
            several => stream.write_vectored(several),
        };
        match result {
            Ok(0) => return Err(End::Gone),
            // No more than was offered, so this does not panic.
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(End::Gone),
        }
    }
    Ok(())
}
