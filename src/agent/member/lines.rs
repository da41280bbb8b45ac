//! Splits a stream into lines, whatever comes.
//!
//! A line is bounded: the rest of a longer one is thrown away up to its newline, so that output without end
//! costs no more memory than one line.

/// Beyond this the room of a line is given back once it is over.
const KEPT: usize = 64 * 1024;

/// Follows one stream. Invariant: `held.len() <= most`; `cut` only when it is that long.
#[derive(Debug)]
pub struct Lines {
    most: usize,
    /// The line that has begun.
    held: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// Lines of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, held: Vec::new(), cut: false }
    }

    /// Takes the next piece; `line` is called for each line that ends in it, without its newline, and told
    /// whether it was cut.
    pub fn push(&mut self, mut input: &[u8], mut line: impl FnMut(&[u8], bool)) {
        while let Some(at) = input.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = input.split_at(at);
            input = rest.get(1..).unwrap_or_default();
            if self.held.is_empty() && head.len() <= self.most {
                line(head, false);
            } else {
                self.hold(head);
                self.end(&mut line);
            }
        }
        self.hold(input);
    }

    /// The stream is over: a line that has begun has ended.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8], bool)) {
        if !self.held.is_empty() {
            self.end(&mut line);
        }
    }

    fn hold(&mut self, part: &[u8]) {
        let room = self.most.saturating_sub(self.held.len());
        self.cut |= part.len() > room;
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8], bool)) {
        line(&self.held, self.cut);
        if self.held.capacity() > KEPT {
            self.held = Vec::new();
        }
        self.held.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut lines, mut seen) = (Lines::new(limits::AGENT_LINE), Vec::new());
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
        let mut lines = Lines::new(limits::AGENT_LINE);
        lines.push(&vec![b'x'; 10 * KEPT], |_, _| {});
        lines.push(b"\n", |_, _| {});
        assert_eq!(lines.held.capacity(), 0);
    }
}
