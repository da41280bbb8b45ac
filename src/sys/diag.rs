//! Socket diagnosis: what the kernel knows of one TCP socket of this machine (`man 7 sock_diag`).
//!
//! Exact look-ups only, by both addresses, never a dump: the cost does not grow with the number of
//! sockets. The netlink socket is closed again at once and has a deadline, although the kernel puts
//! its answer into the queue before `send` returns.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel says of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketFacts {
    /// state of the TCP machine: [`ESTABLISHED`] and so on
    pub state: u8,
    /// inode of the socket; 0 where no process has it any more, or not yet
    pub inode: u32,
    /// user who made it
    pub uid: u32,
}

/// Both directions are open.
pub const ESTABLISHED: u8 = 1;
/// The other side has closed its direction.
pub const CLOSE_WAIT: u8 = 8;
/// Waits for connections.
pub const LISTEN: u8 = 10;

const DEADLINE: Duration = Duration::from_millis(500);

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// Bytes of `nlmsghdr` with `inet_diag_req_v2`, and with `inet_diag_msg`: 16 + 56, 16 + 72.
const REQUEST: usize = 72;
const ANSWER: usize = 88;
/// Our message's number; the socket asks once.
const SEQUENCE: u32 = 1;

/// The socket of a connection's far end, where that is on this machine: its own address is
/// `local_of_peer`, and it is connected to `remote_of_peer`. `NotFound` where there is none.
pub fn tcp_peer(local_of_peer: SocketAddr, remote_of_peer: SocketAddr) -> io::Result<SocketFacts> {
    let (from, to) = (canonical(local_of_peer), canonical(remote_of_peer));
    let found = ask(from, Some(to))?.ok_or(io::ErrorKind::NotFound)?;
    // The kernel falls back to a listener on the port when the connection's socket is gone.
    if found.local != from || found.remote != to {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(found.facts)
}

/// The socket that listens on `addr`, bound to it or to all addresses.
pub fn tcp_listener(addr: SocketAddr) -> io::Result<Option<SocketFacts>> {
    let addr = canonical(addr);
    let found = ask(addr, None)?;
    Ok(found.filter(|found| found.local.port() == addr.port()).map(|found| found.facts))
        .map(|facts| facts.filter(|facts| facts.state == LISTEN))
}

/// An IPv4 address in IPv6 clothes is looked up as what it is.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    local: SocketAddr,
    remote: SocketAddr,
    facts: SocketFacts,
}

fn ask(local: SocketAddr, remote: Option<SocketAddr>) -> io::Result<Option<Found>> {
    let mut socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::DGRAM,
        Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
    )?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let request = request(local, remote);
    if socket.write(&request)? != request.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut answer = [0; 1024];
    let len = socket.read(&mut answer)?;
    parse(answer.get(..len).unwrap_or_default())
}

/// `nlmsghdr` and `inet_diag_req_v2`: numbers in the machine's order, ports and addresses in the
/// network's.
fn request(local: SocketAddr, remote: Option<SocketAddr>) -> Vec<u8> {
    let remote = remote.unwrap_or_else(|| match local {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    });
    let family = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut out = Vec::with_capacity(REQUEST);
    out.extend((REQUEST as u32).to_ne_bytes());
    out.extend(BY_FAMILY.to_ne_bytes());
    out.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    out.extend(SEQUENCE.to_ne_bytes());
    out.extend(0u32.to_ne_bytes());
    out.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    out.extend(u32::MAX.to_ne_bytes()); // all states
    out.extend(local.port().to_be_bytes());
    out.extend(remote.port().to_be_bytes());
    out.extend(sixteen(local.ip()));
    out.extend(sixteen(remote.ip()));
    out.extend(0u32.to_ne_bytes()); // any interface
    out.extend([0xff; 8]); // no cookie
    out
}

