//! The request head: a strict HTTP/1.1 parser that does no I/O (RFC 9112).
//!
//! Defends against request smuggling and header confusion by refusing whatever two readers could
//! read in two ways: bare CR or LF, folded lines, space before the colon, control bytes, any
//! Transfer-Encoding, a second copy of a header that matters. Everything is bounded by
//! [`crate::limits`]. Who may call is not decided here.

use std::ops::Range;

use crate::limits;

/// A method that some route may take; every other token is answered 501 (RFC 9110, 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

impl Method {
    /// The method's token.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }

    fn parse(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            _ => return None,
        })
    }
}

/// The protocol version; a 1.0 peer gets its answer and the end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The header fields that somebody in the program reads. Others are checked and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // each variant is the field it is named after
pub enum Name {
    Host,
    ContentLength,
    ContentType,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Origin,
    SecFetchSite,
    SecFetchMode,
    SecFetchDest,
    Authorization,
    AuthKey,
    RequestMethod,
    RequestHeaders,
    WebSocketKey,
    WebSocketVersion,
    WebSocketProtocol,
    WebSocketExtensions,
    Accept,
}

const NAMES: usize = 20;

/// What a second copy of a field means.
enum Twice {
    /// The head is refused: 400.
    Malformed,
    /// Left to the reader, who sees [`Field::Several`] (a credential: 401; a list: all are read).
    Seen,
}

impl Name {
    fn parse(name: &[u8]) -> Option<(Self, Twice)> {
        const TABLE: [(&str, Name, Twice); NAMES] = [
            ("host", Name::Host, Twice::Malformed),
            ("content-length", Name::ContentLength, Twice::Malformed),
            ("content-type", Name::ContentType, Twice::Malformed),
            ("transfer-encoding", Name::TransferEncoding, Twice::Seen),
            ("connection", Name::Connection, Twice::Seen),
            ("expect", Name::Expect, Twice::Malformed),
            ("upgrade", Name::Upgrade, Twice::Malformed),
            ("origin", Name::Origin, Twice::Malformed),
            ("sec-fetch-site", Name::SecFetchSite, Twice::Malformed),
            ("sec-fetch-mode", Name::SecFetchMode, Twice::Malformed),
            ("sec-fetch-dest", Name::SecFetchDest, Twice::Malformed),
            ("authorization", Name::Authorization, Twice::Seen),
            ("x-authkey", Name::AuthKey, Twice::Seen),
            ("access-control-request-method", Name::RequestMethod, Twice::Malformed),
            ("access-control-request-headers", Name::RequestHeaders, Twice::Malformed),
            ("sec-websocket-key", Name::WebSocketKey, Twice::Malformed),
            ("sec-websocket-version", Name::WebSocketVersion, Twice::Malformed),
            ("sec-websocket-protocol", Name::WebSocketProtocol, Twice::Malformed),
            ("sec-websocket-extensions", Name::WebSocketExtensions, Twice::Malformed),
            ("accept", Name::Accept, Twice::Seen),
        ];
        TABLE
            .into_iter()
            .find(|(text, _, _)| name.eq_ignore_ascii_case(text.as_bytes()))
            .map(|(_, name, twice)| (name, twice))
    }
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

/// Why a head is refused. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// 400: the sender broke the grammar; the sentence says where.
    Malformed(&'static str),
    /// 413: the declared body is over [`limits::BODY_LARGEST`].
    BodyTooLarge,
    /// 414: the request line is over [`limits::REQUEST_LINE`].
    RequestLineTooLong,
    /// 417: an Expect other than 100-continue.
    ExpectationUnknown,
    /// 431: the head is over [`limits::HEAD`].
    TooLarge,
    /// 431: more fields than [`limits::HEADERS`].
    TooManyFields,
    /// 501: a method that no route takes.
    MethodUnknown,
    /// 501: a Transfer-Encoding, in any form.
    TransferEncoding,
    /// 505: a version other than 1.0 and 1.1.
    VersionUnknown,
}

impl HeadError {
    /// Status, stable code and sentence of the answer.
    pub fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            HeadError::Malformed(what) => (400, "malformed_request", what),
            HeadError::BodyTooLarge => (413, "body_too_large", "the body is larger than any route takes"),
            HeadError::RequestLineTooLong => {
                (414, "request_line_too_long", "the request line is longer than 4096 bytes")
            }
            HeadError::ExpectationUnknown => {
                (417, "expectation_unknown", "only Expect: 100-continue is understood")
            }
            HeadError::TooLarge => (431, "head_too_large", "the request head is longer than 16384 bytes"),
            HeadError::TooManyFields => {
                (431, "too_many_headers", "the request has more than 64 header fields")
            }
            HeadError::MethodUnknown => (501, "method_unknown", "this method is not implemented"),
            HeadError::TransferEncoding => {
                (501, "transfer_encoding", "Transfer-Encoding is not accepted, send Content-Length")
            }
            HeadError::VersionUnknown => (505, "version_unknown", "only HTTP/1.1 and HTTP/1.0 are spoken"),
        }
    }
}

