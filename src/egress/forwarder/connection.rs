//! The way of the requests of one connection, from its first byte to its end.
//!
//! One request after the other, each answered once. After a refusal, an error of framing or a body that was not
//! read to its end the connection closes. An answer that breaks off is never given a clean end.

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
};

use super::{
    Framing, Refusal, Shared, account::Pass, framing, request::request, response::response, slot::Slot,
    upload::Upload,
};
use crate::{
    client::upstream::{Answer, Outgoing, UpstreamError},
    limits,
    wire::{head::Head, intake::Intake},
};

/// Bytes of an answer that are passed on at once.
const PIECE: usize = 16 * 1024;
/// Room before a piece for the size of its chunk: at most four hex digits, CR LF.
const BEFORE: usize = 6;

/// Bytes that are drained before a close: a client that sends all of a refused body before it reads has seldom sent
/// more, and one that sends without end has them thrown away no longer.
const LINGER: usize = limits::EGRESS_BODY / 4;

pub(super) struct Connection<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    intake: Intake,
    /// empty until the first answer
    piece: Vec<u8>,
}

/// Why no further request is read.
enum End {
    /// an answer is out; what the agent still sends is drained
    Linger,
    /// there is nobody to talk to, or nothing that may be said
    Gone,
}

impl<'a> Connection<'a> {
    pub(super) fn new(shared: &'a Shared, slot: &'a Slot) -> Self {
        Self { shared, slot, intake: Intake::new(limits::EGRESS_BODY), piece: Vec::new() }
    }

    /// Serves it to its end.
    pub(super) fn run(mut self) {
        self.slot.await_agent(self.shared.now(), self.shared.settings.head);
        loop {
            match self.exchange() {
                Ok(()) => {}
                Err(End::Linger) => return self.linger(),
                Err(End::Gone) => return,
            }
        }
    }

    /// Reads one request and has it answered; `Ok` where another may follow.
    fn exchange(&mut self) -> Result<(), End> {
        let head = self.head()?;
        let outgoing = match request(&head, &self.shared.rules, self.shared.port) {
            Ok(outgoing) => outgoing,
            Err(refusal) => return self.refuse(&refusal),
        };
        let shared = self.shared;
        let pass = match shared.account.begin(&shared.rules, outgoing.length.unwrap_or(0)) {
            Ok(pass) => pass,
            Err(refusal) => return self.refuse(&refusal),
        };
        self.pass_on(&head, &outgoing, &pass)
    }

