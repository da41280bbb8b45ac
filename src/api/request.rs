//! What a handler reads of a request, and how it says no.
//!
//! A body is JSON or is not read; a query parameter is decoded once, and two of one name are an error.
//! A [`Fault`] becomes the error of the request's own surface: status, sentence, stable code, and the
//! field or the limit that it is about. No internals, paths or words of the system reach a caller.

use serde_json::{Value, json};

use super::table::Ids;
use crate::{
    admit::Surface,
    gate::{Peer, Reply, Response},
    wire::{
        head::{Field, Head, Name},
        json, query,
    },
};

/// What a handler returns.
pub type Result<T = Reply> = std::result::Result<T, Fault>;

/// An admitted request.
pub struct Request<'a> {
    /// the head
    pub head: &'a Head,
    /// what stands for the first segment with a colon in the route's path, never decoded
    pub id: &'a str,
    /// what stands for each of them, in their order
    pub ids: Ids<'a>,
    /// the whole body
    pub body: &'a [u8],
    /// who waits for the answer
    pub peer: &'a Peer<'a>,
}

impl<'a> Request<'a> {
    /// The body as JSON. Its fields are read with [`json::Fields`].
    pub fn json(&self) -> Result<Value> {
        Ok(json::parse(self.body)?)
    }

    /// A query parameter, decoded once. Twice the same one is an error.
    pub fn param(&self, name: &'static str) -> Result<Option<String>> {
        let mut found = query::values(self.head.query(), name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(raw), None) => query::decode_text(raw).map(Some).ok_or(Fault::bad_query(name)),
            (Some(_), Some(_)) => Err(Fault::bad_query(name)),
        }
    }

    /// A query parameter that is a whole number.
    pub fn whole_param(&self, name: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.param(name)? else { return Ok(None) };
        whole(&text).map(Some).ok_or(Fault::bad_query(name))
    }

    /// Whether there is no body, and nothing is said of its type either: a form of a web page, even an empty
    /// one, says something.
    pub fn has_no_body(head: &Head) -> bool {
        head.content_length() == 0 && head.field_of(Name::ContentType) == Field::Absent
    }

    /// Whether whoever asks takes JSON, or a stream where the route has one: it does not say what it takes, or
    /// something that covers it (RFC 9110, 12.5.1), and asks for no other form by `?_format=` (spec genswarms
    /// B.0).
    pub fn accepts(head: &Head, streams: bool) -> bool {
        if query::values(head.query(), "_format").any(|format| format != "json") {
            return false;
        }
        if head.field_of(Name::Accept) == Field::Absent {
            return true;
        }
        head.fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"accept"))
            .flat_map(|(_, value)| value.split(|b| *b == b','))
            .any(|range| covers(range, streams))
    }

    /// Whether the body is declared to be JSON: `application/json` or `application/<x>+json`, with
    /// or without parameters. Nothing else is ever parsed, so that no form of a web page that
    /// needs no preflight reaches a handler.
    pub fn declares_json(head: &Head) -> bool {
        let Some(value) = head.text_of(Name::ContentType) else { return false };
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some(subtype) = essence.strip_prefix("application/") else { return false };
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        subtype == "json" || (subtype.len() > 5 && subtype.ends_with("+json") && subtype.bytes().all(token))
    }
}

/// Whether one media range covers JSON, or a stream of events; a weight of 0 says that it is not wanted.
fn covers(range: &[u8], streams: bool) -> bool {
    let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let kind = parts.next().unwrap_or_default();
    let unwanted = parts.any(|part| {
        let weight = std::str::from_utf8(part)
            .ok()
            .and_then(|part| part.to_ascii_lowercase().strip_prefix("q=").map(str::to_owned));
        weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0))
    });
    let json = [&b"*/*"[..], b"application/*", b"application/json"];
    let stream = [&b"text/*"[..], b"text/event-stream"];
    let is = |wanted: &[&[u8]]| wanted.iter().any(|one| kind.eq_ignore_ascii_case(one));
    !unwanted && (is(&json) || (streams && is(&stream)))
}

