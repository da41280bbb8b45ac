//! The Host header's value (RFC 9110, 7.2): parsed, then compared whole, never by prefix.
//!
//! Defends against DNS rebinding: a page may point its own name at 127.0.0.1, but cannot make the
//! browser send another name than that. Only the one spelling of each form is read; octal, hex,
//! decimal and short forms of an address stay names, and are nobody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and perhaps a port, as a client sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// the host
    pub name: HostName<'a>,
    /// the port; `None` where there was no colon
    pub port: Option<u16>,
}

/// A host without its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostName<'a> {
    /// letters, digits, `-`, `_` and `.`, as sent: compare without regard to case
    Name(&'a str),
    /// four decimal numbers without leading zeros
    V4(Ipv4Addr),
    /// in brackets, without a zone
    V6(Ipv6Addr),
}

/// Why a text is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostError {
    /// nothing there
    Empty,
    /// over 255 bytes
    TooLong,
    /// a character outside names: userinfo, a wildcard, a path, a space
    Character,
    /// brackets that hold no IPv6 address
    Bracket,
    /// a colon without a port number behind it
    Port,
    /// a list entry that no client would be right to send: a trailing dot, a number form
    NoName,
}

impl HostError {
    /// What is wrong, for a sentence about the value.
    pub fn reason(self) -> &'static str {
        match self {
            HostError::Empty => "it is empty",
            HostError::TooLong => "it is longer than 255 bytes",
            HostError::Character => "it has a character that no host name has",
            HostError::Bracket => "what stands in brackets is not an IPv6 address",
            HostError::Port => "the port is not a number from 0 to 65535",
            HostError::NoName => "it ends in a dot or is an address in a form that is not read",
        }
    }
}

impl<'a> Host<'a> {
    /// Reads `host` or `host:port`.
    pub fn parse(value: &'a [u8]) -> Result<Self, HostError> {
        let text = std::str::from_utf8(value).map_err(|_| HostError::Character)?;
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.len() > 255 {
            return Err(HostError::TooLong);
        }
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inner, behind) = rest.split_once(']').ok_or(HostError::Bracket)?;
                let address = inner.parse::<Ipv6Addr>().map_err(|_| HostError::Bracket)?;
                let port = match behind {
                    "" => None,
                    behind => Some(behind.strip_prefix(':').ok_or(HostError::Bracket)?),
                };
                (HostName::V6(address), port)
            }
            None => {
                let (name, port) = match text.split_once(':') {
                    Some((name, port)) => (name, Some(port)),
                    None => (text, None),
                };
                (HostName::unbracketed(name)?, port)
            }
        };
        Ok(Self { name, port: port.map(parse_port).transpose()? })
    }

    /// Whether this is the address `ip` and the port `port`; no port means 80.
    pub fn is_address(&self, ip: IpAddr, port: u16) -> bool {
        let same = match (self.name, ip) {
            (HostName::V4(ours), IpAddr::V4(theirs)) => ours == theirs,
            (HostName::V6(ours), IpAddr::V6(theirs)) => ours == theirs,
            (HostName::V4(_) | HostName::V6(_) | HostName::Name(_), _) => false,
        };
        same && self.port.unwrap_or(80) == port
    }

    /// Whether this is the name `name` and the port `port`; no port means 80.
    pub fn is_name(&self, name: &str, port: u16) -> bool {
        matches!(self.name, HostName::Name(found) if found.eq_ignore_ascii_case(name))
            && self.port.unwrap_or(80) == port
    }
}

impl<'a> HostName<'a> {
    fn unbracketed(name: &'a str) -> Result<Self, HostError> {
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(HostError::Character);
        }
        Ok(match name.parse::<Ipv4Addr>() {
            Ok(address) => HostName::V4(address),
            Err(_) => HostName::Name(name),
        })
    }
}

/// A further host that the operator allows: `name` with the instance's port, or `name:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    name: OwnName,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OwnName {
    /// without a trailing dot, and nothing that a resolver might read as an address
    Name(String),
    Address(IpAddr),
}

