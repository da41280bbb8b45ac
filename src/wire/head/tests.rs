use super::*;

fn parse(text: &str) -> Result<Head, HeadError> {
    Head::parse(text.as_bytes())
}

/// The status that refuses a request of this line and these field lines; 0 where it is accepted.
fn status(line: &str, fields: &[&str]) -> u16 {
    let mut text = format!("{line}\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    super::fuzz(text.as_bytes());
    parse(&text).map_or_else(|error| error.answer().0, |_| 0)
}

const GET: &str = "GET / HTTP/1.1";
const POST: &str = "POST / HTTP/1.1";

#[test]
fn a_head_is_read_into_its_parts() {
    let head = parse(
        "POST /a%20b;c/?x=1&y=?&z= HTTP/1.1\r\nhOsT:\t127.0.0.1:80 \t\r\nContent-Length: 0005\r\n\
         X-Other: \u{e4}\r\nEXPECT: 100-Continue\r\nAccept:\r\n\r\n",
    )
    .unwrap();
    assert_eq!((head.method(), head.version()), (Method::Post, Version::Http11));
    assert_eq!((head.path(), head.query()), ("/a%20b;c/", Some("x=1&y=?&z=")));
    assert_eq!(head.field_of(Name::Host), Field::One(b"127.0.0.1:80"));
    assert_eq!(head.text_of(Name::Accept), Some(""));
    assert_eq!(head.field_of(Name::Origin), Field::Absent);
    assert_eq!(head.content_length(), 5);
    assert!(head.expects_continue() && !head.wants_close());
    let other = head.fields().find(|(name, _)| *name == b"X-Other").unwrap();
    assert_eq!(other.1, "\u{e4}".as_bytes());
    assert_eq!(head.fields().count(), 5);
}

#[test]
fn request_lines_have_one_reading() {
    for (line, answer) in [
        ("GET / HTTP/1.1", 0),
        ("GET / HTTP/1.0", 0),
        ("HEAD /?? HTTP/1.1", 0),
        ("GET //x/../y HTTP/1.1", 0),
        ("GET /%41%fF HTTP/1.1", 0),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET\t/\tHTTP/1.1", 400),
        ("GET / a HTTP/1.1", 400),
        ("GET /", 400),
        ("GET", 400),
        ("/ HTTP/1.1", 400),
        ("GET HTTP/1.1", 400),
        ("GE(T / HTTP/1.1", 400),
        ("get / HTTP/1.1", 501),
        ("BREW / HTTP/1.1", 501),
        ("CONNECT localhost:80 HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 501),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/2", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1,1", 400),
        ("GET / XTTP/1.1", 400),
        ("GET http://127.0.0.1/ HTTP/1.1", 400),
        ("GET 127.0.0.1:80 HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET /#top HTTP/1.1", 400),
        ("GET /\u{e4} HTTP/1.1", 400),
        ("GET /\"<>\\^`{|} HTTP/1.1", 400),
        ("GET /% HTTP/1.1", 400),
        ("GET /%4 HTTP/1.1", 400),
        ("GET /%4g HTTP/1.1", 400),
    ] {
        assert_eq!(status(line, &[]), answer, "{line}");
    }
}

#[test]
fn bodies_have_one_length() {
    for (fields, answer) in [
        (&["Content-Length: 0"][..], 0),
        (&["Content-Length: 1048576"], 0),
        (&["Content-Length: 1048577"], 413),
        (&["Content-Length: 100000000000"], 413),
        (&["Content-Length: 99999999999999999999999999"], 413),
        (&["Content-Length:"], 400),
        (&["Content-Length: +5"], 400),
        (&["Content-Length: -5"], 400),
        (&["Content-Length: 5 5"], 400),
        (&["Content-Length: 5, 5"], 400),
        (&["Content-Length: 0x5"], 400),
        (&["Content-Length: 5.0"], 400),
        (&["Content-Length: \u{665}"], 400),
        (&["Content-Length: 5", "Content-Length: 5"], 400),
        (&["Content-Length: 5", "content-length: 6"], 400),
        (&["Content-Length: 5", "Transfer-Encoding: chunked"], 501),
        (&["Transfer-Encoding: chunked", "Content-Length: 5"], 501),
        (&["Transfer-Encoding: identity"], 501),
        (&["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], 501),
        (&["Transfer-Encoding:"], 501),
        (&["tRANSFER-eNCODING: xchunked"], 501),
        (&["Transfer-Encoding : chunked"], 400),
        (&["Transfer\u{7f}-Encoding: chunked"], 400),
        (&["Transfer-Encoding: \u{b}chunked"], 400),
        (&["Content-Length : 5"], 400),
        (&["Content-Length: 5", "Expect: 200-ok"], 417),
        (&["Expect: 100-continue", "Expect: 100-continue"], 400),
    ] {
        assert_eq!(status(POST, fields), answer, "{fields:?}");
    }
}

#[test]
fn fields_have_one_reading() {
    for (fields, answer) in [
        (&["A:b"][..], 0),
        (&["A:"], 0),
        (&["A: b:c"], 0),
        (&["A: \u{fc}"], 0),
        (&["A: b", "A: c"], 0),
        (&["A: b\tc"], 0),
        (&[":b"], 400),
        (&["A"], 400),
        (&["A b: c"], 400),
        (&["A : b"], 400),
        (&[" A: b"], 400),
        (&["A: b", " c"], 400),
        (&["A: b", "\tc"], 400),
        (&["A: b\rc"], 400),
        (&["A: b\nc: d"], 400),
        (&["A: b\0c"], 400),
        (&["A: b\u{7f}"], 400),
        (&["A: \u{1b}[31m"], 400),
        (&["\u{e4}: b"], 400),
        (&["A\": b"], 400),
        (&["Host: a", "Host: a"], 400),
        (&["Origin: a", "origin: b"], 400),
        (&["Sec-WebSocket-Key: a", "Sec-WebSocket-Key: a"], 400),
        (&["Content-Type: a", "Content-Type: a"], 400),
        (&["X-AuthKey: a", "X-AuthKey: a"], 0),
        (&["Authorization: a", "Authorization: a"], 0),
    ] {
        assert_eq!(status(GET, fields), answer, "{fields:?}");
    }
    let twice = parse("GET / HTTP/1.1\r\nX-AuthKey: a\r\nx-authkey: a\r\n\r\n").unwrap();
    assert_eq!(twice.field_of(Name::AuthKey), Field::Several);
    assert_eq!(twice.text_of(Name::AuthKey), None);
}

#[test]
fn nothing_but_crlf_ends_a_line() {
    for text in [
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\n\r\n",
        "GET / HTTP/1.1\r\r\n\r\n",
        "GET / HTTP/1.1\rA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r\nx",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n\r\n",
        "",
        "\r\n\r\n",
    ] {
        super::fuzz(text.as_bytes());
        assert_eq!(parse(text).map_err(|error| error.answer().0).err(), Some(400), "{text:?}");
    }
}

#[test]
fn connection_is_a_list() {
    for (fields, close, upgrade) in [
        ("", false, false),
        ("Connection: close\r\n", true, false),
        ("Connection: Keep-Alive , Upgrade\r\n", false, true),
        ("Connection: upgrade\r\nConnection: CLOSE\r\n", true, true),
        ("Connection: closed\r\n", false, false),
        ("Connection: ,,\r\n", false, false),
    ] {
        let head = parse(&format!("GET / HTTP/1.1\r\n{fields}\r\n")).unwrap();
        assert_eq!((head.wants_close(), head.connection_lists("upgrade")), (close, upgrade), "{fields}");
    }
    assert!(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().wants_close());
}

#[test]
fn limits_hold_to_the_byte() {
    let with_line = |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(len - 16));
    assert_eq!(parse(&with_line(limits::REQUEST_LINE)).err(), None);
    assert_eq!(parse(&with_line(limits::REQUEST_LINE + 1)).err(), Some(HeadError::RequestLineTooLong));

    let with_head = |len: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(len - 23));
    assert_eq!(parse(&with_head(limits::HEAD)).err(), None);
    assert_eq!(parse(&with_head(limits::HEAD + 1)).err(), Some(HeadError::TooLarge));

    let with_fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(parse(&with_fields(limits::HEADERS)).err(), None);
    assert_eq!(parse(&with_fields(limits::HEADERS + 1)).err(), Some(HeadError::TooManyFields));

    for len in [limits::REQUEST_LINE, limits::REQUEST_LINE + 1] {
        super::fuzz(with_line(len).as_bytes());
    }
    for len in [limits::HEAD, limits::HEAD + 1] {
        super::fuzz(with_head(len).as_bytes());
    }
}

#[test]
fn what_is_too_long_is_refused_before_its_end() {
    let line = vec![b'a'; limits::REQUEST_LINE];
    assert_eq!(Scan::default().advance(&line[..line.len() - 1]), Ok(None));
    assert_eq!(Scan::default().advance(&line), Err(HeadError::RequestLineTooLong));
    let mut head = b"GET / HTTP/1.1\r\nA: ".to_vec();
    head.resize(limits::HEAD, b'a');
    assert_eq!(Scan::default().advance(&head[..head.len() - 1]), Ok(None));
    assert_eq!(Scan::default().advance(&head), Err(HeadError::TooLarge));
}

#[test]
fn refusals_name_the_limits_that_hold() {
    for (error, limit) in [
        (HeadError::RequestLineTooLong, limits::REQUEST_LINE),
        (HeadError::TooLarge, limits::HEAD),
        (HeadError::TooManyFields, limits::HEADERS),
    ] {
        assert!(error.answer().2.contains(&limit.to_string()), "{error:?}");
    }
}

#[test]
fn a_head_shows_no_secret() {
    let head = parse("GET /ws?authkey=secret HTTP/1.1\r\nX-AuthKey: secret\r\n\r\n").unwrap();
    assert_eq!(format!("{head:?}"), "Head(GET /ws)");
}

/// Every head of up to four bytes out of those that matter: what survives reads one way.
#[test]
fn short_inputs_keep_the_properties() {
    let letters = [&b"\r"[..], b"\n", b"\r\n", b" ", b":", b"\0", b"A", b"GET / HTTP/1.1\r\n", b"A: b\r\n"];
    let mut count = 0;
    for a in letters {
        for b in letters {
            for c in letters {
                for d in letters {
                    super::fuzz(&[b"GET / HTTP/1.1\r\n", a, b, c, d, b"\r\n\r\n"].concat());
                    super::fuzz(&[a, b, c, d].concat());
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 9_usize.pow(4));
}
