//! Splits one stream of a member's output into lines, whatever it prints.
//!
//! Bounded by [`limits::AGENT_LINE`]: the rest of a longer line is thrown away up to its newline, so that
//! output without end costs no more memory than one line. Agent tokens are replaced.

use std::borrow::Cow;

use crate::{agent::redact, limits};

/// Beyond this the room of a line is given back once it is over.
const KEPT: usize = 64 * 1024;

/// The line that has begun. Invariant: `held.len() <= limits::AGENT_LINE`; `cut` only when it is that long.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Takes the next piece of output; `line` is called for each line that ends in it.
    pub fn push(&mut self, mut input: &[u8], mut line: impl FnMut(&[u8], bool)) {
        while let Some(at) = input.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = input.split_at(at);
            input = rest.get(1..).unwrap_or_default();
            if self.held.is_empty() && head.len() <= limits::AGENT_LINE {
                line(&clean(head, false), false);
            } else {
                self.hold(head);
                self.end(&mut line);
            }
        }
        self.hold(input);
    }

    /// The output is over: a line that has begun has ended.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8], bool)) {
        if !self.held.is_empty() {
            self.end(&mut line);
        }
    }

    fn hold(&mut self, part: &[u8]) {
        let room = limits::AGENT_LINE.saturating_sub(self.held.len());
        self.cut |= part.len() > room;
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8], bool)) {
        line(&clean(&self.held, self.cut), self.cut);
        if self.held.capacity() > KEPT {
            self.held = Vec::new();
        }
        self.held.clear();
        self.cut = false;
    }
}

/// The line without agent tokens, and without the part of one at the end of a line that was cut.
fn clean(line: &[u8], cut: bool) -> Cow<'_, [u8]> {
    redact::of_line(line, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, |line, cut| seen.push((line.to_vec(), cut)));
            assert!(lines.held.len() <= limits::AGENT_LINE);
        }
        lines.finish(|line, cut| seen.push((line.to_vec(), cut)));
        seen
    }

    #[test]
    fn lines_are_found_wherever_the_output_breaks() {
        let text = b"one\n\ntwo\r\nthree";
        let whole = [&b"one"[..], b"", b"two\r", b"three"].map(|line| (line.to_vec(), false));
        assert_eq!(lines(&[text]), whole);
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            assert_eq!(lines(&[a, b]), whole, "{at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), whole);
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"\n"]), [(Vec::new(), false)]);
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_next_is_whole() {
        let long = vec![b'x'; limits::AGENT_LINE];
        let piece = vec![b'y'; 100_000];
        let seen = lines(&[&long, b"\nshort\n", &long, &piece, &piece, b"z\nnext\n", &long, b"y"]);
        let lengths: Vec<_> = seen.iter().map(|(line, cut)| (line.len(), *cut)).collect();
        let most = limits::AGENT_LINE;
        assert_eq!(lengths, [(most, false), (5, false), (most, true), (4, false), (most, true)]);
        assert!(seen.iter().all(|(line, _)| !line.contains(&b'y')));
        let at_once = [&long[..], b"y\nnext\n"].concat();
        assert_eq!(lines(&[&at_once]), [(long, true), (b"next".to_vec(), false)]);
    }

    #[test]
    fn a_lines_room_is_given_back() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; 10 * KEPT], |_, _| {});
        lines.push(b"\n", |_, _| {});
        assert_eq!(lines.held.capacity(), 0);
    }

    #[test]
    fn no_line_shows_a_token_nor_the_begin_of_one_where_it_was_cut() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let line = format!("my token is {token}.\n");
        assert_eq!(lines(&[line.as_bytes()]), [(b"my token is [agent token].".to_vec(), false)]);
        let (a, b) = line.as_bytes().split_at(30);
        assert_eq!(lines(&[a, b]), [(b"my token is [agent token].".to_vec(), false)]);
        let long = format!("{}{token}\n", "x".repeat(limits::AGENT_LINE - 40));
        let seen = lines(&[long.as_bytes()]);
        assert!(seen[0].1 && !seen[0].0.windows(8).any(|part| part == b"01234567"));
    }
}