impl HostEntry {
    /// Reads one entry of the list.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let host = Host::parse(text.as_bytes())?;
        let name = match host.name {
            HostName::V4(address) => OwnName::Address(address.into()),
            HostName::V6(address) => OwnName::Address(address.into()),
            HostName::Name(name) if !is_plain(name) => return Err(HostError::NoName),
            HostName::Name(name) => OwnName::Name(name.to_ascii_lowercase()),
        };
        Ok(Self { name, port: host.port })
    }

    /// Whether `host` is this entry. `ours` is the instance's port. A Host without a port is what
    /// a client sends for 80 (http) and what comes through a proxy for 443 (https).
    pub fn admits(&self, host: &Host<'_>, ours: u16) -> bool {
        let port = self.port.unwrap_or(ours);
        let port_fits = match host.port {
            Some(sent) => sent == port,
            None => port == 80 || port == 443,
        };
        let name_fits = match (&self.name, host.name) {
            (OwnName::Name(name), HostName::Name(sent)) => sent.eq_ignore_ascii_case(name),
            (OwnName::Address(IpAddr::V4(address)), HostName::V4(sent)) => *address == sent,
            (OwnName::Address(IpAddr::V6(address)), HostName::V6(sent)) => *address == sent,
            (OwnName::Name(_) | OwnName::Address(_), _) => false,
        };
        name_fits && port_fits
    }
}

/// Whether every reader takes `name` for a name, and for the same one: without an empty label (a trailing dot
/// among them), and nothing that a resolver might read as an address.
pub fn is_plain(name: &str) -> bool {
    !ends_like_a_number(name) && !name.split('.').any(str::is_empty)
}

/// Digits alone, in one way.
fn parse_port(digits: &str) -> Result<u16, HostError> {
    let fits = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if fits { digits.parse().map_err(|_| HostError::Port) } else { Err(HostError::Port) }
}

/// Whether a resolver might read the name as an IPv4 address (WHATWG URL, "ends in a number").
fn ends_like_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let digits = last.strip_prefix("0x").map(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.unwrap_or_else(|| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<Host<'_>, HostError> {
        Host::parse(text.as_bytes())
    }

    #[test]
    fn hosts_are_read_in_one_spelling() {
        assert!(host("127.0.0.1:4000").is_ok_and(|h| h.is_address([127, 0, 0, 1].into(), 4000)));
        assert!(host("LocalHost:4000").is_ok_and(|h| h.is_name("localhost", 4000)));
        assert!(host("[::1]:4000").is_ok_and(|h| h.is_address(Ipv6Addr::LOCALHOST.into(), 4000)));
        assert!(host("localhost").is_ok_and(|h| h.is_name("localhost", 80) && !h.is_name("localhost", 4000)));
        assert!(host("[::ffff:127.0.0.1]:4000").is_ok_and(|h| !h.is_address([127, 0, 0, 1].into(), 4000)));
    }

    #[test]
    fn malformed_hosts_are_errors() {
        for bad in [
            "",
            ":80",
            "localhost:",
            "localhost:x",
            "localhost:80x",
            "localhost:65536",
            "localhost:-1",
            "localhost:+80",
            "localhost:080",
            "localhost:80:80",
            "user@localhost",
            "user:pw@localhost:80",
            "local host",
            "localhost/",
            "*.localhost",
            "localhost,evil",
            "[::1",
            "::1",
            "[::1]80",
            "[::1]:",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]",
            "[]",
            "127.0.0.1%00",
            "lo\0calhost",
            "ä",
        ] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
        assert_eq!(host(&"a".repeat(256)), Err(HostError::TooLong));
    }

    #[test]
    fn other_forms_of_the_loopback_address_are_nobodys_name() {
        for form in [
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "localhost.",
            "x.localhost",
            "localhost.evil.com",
            "127.evil.com",
            "0",
        ] {
            let found = host(form).expect(form);
            assert!(matches!(found.name, HostName::Name(_)), "{form}");
            assert!(!found.is_name("localhost", 80), "{form}");
        }
    }

    #[test]
    fn list_entries_are_names_and_plain_addresses() {
        let admits = |entry: &str, sent: &str| {
            HostEntry::parse(entry).expect(entry).admits(&host(sent).expect(sent), 4000)
        };
        assert!(admits("Box.Example", "box.example:4000"));
        assert!(!admits("box.example", "box.example"));
        assert!(!admits("box.example", "box.example:4001"));
        assert!(admits("box.example:443", "box.example"));
        assert!(admits("box.example:443", "BOX.example:443"));
        assert!(admits("box.example:80", "box.example"));
        assert!(!admits("box.example:8443", "box.example"));
        for other in ["box.example.:4000", "a.box.example:4000", "box.example.evil:4000", "ox.example:4000"] {
            assert!(!admits("box.example", other), "{other}");
        }
        assert!(admits("192.168.1.5", "192.168.1.5:4000"));
        assert!(admits("[fd00::1]:9", "[FD00::1]:9"));
        for bad in [
            "",
            "*",
            "*.example",
            "a.",
            "a..b",
            ".a",
            "2130706433",
            "127.1",
            "a.0x7f",
            "::1",
            "http://a",
            "a/b",
        ] {
            assert!(HostEntry::parse(bad).is_err(), "{bad:?}");
        }
    }
}