    /// Reads the next head, or answers what keeps it from being one.
    fn head(&mut self) -> Result<Head, End> {
        let mut begun = !self.intake.is_empty();
        if begun {
            // It came together with the request before it.
            self.slot.await_agent(self.shared.now(), self.shared.settings.head);
        }
        loop {
            match self.intake.head() {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(error) => return self.refuse(&Refusal::of_head(error)),
            }
            // The first byte of a request starts its deadline.
            if !begun && !self.intake.is_empty() {
                begun = true;
                self.slot.await_agent(self.shared.now(), self.shared.settings.head);
            }
            match (&self.slot.stream).read(self.intake.space()) {
                // A connection that has not begun a request is owed no answer.
                Ok(0) if self.slot.is_overdue() && !self.intake.is_empty() => {
                    return self.refuse(&Refusal::late());
                }
                Ok(0) => return Err(End::Gone),
                Ok(count) => self.intake.filled(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// Sends a request to the endpoint, and its answer back.
    fn pass_on(&mut self, head: &Head, outgoing: &Outgoing, pass: &Pass<'_>) -> Result<(), End> {
        // An agent that has begun to send does not wait for our word (RFC 9110, 10.1.1).
        if head.expects_continue() && self.intake.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let line = self.shared.upstream.line();
        let mut upload =
            Upload::new(self.shared, self.slot, &mut self.intake, pass, outgoing.length.unwrap_or(0));
        if !self.slot.begin(line.cut()) || self.shared.is_ended() {
            return Err(End::Gone);
        }
        let sent = self.shared.upstream.send(&line, outgoing, &mut upload);
        let (failed, complete) = (upload.failed, upload.is_complete());
        self.slot.await_nothing();
        let done = match sent {
            Ok(answer) => self.answer(answer, head.wants_close() || !complete),
            Err(_) if failed && self.slot.is_overdue() => self.refuse(&Refusal::late()),
            // The agent went away, or we did.
            Err(_) if failed => Err(End::Gone),
            Err(UpstreamError::Cut) => Err(End::Gone),
            Err(error) => self.refuse(&Refusal::of_exchange(&error, outgoing.method)),
        };
        self.slot.over();
        if done.is_ok() {
            self.shared.upstream.keep(line);
            self.slot.await_agent(self.shared.now(), self.shared.settings.idle);
        }
        done
    }

    /// Passes an answer on, each piece as soon as it has come.
    fn answer(&mut self, mut answer: Answer, close: bool) -> Result<(), End> {
        let framing = framing(answer.status, answer.length);
        self.write(&response(answer.status, &answer.headers, framing, close))?;
        // Whatever the client below makes of a body, never more is said than its head has promised: the rest
        // would be read as the next answer.
        let mut owed = match framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        loop {
            let mut piece = std::mem::take(&mut self.piece);
            piece.resize(BEFORE + PIECE + 2, 0);
            let read = answer.read(piece.get_mut(BEFORE..BEFORE + PIECE).unwrap_or_default());
            let passed = match read {
                Ok(0) => break,
                Ok(count) => match owed.map(|left| left.checked_sub(count as u64)) {
                    Some(None) => Err(End::Gone),
                    left => {
                        owed = left.flatten();
                        self.piece(framing, &mut piece, count)
                    }
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                Err(_) if self.slot.is_ended() => Err(End::Gone),
                Err(error) => {
                    // Half an answer is out: it ends without its end, and the reason is for the account.
                    self.shared
                        .account
                        .refuse(&self.shared.rules, &Refusal::of_upstream(&UpstreamError::of_io(&error)));
                    Err(End::Gone)
                }
            };
            self.piece = piece;
            passed?;
        }
        if owed.is_some_and(|left| left > 0) {
            return Err(End::Gone);
        }
        if framing == Framing::Chunked {
            self.write(b"0\r\n\r\n")?;
        }
        if close { Err(End::Linger) } else { Ok(()) }
    }

    /// Passes `count` bytes of a body on, which stand in `piece` behind room for a chunk's size.
    fn piece(&self, framing: Framing, piece: &mut [u8], count: usize) -> Result<(), End> {
        let end = BEFORE.saturating_add(count);
        let from = match framing {
            Framing::Chunked => {
                let size = format!("{count:x}\r\n");
                let from = BEFORE.saturating_sub(size.len());
                for (to, byte) in piece.iter_mut().skip(from).zip(size.bytes()) {
                    *to = byte;
                }
                for (to, byte) in piece.iter_mut().skip(end).zip(*b"\r\n") {
                    *to = byte;
                }
                from
            }
            Framing::Length(_) | Framing::None => BEFORE,
        };
        let end = if framing == Framing::Chunked { end.saturating_add(2) } else { end };
        let more = self.shared.account.down(&self.shared.rules, count as u64);
        self.write(piece.get(from..end).unwrap_or_default())?;
        if more {
            return Ok(());
        }
        self.shared.account.refuse(
            &self.shared.rules,
            &Refusal::new(429, "bytes_per_day", "No more bytes may be sent or fetched today."),
        );
        Err(End::Gone)
    }

    /// Answers for the endpoint, and ends the connection.
    fn refuse<T>(&self, refusal: &Refusal) -> Result<T, End> {
        self.shared.account.refuse(&self.shared.rules, refusal);
        self.write(&refusal.bytes())?;
        Err(End::Linger)
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            self.slot.await_taking(self.shared.now(), self.shared.settings.write);
            match (&self.slot.stream).write(bytes) {
                Ok(0) => return Err(End::Gone),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
        self.slot.await_nothing();
        Ok(())
    }

    /// Closes so that the last answer arrives: a close with unread input makes the kernel send a reset, and a
    /// reset may overtake the answer (RFC 9112, 9.6).
    fn linger(&mut self) {
        let within = std::time::Duration::from_millis(limits::LINGER_MS);
        self.slot.await_agent(self.shared.now(), within);
        let _ = self.slot.stream.shutdown(Shutdown::Write);
        drop(self.intake.rest());
        let mut left = LINGER;
        while left > 0 {
            match (&self.slot.stream).read(self.intake.space()) {
                Ok(0) => return,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}