/// An address in a field of sixteen bytes, padded behind.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Reads the kernel's answer. `None`: there is no such socket.
fn parse(answer: &[u8]) -> io::Result<Option<Found>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let half = |at| field(answer, at).map(u16::from_ne_bytes);
    let word = |at| field(answer, at).map(u32::from_ne_bytes);
    let (length, kind) = (word(0).ok_or_else(malformed)?, half(4).ok_or_else(malformed)?);
    if usize::try_from(length).ok().is_none_or(|length| length > answer.len()) || word(8) != Some(SEQUENCE) {
        return Err(malformed());
    }
    if i32::from(kind) == libc::NLMSG_ERROR {
        let code = field(answer, 16).map(i32::from_ne_bytes).ok_or_else(malformed)?;
        return match code.checked_neg() {
            Some(libc::ENOENT) => Ok(None),
            Some(code) if code > 0 => Err(io::Error::from_raw_os_error(code)),
            Some(_) | None => Err(malformed()),
        };
    }
    if kind != BY_FAMILY || answer.len() < ANSWER {
        return Err(malformed());
    }
    let byte = |at| answer.get(at).copied().unwrap_or_default();
    let family = i32::from(byte(16));
    let address = |ip: usize, port: usize| -> Option<SocketAddr> {
        let ip: IpAddr = match family {
            libc::AF_INET => IpAddr::from(field::<4>(answer, ip)?),
            libc::AF_INET6 => IpAddr::from(field::<16>(answer, ip)?),
            _ => return None,
        };
        Some(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(field(answer, port)?)))
    };
    Ok(Some(Found {
        local: address(24, 20).ok_or_else(malformed)?,
        remote: address(40, 22).ok_or_else(malformed)?,
        facts: SocketFacts {
            state: byte(17),
            uid: word(80).ok_or_else(malformed)?,
            inode: word(84).ok_or_else(malformed)?,
        },
    }))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::{fd::AsRawFd, unix::fs::MetadataExt},
        time::Instant,
    };

    use super::*;
    use crate::sys::process;

    fn inode(socket: &impl AsRawFd) -> u32 {
        let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
        u32::try_from(std::fs::metadata(path).unwrap().ino()).unwrap()
    }

    /// Another test that starts a process has copies of our sockets in it for a moment.
    fn eventually(mut fits: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !fits() {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
    }

    fn pair(bind: &str) -> Option<(TcpListener, TcpStream, TcpStream)> {
        let listener = TcpListener::bind(bind).ok()?;
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        Some((listener, near, far))
    }

    #[test]
    fn the_far_end_of_a_connection_is_found_exactly() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Some((_listener, near, far)) = pair(bind) else {
                println!("skipped: IPv6 missing");
                continue;
            };
            let facts = tcp_peer(far.peer_addr().unwrap(), far.local_addr().unwrap()).unwrap();
            assert_eq!(facts, SocketFacts { state: ESTABLISHED, inode: inode(&near), uid: process::uid() });
            // Seen from the other side it is the other socket.
            let other = tcp_peer(near.peer_addr().unwrap(), near.local_addr().unwrap()).unwrap();
            assert_eq!(other.inode, inode(&far));
        }
    }

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_listener_is_found() {
        let Some((_listener, near, far)) = pair_dual() else {
            println!("skipped: IPv6 missing");
            return;
        };
        assert!(far.peer_addr().unwrap().is_ipv6());
        let facts = tcp_peer(far.peer_addr().unwrap(), far.local_addr().unwrap()).unwrap();
        assert_eq!(facts.inode, inode(&near));
    }

    fn pair_dual() -> Option<(TcpListener, TcpStream, TcpStream)> {
        let listener = TcpListener::bind("[::]:0").ok()?;
        let port = listener.local_addr().unwrap().port();
        let near = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        let far = listener.accept().unwrap().0;
        Some((listener, near, far))
    }

    #[test]
    fn a_closed_far_end_has_no_inode_or_is_gone() {
        let (_listener, near, far) = pair("127.0.0.1:0").unwrap();
        let (peer, local) = (far.peer_addr().unwrap(), far.local_addr().unwrap());
        drop(near);
        let gone = |found: io::Result<SocketFacts>| match found {
            Ok(facts) => facts.inode == 0 && facts.state != ESTABLISHED,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        eventually(|| gone(tcp_peer(peer, local)));
    }

    /// The kernel answers with the listener where the connection is gone.
    #[test]
    fn a_listener_on_the_peers_port_is_not_the_peer() {
        let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = squatter.local_addr().unwrap();
        let found = tcp_peer(peer, "127.0.0.1:1".parse().unwrap());
        assert_eq!(found.map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_listener_is_found_under_its_address_and_under_all() {
        let exact = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = exact.local_addr().unwrap();
        let facts = tcp_listener(addr).unwrap().unwrap();
        assert_eq!(facts, SocketFacts { state: LISTEN, inode: inode(&exact), uid: process::uid() });
        drop(exact);
        eventually(|| tcp_listener(addr).is_ok_and(|found| found.is_none()));
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], wide.local_addr().unwrap().port()));
        assert_eq!(tcp_listener(addr).unwrap().map(|facts| facts.inode), Some(inode(&wide)));
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            let found = tcp_listener(six.local_addr().unwrap()).unwrap();
            assert_eq!(found.map(|facts| facts.inode), Some(inode(&six)));
        }
    }

    #[test]
    fn short_and_foreign_answers_are_errors() {
        let mut answer = request("127.0.0.1:1".parse().unwrap(), None);
        answer.resize(ANSWER, 0);
        answer.splice(0..4, 88u32.to_ne_bytes());
        answer.splice(16..18, [libc::AF_INET as u8, ESTABLISHED]);
        assert!(parse(&answer).is_ok_and(|found| found.is_some()));
        for len in 0..ANSWER {
            assert!(parse(&answer[..len]).is_err(), "{len}");
        }
        for at in [4, 8, 16] {
            let mut other = answer.clone();
            other[at] ^= 0x40;
            assert!(parse(&other).is_err(), "{at}");
        }
    }
}
