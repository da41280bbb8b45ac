//! The request head: a strict HTTP/1.1 parser that does no I/O (RFC 9112).
//!
//! Defends against request smuggling and header confusion by refusing whatever two readers could
//! read in two ways: bare CR or LF, folded lines, space before the colon, control bytes, any
//! Transfer-Encoding, a second copy of a header that matters. Everything is bounded by
//! [`crate::limits`]. Who may call is not decided here.

use std::{fmt, ops::Range};

use crate::limits;

mod error;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod line;
mod name;
mod scan;
#[cfg(test)]
mod tests;

pub use error::HeadError;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use line::{Method, Version};
pub use name::Name;
pub use scan::Scan;

use name::{NAMES, Twice};

/// A parsed head. Owns its bytes, so that the connection's buffer can go on.
pub struct Head {
    /// the head as it came; at most `limits::HEAD` bytes
    text: Box<[u8]>,
    method: Method,
    version: Version,
    /// path <= query start <= target end, all inside `text`, all visible ASCII
    path: Range<usize>,
    query: Option<Range<usize>>,
    /// where the value of the first copy of each known field stands in `text`
    values: [Option<(u16, u16)>; NAMES],
    several: [bool; NAMES],
    /// 0 <= content_length <= what `Head::parse_with` was told
    content_length: usize,
}

/// How often a field stands in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// Not there.
    Absent,
    /// Once: its value without surrounding white space. May hold bytes over 0x7F.
    One(&'a [u8]),
    /// More than once.
    Several,
}

impl Head {
    /// Parses one complete head, its final CRLF CRLF included, as [`Scan`] delimits it.
    pub fn parse(text: &[u8]) -> Result<Self, HeadError> {
        Self::parse_with(text, limits::BODY_LARGEST)
    }

    /// The same where bodies of up to `bodies` bytes are taken.
    pub fn parse_with(text: &[u8], bodies: usize) -> Result<Self, HeadError> {
        let body = text.strip_suffix(b"\r\n\r\n").ok_or(HeadError::Malformed("the head has no end"))?;
        if Scan::default().advance(text)? != Some(text.len()) {
            return Err(HeadError::Malformed("the head ends early"));
        }
        let line_end = line_length(body);
        let line = body.get(..line_end).unwrap_or_default();
        let (method, target, version) = line::request_line(line)?;
        let (path, query) = line::split_target(line, target)?;
        let mut head = Head {
            text: text.into(),
            method,
            version,
            path,
            query,
            values: [None; NAMES],
            several: [false; NAMES],
            content_length: 0,
        };
        let mut at = line_end + 2;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let len = line_length(rest);
            head.field(rest.get(..len).unwrap_or_default(), at)?;
            at += len + 2;
        }
        head.framing(bodies)?;
        Ok(head)
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path as sent: begins with `/`, never decoded.
    pub fn path(&self) -> &str {
        self.ascii(&self.path)
    }

