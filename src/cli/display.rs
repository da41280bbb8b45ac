//! The display filter: what may reach a person's terminal of bytes that came from somewhere else.
//!
//! An agent's output is read by the owner's terminal, and a terminal obeys: it sets its title and
//! the clipboard, answers questions by typing, reports, prints, reprograms keys. Here a terminal's
//! own parser (the states of ECMA-48) reads the bytes, and only printable text, a few controls and
//! a closed list of sequences come out, each written anew. All else is dropped, with characters
//! that have no width or turn the reading direction. Sans-IO and bounded: bytes in, bytes out, the
//! same however the input is cut.

use serde_json::Value;

mod modes;
mod sequence;

use modes::Modes;
use sequence::Sequence;

/// Longest control sequence that is understood; a longer one is dropped whole.
const SEQUENCE: usize = 64;

/// Stands where something was that cannot be shown.
const REPLACEMENT: char = '\u{fffd}';

/// A filter for a stream of terminal output.
#[derive(Debug)]
pub struct Filter {
    state: State,
    /// bytes of a character that is not complete: at most 4
    character: Vec<u8>,
    modes: Modes,
}

/// Where in the stream the next byte stands.
#[derive(Debug)]
enum State {
    /// plain text
    Ground,
    /// behind ESC
    Escape,
    /// behind ESC and this intermediate byte; `None` where there were more
    Intermediate(Option<u8>),
    /// inside a control sequence: its bytes so far, at most [`SEQUENCE`]
    Sequence(Vec<u8>),
    /// inside a control sequence that is too long
    Overlong,
    /// inside OSC, which BEL ends too
    Command,
    /// inside DCS, SOS, PM or APC
    Text,
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter {
    /// A filter in front of a terminal in its usual state.
    pub fn new() -> Self {
        Self { state: State::Ground, character: Vec::new(), modes: Modes::default() }
    }

    /// Filters more of the stream; what may be shown is added to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// Bytes are missing before the next ones: what had begun will not be continued.
    pub fn skip(&mut self) {
        self.state = State::Ground;
        self.character.clear();
    }

    /// What brings the terminal back to its usual state, after whatever was let through.
    pub fn leave(&mut self) -> Vec<u8> {
        self.skip();
        std::mem::take(&mut self.modes).undo()
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.character.is_empty() || (byte >= 0x80 && !self.in_string()) {
            return self.part_of_character(byte, out);
        }
        match byte {
            // these three are obeyed in every state
            0x1b => self.state = State::Escape,
            0x18 | 0x1a => self.state = State::Ground,
            _ => self.in_state(byte, out),
        }
    }

    fn in_state(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_control = byte < 0x20 || byte == 0x7f;
        match &mut self.state {
            State::Command => {
                if byte == 0x07 {
                    self.state = State::Ground;
                }
            }
            State::Text => {}
            // a control inside a sequence is carried out, and the sequence goes on
            _ if is_control => {
                if matches!(byte, b'\n' | b'\r' | b'\t' | 0x07 | 0x08) {
                    out.push(byte);
                }
            }
            State::Ground => out.push(byte),
            State::Escape => self.escape(byte, out),
            State::Intermediate(intermediate) => match byte {
                0x20..=0x2f => *intermediate = None,
                _ => {
                    let intermediate = *intermediate;
                    self.state = State::Ground;
                    self.charset(intermediate, byte, out);
                }
            },
            State::Sequence(so_far) => match byte {
                0x40..=0x7e => {
                    let sequence = Sequence::read(so_far, byte);
                    self.state = State::Ground;
                    if let Some(sequence) = sequence {
                        self.modes.note(&sequence);
                        sequence.write(out);
                    }
                }
                _ if so_far.len() < SEQUENCE => so_far.push(byte),
                _ => self.state = State::Overlong,
            },
            State::Overlong => {
                if (0x40..=0x7e).contains(&byte) {
                    self.state = State::Ground;
                }
            }
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match byte {
            b'[' => State::Sequence(Vec::new()),
            b']' => State::Command,
            b'P' | b'X' | b'^' | b'_' => State::Text,
            0x20..=0x2f => State::Intermediate(Some(byte)),
            _ => State::Ground,
        };
        // save and restore the cursor; index, next line, reverse index; keypad modes
        if matches!(byte, b'7' | b'8' | b'D' | b'E' | b'M' | b'=' | b'>') {
            out.extend([0x1b, byte]);
            self.modes.note_keypad(byte);
        }
    }

    /// ASCII or the line-drawing set into G0; programs draw boxes with it.
    fn charset(&mut self, intermediate: Option<u8>, byte: u8, out: &mut Vec<u8>) {
        if intermediate == Some(b'(') && matches!(byte, b'B' | b'0') {
            out.extend([0x1b, b'(', byte]);
            self.modes.note_charset(byte);
        }
    }

    /// In a string nothing is shown, so its bytes need no decoding; a terminal that reads UTF-8
    /// ends a string by no byte above 0x7f.
    fn in_string(&self) -> bool {
        matches!(self.state, State::Command | State::Text)
    }

    fn part_of_character(&mut self, byte: u8, out: &mut Vec<u8>) {
        // a character is no part of a sequence: it ends one that has begun
        self.state = State::Ground;
        self.character.push(byte);
        match std::str::from_utf8(&self.character) {
            Ok(text) => {
                if let Some(shown) = text.chars().next().filter(|c| !is_hidden(*c)) {
                    push(out, shown);
                }
                self.character.clear();
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                // all but the last byte were a beginning that never became a character
                let alone = self.character.len() == 1;
                self.character.clear();
                push(out, REPLACEMENT);
                if !alone {
                    self.byte(byte, out);
                }
            }
        }
    }
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Whether a character must not reach a person's terminal: C1 controls, what turns the reading
/// direction, and what takes no room and so hides in a text.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'                      // soft hyphen
        | '\u{34f}'                     // combining grapheme joiner
        | '\u{61c}'                     // Arabic letter mark
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers
        | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'       // Mongolian selectors and vowel separator
        | '\u{200b}'..='\u{200f}'       // zero width space, joiners, direction marks
        | '\u{2028}'..='\u{202e}'       // line and paragraph separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}'       // word joiner, invisible operators, isolates
        | '\u{feff}'                    // byte order mark
        | '\u{fff0}'..='\u{fffb}'       // unassigned specials, interlinear annotation
        | '\u{1d173}'..='\u{1d17a}'     // musical format characters
        | '\u{e0000}'..='\u{e0fff}'     // tags and supplementary selectors
    )
}

/// A name or a message as one line: no control at all, nothing hidden; each such character is
/// shown as U+FFFD, so that a reader sees that something was there.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_hidden(c) { REPLACEMENT } else { c }).collect()
}

