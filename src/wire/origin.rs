//! The Origin header's value (RFC 6454, 6.1), compared byte by byte as a browser serialises it.
//!
//! Nothing is folded or decoded: what no browser would send is foreign. The lists that an origin
//! is held against are admission's business.

/// One Origin header's value: visible ASCII. `null` is one, and on nobody's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a>(&'a str);

impl<'a> Origin<'a> {
    /// Reads a header value. `None`: empty, or a byte that no origin holds.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then_some(Self(text))
    }

    /// As sent.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether this is the origin of a sandboxed frame, a file, a redirect: of nobody in particular.
    pub fn is_null(self) -> bool {
        self.0.eq_ignore_ascii_case("null")
    }

    /// AgentMux's list (spec agentmux C.2): `http://127.0.0.1` or `http://localhost`, any port.
    pub fn is_loopback_http(self) -> bool {
        self.0.strip_prefix("http://").is_some_and(|rest| is_any_port_of(rest, &["127.0.0.1", "localhost"]))
    }

    /// GenSwarms' default list (spec genswarms C.5): http or https on `localhost`, `127.0.0.1` or
    /// `[::1]`, any port.
    pub fn is_loopback_web(self) -> bool {
        let rest = self.0.strip_prefix("http://").or_else(|| self.0.strip_prefix("https://"));
        rest.is_some_and(|rest| is_any_port_of(rest, &["127.0.0.1", "localhost", "[::1]"]))
    }
}

/// Whether `text` could be an origin that a browser sends: `scheme://host` or `scheme://host:port`
/// in lower case, nothing behind it. For the entries of a configured list.
pub fn is_serialised(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let scheme_fits = scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let host_fits = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._~[]:".contains(&b));
    let port_fits = match host.rsplit_once(':') {
        // The last colon of `[::1]` stands inside the brackets.
        Some((_, rest)) if rest.ends_with(']') => true,
        Some((name, port)) => !name.is_empty() && is_port(port),
        None => true,
    };
    scheme_fits && host_fits && port_fits
}

/// `host` or `host:port` for one of `hosts`.
fn is_any_port_of(rest: &str, hosts: &[&str]) -> bool {
    hosts.iter().any(|host| match rest.strip_prefix(host) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    })
}

/// Digits of a port as a browser writes them.
fn is_port(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
        && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin<'_> {
        Origin::parse(text.as_bytes()).expect("an origin's characters")
    }

    const HOSTILE: [&str; 25] = [
        "null",
        "NULL",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "http://127.0.0.1:80x",
        "http://localhost:80a",
        "http://127.0.0.1@evil.com",
        "http://localhost:3000@evil.com",
        "http://evil.com/localhost",
        "HTTP://LOCALHOST",
        "http://LOCALHOST:1",
        "http://localhost.",
        "http://localhost.:80",
        "http://localhost:",
        "http://localhost/",
        "http://localhost:80/",
        "http://localhost:3000.evil.com",
        "http://localhost:65536",
        "http://localhost:+80",
        "http://localhost:080",
        "http://127.1.2.3",
        "http://127.1",
        "http://x.localhost",
        "http://0.0.0.0",
        "ws://localhost",
    ];

    /// Spec agentmux C.2 and the predicate cases at the end of L.
    #[test]
    fn agentmux_origins_are_exact_loopback_over_http() {
        for good in ["http://localhost", "http://127.0.0.1:1", "http://localhost:5173", "http://127.0.0.1"] {
            assert!(origin(good).is_loopback_http(), "{good}");
        }
        for bad in HOSTILE.iter().chain(&["https://localhost", "http://[::1]:1", "https://127.0.0.1:1"]) {
            assert!(!origin(bad).is_loopback_http(), "{bad}");
        }
    }

    /// Spec genswarms M.3.
    #[test]
    fn m3_the_default_list_of_the_swarm_surface() {
        for good in [
            "http://localhost",
            "https://localhost",
            "http://localhost:3000",
            "https://localhost:4000",
            "http://127.0.0.1:5173",
            "https://127.0.0.1",
            "http://[::1]:4000",
            "https://[::1]",
        ] {
            assert!(origin(good).is_loopback_web(), "{good}");
        }
        let more =
            ["https://evil.com", "http://example.com", "https://notlocalhost", "http://[::1", "http://::1"];
        for bad in HOSTILE.iter().chain(&more) {
            assert!(!origin(bad).is_loopback_web(), "{bad}");
        }
    }

    #[test]
    fn a_value_with_other_bytes_is_no_origin() {
        for bad in [&b""[..], b"http://a b", b"http://\xff", "http://ä".as_bytes(), b"a\tb"] {
            assert_eq!(Origin::parse(bad), None);
        }
    }

    #[test]
    fn list_entries_are_what_a_browser_serialises() {
        for good in
            ["https://a.com", "https://a.com:443", "http://[::1]", "http://[::1]:8080", "tauri://localhost"]
        {
            assert!(is_serialised(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "a.com",
            "https://",
            "https://a.com/",
            "https://A.com",
            "https://a.com:",
            "https://:80",
            "https://a.com:x",
            "https://u@a.com",
            "https://a.com?x",
            "//a.com",
            "https://a com",
            "https://*.a.com",
        ] {
            assert!(!is_serialised(bad), "{bad}");
        }
    }
}
