//! The headers of inbound frames, read beside the decoder and before it (RFC 6455, 5.2).
//!
//! The decoder judges a frame when all of it is there. This scanner judges at the header: what is
//! not masked, too large or against the rules is refused before a byte of it is kept. It also knows
//! what the decoder does not tell: how many frames came, and whether a message has begun and not
//! ended, so that one that never ends has a deadline.

use super::decode::Violation;

/// Opcodes (RFC 6455, 11.8).
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xA;

/// Reads the headers of a stream of frames from a client.
#[derive(Debug)]
pub(super) struct Scan {
    /// the header so far; no more than 14 bytes
    header: Vec<u8>,
    /// bytes of payload that are still to come
    payload: u64,
    /// payload so far of the fragmented message that is open
    open: Option<u64>,
    /// whole frames
    frames: u64,
    /// of those, pongs
    pongs: u64,
    /// the frame whose payload is to come is a pong
    is_pong: bool,
    /// messages that have begun, control frames between two messages among them
    begun: u64,
    /// bytes of one message, over all of its frames
    most: u64,
}

impl Scan {
    /// A scanner that lets messages of `most` bytes pass.
    pub(super) fn new(most: usize) -> Self {
        Self {
            header: Vec::with_capacity(14),
            payload: 0,
            open: None,
            frames: 0,
            pongs: 0,
            is_pong: false,
            begun: 0,
            most: u64::try_from(most).unwrap_or(u64::MAX),
        }
    }

    /// Whole frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// How many of them are no pongs.
    pub(super) fn frames_but_pongs(&self) -> u64 {
        self.frames.saturating_sub(self.pongs)
    }

