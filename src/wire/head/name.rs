//! The header fields that the program knows.

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

pub(super) const NAMES: usize = 20;

/// What a second copy of a field means.
pub(super) enum Twice {
    /// The head is refused: 400.
    Malformed,
    /// Left to the reader, who sees `Field::Several` (a credential: 401; a list: all are read).
    Seen,
}

impl Name {
    pub(super) fn parse(name: &[u8]) -> Option<(Self, Twice)> {
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
