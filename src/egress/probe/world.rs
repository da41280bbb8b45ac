//! What a run of the probes is told: which arm it is, and what there is to be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

/// Which of the two runs it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// within the sandbox: nothing may be reached
    Sandbox,
    /// where everything is answered by listeners of ours
    Control,
}

/// What a run is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// which run
    pub arm: Arm,
    /// what listeners of ours say first: visible ASCII
    pub nonce: String,
    /// the inode of the host's network namespace
    pub host_network: u64,
    /// ports of the host on which an instance, or a stand-in for one, listens
    pub ports: Vec<u16>,
    /// the machine's own addresses beside loopback
    pub addresses: Vec<IpAddr>,
    /// an abstract socket that is listened to on the host
    pub abstract_name: String,
    /// paths of sockets that are, or may be, listened to on the host
    pub sockets: Vec<String>,
    /// the port of the way out; `None`: the network is open
    pub forwarder: Option<u16>,
    /// what the endpoint's path begins with, `/v1` say
    pub prefix: String,
}

/// Where no packet may go: documentation addresses (RFC 5737, RFC 3849), which nobody has.
pub const SOMEWHERE_4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The same of IPv6.
pub const SOMEWHERE_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// The metadata addresses of clouds.
pub const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

impl World {
    /// As the word of a command line.
    pub fn to_word(&self) -> String {
        let arm = match self.arm {
            Arm::Sandbox => "sandbox",
            Arm::Control => "control",
        };
        json!({
            "arm": arm,
            "nonce": self.nonce,
            "host_network": self.host_network,
            "ports": self.ports,
            "addresses": self.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>(),
            "abstract": self.abstract_name,
            "sockets": self.sockets,
            "forwarder": self.forwarder,
            "prefix": self.prefix,
        })
        .to_string()
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(word).ok()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let list = |name: &str| value.get(name).and_then(Value::as_array);
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
        Some(Self {
            arm: match text("arm")?.as_str() {
                "sandbox" => Arm::Sandbox,
                "control" => Arm::Control,
                _ => return None,
            },
            nonce: text("nonce")?,
            host_network: value.get("host_network")?.as_u64()?,
            ports: list("ports")?.iter().map(port).collect::<Option<_>>()?,
            addresses: list("addresses")?
                .iter()
                .map(|address| address.as_str().and_then(|text| text.parse().ok()))
                .collect::<Option<_>>()?,
            abstract_name: text("abstract")?,
            sockets: list("sockets")?
                .iter()
                .map(|path| path.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            forwarder: match value.get("forwarder")? {
                Value::Null => None,
                number => Some(port(number)?),
            },
            prefix: text("prefix")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_read_as_it_was_written() {
        let world = World {
            arm: Arm::Control,
            nonce: "n".to_owned(),
            host_network: 4_026_531_840,
            ports: vec![1, 65_535],
            addresses: vec![SOMEWHERE_4, SOMEWHERE_6],
            abstract_name: "a b".to_owned(),
            sockets: vec!["/run/x".to_owned()],
            forwarder: Some(4141),
            prefix: "/v1".to_owned(),
        };
        assert_eq!(World::parse(&world.to_word()), Some(world.clone()));
        let open = World { arm: Arm::Sandbox, forwarder: None, ..world };
        assert_eq!(World::parse(&open.to_word()), Some(open));
        for bad in ["", "{}", "[]", r#"{"arm":"other"}"#] {
            assert_eq!(World::parse(bad), None);
        }
    }
}