    /// How many messages have begun. A control frame between two messages counts, one inside of a
    /// fragmented message does not: pings do not make a message that never ends a new one.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// A frame or a fragmented message has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.payload > 0 || !self.header.is_empty() || self.open.is_some()
    }

    /// Goes on by `bytes`. The number is how many of them the decoder may see: all, or those in
    /// front of the header that breaks a rule.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Option<Violation>) {
        let mut at = 0_usize;
        // Where the header that is being read began: nothing of a refused one is passed on.
        let mut passed = 0_usize;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.payload > 0 {
                let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(self.payload);
                self.payload = self.payload.saturating_sub(here);
                at = at.saturating_add(usize::try_from(here).unwrap_or(rest.len()));
                passed = at;
                if self.payload == 0 {
                    self.count();
                }
                continue;
            }
            let Some(byte) = rest.first() else { break };
            if self.header.is_empty() && self.open.is_none() {
                self.begun = self.begun.saturating_add(1);
            }
            self.header.push(*byte);
            at = at.saturating_add(1);
            match self.judge() {
                Ok(false) => {}
                Ok(true) => {
                    passed = at;
                    self.header.clear();
                    if self.payload == 0 {
                        self.count();
                    }
                }
                Err(violation) => return (passed, Some(violation)),
            }
        }
        (bytes.len(), None)
    }

    /// A frame is whole.
    fn count(&mut self) {
        self.frames = self.frames.saturating_add(1);
        self.pongs = self.pongs.saturating_add(u64::from(self.is_pong));
    }

    /// Looks at the header so far; `true` where it is whole, and then `payload` is its frame's.
    fn judge(&mut self) -> Result<bool, Violation> {
        let [first, second, length @ ..] = self.header.as_slice() else { return self.judge_first() };
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a client's frames must be masked"));
        }
        let is_control = first & 0x08 != 0;
        let extended = match second & 0x7f {
            126 | 127 if is_control => {
                return Err(Violation::Protocol("a control frame may have 125 bytes"));
            }
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(digits) = length.get(..extended) else { return Ok(false) };
        let long = digits.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let payload = match extended {
            0 => u64::from(second & 0x7f),
            // "The minimal number of bytes MUST be used to encode the length".
            2 if long < 126 => return Err(Violation::Protocol("a length is longer than it need be")),
            8 if long < 0x1_0000 => return Err(Violation::Protocol("a length is longer than it need be")),
            _ => long,
        };
        let whole = if is_control { payload } else { self.open.unwrap_or(0).saturating_add(payload) };
        if !is_control && whole > self.most {
            return Err(Violation::TooBig);
        }
        if length.len() < extended.saturating_add(4) {
            return Ok(false);
        }
        let is_final = first & 0x80 != 0;
        if !is_control {
            self.open = (!is_final).then_some(whole);
        }
        self.payload = payload;
        self.is_pong = first & 0x0f == PONG;
        Ok(true)
    }

    /// What the first byte alone says.
    fn judge_first(&self) -> Result<bool, Violation> {
        let Some(first) = self.header.first() else { return Ok(false) };
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        let is_final = first & 0x80 != 0;
        match first & 0x0f {
            CONTINUATION if self.open.is_none() => Err(Violation::Protocol("a continuation of nothing")),
            TEXT | BINARY if self.open.is_some() => {
                Err(Violation::Protocol("a message begins inside of another"))
            }
            CONTINUATION | TEXT | BINARY => Ok(false),
            CLOSE..=PONG if !is_final => Err(Violation::Protocol("a control frame is fragmented")),
            CLOSE..=PONG => Ok(false),
            _ => Err(Violation::Protocol("an opcode that is not known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` whole and byte by byte; both must say the same.
    fn scanned(bytes: &[u8]) -> (usize, Option<Violation>, u64, bool) {
        let mut whole = Scan::new(1000);
        let (passed, violation) = whole.advance(bytes);
        let mut slow = Scan::new(1000);
        let mut found = None;
        for byte in bytes {
            if let (_, Some(violation)) = slow.advance(&[*byte]) {
                found = Some(violation);
                break;
            }
        }
        assert_eq!(violation, found, "{bytes:?}");
        assert_eq!((whole.frames(), whole.is_inside()), (slow.frames(), slow.is_inside()));
        (passed, violation, whole.frames(), whole.is_inside())
    }

    #[test]
    fn a_frame_that_breaks_a_rule_is_refused_at_its_header() {
        let small = [0x81, 0x81, 0, 0, 0, 0, b'x'];
        for bad in [
            &[0x81, 0x01][..],                           // not masked
            &[0xc1],                                     // reserved bit
            &[0x80],                                     // continuation of nothing
            &[0x83],                                     // unknown data opcode
            &[0x8b],                                     // unknown control opcode
            &[0x09],                                     // fragmented ping
            &[0x89, 0xfe],                               // long ping
            &[0x82, 0xfe, 0, 125],                       // length not minimal
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], // the same
            &[0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0],    // over every limit
            &[0x82, 0xfe, 0x03, 0xe9],                   // 1001
            &[0x02, 0x80, 0, 0, 0, 0, 0x82],             // a message inside of another
        ] {
            let (_, violation, ..) = scanned(bad);
            assert!(violation.is_some(), "{bad:?}");
            let (passed, ..) = scanned(&[&small[..], bad].concat());
            assert!(passed >= small.len(), "what came before is passed on");
        }
        assert_eq!(scanned(&small), (7, None, 1, false));
    }

    #[test]
    fn a_message_is_open_until_its_last_frame_and_its_frames_count_together() {
        let half = |first: u8| [&[first, 0xfe, 0x02, 0x00, 1, 2, 3, 4][..], &[0; 512]].concat();
        assert_eq!(scanned(&half(0x01)), (520, None, 1, true));
        let two = [half(0x02), half(0x80)].concat();
        assert_eq!(scanned(&two).1, Some(Violation::TooBig));
        let ping_between = [&half(0x02)[..], &[0x89, 0x80, 0, 0, 0, 0], &[0x80, 0x80, 0, 0, 0, 0]].concat();
        assert_eq!(scanned(&ping_between), (532, None, 3, false));
        let mut scan = Scan::new(1000);
        scan.advance(&[0x8a, 0x81, 0, 0, 0, 0, b'x', 0x8a, 0x80, 0, 0, 0, 0]);
        assert_eq!((scan.frames(), scan.frames_but_pongs()), (2, 0));
        scan.advance(&[0x89, 0x81, 0, 0, 0, 0, b'x']);
        assert_eq!((scan.frames(), scan.frames_but_pongs()), (3, 1));
        let mut scan = Scan::new(1000);
        scan.advance(&ping_between);
        assert_eq!(scan.begun(), 1, "a ping inside of a message is not a message of its own");
        scan.advance(&[0x89]);
        assert_eq!(scan.begun(), 2);
        assert!(scanned(&[0x81]).3, "a header that has begun");
        assert!(scanned(&[0x81, 0x82, 0, 0, 0, 0, 1]).3, "a payload that has begun");
    }
}
