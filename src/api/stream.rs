//! Answers that follow something: server-sent events, as browsers read them (`EventSource`).
//!
//! The thread of the connection asks a [`Source`] for frames when it is woken and when the socket has taken
//! all that it had; in between it waits in poll(2), which has a deadline. Nothing is queued for a slow
//! reader but what one call gave: a source holds a place in what it follows, and tells of what it missed.
//! Who takes nothing is cut off, who leaves is noticed at once, and whoever waits hears a comment now and
//! then. A follower has one of the WebSockets' places.

use std::{
    fmt::Display,
    io::{ErrorKind, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{
    App,
    request::{Fault, Request, Result, whole},
};
use crate::{
    admit::Caller,
    gate::{Reply, Response, Stream, Upgraded},
    limits,
    sys::{
        poll::{Entry, Wake, poll},
        socket,
    },
    wire::{clock::Clock, head::Method},
    ws::Seat,
};

/// A queue above this many bytes is not kept once it is empty.
const KEPT: usize = 4 * 1024;

/// What a frame has beside its data, at most: names, two numbers of 20 digits, a word of ten letters.
const AROUND: usize = 96;

/// What a stream shows.
pub(super) trait Source: Send {
    /// Puts in what comes next, until there is no more or it does not fit; `now` is in ms of the instance's
    /// clock. One call reads a bounded piece of a disk at most, and waits for its turn there for a moment, in which
    /// no end is seen. Called again when its wake was woken, and when all that it gave was taken.
    fn next(&mut self, out: &mut Frames, now: u64) -> Next;
}

/// When a source is to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// once its wake was woken
    Woken,
    /// at this moment, in ms
    At(u64),
    /// never: this is its end, of which the code is told
    End(&'static str),
}

/// The frames that wait for the socket.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// taken of them; never more than there are
    taken: usize,
}

impl Frames {
    /// One more frame; `data` is JSON on one line. `false`: it has no room before others were taken. Where
    /// nothing waits there is room for any.
    #[must_use]
    pub(super) fn put(&mut self, event: &'static str, id: Option<u64>, data: &str) -> bool {
        self.put_at(event, id.as_ref().map(|id| id as &dyn Display), data)
    }

    /// The same, with a place that is more than a number.
    #[must_use]
    pub(super) fn put_at(&mut self, event: &'static str, id: Option<&dyn Display>, data: &str) -> bool {
        let waiting = self.waiting().len();
        if waiting > 0 && waiting + data.len() + AROUND > limits::STREAM_QUEUE {
            return false;
        }
        self.append(event, id, data);
        true
    }

    /// How many bytes more may wait.
    pub(super) fn room(&self) -> usize {
        limits::STREAM_QUEUE.saturating_sub(self.waiting().len())
    }

    fn append(&mut self, event: &'static str, id: Option<&dyn Display>, data: &str) {
        if let Some(id) = id {
            self.line("id", &id.to_string());
        }
        self.line("event", event);
        // No text can end its frame: JSON has no line break, and what would have one begins a line of data.
        data.split(['\n', '\r']).for_each(|line| self.line("data", line));
        self.bytes.push(b'\n');
    }

    fn line(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// What waits.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.waiting()).into_owned()
    }

    fn took(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }
}

/// Answers with what a source shows, which `open` makes; its wake is the connection's. What it refuses is
/// answered as ever.
pub(super) fn answer(
    app: &App,
    caller: &Caller,
    request: &Request<'_>,
    open: impl FnOnce(&Arc<Wake>) -> Result<Box<dyn Source>>,
) -> Result {
    if request.head.method() != Method::Get {
        return Err(Fault::field(
            400,
            "bad_query",
            "follow",
            "what is followed has no end: only GET takes it",
        ));
    }
    let seat = app.seat(caller)?;
    let mut source = open(seat.wake())?;
    let clock = Arc::clone(&app.clock);
    let run = move |upgraded: Upgraded| {
        let pump = Pump::new(clock.monotonic_ms());
        serve(upgraded, pump, &mut *source, &seat, &*clock);
    };
    let response = Response::bytes(200, "text/event-stream", Vec::new());
    Ok(Reply::Stream(Stream { response, run: Box::new(run) }))
}

/// Behind which number a follower begins who asked for what comes after `since`; `None`: with what comes from now on.
///
/// A browser that comes back asks for the address that it asked for first, and says in `Last-Event-ID` how far
/// it came: that counts. It may lie before `since`, where that is a number which was never given out here.
pub(super) fn begin(request: &Request<'_>, since: Option<u64>) -> Result<Option<u64>> {
    begin_at(request, since, whole)
}

/// The same of a stream whose places are more than numbers.
pub(super) fn begin_at<T>(
    request: &Request<'_>,
    since: Option<T>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    let wrong = |sentence: &str| Fault::field(400, "bad_query", "Last-Event-ID", sentence);
    let mut sent = request.head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"last-event-id"));
    let last = match (sent.next(), sent.next()) {
        (None, _) => None,
        (Some((_, b"")), None) => None,
        (Some((_, value)), None) => {
            let place = std::str::from_utf8(value).ok().and_then(read);
            Some(place.ok_or_else(|| wrong("Last-Event-ID is no number of an event"))?)
        }
        (Some(_), Some(_)) => return Err(wrong("Last-Event-ID stands there twice")),
    };
    Ok(last.or(since))
}

