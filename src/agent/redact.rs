//! Replaces agent tokens in a stream of output, wherever the pieces break.
//!
//! Any text of a token's form is replaced: only the hash of the real one is kept, and a token of
//! another agent is no better to show. What may still become a token is held back, but only from
//! the first byte after the public prefix on, so that typing `lga_` is seen as it is typed. An
//! agent that wants to show its token can encode it: this guards against accidents.

use std::borrow::Cow;

use super::token;

/// What stands in a token's place.
const MASK: &[u8] = b"[agent token]";
const PREFIX: &[u8] = token::PREFIX.as_bytes();

/// Invariants: `digits` is empty unless the prefix has matched; `shown <= matched <= PREFIX.len()`.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// How much of the prefix has matched.
    matched: usize,
    /// How much of that has been passed on already.
    shown: usize,
    /// The hexadecimal digits after the prefix, held back.
    digits: Vec<u8>,
}

/// Whether a text may hold an agent token. Nearly every one does not, and need not be gone through byte by byte.
pub fn may_hold_token(text: &str) -> bool {
    text.contains(token::PREFIX)
}

/// A text with every agent token in it replaced.
pub fn redacted(text: &str) -> String {
    if !may_hold_token(text) {
        return text.to_owned();
    }
    let (mut redactor, mut out) = (Redactor::default(), Vec::new());
    redactor.push(text.as_bytes(), &mut out);
    redactor.finish(&mut out);
    // only whole runs of ASCII are replaced, so what was UTF-8 still is
    String::from_utf8_lossy(&out).into_owned()
}

/// A text that was cut, without what may be the begin of a token at its end.
pub fn without_begun(text: &str) -> &str {
    let begun = text.rfind(token::PREFIX).and_then(|at| text.split_at_checked(at));
    let is_begun = |rest: &str| {
        let digits = rest.as_bytes().get(PREFIX.len()..).unwrap_or_default();
        digits.len() < token::DIGITS && digits.iter().copied().all(is_digit)
    };
    begun.filter(|(_, rest)| is_begun(rest)).map_or(text, |(whole, _)| whole)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A line with every agent token in it replaced. Of one that was cut, what may be the begin of a token is
/// left out.
pub(super) fn of_line(line: &[u8], cut: bool) -> Cow<'_, [u8]> {
    if !line.windows(PREFIX.len()).any(|part| part == PREFIX) {
        return Cow::Borrowed(line);
    }
    let (mut redactor, mut out) = (Redactor::default(), Vec::with_capacity(line.len()));
    redactor.push(line, &mut out);
    if !cut {
        redactor.finish(&mut out);
    }
    Cow::Owned(out)
}

impl Redactor {
    /// Passes `input` on to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            if self.continues(byte) {
                if self.digits.len() == token::DIGITS {
                    out.extend_from_slice(MASK);
                    *self = Self::default();
                }
                continue;
            }
            // No byte but the first of the prefix can begin a token: what was held is none.
            self.finish(out);
            if PREFIX.first() == Some(&byte) {
                self.matched = 1;
            } else {
                out.push(byte);
            }
        }
        if self.digits.is_empty() {
            out.extend_from_slice(PREFIX.get(self.shown..self.matched).unwrap_or_default());
            self.shown = self.matched;
        }
    }

    /// Passes on what is held back: the stream has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(PREFIX.get(self.shown..self.matched).unwrap_or_default());
        out.append(&mut self.digits);
        *self = Self::default();
    }

    fn continues(&mut self, byte: u8) -> bool {
        if self.matched < PREFIX.len() {
            let fits = PREFIX.get(self.matched) == Some(&byte) && self.matched > 0;
            self.matched += usize::from(fits);
            fits
        } else {
            let fits = is_digit(byte);
            if fits {
                self.digits.push(byte);
            }
            fits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(pieces: &[&[u8]]) -> String {
        let (mut redactor, mut out) = (Redactor::default(), Vec::new());
        for piece in pieces {
            redactor.push(piece, &mut out);
        }
        redactor.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_token_is_replaced_wherever_the_output_breaks() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let text = format!("a {token} lga_ lga_12 x{token}{token}z");
        let clean = "a [agent token] lga_ lga_12 x[agent token][agent token]z";
        assert_eq!(redact(&[text.as_bytes()]), clean);
        assert_eq!(redact(&[format!("llga_{token}").as_bytes()]), "llga_[agent token]");
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            // A prefix that ended a piece was shown before the rest told what it was.
            let shown = ["lga_[", "lga[", "lg[", "l["];
            let seen = shown.iter().fold(redact(&[a, b]), |s, from| s.replace(from, "["));
            assert_eq!(seen, clean, "{cut}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert!(!redact(&bytes).contains("0123"));
    }

    #[test]
    fn no_line_shows_a_token_nor_the_begin_of_one_where_it_was_cut() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let line = format!("my token is {token}.");
        assert_eq!(&*of_line(line.as_bytes(), false), b"my token is [agent token].");
        let (begin, _) = line.as_bytes().split_at(30);
        assert_eq!(&*of_line(begin, false), begin);
        assert_eq!(&*of_line(begin, true), b"my token is ");
        assert!(matches!(of_line(b"lga is no prefix", true), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_that_was_cut_ends_in_no_part_of_a_token() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        for length in 4..token.len() {
            let text = format!("{token} and \u{e4}{}", &token[..length]);
            assert_eq!(without_begun(&text), format!("{token} and \u{e4}"), "{length}");
        }
        for whole in ["", "lg", "lga_12 ", "lga_12\u{e4}", "lga_x", &token, &format!("{token}a")] {
            assert_eq!(without_begun(whole), whole);
        }
    }

    #[test]
    fn what_is_no_token_passes_unchanged() {
        let short = format!("lga_{}g", "a".repeat(63));
        for text in ["", "lga", "lgalga_", "lga_LGA_", short.as_str(), "l\u{1b}[0mga_"] {
            assert_eq!(redact(&[text.as_bytes()]), text);
        }
    }

    #[test]
    fn the_public_prefix_alone_is_not_held_back() {
        let (mut redactor, mut out) = (Redactor::default(), Vec::new());
        redactor.push(b"$ lga_", &mut out);
        assert_eq!(out, b"$ lga_");
        redactor.push(b"1", &mut out);
        assert_eq!(out, b"$ lga_");
        redactor.push(b"\n", &mut out);
        assert_eq!(out, b"$ lga_1\n");
    }
}
