//! Lines out of a terminal: what a program shows, as text that stays.
//!
//! A terminal has no lines, it has a screen: a program may write anywhere on it, and over what stands there.
//! Here a carriage return begins the line anew, as a progress bar means it, and whatever moves to another row ends
//! it. That is what a log wants of a program that prints, and about as much as it can have of one that
//! paints. Sans-IO and bounded; the same however the bytes are cut.

use crate::limits;

/// Follows one terminal's output.
#[derive(Debug, Default)]
pub struct Screen {
    state: State,
    /// the line that has begun, at most [`limits::LOG_TEXT`] bytes
    line: Vec<u8>,
    /// it was longer
    cut: bool,
    /// the next character begins the line anew
    returned: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// behind ESC
    Escape,
    /// behind ESC and an intermediate byte
    Intermediate,
    /// in a control sequence; the number that it begins with
    Sequence(u32),
    /// in OSC, DCS, SOS, PM or APC, which BEL, CAN or ESC end
    String,
}

impl Screen {
    /// Takes the next bytes; `line` is called for each line that ends in them, and told whether it was cut.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        for byte in bytes {
            self.byte(*byte, &mut line);
        }
    }

    /// Nothing more comes for now: what stands there is a line, a prompt say.
    pub fn rest(&mut self, mut line: impl FnMut(&[u8], bool)) {
        self.end(&mut line);
    }

    fn byte(&mut self, byte: u8, line: &mut impl FnMut(&[u8], bool)) {
        match (byte, self.state) {
            (0x1b, _) => self.state = State::Escape,
            (0x18 | 0x1a, _) | (0x07, State::String) => self.state = State::Text,
            (_, State::String) => {}
            // A control inside a sequence is carried out, and the sequence goes on.
            (b'\n' | 0x0b | 0x0c, _) => self.end(line),
            (b'\r', _) => self.returned = true,
            (0x08, _) => self.back(),
            (0..0x20, State::Text) if byte != b'\t' => {}
            (0..0x20 | 0x7f, State::Escape | State::Intermediate | State::Sequence(_)) => {}
            (_, State::Text) => self.show(byte),
            (_, State::Escape) => self.escape(byte, line),
            (0x30..=0x7e, State::Intermediate) => self.state = State::Text,
            (_, State::Intermediate) => {}
            (b'0'..=b'9', State::Sequence(number)) => {
                let digit = u32::from(byte.wrapping_sub(b'0'));
                self.state = State::Sequence(number.saturating_mul(10).saturating_add(digit));
            }
            (0x40..=0x7e, State::Sequence(number)) => {
                self.state = State::Text;
                self.sequence(byte, number, line);
            }
            (_, State::Sequence(_)) => {}
        }
    }

    fn escape(&mut self, byte: u8, line: &mut impl FnMut(&[u8], bool)) {
        self.state = match byte {
            b'[' => State::Sequence(0),
            b']' | b'P' | b'X' | b'^' | b'_' => State::String,
            0x20..=0x2f => State::Intermediate,
            _ => State::Text,
        };
        // Index, next line, reverse index, reset.
        if matches!(byte, b'D' | b'E' | b'M' | b'c') {
            self.end(line);
        }
    }

    fn sequence(&mut self, last: u8, number: u32, line: &mut impl FnMut(&[u8], bool)) {
        match last {
            // Another row, or all of them.
            b'A' | b'B' | b'E' | b'F' | b'H' | b'f' | b'd' | b'J' | b'S' | b'T' => self.end(line),
            // Forward: there is a gap.
            b'C' => self.show(b' '),
            b'G' | b'`' if number <= 1 => self.returned = true,
            b'G' | b'`' => self.show(b' '),
            // The whole line is erased.
            b'K' if number == 2 => (self.line, self.cut) = (Vec::new(), false),
            _ => {}
        }
    }

    fn show(&mut self, byte: u8) {
        if std::mem::take(&mut self.returned) {
            self.line.clear();
            self.cut = false;
        }
        if self.line.len() < limits::LOG_TEXT {
            self.line.push(byte);
        } else {
            self.cut = true;
        }
    }

    /// One character back: the next one is written over it.
    fn back(&mut self) {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                return;
            }
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8], bool)) {
        if !self.line.iter().all(u8::is_ascii_whitespace) {
            line(&self.line, self.cut);
        }
        self.line.clear();
        self.line.shrink_to(KEPT);
        (self.cut, self.returned) = (false, false);
    }
}

/// Beyond this the room of a line is given back once it is over.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let (mut screen, mut lines) = (Screen::default(), Vec::new());
        let mut add = |line: &[u8], _| lines.push(String::from_utf8_lossy(line).into_owned());
        screen.push(bytes, &mut add);
        screen.rest(&mut add);
        lines
    }

    #[test]
    fn what_a_terminal_shows_comes_as_lines_without_its_sequences() {
        for (bytes, wanted) in [
            ("one\r\ntwo\r\n", vec!["one", "two"]),
            ("\x1b[1;31mred\x1b[0m text\r\n", vec!["red text"]),
            ("10%\r50%\r100%\r\n", vec!["100%"]),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\n", vec!["alink"]),
            ("\x1b[2;1Hone\x1b[3;1Htwo\x1b[5Cthree", vec!["one", "two three"]),
            ("abd\x08c\n", vec!["abc"]),
            ("gone\x1b[2Khere\n", vec!["here"]),
            ("\x1b(0qq\x1b(B\n \t\n\x1b[?25l$ ", vec!["qq", "$"]),
            ("a\x00\x0eb\x1b[38;2;1;2;3m\u{4e2d}\u{6587}\x08\x7f\n", vec!["ab\u{4e2d}\x7f"]),
            ("never \x1b]0;ended\n still\x18shown\n", vec!["never shown"]),
        ] {
            let shown: Vec<String> =
                lines(bytes.as_bytes()).iter().map(|line| line.trim_end().to_owned()).collect();
            assert_eq!(shown, wanted, "{bytes:?}");
        }
    }

    #[test]
    fn any_cut_of_a_terminals_output_gives_the_same_lines() {
        let bytes = "x\x1b[1;31m\u{6f22}\r\n\x1b]52;c;AA\x07\x1b[2Jy\x1bP1$q\x1b\\z\x1b[3;4Hend\x08\x08\r!"
            .as_bytes();
        let whole = lines(bytes);
        for at in 0..=bytes.len() {
            let (mut screen, mut parts) = (Screen::default(), Vec::new());
            let mut add = |line: &[u8], _| parts.push(String::from_utf8_lossy(line).into_owned());
            screen.push(&bytes[..at], &mut add);
            screen.push(&bytes[at..], &mut add);
            screen.rest(&mut add);
            assert_eq!(parts, whole, "{at}");
        }
    }

    #[test]
    fn a_line_of_a_terminal_that_never_ends_is_bounded() {
        let mut screen = Screen::default();
        let mut found = Vec::new();
        for _ in 0..limits::LOG_TEXT / 1_000 + 2 {
            screen.push(&[b'x'; 1_000], |_, _| {});
            screen.push(b"\x1b]0;", |_, _| {});
            screen.push(&[b'y'; 1_000], |_, _| {});
            screen.push(b"\x07\x1b[", |_, _| {});
            screen.push(&[b'9'; 1_000], |_, _| {});
            screen.push(b"m", |_, _| {});
        }
        screen.push(b"\n", |line, cut| found.push((line.len(), cut)));
        assert_eq!(found, [(limits::LOG_TEXT, true)]);
        assert!(screen.line.capacity() <= KEPT);
    }
}
