//! Which addresses an endpoint's name may have (attacks.md, "addresses an endpoint name may not resolve to").
//!
//! Defends against a name that is made to lead inwards: to this machine, to the cloud's metadata, to another
//! network's forms of the same. One table, first match wins; what stands in no row is refused. Whether the
//! operator named an address himself is the policy's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What an address is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// one of the internet
    Public,
    /// one of a site's own network (RFC 1918, RFC 4193)
    Private,
    /// none that a name may have
    Refused(Why),
}

/// Why a name may not have an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// "this network", the unspecified address
    ThisNetwork,
    /// this machine
    Loopback,
    /// an address of one of this machine's interfaces
    OwnMachine,
    /// what tells a machine in a cloud its credentials
    Metadata,
    /// this link
    LinkLocal,
    /// shared between a provider and its customers (RFC 6598)
    CarrierNat,
    /// many machines
    Multicast,
    /// all machines
    Broadcast,
    /// for documents and measurements
    Documentation,
    /// kept for protocols, or for nothing yet
    Reserved,
    /// an IPv4 address in the clothes of an IPv6 one
    Embedded,
    /// private, and not named by the operator
    Private,
    /// a port that this instance itself listens on
    OwnListener,
}

impl Why {
    /// A word for it, in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::ThisNetwork => "unspecified",
            Self::Loopback => "loopback",
            Self::OwnMachine => "this machine's own",
            Self::Metadata => "cloud metadata",
            Self::LinkLocal => "link-local",
            Self::CarrierNat => "carrier-grade NAT",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
            Self::Embedded => "IPv4 inside IPv6",
            Self::Private => "private",
            Self::OwnListener => "this instance's own",
        }
    }
}

use Sort::{Private, Public, Refused};

/// Network, length of its prefix, what it is. The IANA registries of special-purpose addresses, the metadata
/// addresses of the clouds, and the rest of the internet last.
const V4: &[(Ipv4Addr, u32, Sort)] = &[
    (v4(169, 254, 169, 254), 32, Refused(Why::Metadata)),
    (v4(100, 100, 100, 200), 32, Refused(Why::Metadata)),
    (v4(168, 63, 129, 16), 32, Refused(Why::Metadata)),
    (v4(192, 0, 0, 192), 32, Refused(Why::Metadata)),
    (v4(0, 0, 0, 0), 8, Refused(Why::ThisNetwork)),
    (v4(10, 0, 0, 0), 8, Private),
    (v4(100, 64, 0, 0), 10, Refused(Why::CarrierNat)),
    (v4(127, 0, 0, 0), 8, Refused(Why::Loopback)),
    (v4(169, 254, 0, 0), 16, Refused(Why::LinkLocal)),
    (v4(172, 16, 0, 0), 12, Private),
    (v4(192, 0, 0, 0), 24, Refused(Why::Reserved)),
    (v4(192, 0, 2, 0), 24, Refused(Why::Documentation)),
    (v4(192, 88, 99, 0), 24, Refused(Why::Reserved)),
    (v4(192, 168, 0, 0), 16, Private),
    (v4(198, 18, 0, 0), 15, Refused(Why::Documentation)),
    (v4(198, 51, 100, 0), 24, Refused(Why::Documentation)),
    (v4(203, 0, 113, 0), 24, Refused(Why::Documentation)),
    (v4(224, 0, 0, 0), 4, Refused(Why::Multicast)),
    (v4(255, 255, 255, 255), 32, Refused(Why::Broadcast)),
    (v4(240, 0, 0, 0), 4, Refused(Why::Reserved)),
    (v4(0, 0, 0, 0), 0, Public),
];

