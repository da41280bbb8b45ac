//! Addresses of network interfaces, by netlink (`man 7 rtnetlink`): adding one to loopback, and the machine's own.
//!
//! Adding needs CAP_NET_ADMIN over the network namespace: it is for namespaces that were made for a purpose.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    net::IpAddr,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

const DEADLINE: Duration = Duration::from_millis(500);
/// The loopback interface is the first of every network namespace.
const LOOPBACK: u32 = 1;
/// `nlmsghdr`.
const HEADER: usize = 16;
/// Our message's number; the socket asks once.
const SEQUENCE: u32 = 1;

/// Puts an address on loopback, as one of the machine alone.
pub fn add_to_loopback(address: IpAddr) -> io::Result<()> {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    // ifaddrmsg: the whole address is the prefix, and nobody else is asked whether he has it.
    let prefix = u8::try_from(bytes.len().saturating_mul(8)).unwrap_or_default();
    let mut body = vec![family as u8, prefix, libc::IFA_F_NODAD as u8, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        body.extend((4 + bytes.len() as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(&bytes);
    }
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let answer = ask(libc::RTM_NEWADDR, flags as u16, &body)?;
    let word = |at: usize| answer.get(at..).and_then(|rest| rest.first_chunk().copied());
    match word(HEADER).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        // It is there: it was 127.0.0.1, say.
        Some(code) if code == -libc::EEXIST => Ok(()),
        Some(code) if code < 0 => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let route = Protocol::from(libc::NETLINK_ROUTE);
    let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(route))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(SEQUENCE.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    if socket.write(&message)? != message.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut answer = vec![0; 8192];
    let length = socket.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
