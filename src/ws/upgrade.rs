//! The upgrade: whether a request asks for a WebSocket, and the 101 (RFC 6455, 4.2).
//!
//! The texts of the refusals are those that AgentMux's clients know (spec agentmux D.1), and its
//! status is 400 also for a wrong version, where the RFC would say 426. No subprotocol and no
//! extension is ever agreed to: what is offered is not answered.

use crate::{
    gate::Response,
    wire::{
        base64,
        head::{Field, Head, Method, Name, Version},
        sha1,
    },
};

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeError {
    /// not GET, or not HTTP/1.1
    Method,
    /// Connection does not list `upgrade`
    Connection,
    /// Upgrade does not list `websocket`
    Upgrade,
    /// Sec-WebSocket-Version is not 13
    Version,
    /// there is no Sec-WebSocket-Key
    NoKey,
    /// Sec-WebSocket-Key is not the base64 of 16 bytes
    BadKey,
}

impl UpgradeError {
    /// A stable code, and the sentence that AgentMux's clients know.
    pub fn answer(self) -> (&'static str, &'static str) {
        match self {
            Self::Method => ("not_an_upgrade", "Request method must be `GET`"),
            Self::Connection => ("not_an_upgrade", "Connection header did not include 'upgrade'"),
            Self::Upgrade => ("not_an_upgrade", "`Upgrade` header did not include 'websocket'"),
            Self::Version => ("bad_websocket_version", "`Sec-WebSocket-Version` header did not include '13'"),
            Self::NoKey => ("bad_websocket_key", "`Sec-WebSocket-Key` header missing"),
            Self::BadKey => ("bad_websocket_key", "`Sec-WebSocket-Key` header is not the base64 of 16 bytes"),
        }
    }

    /// The answer.
    pub fn response(self) -> Response {
        self.response_with(self.answer().1)
    }

    /// The answer in other words.
    pub fn response_with(self, sentence: &str) -> Response {
        let (code, _) = self.answer();
        let response = Response::error(400, code, sentence);
        match self {
            // RFC 6455, 4.4: the version that would be taken.
            Self::Version => response.with("Sec-WebSocket-Version", "13"),
            Self::Method | Self::Connection | Self::Upgrade | Self::NoKey | Self::BadKey => response,
        }
    }
}

/// The 101 for `head`, or why there is none.
pub fn accept(head: &Head) -> Result<Response, UpgradeError> {
    if head.method() != Method::Get || head.version() != Version::Http11 {
        return Err(UpgradeError::Method);
    }
    if !head.connection_lists("upgrade") {
        return Err(UpgradeError::Connection);
    }
    let protocols = head.text_of(Name::Upgrade).unwrap_or_default();
    if !protocols.split(',').any(|one| one.trim().eq_ignore_ascii_case("websocket")) {
        return Err(UpgradeError::Upgrade);
    }
    if head.text_of(Name::WebSocketVersion) != Some("13") {
        return Err(UpgradeError::Version);
    }
    if head.field_of(Name::WebSocketKey) == Field::Absent {
        return Err(UpgradeError::NoKey);
    }
    let key = head.text_of(Name::WebSocketKey).unwrap_or_default();
    if base64::decode(key).is_none_or(|bytes| bytes.len() != 16) {
        return Err(UpgradeError::BadKey);
    }
    Ok(Response::empty(101)
        .with("Upgrade", "websocket")
        .with("Connection", "Upgrade")
        .with("Sec-WebSocket-Accept", sha1::accept_key(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: [&str; 4] = [
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];

    fn asked(line: &str, fields: &[&str]) -> Result<Response, UpgradeError> {
        let text = format!("{line}\r\nHost: x\r\n{}\r\n\r\n", fields.join("\r\n"));
        accept(&Head::parse(text.as_bytes()).expect("a head"))
    }

    fn but(at: usize, field: &str) -> Result<Response, UpgradeError> {
        let mut fields = RIGHT;
        fields[at] = field;
        asked("GET /ws HTTP/1.1", &fields)
    }

    #[test]
    fn a_right_request_is_answered_with_its_accept_key_and_nothing_offered_is_agreed_to() {
        let mut fields = RIGHT.to_vec();
        fields.push("Sec-WebSocket-Protocol: chat");
        fields.push("Sec-WebSocket-Extensions: permessage-deflate");
        let response = asked("GET /ws?tabid=1 HTTP/1.1", &fields).expect("taken");
        assert_eq!(response.status(), 101);
        let names: Vec<_> = response.headers().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Upgrade", "Connection", "Sec-WebSocket-Accept"]);
        assert_eq!(response.headers()[2].1, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_as_agentmux_names_it() {
        use UpgradeError::*;
        for (at, field, error) in [
            (0, "X: y", Connection),
            (0, "Connection: keep-alive", Connection),
            (0, "Connection: upgraded", Connection),
            (1, "X: y", Upgrade),
            (1, "Upgrade: h2c", Upgrade),
            (1, "Upgrade: websocket/13", Upgrade),
            (2, "X: y", Version),
            (2, "Sec-WebSocket-Version: 12", Version),
            (2, "Sec-WebSocket-Version: 13, 8", Version),
            (2, "Sec-WebSocket-Version: 013", Version),
            (3, "X: y", NoKey),
            (3, "Sec-WebSocket-Key: ", BadKey),
            (3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", BadKey),
            (3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=", BadKey),
            (3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", BadKey),
        ] {
            assert_eq!(but(at, field).expect_err(field), error, "{field}");
        }
        assert_eq!(asked("GET /ws HTTP/1.0", &RIGHT).expect_err("old"), Method);
        assert_eq!(asked("POST /ws HTTP/1.1", &RIGHT).expect_err("post"), Method);
        assert_eq!(Connection.answer().1, "Connection header did not include 'upgrade'");
        assert_eq!(Version.answer().1, "`Sec-WebSocket-Version` header did not include '13'");
    }

    #[test]
    fn a_wrong_version_is_400_and_names_the_right_one() {
        let response = but(2, "Sec-WebSocket-Version: 8").expect_err("refused").response();
        assert_eq!(response.status(), 400);
        assert!(response.headers().contains(&("Sec-WebSocket-Version", "13".into())));
    }
}
