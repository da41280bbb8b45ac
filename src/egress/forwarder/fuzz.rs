//! What must hold for any bytes, asserted; driven by cargo-fuzz and by the replayed corpus.

use httparse::Status;

use super::{Framing, Rules, framing, request, response};
use crate::{
    egress::endpoint::Endpoint,
    limits,
    wire::head::{Head, Scan},
};

const PORT: u16 = 4_141;

/// All that may pass of an agent's fields: these names, and what begins like the families.
const NAMES: [&str; 11] = [
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
const FAMILIES: [&str; 3] = ["anthropic-", "openai-beta", "x-stainless-"];

/// Whatever an agent sends: what is passed on has a method and a path of the rules, came for our Host, carries no
/// field but the known ones, no credential in its query, no `;` in its path, and reads the same when it is written out.
pub fn fuzz_request(data: &[u8]) {
    let endpoint = Endpoint::parse("https://api.example/v1").expect("an endpoint");
    let rules = Rules::new(endpoint.routes().allowed);
    let Ok(Some(end)) = Scan::default().advance(data) else { return };
    let Ok(head) = Head::parse_with(&data[..end], limits::EGRESS_BODY) else { return };
    let Ok(outgoing) = request(&head, &rules, PORT) else { return };

    let (path, query) = outgoing.target.split_once('?').unwrap_or((&outgoing.target, ""));
    let post = ["/v1/messages", "/v1/messages/count_tokens", "/v1/responses", "/v1/chat/completions"];
    let models = path == "/v1/models" || path.starts_with("/v1/models/");
    assert!(
        (outgoing.method == "POST" && post.contains(&path)) || (outgoing.method == "GET" && models),
        "{} {path}",
        outgoing.method
    );
    assert!(!path.contains("..") || path.split('/').all(|step| step != ".."), "{path}");
    assert!(!path.contains("//") && !path.contains(['%', ';', '\\']), "{path}");
    for name in query.split(['&', ';']).map(|one| one.split('=').next().unwrap_or_default()) {
        let name = name.to_ascii_lowercase();
        assert!(
            !["key", "api_key", "api-key", "access_token", "_method"].contains(&name.as_str()),
            "{query}"
        );
        assert!(!name.contains(['%', '+', '$']), "{query}");
    }
    let text = String::from_utf8_lossy(&data[..end]).to_ascii_lowercase();
    assert!(text.contains("127.0.0.1:4141") || text.contains("localhost:4141"), "another Host");
    assert!(outgoing.length.is_none_or(|length| length <= limits::EGRESS_BODY as u64));

    let mut out = format!("{} {} HTTP/1.1\r\n", outgoing.method, outgoing.target).into_bytes();
    for (name, value) in &outgoing.headers {
        let known = NAMES.contains(&name.as_str()) || FAMILIES.iter().any(|start| name.starts_with(start));
        assert!(known && !name.contains('_'), "{name}");
        out.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    let mut fields = [httparse::EMPTY_HEADER; limits::HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    assert_eq!(parsed.parse(&out), Ok(Status::Complete(out.len())));
    assert_eq!((parsed.method, parsed.path), (Some(outgoing.method), Some(outgoing.target.as_str())));
    let theirs = parsed.headers.iter().map(|field| (field.name, field.value));
    assert!(theirs.eq(outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))));
}

/// Whatever an endpoint says in its head: what the agent gets is one head with one framing, without anything about
/// the other connection. The first bytes are the status and the length, the rest are lines of fields.
pub fn fuzz_response(data: &[u8]) {
    let [first, second, rest @ ..] = data else { return };
    let status = 200 + u16::from(*first) % 400;
    let length = (*second < 128).then_some(u64::from(*second));
    let headers: Vec<(String, Vec<u8>)> = rest
        .split(|b| *b == b'\n')
        .take(32)
        .map(|line| {
            let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default().to_vec();
            (String::from_utf8_lossy(&line[..colon]).into_owned(), value)
        })
        .collect();
    for close in [false, true] {
        let out = response(status, &headers, framing(status, length), close);
        let mut fields = [httparse::EMPTY_HEADER; 40];
        let mut parsed = httparse::Response::new(&mut fields);
        assert_eq!(parsed.parse(&out), Ok(Status::Complete(out.len())));
        assert_eq!(parsed.code, Some(status));
        let count = |name: &str| parsed.headers.iter().filter(|field| field.name == name).count();
        let framed = match framing(status, length) {
            Framing::None => (0, 0),
            Framing::Length(_) => (1, 0),
            Framing::Chunked => (0, 1),
        };
        assert_eq!((count("content-length"), count("transfer-encoding")), framed);
        assert_eq!(count("connection"), usize::from(close));
        for name in ["keep-alive", "te", "trailer", "upgrade", "set-cookie", "alt-svc", "location"] {
            assert_eq!(count(name), 0, "{name}");
        }
        assert!(parsed.headers.iter().all(|field| !field.name.starts_with("x-egress-")));
    }
}
