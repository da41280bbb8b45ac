//! The connection over a real socket: what only the loop around the machine can get wrong.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    gate::Upgraded,
    limits,
    wire::clock::ManualClock,
    ws::{
        Out, Seat, Session, Settings, Sockets, run,
        testing::{frame, frames},
    },
};

/// Sends back what comes, and says when it is woken.
struct Echo;

impl Session for Echo {
    fn opened(&mut self, out: &mut Out<'_>) {
        out.text("open");
    }

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        match text.strip_prefix("times ").and_then(|count| count.parse().ok()) {
            Some(count) => (0..count).for_each(|_| _ = out.binary(&[7; 64 * 1024])),
            None => _ = out.text(text),
        }
    }

    fn binary(&mut self, _: &[u8], _: &mut Out<'_>) {}
}

/// A connection that runs, and its client.
struct Rig {
    client: TcpStream,
    clock: Arc<ManualClock>,
    sockets: Arc<Sockets>,
    wake: Arc<crate::sys::poll::Wake>,
    thread: JoinHandle<()>,
}

impl Rig {
    /// One whose client sent `rest` together with its upgrade.
    fn with(rest: &[u8]) -> Self {
        Self::of(Settings::default(), rest).0
    }

    /// And the server's side of its socket.
    fn of(settings: Settings, rest: &[u8]) -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let (clock, sockets) = (ManualClock::at(1_000), Sockets::new(1));
        let seat: Seat = sockets.enter_with(Some(1)).unwrap().unwrap();
        let wake = Arc::clone(seat.wake());
        let server = stream.try_clone().unwrap();
        let upgraded = Upgraded { stream, rest: rest.to_vec(), since: Instant::now() };
        let time = Arc::clone(&clock);
        let thread = thread::spawn(move || run(upgraded, &mut Echo, &seat, settings, &*time));
        (Self { client, clock, sockets, wake, thread }, server)
    }

    /// Time passes, and the thread looks at it.
    fn after(&self, ms: u64) {
        self.clock.advance(ms);
        self.wake.wake();
    }

    /// All that comes until the end, taken apart.
    fn rest(mut self) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = self.client.read_to_end(&mut bytes);
        drop(self.client);
        self.thread.join().unwrap();
        assert_eq!(self.sockets.open(), 0, "its place is free");
        frames(&bytes)
    }
}

fn closed(frames: &[(u8, Vec<u8>)]) -> Option<u16> {
    let (first, payload) = frames.last()?;
    (*first == 0x88).then(|| u16::from_be_bytes([payload[0], payload[1]]))
}

#[test]
fn frames_that_came_with_the_upgrade_are_not_lost() {
    let rig = Rig::with(&[frame(0x81, b"early"), frame(0x88, b"\x03\xe8")].concat());
    let texts = [(0x81, b"open".to_vec()), (0x81, b"early".to_vec()), (0x88, b"\x03\xe8".to_vec())];
    assert_eq!(rig.rest(), texts);
}

#[test]
fn a_stop_reaches_a_connection_that_waits() {
    let mut rig = Rig::with(b"");
    let mut open = [0; 6];
    rig.client.read_exact(&mut open).unwrap();
    let sockets = Arc::clone(&rig.sockets);
    let stops = thread::spawn(move || sockets.stop(Duration::from_secs(20)));
    let mut close = [0; 4];
    rig.client.read_exact(&mut close).unwrap();
    assert_eq!(close[2..], 1001_u16.to_be_bytes());
    rig.client.write_all(&frame(0x88, b"\x03\xe9")).unwrap();
    rig.rest();
    stops.join().unwrap();
}

#[test]
fn deadlines_are_kept_by_the_injected_clock() {
    let mut rig = Rig::with(b"");
    rig.client.read_exact(&mut [0; 6]).unwrap();
    rig.after(30_000);
    let mut close = [0; 4];
    rig.client.read_exact(&mut close).unwrap();
    assert_eq!(close[2..], 1008_u16.to_be_bytes());
    rig.after(2_000);
    rig.rest();
}

/// Nothing but the wake tells it that the moment has come nearer.
#[test]
fn a_rotation_reaches_a_connection_that_waits_and_ends_it_ten_seconds_later() {
    let mut rig = Rig::with(b"");
    rig.client.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(rig.sockets.retire(2, 1_000 + crate::limits::KEY_GRACE_MS), 1);
    rig.after(9_999);
    rig.client.write_all(&frame(0x81, b"still")).unwrap();
    let mut still = [0; 7];
    rig.client.read_exact(&mut still).unwrap();
    assert_eq!(still, *b"\x81\x05still");
    rig.after(1);
    let mut close = [0; 15];
    rig.client.read_exact(&mut close).unwrap();
    assert_eq!(close, *b"\x88\x0d\x0f\xa1key rotated");
    rig.client.write_all(&frame(0x88, b"\x0f\xa1")).unwrap();
    rig.rest();
}

/// The bytes that the kernel holds for it are thrown away with it.
#[test]
fn a_client_that_reads_nothing_is_reset() {
    let mut rig = Rig::with(b"");
    // More than the kernel's buffers take, and less than the outbox does.
    for _ in 0..8 {
        rig.client.write_all(&frame(0x81, b"times 15")).unwrap();
    }
    while !rig.thread.is_finished() {
        rig.after(10_000);
        thread::yield_now();
    }
    let sockets = Arc::clone(&rig.sockets);
    let mut bytes = Vec::new();
    let end = rig.client.read_to_end(&mut bytes);
    assert!(end.is_err() || !bytes.is_empty());
    rig.thread.join().unwrap();
    assert_eq!(sockets.open(), 0);
}

#[test]
fn the_close_survives_input_that_is_never_looked_at() {
    let mut rig = Rig::with(b"");
    rig.client.write_all(&[&[0x81, 0x01][..], &vec![b'x'; 200_000]].concat()).unwrap();
    rig.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(closed(&rig.rest()), Some(1002));
}

#[test]
fn a_client_that_goes_away_ends_the_connection() {
    let rig = Rig::with(b"");
    drop(rig.client);
    rig.thread.join().unwrap();
    assert_eq!(rig.sockets.open(), 0);
}

#[test]
fn what_the_kernel_holds_for_a_client_of_a_channel_is_bounded() {
    let (mut rig, server) = Rig::of(Settings::channel(), b"");
    let mut opened = [0; 6];
    rig.client.read_exact(&mut opened).unwrap();
    let held = socket2::SockRef::from(&server).send_buffer_size().unwrap();
    assert!(held <= 2 * limits::CHANNEL_SEND_BUFFER, "{held}");
    drop(server);
    rig.client.shutdown(Shutdown::Write).unwrap();
    rig.rest();
}
