//! What of an agent's request goes to the endpoint: a pure function.
//!
//! The agent says method, path, query, body and headers about the body's meaning. Whom it is for, who asks
//! and how the connection is used is not the agent's to say: all of that is left out here and said anew by
//! the client. Whatever is not clearly allowed is refused, and nothing is corrected.

use super::{Refusal, Rules};
use crate::{
    client::upstream::{Form, Outgoing},
    wire::{
        head::{Field, Head, Method, Name, Version},
        host::Host,
    },
};

/// Fields that are about one connection (RFC 9110, 7.6.1), about its length, or about who asks; each is left out.
const DROPPED: [&str; 20] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "cookie2",
    "forwarded",
    "via",
    "x-real-ip",
    "x-authkey",
];

/// Families of such fields.
const DROPPED_STARTS: [&str; 3] = ["proxy-", "x-forwarded-", "x-egress-"];

/// The request as it goes to the endpoint, of one that came to 127.0.0.1:`port`.
pub fn request(head: &Head, rules: &Rules, port: u16) -> Result<Outgoing, Refusal> {
    if head.version() != Version::Http11 {
        return Err(Refusal::version());
    }
    if !is_for_us(head, port) {
        return Err(Refusal::new(
            403,
            "host_not_allowed",
            "Only the configured model endpoint can be reached from here, under the address 127.0.0.1 with its \
             port.",
        ));
    }
    if !rules.admit(head.method(), head.path()) {
        return Err(Refusal::new(
            403,
            "path_not_allowed",
            "This method and path are not among those that may be asked of the model endpoint.",
        ));
    }
    let length = match head.method() {
        Method::Post | Method::Put | Method::Patch => Some(head.content_length() as u64),
        Method::Get | Method::Head | Method::Delete | Method::Options => None,
    };
    if length.is_none() && head.content_length() > 0 {
        return Err(Refusal::new(400, "malformed_request", "A request of this method has no body."));
    }
    let target = match head.query() {
        Some(query) => format!("{}?{query}", head.path()),
        None => head.path().to_owned(),
    };
    let headers = head
        .fields()
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
            let listed = head.connection_lists(&name);
            (!listed && !is_dropped(&name)).then(|| (name, value.to_vec()))
        })
        .collect();
    Ok(Outgoing { method: head.method().as_str(), target, headers, length, form: form(head) })
}

/// Whether the request names the address that it came to.
fn is_for_us(head: &Head, port: u16) -> bool {
    let Field::One(host) = head.field_of(Name::Host) else { return false };
    Host::parse(host)
        .is_ok_and(|host| host.is_address([127, 0, 0, 1].into(), port) || host.is_name("localhost", port))
}

pub(super) fn is_dropped(name: &str) -> bool {
    DROPPED.contains(&name) || DROPPED_STARTS.iter().any(|start| name.starts_with(start))
}

/// The key goes out in the way in which the client showed its own; where it showed none or both, in the way
/// that is usual for the path.
fn form(head: &Head) -> Form {
    let has = |name: &[u8]| head.fields().any(|(found, _)| found.eq_ignore_ascii_case(name));
    match (has(b"x-api-key"), has(b"authorization")) {
        (true, false) => Form::ApiKey,
        (false, true) => Form::Bearer,
        (true, true) | (false, false) => {
            let of_messages = head.path().ends_with("/messages") || head.path().contains("/messages/");
            if of_messages { Form::ApiKey } else { Form::Bearer }
        }
    }
}