    /// What follows the first `?`, as sent.
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|range| self.ascii(range))
    }

    /// One of the known fields.
    pub fn field_of(&self, name: Name) -> Field<'_> {
        let several = self.several.get(name as usize).copied().unwrap_or(false);
        match self.values.get(name as usize).copied().flatten() {
            _ if several => Field::Several,
            None => Field::Absent,
            Some((from, to)) => {
                Field::One(self.text.get(usize::from(from)..usize::from(to)).unwrap_or_default())
            }
        }
    }

    /// A known field's value where it stands exactly once and is UTF-8.
    pub fn text_of(&self, name: Name) -> Option<&str> {
        match self.field_of(name) {
            Field::One(value) => std::str::from_utf8(value).ok(),
            Field::Absent | Field::Several => None,
        }
    }

    /// Length of the body, at most what [`Head::parse_with`] was told; 0 without Content-Length.
    pub fn content_length(&self) -> usize {
        self.content_length
    }

    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11
            && self.content_length > 0
            && self.field_of(Name::Expect) != Field::Absent
    }

    /// Whether the connection ends after this request (RFC 9112, 9.3).
    pub fn wants_close(&self) -> bool {
        self.version == Version::Http10 || self.connection_lists("close")
    }

    /// Whether a Connection field lists `option`. Several Connection fields are one list.
    pub fn connection_lists(&self, option: &str) -> bool {
        match self.field_of(Name::Connection) {
            Field::Absent => false,
            Field::One(value) => lists(value, option),
            Field::Several => self
                .fields()
                .filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"))
                .any(|(_, value)| lists(value, option)),
        }
    }

    /// All fields in order: name as sent, value without surrounding white space.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.text.strip_suffix(b"\r\n\r\n").unwrap_or_default();
        rest = rest.get(line_length(rest) + 2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let end = line_length(rest);
            let line = rest.get(..end)?;
            rest = rest.get(end + 2..).unwrap_or_default();
            let colon = line.iter().position(|b| *b == b':')?;
            Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
        })
    }

    /// Method, path and version, for logs: never the query, which may hold a key.
    pub fn label(&self) -> String {
        format!("{} {}", self.method.as_str(), self.path())
    }

    fn ascii(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Checks one field line (RFC 9112, 5) that starts at `at`, and remembers it where known.
    fn field(&mut self, line: &[u8], at: usize) -> Result<(), HeadError> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(HeadError::Malformed("a header line is folded or begins with white space"));
        }
        let colon =
            line.iter().position(|b| *b == b':').ok_or(HeadError::Malformed("a header line has no colon"))?;
        let name = line.get(..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(HeadError::Malformed("a header name has a character that is not allowed"));
        }
        let Some((known, twice)) = Name::parse(name) else { return Ok(()) };
        let raw = line.get(colon + 1..).unwrap_or_default();
        let lead = raw.len() - raw.trim_ascii_start().len();
        let from = at + colon + 1 + lead;
        let to = from + raw.trim_ascii().len();
        let index = known as usize;
        let (Some(value), Some(several)) = (self.values.get_mut(index), self.several.get_mut(index)) else {
            return Ok(());
        };
        match (value.is_some(), twice) {
            (false, _) => {
                // The head is at most 16 KiB, so both fit.
                *value = Some((u16::try_from(from).unwrap_or(0), u16::try_from(to).unwrap_or(0)));
            }
            (true, Twice::Malformed) => {
                return Err(HeadError::Malformed("a header that may stand once stands twice"));
            }
            (true, Twice::Seen) => *several = true,
        }
        Ok(())
    }

    /// Decides the body's length (RFC 9112, 6.3): by Content-Length alone.
    fn framing(&mut self, bodies: usize) -> Result<(), HeadError> {
        if self.field_of(Name::TransferEncoding) != Field::Absent {
            return Err(HeadError::TransferEncoding);
        }
        if let Field::One(expect) = self.field_of(Name::Expect)
            && !expect.eq_ignore_ascii_case(b"100-continue")
        {
            return Err(HeadError::ExpectationUnknown);
        }
        let Field::One(digits) = self.field_of(Name::ContentLength) else { return Ok(()) };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Malformed("Content-Length is not a number"));
        }
        let length =
            std::str::from_utf8(digits).ok().filter(|d| d.len() <= 15).and_then(|d| d.parse::<usize>().ok());
        match length {
            Some(length) if length <= bodies => {
                self.content_length = length;
                Ok(())
            }
            Some(_) | None => Err(HeadError::BodyTooLarge),
        }
    }
}

/// Without the values of fields and the query: both may hold keys.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({})", self.label())
    }
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn lists(value: &[u8], option: &str) -> bool {
    value.split(|b| *b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

/// Length of the first line. Scanned text has no CR but that of a CRLF.
fn line_length(text: &[u8]) -> usize {
    text.iter().position(|b| *b == b'\r').unwrap_or(text.len())
}
