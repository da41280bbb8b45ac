//! The request line: method, target, version (RFC 9112, 3).

use std::ops::Range;

use super::{HeadError, is_token};

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

/// `method SP target SP version` (RFC 9112, 3), single spaces only.
pub(super) fn request_line(line: &[u8]) -> Result<(Method, Range<usize>, Version), HeadError> {
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
pub(super) fn split_target(
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

/// pchar, `/`, `?` and `%` of RFC 3986, and the brackets that clients leave bare in queries.
fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]".contains(&byte)
}