/// Writes what `source` shows until somebody ends it.
fn serve(upgraded: Upgraded, mut pump: Pump, source: &mut dyn Source, seat: &Seat, clock: &dyn Clock) {
    // What came behind the request is not answered: this is the connection's last answer.
    let Upgraded { stream, .. } = upgraded;
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    loop {
        let now = clock.monotonic_ms();
        pump.turn(source, now);
        if seat.is_stopping() {
            pump.end("stopping");
        } else if now >= seat.retires_at() {
            pump.end("key_changed");
        }
        if write(&stream, &mut pump, now).is_err() {
            return;
        }
        if pump.is_stuck(now) {
            // What it has not taken is not left to the kernel.
            socket::reset_on_close(&stream);
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        if pump.is_over() || wait(&stream, &pump, seat, now).is_none() {
            return;
        }
    }
}

/// Waits for the socket, the wake or the next deadline; `None` where the peer is gone.
fn wait(stream: &TcpStream, pump: &Pump, seat: &Seat, now: u64) -> Option<()> {
    let until = if pump.ended { pump.deadline() } else { pump.deadline().min(seat.retires_at()) };
    // While something waits for the socket, nothing that is new matters.
    let mut entries = [
        Entry::new(seat.wake().as_fd(), !pump.wants_output(), false),
        // Nothing is read: what a follower sends stays where it is, and costs nothing.
        Entry::hang_up(stream.as_fd()),
        Entry::new(stream.as_fd(), false, pump.wants_output()),
    ];
    poll(&mut entries, Some(Duration::from_millis(until.saturating_sub(now)))).ok()?;
    let [wake, peer, _] = &entries;
    if wake.readable() {
        // In this order: what comes behind it wakes again.
        seat.wake().clear();
    }
    (!peer.hung_up()).then_some(())
}

/// Writes what the socket takes.
fn write(mut stream: &TcpStream, pump: &mut Pump, now: u64) -> std::result::Result<(), ()> {
    while pump.wants_output() {
        match stream.write(pump.out.waiting()) {
            Ok(0) => return Err(()),
            Ok(count) => pump.wrote(count, now),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(()),
        }
    }
    Ok(())
}

/// What is due, without a socket.
struct Pump {
    out: Frames,
    /// when a comment is due, so that the peer knows that we are here
    beat_at: u64,
    /// when the socket last took something, or was first given it
    taken_at: u64,
    /// when the source wants to be asked
    ask_at: u64,
    /// how long the socket may take nothing
    stall_ms: u64,
    ended: bool,
}

impl Pump {
    fn new(now: u64) -> Self {
        let beat_at = now.saturating_add(limits::STREAM_BEAT_MS);
        let stall_ms = limits::STREAM_STALL_MS;
        Self { out: Frames::default(), beat_at, taken_at: now, ask_at: now, stall_ms, ended: false }
    }

    /// Asks the source, where the socket has taken everything. Asked too often it gives nothing.
    fn turn(&mut self, source: &mut dyn Source, now: u64) {
        if self.ended || self.wants_output() {
            return;
        }
        let next = source.next(&mut self.out, now);
        if self.wants_output() {
            // There may be more behind it: asked again once this is taken.
            (self.taken_at, self.ask_at) = (now, now);
        } else if now >= self.beat_at {
            self.out.bytes.extend_from_slice(b":\n\n");
            self.taken_at = now;
        }
        match next {
            Next::End(code) => self.end(code),
            Next::At(at) if !self.wants_output() => self.ask_at = at,
            Next::Woken if !self.wants_output() => self.ask_at = u64::MAX,
            Next::At(_) | Next::Woken => {}
        }
        if self.wants_output() {
            self.beat_at = now.saturating_add(limits::STREAM_BEAT_MS);
        }
    }

    /// Says that it is over, behind what waits.
    fn end(&mut self, code: &'static str) {
        if !self.ended {
            self.ended = true;
            self.out.append("end", None, &json!({ "code": code }).to_string());
        }
    }

    fn wrote(&mut self, count: usize, now: u64) {
        self.taken_at = now;
        self.out.took(count);
    }

    fn wants_output(&self) -> bool {
        !self.out.waiting().is_empty()
    }

    /// The end was told, and taken.
    fn is_over(&self) -> bool {
        self.ended && !self.wants_output()
    }

    /// The peer takes nothing.
    fn is_stuck(&self, now: u64) -> bool {
        self.wants_output() && now.saturating_sub(self.taken_at) >= self.stall_ms
    }

    fn deadline(&self) -> u64 {
        match self.wants_output() {
            true => self.taken_at.saturating_add(self.stall_ms),
            false => self.beat_at.min(self.ask_at),
        }
    }
}

#[cfg(test)]
mod tests;
