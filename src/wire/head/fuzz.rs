//! What must hold for any bytes, asserted; driven by cargo-fuzz and by the replayed corpus.

use httparse::Status;

use super::{Head, Scan, Version};
use crate::limits;

/// Scanning does not depend on how the bytes are cut; a head that we accept reads the same when it
/// is put together again from its parts; and httparse accepts it and reads the same parts.
pub fn fuzz(data: &[u8]) {
    let whole = Scan::default().advance(data);
    let mut scan = Scan::default();
    let by_byte =
        (0..=data.len()).map(|n| scan.advance(&data[..n])).find(|step| *step != Ok(None)).unwrap_or(Ok(None));
    assert_eq!(by_byte, whole, "the scan depends on how the bytes were cut");

    let Ok(Some(end)) = whole else {
        assert!(Head::parse(data).is_err(), "a head without an end was parsed");
        return;
    };
    assert!(end <= limits::HEAD && data[..end].ends_with(b"\r\n\r\n"));
    assert!(end == data.len() || Head::parse(data).is_err(), "bytes behind the head were parsed with it");
    let Ok(head) = Head::parse(&data[..end]) else { return };
    assert!(head.fields().count() <= limits::HEADERS);
    assert!(head.content_length() <= limits::BODY_LARGEST);

    let again = assembled(&head);
    let twin = Head::parse(&again).expect("a head put together from its parts is a head");
    assert_eq!(twin.method(), head.method());
    assert_eq!(twin.version(), head.version());
    assert_eq!(twin.path(), head.path());
    assert_eq!(twin.query(), head.query());
    assert_eq!(twin.content_length(), head.content_length());
    assert_eq!(twin.wants_close(), head.wants_close());
    assert_eq!(twin.expects_continue(), head.expects_continue());
    assert!(twin.fields().eq(head.fields()));
    assert_eq!(assembled(&twin), again);

    read_alike_by_httparse(&data[..end], &head);
}

/// The head's parts, with the least white space. Never longer than the head was.
fn assembled(head: &Head) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend_from_slice(head.method().as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(target(head).as_bytes());
    text.extend_from_slice(match head.version() {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    });
    for (name, value) in head.fields() {
        text.extend_from_slice(&[name, b":", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn target(head: &Head) -> String {
    match head.query() {
        Some(query) => format!("{}?{query}", head.path()),
        None => head.path().to_owned(),
    }
}

fn read_alike_by_httparse(text: &[u8], head: &Head) {
    let mut fields = [httparse::EMPTY_HEADER; limits::HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(text), Ok(Status::Complete(text.len())), "httparse ends the head elsewhere");
    assert_eq!(request.method, Some(head.method().as_str()));
    assert_eq!(request.path, Some(target(head).as_str()));
    assert_eq!(request.version, Some(u8::from(head.version() == Version::Http11)));
    let theirs = request.headers.iter().map(|field| (field.name.as_bytes(), field.value));
    assert!(theirs.eq(head.fields()), "httparse reads other fields");
}
