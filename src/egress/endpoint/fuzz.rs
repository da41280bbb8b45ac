//! What must hold for any bytes, asserted; driven by cargo-fuzz and by the replayed corpus.

use std::net::IpAddr;

use url::{Host, Url};

use super::{Endpoint, Machine};

/// An endpoint that we read is the same one when it is written and read again; the `url` crate, which follows
/// what browsers do, reads the same scheme, host, port and path from what was given and from what is written,
/// and nothing besides; what it leads a client to lies below the same host.
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(endpoint) = Endpoint::parse(text) else { return };
    let written = endpoint.to_string();
    assert_eq!(Endpoint::parse(&written).as_ref(), Ok(&endpoint), "{text:?} is another one when written");
    read_alike_by_url(text, &endpoint);
    read_alike_by_url(&written, &endpoint);
    let routes = endpoint.routes();
    assert!(routes.base.len() > 1 && super::is_path(&routes.base) && !routes.base.ends_with('/'));
    for (name, value) in endpoint.variables(1, &[]).iter().filter(|(_, value)| value.contains("//")) {
        let inside = Url::parse(value).expect("a URL");
        assert_eq!(
            (inside.host_str(), inside.port()),
            (Some("127.0.0.1"), Some(1)),
            "{name} leads elsewhere"
        );
    }
}

fn read_alike_by_url(text: &str, endpoint: &Endpoint) {
    let theirs = Url::parse(text).unwrap_or_else(|error| panic!("url refuses {text:?}: {error}"));
    assert_eq!(theirs.scheme(), endpoint.scheme().as_str(), "{text:?}");
    assert_eq!(theirs.port_or_known_default(), Some(endpoint.port()), "{text:?}");
    assert_eq!(theirs.path(), endpoint.path(), "{text:?}");
    let nothing = (theirs.username(), theirs.password(), theirs.query(), theirs.fragment());
    assert_eq!(nothing, ("", None, None, None), "{text:?}");
    let same = match (theirs.host(), endpoint.host()) {
        (Some(Host::Domain(theirs)), Machine::Name(ours)) => theirs == ours,
        (Some(Host::Ipv4(theirs)), Machine::Literal(ours)) => IpAddr::V4(theirs) == *ours,
        (Some(Host::Ipv6(theirs)), Machine::Literal(ours)) => IpAddr::V6(theirs) == *ours,
        _ => false,
    };
    assert!(same, "url reads another host in {text:?}: {:?}", theirs.host());
}