/// The same for IPv6, of which only 2000::/3 is the internet.
const V6: &[(Ipv6Addr, u32, Sort)] = &[
    (v6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254]), 128, Refused(Why::Metadata)),
    (v6([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254]), 128, Refused(Why::Metadata)),
    (v6([0; 8]), 128, Refused(Why::ThisNetwork)),
    (v6([0, 0, 0, 0, 0, 0, 0, 1]), 128, Refused(Why::Loopback)),
    // mapped, translated, compatible: nobody's address on a wire
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0]), 96, Refused(Why::Embedded)),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0]), 96, Refused(Why::Embedded)),
    (v6([0; 8]), 96, Refused(Why::Embedded)),
    // NAT64 of a site (RFC 8215), Teredo, 6to4: tunnels and gateways, with an address inside that is not looked at
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0]), 48, Refused(Why::Embedded)),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 32, Refused(Why::Embedded)),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0]), 16, Refused(Why::Embedded)),
    (v6([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0]), 32, Refused(Why::Documentation)),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0]), 20, Refused(Why::Documentation)),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 23, Refused(Why::Reserved)),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0]), 7, Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10, Refused(Why::LinkLocal)),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8, Refused(Why::Multicast)),
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0]), 3, Public),
    (v6([0; 8]), 0, Refused(Why::Reserved)),
];

/// NAT64 (RFC 6052): the only way to the internet's IPv4 from a network without any, so what is inside counts.
const NAT64: (Ipv6Addr, u32) = (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0]), 96);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(words: [u16; 8]) -> Ipv6Addr {
    let [a, b, c, d, e, f, g, h] = words;
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}

/// What an address is, by the table.
pub fn sort(ip: IpAddr) -> Sort {
    match ip {
        IpAddr::V4(ip) => of_v4(ip),
        IpAddr::V6(ip) => of_v6(ip),
    }
}

fn of_v4(ip: Ipv4Addr) -> Sort {
    let row = V4.iter().find(|(net, bits, _)| within(ip.to_bits().into(), net.to_bits().into(), *bits, 32));
    row.map_or(Refused(Why::Reserved), |(_, _, sort)| *sort)
}

fn of_v6(ip: Ipv6Addr) -> Sort {
    let (net, bits) = NAT64;
    if within(ip.to_bits(), net.to_bits(), bits, 128) {
        let [.., a, b, c, d] = ip.octets();
        return match of_v4(v4(a, b, c, d)) {
            Public => Public,
            // A private one lies behind a gateway that the operator did not name.
            Private | Refused(_) => Refused(Why::Embedded),
        };
    }
    let row = V6.iter().find(|(net, bits, _)| within(ip.to_bits(), net.to_bits(), *bits, 128));
    row.map_or(Refused(Why::Reserved), |(_, _, sort)| *sort)
}

/// Whether the first `bits` of `width` are the same.
fn within(ip: u128, net: u128, bits: u32, width: u32) -> bool {
    // A shift by the whole width is none: then nothing is compared.
    let shifted = |number: u128| number.checked_shr(width.saturating_sub(bits)).unwrap_or(0);
    shifted(ip) == shifted(net)
}

