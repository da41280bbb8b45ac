//! Why a head is refused, and what the sender is told.

/// Why a head is refused. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    /// 400: the sender broke the grammar; the sentence says where.
    Malformed(&'static str),
    /// 413: the declared body is over [`crate::limits::BODY_LARGEST`].
    BodyTooLarge,
    /// 414: the request line is over [`crate::limits::REQUEST_LINE`].
    RequestLineTooLong,
    /// 417: an Expect other than 100-continue.
    ExpectationUnknown,
    /// 431: the head is over [`crate::limits::HEAD`].
    TooLarge,
    /// 431: more fields than [`crate::limits::HEADERS`].
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
            HeadError::BodyTooLarge => (
                413,
                "body_too_large",
                "the body is larger than 1048576 bytes, the most that any route takes",
            ),
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
