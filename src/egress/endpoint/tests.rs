use super::*;

fn parse(text: &str) -> Result<Endpoint, EndpointError> {
    Endpoint::parse(text)
}

/// Spec genswarms M.8: https default 443, http 80, explicit port kept.
#[test]
fn m8_the_port_is_the_schemes_unless_the_url_names_one() {
    for (text, port, written) in [
        ("https://h", 443, "https://h/"),
        ("http://h", 80, "http://h/"),
        ("https://h:443/x", 443, "https://h/x"),
        ("https://h:80/x", 80, "https://h:80/x"),
        ("http://h:8080", 8_080, "http://h:8080/"),
        ("https://h:65535", 65_535, "https://h:65535/"),
        ("https://h:1", 1, "https://h:1/"),
    ] {
        let endpoint = parse(text).expect(text);
        assert_eq!((endpoint.port(), endpoint.to_string().as_str()), (port, written), "{text}");
    }
}

/// Spec genswarms M.8: "not a url", "" and null are invalid (a config's null is no text at all).
#[test]
fn m8_what_is_no_url_is_an_invalid_endpoint() {
    for bad in ["not a url", "", "h", "//h/x", "https:h", "https:/h", "https//h", "://h", "/v1"] {
        assert_eq!(parse(bad).map_err(EndpointError::code), Err("invalid_endpoint"), "{bad:?}");
    }
}

#[test]
fn the_case_of_scheme_and_host_does_not_count() {
    let endpoint = parse("HTTPS://API.Example.COM/V1/Messages").expect("an endpoint");
    assert_eq!(endpoint.to_string(), "https://api.example.com/V1/Messages");
    assert_eq!(endpoint.host(), &Machine::Name("api.example.com".to_owned()));
    let v6 = parse("http://[FD00::AB]:8/").expect("an endpoint");
    assert_eq!((v6.authority().as_str(), v6.scheme()), ("[fd00::ab]:8", Scheme::Http));
}

#[test]
fn what_two_readers_could_read_differently_is_no_endpoint() {
    use EndpointError::*;
    let cases: &[(&str, EndpointError)] = &[
        ("ftp://h/", Scheme),
        ("file:///etc/passwd", Scheme),
        (" https://h/", Scheme),
        ("ht\ntps://h/", Scheme),
        ("https:\\\\h\\", Scheme),
        ("http://user@h/", UserInfo),
        ("http://user:password@h/", UserInfo),
        ("http://127.0.0.1@evil.example/", UserInfo),
        ("http://@h/", UserInfo),
        ("https://h/v1?x=1", Query),
        ("https://h/v1#x", Query),
        ("https://h?@evil.example", Query),
        ("https://h#@evil.example", Query),
        ("https://", Host),
        ("https:///v1", Host),
        ("https://:443/", Host),
        ("https://h h/", Host),
        ("https://h\\@evil.example/", UserInfo),
        ("https://h\\evil.example/", Host),
        ("https://h\t/", Host),
        ("https://h\0/", Host),
        ("https://h\r\nX: y/", Host),
        ("https://h%2eexample/", Host),
        ("https://h%00.example/", Host),
        ("https://*.example/", Host),
        ("https://-h/", Host),
        ("https://h-/", Host),
        ("https://a.-b/", Host),
        ("https://[::1/", Host),
        ("https://::1/", Host),
        ("https://[fe80::1%25eth0]/", Host),
        ("https://[127.0.0.1]/", Host),
        ("https://bücher.example/", International),
        ("https://xn--bcher-kva.example/", International),
        ("https://a.XN--bcher-kva/", International),
        ("https://example。com/", International),
        ("https://１２７.0.0.1/", International),
        ("https://h./", HostForm),
        ("https://a..b/", HostForm),
        ("https://.h/", HostForm),
        ("https://127.0.0.1./", HostForm),
        ("https://2130706433/", HostForm),
        ("https://0x7f000001/", HostForm),
        ("https://0x7f.0.0.1/", HostForm),
        ("https://0177.0.0.1/", HostForm),
        ("https://127.1/", HostForm),
        ("https://127.0.0.01/", HostForm),
        ("https://a.0x7f/", HostForm),
        ("https://1.2.3.4.5/", HostForm),
        ("https://[0:0:0:0:0:0:0:1]/", HostForm),
        ("https://[::0001]/", HostForm),
        ("https://[::ffff:7f00:1]/", HostForm),
        ("https://h:/", Port),
        ("https://h:0/", Port),
        ("https://h:080/", Port),
        ("https://h:+80/", Port),
        ("https://h:65536/", Port),
        ("https://h:99999/", Port),
        ("https://h:80:80/", Port),
        ("https://h:80x/", Port),
        ("https://h/a b", Path),
        ("https://h/a\tb", Path),
        ("https://h/a\r\nb", Path),
        ("https://h/ä", Path),
        ("https://h/a\\b", Path),
        ("https://h/a%2fb", Path),
        ("https://h/a%2e%2e/b", Path),
        ("https://h/%41", Path),
        ("https://h//a", Path),
        ("https://h/a//", Path),
        ("https://h//", Path),
        ("https://h/a/../b", Path),
        ("https://h/..", Path),
        ("https://h/./a", Path),
        ("https://h/a/.", Path),
        ("https://h/\"", Path),
        ("https://h/{a}", Path),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), Err(*error), "{text:?}");
    }
}

#[test]
fn an_endpoint_over_its_limit_is_refused() {
    let long = |bytes: usize| format!("https://h/{}", "x".repeat(bytes - "https://h/".len()));
    assert!(parse(&long(limits::ENDPOINT)).is_ok());
    assert_eq!(parse(&long(limits::ENDPOINT + 1)), Err(EndpointError::TooLong));
    let name = |label: usize| parse(&format!("https://{}.example/", "a".repeat(label)));
    assert!(name(63).is_ok() && name(64).is_err());
}

#[test]
fn endpoints_are_compared_by_scheme_host_and_port_and_not_by_path() {
    let at = |one: &str, other: &str| parse(one).expect(one).is_at(&parse(other).expect(other));
    assert!(at("https://h/v1", "HTTPS://H:443/v2"));
    for (one, other) in [
        ("https://h", "http://h"),
        ("https://h", "http://h:443"),
        ("https://h", "https://h:8443"),
        ("https://h", "https://a.h"),
        ("https://h.example", "https://h"),
        ("http://127.0.0.1", "http://localhost"),
        ("http://127.0.0.1", "http://[::ffff:127.0.0.1]"),
    ] {
        assert!(!at(one, other), "{one} {other}");
    }
}

#[test]
fn an_endpoint_is_the_same_one_to_the_url_crate() {
    for text in [
        "https://openrouter.ai/api/v1/chat/completions",
        "HTTP://H:80",
        "https://a_b.c-d.example:8443/v1/",
        "https://ab--c.example/a-._~!$&'()*+,=:@b/...",
        "http://127.0.0.1:8999/v1",
        "http://[FD00::AB]:8/",
        "http://[::ffff:127.0.0.1]",
    ] {
        assert!(parse(text).is_ok(), "{text}");
        fuzz(text.as_bytes());
    }
}