/// JSON for a person and a program alike: what [`line()`] would replace is written as an escape,
/// which means the same to a reader of JSON.
pub fn json(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // line feeds of the layout; inside of texts they are escaped already
        if c != '\n' && (c.is_control() || is_hidden(c)) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The same on one line, for one value of many.
pub fn json_line(value: &Value) -> String {
    escaped(&value.to_string())
}

/// What comes out is text, the five controls and listed sequences; it is the same however the
/// input is cut; it changes no more when filtered again; memory is bounded.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    let mut filter = Filter::new();
    let mut whole = Vec::new();
    filter.feed(bytes, &mut whole);
    assert!(filter.character.len() < 4);
    if let State::Sequence(so_far) = &filter.state {
        assert!(so_far.len() <= SEQUENCE);
    }
    // a sequence never grows by more than its own length: `\x1b[m` and the like are the shortest
    assert!(whole.len() <= bytes.len().saturating_mul(3));

    let mut cut = Filter::new();
    let mut parts = Vec::new();
    let size = usize::from(bytes.first().copied().unwrap_or(1) % 7).saturating_add(1);
    for part in bytes.chunks(size) {
        cut.feed(part, &mut parts);
    }
    assert_eq!(whole, parts);

    let mut again = Vec::new();
    Filter::new().feed(&whole, &mut again);
    assert_eq!(whole, again);

    whole.extend(filter.leave());
    sequence::assert_only_listed(&whole);
    let shown = line(&String::from_utf8_lossy(bytes));
    assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)));
}

#[cfg(test)]
mod tests;
