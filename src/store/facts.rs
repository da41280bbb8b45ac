//! What the kernel says about processes and listeners (until sys/ has it).

use std::net::SocketAddr;

/// The effective uid of a process; `None` when there is no such process.
pub fn owner_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The inode and uid of the socket that listens at an IPv4 address.
pub fn tcp_listener(at: SocketAddr) -> std::io::Result<Option<(u64, u32)>> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let SocketAddr::V4(at) = at else { return Ok(None) };
    let wanted = format!("{:08X}:{:04X}", u32::from_le_bytes(at.ip().octets()), at.port());
    Ok(table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, "0A", _, _, _, uid, _, inode, ..] = words[..] else { return None };
        (local == wanted).then_some((inode.parse().ok()?, uid.parse().ok()?))
    }))
}
