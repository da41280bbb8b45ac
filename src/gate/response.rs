//! An answer and its bytes on the wire.

use std::borrow::Cow;

use serde_json::{Value, json};

/// One answer. The gate adds Date, Content-Length, Cache-Control, X-Content-Type-Options and,
/// where it ends, Connection.
#[derive(Debug)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: Vec::new() }
    }

    /// JSON.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::bytes(status, "application/json", value.to_string().into_bytes())
    }

    /// Any other body.
    pub fn bytes(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// `{"error":"<sentence>","code":"<stable_code>"}` (design section 9).
    pub fn error(status: u16, code: &str, sentence: &str) -> Self {
        Self::json(status, &json!({ "error": sentence, "code": code }))
    }

    /// With one more header. `value` must hold no control byte; one that does is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = value.into();
        if !value.bytes().any(|b| b.is_ascii_control()) {
            self.headers.push((name, value));
        }
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers set so far, without those that the gate adds.
    pub fn headers(&self) -> &[(&'static str, Cow<'static, str>)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body's media type; empty without a body.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }
}
