use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Mutex,
    thread::{self, JoinHandle},
    time::Instant,
};

use super::*;
use crate::{sys::clock::SystemClock, wire::clock::ManualClock, ws::Sockets};

/// Shows what it is given; asked when `again` says, where there is nothing.
#[derive(Clone, Default)]
struct Given {
    frames: Arc<Mutex<std::collections::VecDeque<String>>>,
    asked: Arc<Mutex<Vec<u64>>>,
    again: Option<u64>,
}

impl Source for Given {
    fn next(&mut self, out: &mut Frames, now: u64) -> Next {
        self.asked.lock().unwrap().push(now);
        let mut frames = self.frames.lock().unwrap();
        while let Some(first) = frames.front() {
            match first.as_str() {
                "END" => return Next::End("over"),
                data if !out.put("event", Some(7), data) => break,
                _ => _ = frames.pop_front(),
            }
        }
        self.again.map_or(Next::Woken, Next::At)
    }
}

/// A stream that is written, and who reads it.
struct Rig {
    client: TcpStream,
    clock: Arc<ManualClock>,
    sockets: Arc<Sockets>,
    wake: Arc<Wake>,
    given: Given,
    thread: JoinHandle<()>,
}

/// Who reads, and what is written to.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (client, listener.accept().unwrap().0)
}

impl Rig {
    fn with(given: Given) -> Self {
        let (client, stream) = pair();
        let (clock, sockets) = (ManualClock::at(1_000), Sockets::new(1));
        let seat = sockets.enter_with(Some(1)).unwrap().unwrap();
        let wake = Arc::clone(seat.wake());
        let upgraded = Upgraded { stream, rest: Vec::new(), since: Instant::now() };
        let (time, mut source) = (Arc::clone(&clock), given.clone());
        let thread = thread::spawn(move || serve(upgraded, Pump::new(1_000), &mut source, &seat, &*time));
        Self { client, clock, sockets, wake, given, thread }
    }

    fn give(&self, data: &str) {
        self.given.frames.lock().unwrap().push_back(data.to_owned());
        self.wake.wake();
    }

    fn hears(&mut self, wanted: &str) {
        let mut bytes = vec![0; wanted.len()];
        self.client.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), wanted);
    }

    /// Time passes, and the thread looks at it.
    fn after(&self, ms: u64) {
        self.clock.advance(ms);
        self.wake.wake();
    }

    /// The thread ends, and gives its place back.
    fn ends(self) {
        self.thread.join().unwrap();
        assert_eq!(self.sockets.open(), 0);
    }
}

const ONE: &str = "id: 7\nevent: event\ndata: 1\n\n";

#[test]
fn frames_come_as_they_are_given_and_a_comment_where_there_are_none() {
    let mut rig = Rig::with(Given::default());
    rig.give("1");
    rig.hears(ONE);
    // What was said counts: the next comment is due 15 s after it.
    rig.after(limits::STREAM_BEAT_MS);
    rig.hears(":\n\n");
    rig.give("1");
    rig.hears(ONE);
    rig.after(limits::STREAM_BEAT_MS - 1);
    rig.give("END");
    rig.hears("event: end\ndata: {\"code\":\"over\"}\n\n");
    rig.ends();
}

/// Otherwise its thread would turn without end.
#[test]
fn a_source_that_has_nothing_lets_its_thread_sleep_until_the_next_comment() {
    let mut pump = Pump::new(1_000);
    pump.turn(&mut Given::default(), 1_000);
    assert_eq!(pump.deadline(), 1_000 + limits::STREAM_BEAT_MS);
}

#[test]
fn the_end_of_the_instance_is_told_behind_what_waits() {
    let mut rig = Rig::with(Given::default());
    rig.given.frames.lock().unwrap().push_back("1".to_owned());
    let sockets = Arc::clone(&rig.sockets);
    let stops = thread::spawn(move || sockets.stop(Duration::from_secs(20)));
    rig.hears(ONE);
    rig.hears("event: end\ndata: {\"code\":\"stopping\"}\n\n");
    stops.join().unwrap();
    rig.ends();
}

