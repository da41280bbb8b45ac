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

/// What passes of an agent's fields: what its body is, what it would read, and which form of the endpoint's
/// language it speaks. Everything else stays here, for somebody on the way may take it for another method, another
/// path, another host, or for somebody's credential.
const PASSED: [&str; 11] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "content-encoding",
    "content-type",
    "http-referer",
    "idempotency-key",
    "user-agent",
    "x-app",
    "x-title",
];

/// Families of such fields.
const PASSED_STARTS: [&str; 3] = ["anthropic-", "openai-beta", "x-stainless-"];

/// Fields that no config adds: they are about one connection (RFC 9110, 7.6.1), about the body's length, or about
/// who asks.
const NEVER: [&str; 20] = [
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
const NEVER_STARTS: [&str; 3] = ["proxy-", "x-forwarded-", "x-egress-"];

/// Parts of names of parameters that carry a credential, or another method than the request's.
const CREDENTIALS: [&str; 7] = ["key", "token", "auth", "secret", "passw", "signature", "method"];

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
    if !head.query().is_none_or(is_plain_query) {
        return Err(Refusal::new(
            403,
            "query_not_allowed",
            "The query holds a key, a method or a name with special characters; the key is added outside.",
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
            (!listed && is_passed(&name, rules)).then(|| (name, value.to_vec()))
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

/// Whether a field of this name, in lower case, goes to the endpoint. None with a `_`, which some take for a `-`.
pub(super) fn is_passed(name: &str, rules: &Rules) -> bool {
    let known = PASSED.contains(&name) || PASSED_STARTS.iter().any(|start| name.starts_with(start));
    !name.contains('_') && (known || rules.headers.iter().any(|own| own == name))
}

/// Whether a config may add a field of this name to those that pass.
pub fn may_be_added(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let never = NEVER.contains(&name) || NEVER_STARTS.iter().any(|start| name.starts_with(start));
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !never
}

/// Whether no parameter's name is one of a credential; names must be readable without decoding them.
fn is_plain_query(query: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]".contains(&b);
    query.split(['&', ';']).all(|one| {
        let name = one.split_once('=').map_or(one, |(name, _)| name);
        let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let bare = bare.to_ascii_lowercase();
        name.bytes().all(plain) && !CREDENTIALS.iter().any(|part| bare.contains(part))
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{egress::endpoint::Endpoint, limits};

    fn passed(path: &str, fields: &str, rules: &Rules) -> Result<Outgoing, &'static str> {
        let text = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:4141\r\n{fields}\r\n");
        let head = Head::parse_with(text.as_bytes(), limits::EGRESS_BODY).expect("a head");
        request(&head, rules, 4_141).map_err(|refusal| refusal.code)
    }

    fn rules() -> Rules {
        Rules::new(Endpoint::parse("https://api.example/v1").expect("an endpoint").routes().allowed)
    }

    #[test]
    fn only_fields_that_are_known_go_to_the_endpoint() {
        let names = |fields: &str, rules: &Rules| {
            let outgoing = passed("/v1/models", fields, rules).expect("passed on");
            outgoing.headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let fields = "Accept: a\r\nanthropic-beta: b\r\nOpenAI-Beta: c\r\nX-Stainless-OS: d\r\nX-Title: e\r\n\
                      X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: PUT\r\nX-Method-Override: PUT\r\n\
                      X-Original-URL: /v1/files\r\nX-Rewrite-URL: /v1/files\r\nX-Host: evil.test\r\n\
                      X-Api_Key: own\r\nX_API_KEY: own\r\nAnthropic_Version: 1\r\nanthropic-api_key: own\r\n\
                      Ocp-Apim-Subscription-Key: own\r\ncf-aig-authorization: own\r\nX-Mine: f\r\n";
        let known = ["accept", "anthropic-beta", "openai-beta", "x-stainless-os", "x-title"];
        assert_eq!(names(fields, &rules()), known);
        let own = Rules { headers: vec!["x-mine".to_owned()], ..rules() };
        assert_eq!(names(fields, &own).last().map(String::as_str), Some("x-mine"));
        assert_eq!(names("Connection: x-title\r\nX-Title: e\r\n", &rules()), [""; 0], "of one connection");
        assert!(may_be_added("x-mine") && may_be_added("openai-organization"));
        for bad in ["", "x_mine", "X-Mine", "x mine", "host", "authorization", "x-api-key", "proxy-a", "te"] {
            assert!(!may_be_added(bad), "{bad}");
        }
    }

    #[test]
    fn a_query_with_a_credential_is_refused() {
        for query in ["beta=true", "limit=20&after_id=a%20b", "api-version=2024-06-01", "expand[]=a", "", "a"]
        {
            assert!(passed(&format!("/v1/models?{query}"), "", &rules()).is_ok(), "{query}");
        }
        for query in [
            "key=own",
            "API_KEY=own",
            "api-key=own",
            "a=b&access_token=own",
            "a=b;access.token=own",
            "x=1&authorization=Bearer%20own",
            "k%65y=own",
            "k+ey=own",
            "$httpHeaders=x",
            "_method=DELETE",
            "client_secret",
        ] {
            let found = passed(&format!("/v1/models?{query}"), "", &rules());
            assert_eq!(found.err(), Some("query_not_allowed"), "{query}");
        }
    }
}
