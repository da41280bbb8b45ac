//! The connection without its socket: what comes out for what goes in, and when it ends.

mod socket;

use super::{
    machine::{End, Machine, Settings},
    session::{Out, Session},
    testing::frame,
};

/// Sends back what comes; says what it was told.
#[derive(Default)]
struct Echo {
    /// sent on as long as there is room
    flood: bool,
    /// what [`Session::sent`] said last
    sent: u64,
    got: Vec<String>,
}

impl Session for Echo {
    fn opened(&mut self, _: &mut Out<'_>) {}

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        self.got.push(text.to_owned());
        match text.strip_prefix("send ").and_then(|count| count.parse().ok()) {
            Some(count) => (0..count).for_each(|_| _ = out.text("x")),
            None => _ = out.text(text),
        }
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        out.binary(bytes);
    }

    fn pull(&mut self, out: &mut Out<'_>) {
        if self.flood {
            out.binary(&[0; 16 * 1024]);
        }
    }

    fn sent(&mut self, through: u64) {
        assert!(through > self.sent);
        self.sent = through;
    }
}

/// A connection and the time.
struct Rig {
    machine: Machine,
    echo: Echo,
    now: u64,
    /// bytes that the peer takes at each turn
    takes: usize,
}

fn close(code: u16) -> Vec<u8> {
    [&[0x88, 2][..], &code.to_be_bytes()].concat()
}

impl Rig {
    fn new() -> Self {
        let mut echo = Echo::default();
        let machine = Machine::new(Settings::default(), &mut echo, 1_000);
        Self { machine, echo, now: 1_000, takes: usize::MAX }
    }

    /// One turn after these bytes came; what went out.
    fn turn(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !bytes.is_empty() {
            self.machine.receive(bytes, self.now);
        }
        self.machine.turn(&mut self.echo, self.now);
        let mut out = Vec::new();
        while self.machine.wants_output() && out.len() < self.takes {
            let slices: Vec<u8> = self.machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = slices.len().min(self.takes - out.len());
            out.extend_from_slice(&slices[..taken]);
            self.machine.wrote(taken, self.now);
        }
        self.machine.settle(&mut self.echo);
        out
    }

    fn after(&mut self, ms: u64) -> Vec<u8> {
        self.now += ms;
        self.turn(b"")
    }

