//! Whether the program in a terminal has bracketed paste on (DECSET 2004), read off its output.
//!
//! Of the escape sequences only those that set or reset private modes, and the full reset, mean
//! anything here. The state has a fixed size whatever the program prints.

/// What goes before and after pasted text.
pub(super) const BEGIN: &[u8] = b"\x1b[200~";
/// See [`BEGIN`].
pub(super) const END: &[u8] = b"\x1b[201~";

const MODE: u32 = 2004;

#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Text,
    Escape,
    /// After `ESC [`.
    Csi,
    /// Among the parameters of `ESC [ ?`.
    Private {
        number: u32,
        found: bool,
    },
    /// In a control sequence that means nothing here.
    Other,
}

/// Follows one terminal's output.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    at: At,
    on: bool,
}

impl Tracker {
    /// Whether it is on now.
    pub fn on(&self) -> bool {
        self.on
    }

    /// Takes the next piece of output.
    pub fn push(&mut self, output: &[u8]) {
        for &byte in output {
            self.at = self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (_, 0x1b) => At::Escape,
            // CAN and SUB end any sequence.
            (_, 0x18 | 0x1a) | (At::Text, _) => At::Text,
            (At::Escape, b'[') => At::Csi,
            (At::Escape, _) => {
                self.on &= byte != b'c';
                At::Text
            }
            // Other control characters act at once, inside of a sequence too.
            (at, 0x00..=0x1f) => at,
            (At::Csi, b'?') => At::Private { number: 0, found: false },
            (At::Private { number, found }, b'0'..=b'9') => {
                let number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                At::Private { number, found }
            }
            (At::Private { number, found }, b';') => {
                At::Private { number: 0, found: found || number == MODE }
            }
            (At::Private { number, found }, b'h' | b'l') => {
                if found || number == MODE {
                    self.on = byte == b'h';
                }
                At::Text
            }
            (At::Csi | At::Private { .. } | At::Other, 0x40..=0x7e) => At::Text,
            (At::Csi | At::Private { .. } | At::Other, _) => At::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_after(pieces: &[&str]) -> bool {
        let mut tracker = Tracker::default();
        pieces.iter().for_each(|piece| tracker.push(piece.as_bytes()));
        tracker.on()
    }

    #[test]
    fn bracketed_paste_is_followed_through_any_split() {
        assert!(on_after(&["$ \x1b[?2004h"]));
        assert!(on_after(&["\x1b[?1049;2004;25h text"]));
        assert!(on_after(&["\x1b", "[", "?", "20", "04", "h"]));
        assert!(!on_after(&["\x1b[?2004h", "\x1b[?2004l"]));
        assert!(!on_after(&["\x1b[?2004h", "\x1bc"]));
    }

    #[test]
    fn what_only_resembles_it_changes_nothing() {
        for text in [
            "[?2004h",
            "\x1b[2004h",
            "\x1b[?20041h",
            "\x1b[?2004$h",
            "\x1b[?2004\x18h",
            "\x1b[?4294969300h",
            "\x1b]?2004h",
        ] {
            assert!(!on_after(&[text]), "{text:?}");
        }
        assert!(on_after(&["\x1b[?2004h\x1b[2004l\x1b[?25l\x1b[0m"]));
    }
}
