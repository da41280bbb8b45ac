//! One connection on its thread: poll(2) on the socket and the wake-up, and bytes to and from the
//! [`Machine`](super::machine).
//!
//! No call here blocks but poll, which has the machine's deadline. A turn reads a bounded number of
//! bytes, so that no flood of frames keeps writes, pings and deadlines from their turn; what the
//! peer does not read is bounded by the machine.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    time::Duration,
};

use super::{
    Seat, Session, Settings,
    machine::{End, Machine},
};
use crate::{
    gate::Upgraded,
    sys::{
        poll::{Entry, poll},
        socket,
    },
    wire::clock::Clock,
};

/// Bytes of one read.
const READ: usize = 4 * 1024;

/// Reads of one turn.
const READS: usize = 4;

/// Runs `session` on an upgraded connection until its end.
pub fn run(
    upgraded: Upgraded,
    session: &mut dyn Session,
    seat: &Seat,
    settings: Settings,
    clock: &dyn Clock,
) {
    let Upgraded { stream, rest, .. } = upgraded;
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    if let Some(bytes) = settings.send_buffer {
        socket::bound_send_buffer(&stream, bytes);
    }
    let now = clock.monotonic_ms();
    let mut machine = Machine::new(settings, session, now);
    machine.receive(&rest, now);
    drop(rest);
    let mut half_closed = false;
    loop {
        let now = clock.monotonic_ms();
        if seat.is_stopping() {
            machine.close(1001, "the server ends", now);
        }
        machine.retire_at(seat.retires_at());
        machine.turn(session, now);
        // A session may have waited for the disk meanwhile.
        let now = clock.monotonic_ms();
        write(&stream, &mut machine, now);
        machine.settle(session);
        if machine.is_lingering() && !half_closed {
            half_closed = true;
            let _ = stream.shutdown(Shutdown::Write);
        }
        match machine.end() {
            Some(End::Clean) => return,
            Some(End::Reset) => return socket::reset_on_close(&stream),
            None => {}
        }
        match wait(&stream, &machine, seat, now) {
            Err(_) => return socket::reset_on_close(&stream),
            Ok(false) => {}
            Ok(true) => {
                // In this order: what comes behind it wakes again.
                seat.wake().clear();
                session.woken();
            }
        }
        read(&stream, &mut machine, clock);
    }
}

/// Waits for what the machine waits for; whether another thread woke this one.
fn wait(stream: &TcpStream, machine: &Machine, seat: &Seat, now: u64) -> io::Result<bool> {
    let timeout = match machine.is_ready() {
        true => Duration::ZERO,
        false => Duration::from_millis(machine.deadline().saturating_sub(now)),
    };
    let mut entries = [
        Entry::new(seat.wake().as_fd(), true, false),
        Entry::new(stream.as_fd(), machine.wants_input(), machine.wants_output()),
    ];
    poll(&mut entries, Some(timeout))?;
    let [wake, _] = &entries;
    Ok(wake.readable())
}

/// Reads what is there, up to a turn's share.
fn read(mut stream: &TcpStream, machine: &mut Machine, clock: &dyn Clock) {
    let mut buffer = [0; READ];
    for _ in 0..READS {
        if !machine.wants_input() {
            return;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return machine.ended(),
            Ok(count) => {
                machine.receive(buffer.get(..count).unwrap_or_default(), clock.monotonic_ms());
                if count < READ {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return machine.broken(),
        }
    }
}

/// Writes what the socket takes.
fn write(mut stream: &TcpStream, machine: &mut Machine, now: u64) {
    while machine.wants_output() {
        match stream.write_vectored(&machine.slices()) {
            Ok(0) => return machine.broken(),
            Ok(count) => machine.wrote(count, now),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return machine.broken(),
        }
    }
}