#[test]
fn a_key_that_was_changed_ends_what_it_opened() {
    let mut rig = Rig::with(Given::default());
    rig.sockets.retire(2, 5_000);
    rig.after(4_000);
    rig.hears("event: end\ndata: {\"code\":\"key_changed\"}\n\n");
    rig.ends();
}

#[test]
fn who_leaves_is_noticed_at_once_whatever_he_has_sent() {
    let mut rig = Rig::with(Given::default());
    rig.client.write_all(b"GET /smuggled HTTP/1.1\r\n\r\n").unwrap();
    rig.give("1");
    rig.hears(ONE);
    rig.client.shutdown(Shutdown::Write).unwrap();
    rig.ends();
}

/// By a clock that runs: nothing but the time passes, because nobody reads.
#[test]
fn who_takes_nothing_is_cut_off_and_little_waits_for_him() {
    let (mut client, stream) = pair();
    let sockets = Sockets::new(1);
    let seat = sockets.enter().unwrap().unwrap();
    // More than all buffers between the two take.
    let mut given = Given::default();
    let large = "x".repeat(limits::STREAM_QUEUE / 2);
    given.frames.lock().unwrap().extend((0..2_000).map(|_| large.clone()));
    let mut pump = Pump::new(SystemClock.monotonic_ms());
    assert_eq!(pump.stall_ms, 10_000);
    pump.stall_ms = 50;
    serve(
        Upgraded { stream, rest: Vec::new(), since: Instant::now() },
        pump,
        &mut given,
        &seat,
        &SystemClock,
    );
    assert!(!given.frames.lock().unwrap().is_empty(), "what does not fit stays with its source");
    drop(seat);
    assert_eq!(sockets.open(), 0);
    // A reset: what he has not taken is thrown away.
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_waits_is_bounded_and_one_frame_is_always_taken() {
    let mut out = Frames::default();
    let huge = "x".repeat(limits::STREAM_QUEUE * 2);
    assert!(out.put("event", None, &huge) && !out.put("event", None, ""), "nothing behind it");
    out.took(out.waiting().len());
    assert!(out.waiting().is_empty() && out.bytes.capacity() <= KEPT, "the memory is given back");
    let small = "y".repeat(1_000);
    let taken = (0..1_000).take_while(|_| out.put("event", Some(u64::MAX), &small)).count();
    assert!((50..65).contains(&taken) && out.waiting().len() <= limits::STREAM_QUEUE, "{taken}");
}

#[test]
fn no_text_ends_its_frame() {
    let mut out = Frames::default();
    assert!(out.put("event", Some(1), "a\n\nevent: forged\r\ndata: b"));
    let text = String::from_utf8(out.waiting().to_vec()).unwrap();
    assert_eq!(text.matches("\n\n").count(), 1, "{text}");
    assert!(text.lines().skip(2).all(|line| line.is_empty() || line.starts_with("data: ")), "{text}");
}

#[test]
fn a_source_is_asked_when_it_wants_to_be_and_not_while_something_waits() {
    let mut given = Given { again: Some(50), ..Given::default() };
    let mut pump = Pump::new(0);
    pump.turn(&mut given, 0);
    assert_eq!(pump.deadline(), 50);
    given.frames.lock().unwrap().push_back("1".to_owned());
    pump.turn(&mut given, 50);
    assert!(pump.wants_output() && pump.deadline() == 50 + limits::STREAM_STALL_MS);
    pump.turn(&mut given, 60);
    pump.wrote(5, 70);
    assert!(!pump.is_stuck(10_069) && pump.is_stuck(10_070));
    pump.turn(&mut given, 80);
    pump.wrote(ONE.len() - 5, 90);
    pump.turn(&mut given, 90);
    assert_eq!(*given.asked.lock().unwrap(), [0, 50, 90]);
}