    /// What was closed with, the reason left out.
    fn code(out: &[u8]) -> Option<u16> {
        match out {
            [0x88, 0, ..] => Some(0),
            [0x88, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }
}

#[test]
fn messages_and_pings_are_answered_in_order() {
    let mut rig = Rig::new();
    let input =
        [frame(0x81, b"one"), frame(0x89, b"p"), frame(0x02, b"tw"), frame(0x8a, b""), frame(0x80, b"o")];
    assert_eq!(rig.turn(&input.concat()), b"\x81\x03one\x8a\x01p\x82\x03two");
    assert_eq!(rig.echo.sent, 3);
}

#[test]
fn a_close_is_answered_with_its_code_and_the_end_awaited() {
    for (sent, answered) in [(1000_u16, 1000), (4999, 4999), (1005, 1002), (999, 1002), (5000, 1002)] {
        let mut rig = Rig::new();
        assert_eq!(Rig::code(&rig.turn(&frame(0x88, &sent.to_be_bytes()))), Some(answered), "{sent}");
        assert!(rig.machine.is_lingering());
        rig.machine.ended();
        rig.turn(b"");
        assert_eq!(rig.machine.end(), Some(End::Clean));
    }
    assert_eq!(Rig::new().turn(&frame(0x88, b"")), [0x88, 0]);
    assert_eq!(Rig::code(&Rig::new().turn(&frame(0x88, b"x"))), Some(1002));
    assert_eq!(Rig::code(&Rig::new().turn(&frame(0x88, b"\x03\xe8\xff"))), Some(1007));
}

#[test]
fn what_breaks_the_rules_is_closed_behind_what_was_answered_before() {
    let bad_text = frame(0x81, b"\xff");
    for (bad, code) in [(&[0x81, 0x01][..], 1002), (&[0xc1], 1002), (&bad_text, 1007)] {
        let mut rig = Rig::new();
        let out = rig.turn(&[&frame(0x81, b"ok")[..], bad].concat());
        assert_eq!(&out[..4], b"\x81\x02ok");
        assert_eq!(Rig::code(&out[4..]), Some(code));
        assert_eq!(rig.turn(&frame(0x81, b"more")), b"", "nothing is looked at any more");
        assert_eq!(rig.echo.got, ["ok"]);
    }
}

#[test]
fn a_message_over_its_limit_is_1009_before_its_bytes_are_kept() {
    let most = Settings::default().message;
    let mut rig = Rig::new();
    let whole = frame(0x82, &vec![7; most]);
    let mut out = Vec::new();
    for part in whole.chunks(4096) {
        out.extend(rig.turn(part));
    }
    assert_eq!(out.len(), most + 10, "one of just the limit is echoed");
    let over = [&[0x82, 0xff][..], &(most as u64 + 1).to_be_bytes()].concat();
    assert_eq!(Rig::code(&rig.turn(&over)), Some(1009));
    let mut rig = Rig::new();
    for part in frame(0x02, &vec![7; most]).chunks(4096) {
        assert_eq!(rig.turn(part), b"");
    }
    assert_eq!(Rig::code(&rig.turn(&frame(0x80, b"x"))), Some(1009), "frames count together");
}

#[test]
fn a_reader_that_is_too_slow_is_closed_1013() {
    let mut rig = Rig::new();
    rig.takes = 1;
    let out = rig.turn(&frame(0x81, b"send 256"));
    assert_eq!((out.len(), rig.machine.end()), (1, None));
    assert!(!rig.machine.wants_input(), "no input is looked at while that much waits");
    rig.takes = usize::MAX;
    assert_eq!(rig.turn(b"").len(), 256 * 3 - 1);
    rig.takes = 1;
    rig.turn(&frame(0x81, b"begun"));
    rig.takes = usize::MAX;
    let out = rig.turn(&frame(0x81, b"send 257"));
    assert_eq!(&out[..6], b"\x05begun");
    assert_eq!(Rig::code(&out[6..]), Some(1013));
    assert_eq!(rig.echo.sent, 257, "what was not begun was not sent");
}

#[test]
fn answers_alone_never_fill_the_outbox() {
    let mut rig = Rig::new();
    rig.takes = 100;
    let mut input = frame(0x81, b"question").repeat(1000);
    let mut out = Vec::new();
    while out.len() < 10 * 1000 {
        let take = if rig.machine.wants_input() { 4096.min(input.len()) } else { 0 };
        let part: Vec<u8> = input.drain(..take).collect();
        out.extend(rig.turn(&part));
        assert_eq!(rig.machine.end(), None);
    }
    assert_eq!(out, b"\x81\x08question".repeat(1000));
}

/// Else a client that waits for its answers would wait for the next ping.
#[test]
fn what_was_not_looked_at_for_lack_of_room_is_looked_at_without_more_input() {
    let mut rig = Rig::new();
    let mut out = rig.turn(&frame(0x81, b"question").repeat(250));
    while rig.machine.is_ready() {
        out.extend(rig.turn(b""));
    }
    assert_eq!(out, b"\x81\x08question".repeat(250));
    rig.takes = 0;
    rig.turn(&frame(0x81, b"send 200"));
    rig.turn(&frame(0x81, b"later"));
    assert!(!rig.machine.is_ready(), "no room");
    rig.takes = usize::MAX;
    assert_eq!(rig.turn(b"").len(), 200 * 3);
    assert!(rig.machine.is_ready(), "there is room again");
    assert_eq!(rig.turn(b""), b"\x81\x05later");
}

/// Each may have to wait for the disk.
#[test]
fn messages_have_a_turns_share_so_that_pings_and_the_end_have_theirs() {
    let mut rig = Rig::new();
    let out = rig.turn(&frame(0x81, b"x").repeat(100));
    assert_eq!(rig.echo.got.len(), 32);
    rig.machine.close(1001, "", rig.now);
    assert_eq!(rig.turn(b"")[..], close(1001)[..]);
    assert_eq!((out.len(), rig.echo.got.len()), (32 * 3, 32));
}

#[test]
fn what_is_pulled_never_fills_the_outbox_nor_keeps_input_out() {
    let mut rig = Rig::new();
    rig.echo.flood = true;
    rig.takes = 0;
    rig.turn(b"");
    assert!(rig.machine.wants_input() && !rig.machine.is_ready());
    rig.takes = usize::MAX;
    rig.turn(&frame(0x81, b"stop"));
    assert_eq!(rig.echo.got, ["stop"]);
    assert!(rig.machine.is_ready(), "there is more, and room for it");
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let mut rig = Rig::new();
    rig.takes = 0;
    rig.turn(&frame(0x81, b"x"));
    assert_eq!(rig.machine.deadline(), 11_000);
    rig.after(9_999);
    assert_eq!(rig.machine.end(), None);
    rig.after(1);
    assert_eq!(rig.machine.end(), Some(End::Reset));
}

#[test]
fn a_silent_peer_is_closed() {
    let mut rig = Rig::new();
    rig.now += 29_000;
    rig.turn(&frame(0x8a, b""));
    assert_eq!(rig.after(29_999), b"", "a pong ends the silence");
    assert_eq!(rig.machine.deadline(), rig.now + 1);
    assert_eq!(Rig::code(&rig.after(1)), Some(1008));
}

#[test]
fn a_connection_whose_key_was_changed_is_closed_4001_at_its_moment() {
    let mut rig = Rig::new();
    rig.turn(&frame(0x81, b"before"));
    rig.machine.retire_at(rig.now + crate::limits::KEY_GRACE_MS);
    rig.after(0);
    assert_eq!(rig.machine.deadline(), rig.now + 10_000);
    assert_eq!(rig.after(9_999), b"");
    assert_eq!(rig.turn(&frame(0x81, b"still")), b"\x81\x05still");
    rig.now += 1;
    let out = rig.turn(&frame(0x81, b"after"));
    assert_eq!(out, [b"\x88\x0d\x0f\xa1".as_slice(), b"key rotated"].concat());
    assert_eq!(rig.echo.got, ["before", "still"], "nothing is taken any more");
}

#[test]
fn a_message_that_never_ends_is_1008() {
    let mut rig = Rig::new();
    rig.turn(&frame(0x01, b"begins"));
    for _ in 0..29 {
        rig.now += 1000;
        let pinged = rig.turn(&[frame(0x80 & 0x7f, b""), frame(0x89, b"")].concat());
        assert_eq!(pinged, [0x8a, 0], "neither empty fragments nor pings make it a new one");
    }
    assert_eq!(Rig::code(&rig.after(1000)), Some(1008));
    let mut rig = Rig::new();
    for byte in &frame(0x81, &[b'x'; 100])[..30] {
        assert_eq!(rig.turn(&[*byte]), b"");
        rig.now += 1000;
    }
    assert_eq!(Rig::code(&rig.turn(b"")), Some(1008), "byte by byte is no way either");
}

#[test]
fn a_close_that_is_not_answered_ends_in_time() {
    let mut rig = Rig::new();
    rig.machine.close(1001, "", rig.now);
    assert_eq!(rig.turn(b""), close(1001));
    rig.turn(&frame(0x81, b"late"));
    assert_eq!((rig.echo.got.len(), rig.machine.is_lingering()), (0, false));
    assert_eq!(rig.machine.deadline(), rig.now + 2_000);
    rig.after(1_999);
    assert_eq!(rig.machine.end(), None);
    rig.after(1);
    assert_eq!(rig.machine.end(), Some(End::Clean));

    let mut rig = Rig::new();
    rig.machine.close(1001, "", rig.now);
    rig.turn(&frame(0x88, &1001_u16.to_be_bytes()));
    assert!(rig.machine.is_lingering(), "answered");

    let mut rig = Rig::new();
    rig.takes = 0;
    rig.machine.close(1001, "", rig.now);
    rig.turn(b"");
    rig.after(2_000);
    assert_eq!(rig.machine.end(), Some(End::Reset), "a close that is not taken");
}

#[test]
fn a_peer_that_ends_without_a_close_still_gets_its_answers() {
    let mut rig = Rig::new();
    rig.machine.receive(&frame(0x81, b"x"), rig.now);
    rig.machine.ended();
    assert_eq!(rig.turn(b""), b"\x81\x01x");
    assert_eq!(rig.machine.end(), Some(End::Clean));
}

/// What has been said, at any cut of the bytes.
#[test]
fn the_same_bytes_give_the_same_messages_however_they_are_cut() {
    let input = [
        frame(0x81, "grüße".as_bytes()),
        frame(0x01, b"a"),
        frame(0x89, b"ping"),
        frame(0x80, &[b'b'; 300]),
        frame(0x82, &[1; 2000]),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x81, b"ignored"),
    ]
    .concat();
    let whole = Rig::new().turn(&input);
    for cut in [1, 2, 3, 7, 100, 1000] {
        let mut rig = Rig::new();
        let pieces: Vec<u8> = input.chunks(cut).flat_map(|piece| rig.turn(piece)).collect();
        assert_eq!(pieces, whole, "pieces of {cut}");
    }
}

/// Five million of them; the time is that of a turn's share.
#[test]
fn empty_continuations_get_a_turns_share_and_no_memory() {
    let mut rig = Rig::new();
    rig.turn(&frame(0x01, b""));
    let share = frame(0x00, b"").repeat(16 * 1024 / 6);
    for _ in 0..100 {
        assert_eq!(rig.turn(&share), b"");
    }
    assert_eq!(rig.turn(&frame(0x80, b"end")), b"\x81\x03end");
}