/// Finds the end of a head in bytes that arrive piece by piece, and refuses what can be refused
/// before the end is there. Every byte is looked at once.
#[derive(Debug, Default)]
pub struct Scan {
    /// 0 <= seen <= bytes given so far
    seen: usize,
    /// start of the line that `seen` is in; line_start <= seen
    line_start: usize,
    /// complete lines before `line_start`, the request line among them
    lines: usize,
}

impl Scan {
    /// Looks at the bytes of `buf` that are new since the last call; `buf` only ever grows at its
    /// end. `Some(n)`: the head is `buf[..n]`, its last four bytes CRLF CRLF.
    pub fn advance(&mut self, buf: &[u8]) -> Result<Option<usize>, HeadError> {
        while let Some(&byte) = buf.get(self.seen) {
            if self.seen >= limits::HEAD {
                return Err(HeadError::TooLarge);
            }
            if self.lines == 0 && self.seen >= limits::REQUEST_LINE {
                return Err(HeadError::RequestLineTooLong);
            }
            let after_cr = self.seen > self.line_start && buf.get(self.seen.wrapping_sub(1)) == Some(&b'\r');
            match byte {
                b'\n' if !after_cr => return Err(HeadError::Malformed("a line ends in LF without CR")),
                _ if byte != b'\n' && after_cr => return Err(HeadError::Malformed("a CR stands without LF")),
                b'\n' => {
                    let empty = self.seen == self.line_start + 1;
                    self.seen += 1;
                    if empty && self.lines == 0 {
                        return Err(HeadError::Malformed("an empty line stands before the request line"));
                    }
                    if empty {
                        return Ok(Some(self.seen));
                    }
                    self.lines += 1;
                    self.line_start = self.seen;
                    continue;
                }
                b'\r' | b'\t' | b' '..=b'~' | 0x80..=0xff => {}
                0..=0x1f | 0x7f => return Err(HeadError::Malformed("a control byte stands in the head")),
            }
            // A field line has begun, so a field too many is there whatever it will say.
            if self.lines > limits::HEADERS && byte != b'\r' {
                return Err(HeadError::TooManyFields);
            }
            self.seen += 1;
        }
        Ok(None)
    }
}

/// A parsed head. Owns its bytes, so that the connection's buffer can go on.
#[derive(Debug)]
pub struct Head {
    text: Box<[u8]>,
    method: Method,
    version: Version,
    /// path <= query start <= target end, all inside `text`, all visible ASCII
    path: Range<usize>,
    query: Option<Range<usize>>,
    /// value of the first copy of each known field
    values: [Option<(u16, u16)>; NAMES],
    several: [bool; NAMES],
    content_length: usize,
}

