//! What an agent has changed about the terminal, so that leaving can undo it.

use super::sequence::{PRIVATE_MODES, Sequence};

/// What is not as a terminal usually is.
#[derive(Debug, Default)]
pub(super) struct Modes {
    /// of [`PRIVATE_MODES`], those that are the other way round; no mode twice
    turned: Vec<u16>,
    insert: bool,
    keypad: bool,
    line_drawing: bool,
    cursor_shape: bool,
    region: bool,
    style: bool,
}

impl Modes {
    /// Notes what a sequence that was let through does.
    pub(super) fn note(&mut self, sequence: &Sequence) {
        match sequence {
            Sequence::Private { modes, on } => {
                for mode in modes {
                    let usual = PRIVATE_MODES.iter().any(|(listed, usual)| listed == mode && *usual);
                    self.turned.retain(|turned| turned != mode);
                    if usual != *on {
                        self.turned.push(*mode);
                    }
                }
            }
            Sequence::Insert(on) => self.insert = *on,
            Sequence::CursorShape(shape) => self.cursor_shape = *shape != 0,
            Sequence::Style(body) => self.style = !matches!(body.as_slice(), b"" | b"0"),
            Sequence::Plain { last: b'r', parameters } => self.region = !parameters.is_empty(),
            Sequence::Plain { .. } | Sequence::SoftReset => {}
        }
    }

    /// `ESC =` and `ESC >`.
    pub(super) fn note_keypad(&mut self, byte: u8) {
        match byte {
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            _ => {}
        }
    }

    /// `ESC ( 0` and `ESC ( B`.
    pub(super) fn note_charset(&mut self, byte: u8) {
        self.line_drawing = byte == b'0';
    }

    /// The bytes that undo it all; none where there is nothing to undo.
    pub(super) fn undo(self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.region {
            // setting the region moves the cursor: save it around
            out.extend(b"\x1b7\x1b[r\x1b8");
        }
        if self.line_drawing {
            out.extend(b"\x1b(B");
        }
        if self.insert {
            out.extend(b"\x1b[4l");
        }
        if self.keypad {
            out.extend(b"\x1b>");
        }
        if self.cursor_shape {
            out.extend(b"\x1b[0 q");
        }
        for mode in &self.turned {
            let usual = PRIVATE_MODES.iter().any(|(listed, usual)| listed == mode && *usual);
            Sequence::Private { modes: vec![*mode], on: usual }.write(&mut out);
        }
        if self.style {
            out.extend(b"\x1b[0m");
        }
        out
    }
}
