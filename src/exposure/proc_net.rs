//! Reads the kernel's tables of sockets: `/proc/self/net/{tcp,tcp6,udp,udp6,unix}` (proc(5)).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// One socket as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// a listening TCP socket
    TcpListening(SocketAddr),
    /// a TCP socket in any other state
    Tcp { local: SocketAddr, remote: SocketAddr },
    /// a UDP socket; without a peer its remote port is 0
    Udp { local: SocketAddr, remote: SocketAddr },
    /// a unix socket; without a name `path` is empty
    Unix { path: String },
}

/// Sockets by inode, over all five tables.
pub(super) fn sockets() -> io::Result<HashMap<u64, Listed>> {
    let mut all = HashMap::new();
    for (file, udp) in [("tcp", false), ("tcp6", false), ("udp", true), ("udp6", true)] {
        if let Some(text) = read(file)? {
            all.extend(text.lines().skip(1).filter_map(|line| inet_line(line, udp)));
        }
    }
    if let Some(text) = read("unix")? {
        // Whoever names a socket can forge lines of this table: one hides no line of the others.
        for (inode, listed) in text.lines().skip(1).filter_map(unix_line) {
            all.entry(inode).or_insert(listed);
        }
    }
    Ok(all)
}

/// A table of this process's network namespace; none where the kernel lacks the family.
fn read(file: &str) -> io::Result<Option<String>> {
    let mut file = match File::open(format!("/proc/self/net/{file}")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Each read walks the kernel's whole hash table, so few large ones.
    let mut bytes = Vec::with_capacity(READ);
    file.read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `sl local remote st queues timer retransmits uid timeout inode ...`
fn inet_line(line: &str, udp: bool) -> Option<(u64, Listed)> {
    let mut words = line.split_ascii_whitespace();
    let local = address(words.nth(1)?)?;
    let remote = address(words.next()?)?;
    let state = words.next()?;
    let inode: u64 = words.nth(5)?.parse().ok()?;
    const TCP_LISTEN: &str = "0A";
    let listed = if udp {
        Listed::Udp { local, remote }
    } else if state == TCP_LISTEN {
        Listed::TcpListening(local)
    } else {
        Listed::Tcp { local, remote }
    };
    Some((inode, listed))
}

/// `Num RefCount Protocol Flags Type St Inode [Path]`; a path may hold spaces.
fn unix_line(line: &str) -> Option<(u64, Listed)> {
    let mut rest = line;
    let mut word = || {
        let trimmed = rest.trim_start_matches(' ');
        let (word, after) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    let (_num, _refs, _protocol) = (word()?, word()?, word()?);
    let (_flags, _kind, _state) = (word()?, word()?, word()?);
    let inode = word()?.parse().ok()?;
    Some((inode, Listed::Unix { path: rest.to_owned() }))
}

/// `0100007F:1F90`: 32-bit words in the machine's own byte order, the port in network order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = [0u8; 16];
    let words = ip.len().checked_div(8)?;
    if ip.len() != words.checked_mul(8)? || !ip.is_ascii() {
        return None;
    }
    for (chunk, digits) in bytes.chunks_exact_mut(4).zip(ip.as_bytes().chunks_exact(8)) {
        let word = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    let ip = match words {
        1 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        4 => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// First size of a table in memory, bytes.
const READ: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_socket_lines_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0";
        if cfg!(target_endian = "little") {
            assert_eq!(
                inet_line(line, false),
                Some((4242, Listed::TcpListening("127.0.0.1:8080".parse().unwrap())))
            );
            let line = line.replace(" 0A ", " 01 ").replace("00000000:0000 ", "0200007F:0050 ");
            let tcp = Listed::Tcp {
                local: "127.0.0.1:8080".parse().unwrap(),
                remote: "127.0.0.2:80".parse().unwrap(),
            };
            assert_eq!(inet_line(&line, false), Some((4242, tcp)));
            assert_eq!(address("00000000000000000000000001000000:0001"), Some("[::1]:1".parse().unwrap()));
        }
        let unix = "0000000000000000: 00000002 00000000 00010000 0001 01 77 /run/a b.sock";
        assert_eq!(unix_line(unix), Some((77, Listed::Unix { path: "/run/a b.sock".into() })));
        let unnamed = "0000000000000000: 00000003 00000000 00000000 0001 03 78";
        assert_eq!(unix_line(unnamed), Some((78, Listed::Unix { path: String::new() })));
    }

    #[test]
    fn a_line_that_is_none_is_left_out() {
        for line in
            ["", "x", "0: 0100007F 0", "0: é100007F:1F90 00000000:0000 0A", "0: 01:1 02:2 0A a b c d e f"]
        {
            assert_eq!(inet_line(line, false), None, "{line}");
            assert_eq!(unix_line(line), None, "{line}");
        }
    }
}