/// Whether `at` is a port that this instance listens on, in whatever form its address is written. `is_local` says
/// whether an address is one of this machine; what it does not know counts as one.
pub fn is_own(at: SocketAddr, own: &[SocketAddr], is_local: impl Fn(IpAddr) -> Option<bool>) -> bool {
    if !own.iter().any(|listener| listener.port() == at.port()) {
        return false;
    }
    let plain = match at.ip() {
        // Mapped and compatible ones; `::1` is not taken for 0.0.0.1.
        IpAddr::V6(ip) if !ip.is_loopback() => ip.to_ipv4().map_or(IpAddr::V6(ip), IpAddr::V4),
        ip => ip,
    };
    plain.is_unspecified() || plain.is_loopback() || is_local(plain) != Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Sort {
        sort(text.parse().expect(text))
    }

    /// The list of attacks.md, each in its IPv4 form and in every IPv6 form of it.
    #[test]
    fn every_address_of_the_refused_list_is_refused_in_every_form() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.251",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(matches!(of(text), Refused(_)), "{text}");
            let ip: Ipv4Addr = text.parse().expect(text);
            let [a, b, c, d] = ip.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for embedded in [
                v6([0, 0, 0, 0, 0, 0xffff, high, low]),
                v6([0, 0, 0, 0, 0xffff, 0, high, low]),
                v6([0, 0, 0, 0, 0, 0, high, low]),
                v6([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
                v6([0x64, 0xff9b, 1, 0, 0, 0, high, low]),
                v6([0x2002, high, low, 0, 0, 0, 0, 1]),
                v6([0x2001, 0, 0x4136, 0xe378, 0, 0, !high, !low]),
            ] {
                assert!(matches!(sort(embedded.into()), Refused(_)), "{text} as {embedded}");
            }
        }
    }

    #[test]
    fn every_ipv6_address_that_is_not_of_the_internet_is_refused_or_private() {
        for (text, wanted) in [
            ("::", Refused(Why::ThisNetwork)),
            ("::1", Refused(Why::Loopback)),
            ("fd00:ec2::254", Refused(Why::Metadata)),
            ("fd20:ce::254", Refused(Why::Metadata)),
            ("fe80::1", Refused(Why::LinkLocal)),
            ("febf::1", Refused(Why::LinkLocal)),
            ("fec0::1", Refused(Why::Reserved)),
            ("ff02::fb", Refused(Why::Multicast)),
            ("2001:db8::1", Refused(Why::Documentation)),
            ("3fff::1", Refused(Why::Documentation)),
            ("2001:2::1", Refused(Why::Reserved)),
            ("100::1", Refused(Why::Reserved)),
            ("5f00::1", Refused(Why::Reserved)),
            ("4000::1", Refused(Why::Reserved)),
            ("64:ff9b:2::1", Refused(Why::Reserved)),
            ("64:ff9b::10.0.0.1", Refused(Why::Embedded)),
            ("fd00::1", Private),
            ("fc00::1", Private),
            ("64:ff9b::8.8.8.8", Public),
            ("2606:4700::1", Public),
            ("2001:4860:4860::8888", Public),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }

    #[test]
    fn the_borders_of_a_network_are_where_they_should_be() {
        for (text, wanted) in [
            ("9.255.255.255", Public),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Public),
            ("100.63.255.255", Public),
            ("100.128.0.0", Public),
            ("126.255.255.255", Public),
            ("128.0.0.0", Public),
            ("169.253.255.255", Public),
            ("169.255.0.0", Public),
            ("172.15.255.255", Public),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("192.0.1.0", Public),
            ("192.167.255.255", Public),
            ("192.168.0.0", Private),
            ("192.169.0.0", Public),
            ("198.17.255.255", Public),
            ("198.20.0.0", Public),
            ("223.255.255.255", Public),
            ("168.63.129.15", Public),
            ("8.8.8.8", Public),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }

    #[test]
    fn our_own_port_is_ours_at_every_address_of_this_machine() {
        let own: [SocketAddr; 1] = [([127, 0, 0, 1], 4_000).into()];
        let lan: IpAddr = [192, 168, 7, 7].into();
        let is_local = |ip: IpAddr| if ip == IpAddr::from([9, 9, 9, 9]) { None } else { Some(ip == lan) };
        let ours = |text: &str| is_own(text.parse().expect(text), &own, is_local);
        for text in [
            "127.0.0.1:4000",
            "127.0.0.2:4000",
            "0.0.0.0:4000",
            "[::]:4000",
            "[::1]:4000",
            "[::ffff:127.0.0.1]:4000",
            "[::127.0.0.1]:4000",
            "[::ffff:0.0.0.0]:4000",
            "192.168.7.7:4000",
            "[::ffff:192.168.7.7]:4000",
            "9.9.9.9:4000",
        ] {
            assert!(ours(text), "{text}");
        }
        for text in ["127.0.0.1:4001", "[::1]:80", "192.168.7.8:4000", "8.8.8.8:4000", "[2606:4700::1]:4000"]
        {
            assert!(!ours(text), "{text}");
        }
    }
}