/// Why a handler does not do what was asked.
#[derive(Debug)]
pub enum Fault {
    /// the body, or a field of it
    Json(json::Error),
    /// anything else
    Plain {
        /// HTTP status
        status: u16,
        /// stable code
        code: &'static str,
        /// what is wrong, for the caller
        sentence: String,
        /// the field or parameter to blame, if it is one
        field: Option<&'static str>,
        /// the limit that was reached, if one was
        limit: Option<u64>,
    },
}

impl Fault {
    /// A refusal in one sentence.
    pub fn new(status: u16, code: &'static str, sentence: impl Into<String>) -> Self {
        Fault::Plain { status, code, sentence: sentence.into(), field: None, limit: None }
    }

    /// A refusal at a limit, which the answer names (design section 6).
    pub fn limited(status: u16, code: &'static str, sentence: impl Into<String>, limit: Option<u64>) -> Self {
        Fault::Plain { status, code, sentence: sentence.into(), field: None, limit }
    }

    /// A field whose value is well formed and not allowed.
    pub fn field(status: u16, code: &'static str, field: &'static str, sentence: impl Into<String>) -> Self {
        Fault::Plain { status, code, sentence: sentence.into(), field: Some(field), limit: None }
    }

    fn bad_query(name: &'static str) -> Self {
        let sentence = format!("query parameter '{name}' is malformed");
        Fault::field(400, "bad_query", name, sentence)
    }

    /// The answer. AgentMux clients know a wrong field as 422 (spec agentmux B.1), ours as 400.
    pub fn response(self, surface: Surface) -> Response {
        // Where there is no sentence of genswarms' own, its framework answers.
        let of_body = matches!(self, Fault::Json(_));
        let (status, code, sentence, field, limit) = match self {
            Fault::Plain { status, code, sentence, field, limit } => (status, code, sentence, field, limit),
            Fault::Json(error) => {
                let status = match (&error, surface) {
                    (json::Error::Syntax { .. } | json::Error::TooDeep | json::Error::Duplicate, _)
                    | (_, Surface::Ours | Surface::Swarm) => 400,
                    (_, Surface::AgentMux) => 422,
                };
                (status, error.code(), error.to_string(), error.field(), None)
            }
        };
        let mut body = json!({ "error": sentence, "code": code });
        if let (Some(field), Some(map)) = (field, body.as_object_mut()) {
            map.insert("field".to_owned(), json!(field));
        }
        if let (Some(limit), Some(map)) = (limit, body.as_object_mut()) {
            map.insert("limit".to_owned(), json!(limit));
        }
        let framework = of_body || matches!(code, "not_acceptable" | "not_found");
        if let (Surface::Swarm, true, Some(map)) = (surface, framework, body.as_object_mut()) {
            map.insert("errors".to_owned(), detail(status));
        }
        let response = Response::json(status, &body);
        if status == 429 { response.with("Retry-After", "1") } else { response }
    }
}

impl From<json::Error> for Fault {
    fn from(error: json::Error) -> Self {
        Fault::Json(error)
    }
}

/// What clients of genswarms look at where it is the framework there that answers (spec genswarms B.0).
fn detail(status: u16) -> Value {
    let phrase = match status {
        404 => "Not Found",
        406 => "Not Acceptable",
        _ => "Bad Request",
    };
    json!({ "detail": phrase })
}

/// 200 and JSON.
pub fn ok(value: &Value) -> Result {
    Ok(Reply::Response(Response::json(200, value)))
}

/// A whole number in digits alone.
pub fn whole(text: &str) -> Option<u64> {
    // parse() would take a plus sign.
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(content_type: &str) -> Head {
        Head::parse(format!("POST / HTTP/1.1\r\nHost: x\r\n{content_type}\r\n").as_bytes()).expect("a head")
    }

    #[test]
    fn only_json_is_json() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json ;x=y"] {
            assert!(Request::declares_json(&head(&format!("Content-Type: {good}\r\n"))), "{good}");
        }
        for bad in [
            "text/plain",
            "text/json",
            "application/jsonx",
            "application/+json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/json, text/plain",
            "application/x json+json",
            "json",
            "",
        ] {
            assert!(!Request::declares_json(&head(&format!("Content-Type: {bad}\r\n"))), "{bad}");
        }
        assert!(!Request::declares_json(&head("")));
    }
}
