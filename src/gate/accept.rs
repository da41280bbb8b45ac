//! The accept loop: gives each connection a place and a thread.
//!
//! Never ends but with the server: an error of accept(2) is counted and, where it would come again
//! at once, slept off. One descriptor is held in reserve, so that a process without any can still
//! accept, find a place by closing somebody else's connection, and go on.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    Counters, Service,
    connection::Connection,
    encode::{self, Date, Manner},
    server::Shared,
    slot::Slot,
    table::{Ids, Seat},
};
use crate::{limits, sys::socket};

/// A descriptor that is good for nothing but being given up.
pub(super) fn reserve() -> io::Result<File> {
    File::open("/dev/null")
}

/// Accepts until the server ends.
pub(super) fn run<S: Service>(listener: &TcpListener, shared: &Arc<Shared<S>>, reserved: File) {
    let ids = Ids::default();
    let mut reserved = Some(reserved);
    let mut trouble = Trouble::default();
    while !shared.table.is_closed() {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(_) if shared.table.is_closed() => return,
            Err(error) => {
                Counters::add(&shared.counters.accept_errors);
                trouble.say(shared, &error);
                let goes_on = match error.kind() {
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => true,
                    // Without the reserve, the next call takes a connection, or waits for one. Where
                    // it was lost to somebody else, a connection must go to get it back.
                    _ if socket::out_of_descriptors(&error) => {
                        reserved.take().is_some() || shared.table.free_a_descriptor()
                    }
                    _ => false,
                };
                if !goes_on {
                    trouble.pause();
                }
                continue;
            }
        };
        Counters::add(&shared.counters.accepted);
        reserved = reserved.or_else(|| reserve().ok());
        if reserved.is_none() {
            shared.table.free_a_descriptor();
            reserved = reserve().ok();
        }
        if reserved.is_none() {
            // All are in use elsewhere. The descriptor of this connection is the next reserve.
            drop(stream);
            reserved = reserve().ok();
            trouble.pause();
            continue;
        }
        trouble.is_over();
        let slot = Slot::new(ids.next(), stream, shared.settings.clock.monotonic_ms());
        if let Err(error) = welcome(shared, slot, peer) {
            Counters::add(&shared.counters.accept_errors);
            trouble.say(shared, &error);
        }
    }
}

/// Finds a place for a connection and starts its thread.
fn welcome<S: Service>(shared: &Arc<Shared<S>>, slot: Slot, peer: SocketAddr) -> io::Result<()> {
    // An answer is one write, so there is nothing to wait for. Fails only on a socket that is gone.
    let _ = slot.stream.set_nodelay(true);
    let seat = match shared.table.seat(slot) {
        Ok(seat) => seat,
        Err(slot) => {
            Counters::add(&shared.counters.refused_full);
            turn_away(shared, &slot.stream);
            return Ok(());
        }
    };
    let own = Arc::clone(shared);
    // Where there is no thread, the closure is dropped, and the connection with it.
    thread::Builder::new()
        .name("conn".to_owned())
        .stack_size(limits::THREAD_STACK)
        .spawn(move || serve(&own, &seat, peer))
        .map(drop)
}

fn serve<S: Service>(shared: &Shared<S>, seat: &Seat, peer: SocketAddr) {
    let Some(slot) = seat.slot() else { return };
    if let Ok(local) = slot.stream.local_addr() {
        Connection::new(shared, slot, peer, local).run();
    }
}

/// Says 503, as far as the socket takes it without waiting.
fn turn_away<S: Service>(shared: &Shared<S>, mut stream: &TcpStream) {
    let response = shared.service.refused(503, None);
    let date = Date::default().at(0, &*shared.settings.clock);
    let mut answer = Vec::new();
    encode::head(&response, &Manner { close: true, open_ended: false, date }, &mut answer);
    answer.extend_from_slice(response.body());
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&answer);
    }
}

/// What to do about errors that come in rows: wait longer each time, and say so now and then.
#[derive(Default)]
struct Trouble {
    /// the next pause; zero where the last accept went well
    pause: Duration,
    /// when it was last talked about
    said: Option<u64>,
}

impl Trouble {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(200);
    const SILENCE_MS: u64 = 10_000;

    /// Waits; the server's end interrupts it.
    fn pause(&mut self) {
        self.pause = self.pause.saturating_mul(2).clamp(Self::FIRST, Self::LONGEST);
        thread::park_timeout(self.pause);
    }

    fn is_over(&mut self) {
        self.pause = Duration::ZERO;
    }

    fn say<S: Service>(&mut self, shared: &Shared<S>, error: &io::Error) {
        let now = shared.settings.clock.monotonic_ms();
        if self.said.is_none_or(|said| now.saturating_sub(said) >= Self::SILENCE_MS) {
            self.said = Some(now);
            log::warn!("a connection could not be accepted: {error}");
        }
    }
}
