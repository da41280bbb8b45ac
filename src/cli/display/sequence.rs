//! The closed list of control sequences that may pass, read into meaning and written anew.
//!
//! Not on the list, among others: everything that makes a terminal answer (DA, DSR, DECRQM,
//! DECREQTPARM), window operations, media copy (printing), key and mouse reports, and erasing the
//! scrollback, which holds what was there before the agent.

/// Most parameters of one sequence.
const PARAMETERS: usize = 24;
/// Largest parameter; terminals have had trouble with larger ones.
const LARGEST: u16 = 9_999;

/// DEC private modes that may be set and reset, with whether a terminal usually has them on.
pub(super) const PRIVATE_MODES: [(u16, bool); 10] = [
    (1, false),    // application cursor keys
    (6, false),    // origin mode
    (7, true),     // auto-wrap
    (12, false),   // blinking cursor
    (25, true),    // cursor shown
    (47, false),   // alternate screen, three spellings
    (1047, false), // and with saving the cursor
    (1049, false),
    (2004, false), // bracketed paste
    (2026, false), // synchronised output
];

/// A sequence of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sequence {
    /// `CSI parameters final`, for cursor movement, erasing, scrolling, tabs, insert and delete
    Plain { parameters: Vec<u16>, last: u8 },
    /// `CSI ... m`: colours and weights; the text of its parameters, which may have sub-parameters
    Style(Vec<u8>),
    /// `CSI 4 h`, `CSI 4 l`: insert mode
    Insert(bool),
    /// `CSI ? modes h`, `CSI ? modes l`, of [`PRIVATE_MODES`] only
    Private { modes: Vec<u16>, on: bool },
    /// `CSI n SP q`: the cursor's shape
    CursorShape(u16),
    /// `CSI ! p`: soft reset
    SoftReset,
}

impl Sequence {
    /// Reads what stood between `CSI` and the final byte; `None` for what is not on the list.
    pub(super) fn read(body: &[u8], last: u8) -> Option<Self> {
        if let Some(modes) = body.strip_prefix(b"?") {
            return Self::private(modes, last);
        }
        match (body, last) {
            (b"!", b'p') => return Some(Self::SoftReset),
            (_, b'm') => return Self::style(body),
            (b"4", b'h' | b'l') => return Some(Self::Insert(last == b'h')),
            _ => {}
        }
        if let Some(shape) = body.strip_suffix(b" ") {
            let shape = parameters(shape)?.first().copied().unwrap_or(0);
            return (last == b'q' && shape <= 6).then_some(Self::CursorShape(shape));
        }
        let parameters = parameters(body)?;
        let first = parameters.first().copied().unwrap_or(0);
        let allowed = match last {
            b'H' | b'f' | b'r' => parameters.len() <= 2,
            b'A'..=b'I' | b'Z' | b'`' | b'a' | b'd' | b'e' => parameters.len() <= 1,
            b'@' | b'L' | b'M' | b'P' | b'S' | b'T' | b'X' | b'b' => parameters.len() <= 1,
            b'J' | b'K' => parameters.len() <= 1 && first <= 2,
            b'g' => parameters.len() <= 1 && matches!(first, 0 | 3),
            b's' | b'u' => parameters.is_empty(),
            _ => false,
        };
        allowed.then_some(Self::Plain { parameters, last })
    }

    fn private(modes: &[u8], last: u8) -> Option<Self> {
        let on = match last {
            b'h' => true,
            b'l' => false,
            _ => return None,
        };
        let mut modes = parameters(modes)?;
        modes.retain(|mode| PRIVATE_MODES.iter().any(|(listed, _)| listed == mode));
        (!modes.is_empty()).then_some(Self::Private { modes, on })
    }

    fn style(body: &[u8]) -> Option<Self> {
        let groups = body.split(|b| matches!(b, b';' | b':'));
        let sound =
            groups.clone().count() <= PARAMETERS && groups.clone().all(|group| number(group).is_some());
        sound.then(|| Self::Style(body.to_vec()))
    }

    /// The sequence's bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(b"\x1b[");
        match self {
            Self::Plain { parameters, last } => {
                join(parameters, out);
                out.push(*last);
            }
            Self::Style(body) => {
                out.extend(body);
                out.push(b'm');
            }
            Self::Insert(on) => out.extend(if *on { b"4h" } else { b"4l" }),
            Self::Private { modes, on } => {
                out.push(b'?');
                join(modes, out);
                out.push(if *on { b'h' } else { b'l' });
            }
            Self::CursorShape(shape) => {
                join(&[*shape], out);
                out.extend(b" q");
            }
            Self::SoftReset => out.extend(b"!p"),
        }
    }
}

/// Numbers with semicolons between them; none at all is an empty list.
fn parameters(body: &[u8]) -> Option<Vec<u16>> {
    if body.is_empty() {
        return Some(Vec::new());
    }
    let found: Vec<u16> = body.split(|b| *b == b';').map(number).collect::<Option<_>>()?;
    (found.len() <= PARAMETERS).then_some(found)
}

/// Digits; none at all means 0, as everywhere in these sequences.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 4 {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    match text {
        "" => Some(0),
        _ if !text.bytes().all(|b| b.is_ascii_digit()) => None,
        _ => text.parse().ok().filter(|n| *n <= LARGEST),
    }
}

fn join(numbers: &[u16], out: &mut Vec<u8>) {
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 {
            out.push(b';');
        }
        out.extend(number.to_string().bytes());
    }
}

/// Fails unless every byte is text, an allowed control, or part of a sequence of the list; a
/// reader of its own, without the filter's states.
#[cfg(any(fuzzing, test))]
pub(super) fn assert_only_listed(shown: &[u8]) {
    let Ok(text) = std::str::from_utf8(shown) else { panic!("not UTF-8") };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        rest = match c {
            '\n' | '\r' | '\t' | '\x07' | '\x08' => behind,
            '\x1b' => match behind.as_bytes() {
                [b'[', body @ ..] => {
                    let end = body.iter().position(|b| (0x40..=0x7e).contains(b));
                    let Some(end) = end else { panic!("an open sequence") };
                    assert!(Sequence::read(&body[..end], body[end]).is_some(), "{:?}", &body[..=end]);
                    &behind[end + 2..]
                }
                [b'(', b'B' | b'0', ..] => &behind[2..],
                [b'7' | b'8' | b'D' | b'E' | b'M' | b'=' | b'>', ..] => &behind[1..],
                other => panic!("ESC before {:?}", other.first()),
            },
            c => {
                assert!(!c.is_control() && !super::is_hidden(c), "{c:?}");
                behind
            }
        };
    }
}