impl Head {
    /// Parses one complete head, its final CRLF CRLF included, as [`Scan`] delimits it.
    pub fn parse(text: &[u8]) -> Result<Self, HeadError> {
        let body = text.strip_suffix(b"\r\n\r\n").ok_or(HeadError::Malformed("the head has no end"))?;
        if Scan::default().advance(text)? != Some(text.len()) {
            return Err(HeadError::Malformed("the head ends early"));
        }
        let line_end = find(body, b"\r\n").unwrap_or(body.len());
        let line = body.get(..line_end).unwrap_or_default();
        let (method, target, version) = request_line(line)?;
        let (path, query) = split_target(line, target)?;
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
            let len = find(rest, b"\r\n").unwrap_or(rest.len());
            head.field(rest.get(..len).unwrap_or_default(), at)?;
            at += len + 2;
        }
        head.framing()?;
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

    /// Length of the body, at most [`limits::BODY_LARGEST`]; 0 without Content-Length.
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
        rest = find(rest, b"\r\n").and_then(|end| rest.get(end + 2..)).unwrap_or_default();
        std::iter::from_fn(move || {
            let end = find(rest, b"\r\n").unwrap_or(rest.len());
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
    fn framing(&mut self) -> Result<(), HeadError> {
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
            Some(length) if length <= limits::BODY_LARGEST => {
                self.content_length = length;
                Ok(())
            }
            Some(_) | None => Err(HeadError::BodyTooLarge),
        }
    }
}

/// `method SP target SP version` (RFC 9112, 3), single spaces only.
fn request_line(line: &[u8]) -> Result<(Method, Range<usize>, Version), HeadError> {
    const GRAMMAR: HeadError = HeadError::Malformed("the request line is not METHOD SP TARGET SP VERSION");
    let first = line.iter().position(|b| *b == b' ').ok_or(GRAMMAR)?;
    let last = line.iter().rposition(|b| *b == b' ').filter(|last| *last > first + 1).ok_or(GRAMMAR)?;
    let token = line.get(..first).unwrap_or_default();
    if token.is_empty() || !token.iter().copied().all(is_token) {
        return Err(GRAMMAR);
    }
    let version = match line.get(last + 1..).unwrap_or_default() {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit() => {
            return Err(HeadError::VersionUnknown);
        }
        _ => return Err(GRAMMAR),
    };
    let method = Method::parse(token).ok_or(HeadError::MethodUnknown)?;
    Ok((method, first + 1..last, version))
}

/// Origin-form only (RFC 9112, 3.2.1), in the characters of RFC 3986.
fn split_target(
    line: &[u8],
    target: Range<usize>,
) -> Result<(Range<usize>, Option<Range<usize>>), HeadError> {
    let text = line.get(target.clone()).unwrap_or_default();
    if text.first() != Some(&b'/') {
        return Err(HeadError::Malformed("the request target must begin with /"));
    }
    if !text.iter().copied().all(is_target) {
        return Err(HeadError::Malformed("the request target has a character that must be percent-encoded"));
    }
    let mark = text.iter().position(|b| *b == b'?').map(|at| target.start + at);
    let path = target.start..mark.unwrap_or(target.end);
    let mut bytes = line.get(path.clone()).unwrap_or_default();
    while let Some(at) = bytes.iter().position(|b| *b == b'%') {
        match bytes.get(at + 1..at + 3) {
            Some(pair) if pair.iter().all(u8::is_ascii_hexdigit) => {
                bytes = bytes.get(at + 3..).unwrap_or_default()
            }
            Some(_) | None => return Err(HeadError::Malformed("the path has a % without two hex digits")),
        }
    }
    Ok((path, mark.map(|mark| mark + 1..target.end)))
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// pchar, `/`, `?` and `%` of RFC 3986, and the brackets that clients leave bare in queries.
fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]".contains(&byte)
}

fn lists(value: &[u8], option: &str) -> bool {
    value.split(|b| *b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

fn find(haystack: &[u8], needle: &[u8; 2]) -> Option<usize> {
    haystack.windows(2).position(|pair| pair == needle)
}
