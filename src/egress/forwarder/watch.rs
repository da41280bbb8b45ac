//! The one thread of a forwarder that is always there: it accepts, and keeps the deadlines.
//!
//! Sleeps without end while the agent has no connection. A connection over the bound is told so and closed;
//! errors of accept(2) are waited off, so that a process out of descriptors goes on when it has some again. Whoever
//! connects without end keeps it from nothing: it looks at the deadlines after so many, and rests.

use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::Duration,
};

use super::{Refusal, Shared, connection::Connection, slot::Slot};
use crate::{
    limits,
    sys::poll::{self, Entry},
};

/// After an error of accept(2), and after more than may be.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are accepted between two looks at the deadlines.
const TURN: usize = 64;

pub(super) fn run(shared: &Arc<Shared>) {
    let mut rests = false;
    while !shared.is_ended() {
        wait(shared, rests);
        shared.wake.clear();
        if shared.is_ended() {
            return;
        }
        rests = !accept(shared);
        let now = shared.now();
        let slots = shared.slots().clone();
        for slot in slots {
            slot.look(now);
        }
    }
}

/// Until there is a connection, the next look at the deadlines, or the end.
fn wait(shared: &Shared, rests: bool) {
    let waits = !shared.slots().is_empty() || shared.upstream.tidy();
    let tick = waits.then_some(shared.settings.tick);
    let wake = Entry::new(shared.wake.as_fd(), true, false);
    // An error is retried later and not at once, or it would be retried without end.
    let _ = if rests {
        poll::poll(&mut [wake], Some(PAUSE))
    } else {
        poll::poll(&mut [wake, Entry::new(shared.listener.as_fd(), true, false)], tick)
    };
}

/// Accepts what waits, but not without end; `false` where that failed or there was too much of it: then the next
/// waits a little.
fn accept(shared: &Arc<Shared>) -> bool {
    let mut room = true;
    for _ in 0..TURN {
        match shared.listener.accept() {
            Ok((stream, _)) => room &= welcome(shared, stream),
            Err(error) => match error.kind() {
                // Who has used up his minute comes and goes no faster than we look.
                ErrorKind::WouldBlock => return room && !shared.account.is_spent(&shared.rules),
                ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                _ => return false,
            },
        }
        if shared.is_ended() {
            return true;
        }
    }
    room && !shared.account.is_spent(&shared.rules)
}

/// Seats a connection; `false` where there was no room for it.
fn welcome(shared: &Arc<Shared>, stream: TcpStream) -> bool {
    // What has come of an answer goes on at once. Fails only on a socket that is gone.
    let _ = stream.set_nodelay(true);
    let slot = Arc::new(Slot::new(stream));
    {
        let mut slots = shared.slots();
        if slots.len() < shared.settings.connections {
            slots.push(Arc::clone(&slot));
        } else {
            drop(slots);
            turn_away(shared, &slot.stream);
            return false;
        }
    }
    let seat = Seat { shared: Arc::clone(shared), slot };
    // Where there is no thread, the closure is dropped, and the seat with it.
    let _ = thread::Builder::new()
        .name("egress-conn".to_owned())
        .stack_size(limits::EGRESS_STACK)
        .spawn(move || Connection::new(&seat.shared, &seat.slot).run());
    true
}

/// Says that there are too many, as far as the socket takes it without waiting.
fn turn_away(shared: &Shared, mut stream: &TcpStream) {
    let refusal = Refusal::new(429, "too_many_connections", "Too many connections are open; close some.");
    shared.account.refuse(&shared.rules, &refusal);
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&refusal.bytes());
    }
}

/// The place of one connection among its forwarder's; dropping it frees the place.
struct Seat {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.slot.end();
        self.shared.slots().retain(|one| !Arc::ptr_eq(one, &self.slot));
    }
}
