//! What kind of socket a descriptor of this process is, by `getsockopt`.

use std::{
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Kinds of sockets that the exposure report tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// TCP over IPv4 or IPv6
    Tcp,
    /// a unix socket
    Unix,
    /// netlink, to the kernel's socket diagnosis
    SocketDiagnosis,
    /// anything else, by the kernel's numbers
    Other {
        /// SO_DOMAIN
        family: i32,
        /// SO_TYPE
        kind: i32,
        /// SO_PROTOCOL
        protocol: i32,
    },
}

/// What the kernel says of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// its family
    pub family: Family,
    /// whether it accepts connections
    pub listening: bool,
    /// for a unix socket: whether it has a name, by which others reach it
    pub named: bool,
    /// for a unix socket: the process that made the other end
    pub peer_pid: Option<u32>,
}

/// Asks the kernel about descriptor number `fd`. An error for one that is closed or no socket.
pub fn describe(fd: u32) -> io::Result<Kind> {
    let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    let domain: i32 = option(fd, libc::SO_DOMAIN, 0)?;
    let kind: i32 = option(fd, libc::SO_TYPE, 0)?;
    let protocol: i32 = option(fd, libc::SO_PROTOCOL, 0)?;
    let listening: i32 = option(fd, libc::SO_ACCEPTCONN, 0)?;
    const SOCK_DIAG: i32 = 4;
    let family = match (domain, kind, protocol) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM, libc::IPPROTO_TCP) => Family::Tcp,
        (libc::AF_UNIX, _, _) => Family::Unix,
        (libc::AF_NETLINK, _, SOCK_DIAG) => Family::SocketDiagnosis,
        (family, kind, protocol) => Family::Other { family, kind, protocol },
    };
    let named = domain == libc::AF_UNIX && name_length(fd)? > size_of::<libc::sa_family_t>();
    let peer_pid = if domain == libc::AF_UNIX {
        let unknown = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let peer = option(fd, libc::SO_PEERCRED, unknown).map_or(0, |cred| cred.pid);
        u32::try_from(peer).ok().filter(|pid| *pid != 0)
    } else {
        None
    };
    Ok(Kind { family, listening: listening != 0, named, peer_pid })
}

/// The network that a socket is in: two of one network have one number. `None` before Linux 5.14.
pub fn network(socket: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    match option(socket.as_raw_fd(), libc::SO_NETNS_COOKIE, 0) {
        Err(e) if e.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
        answer => answer.map(Some),
    }
}

/// One option at level SOL_SOCKET. `T` is plain data of exactly the option's type.
fn option<T: Copy>(fd: i32, name: i32, mut value: T) -> io::Result<T> {
    let mut len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: `value` is `len` writable bytes of plain integers, any content of which is valid;
    // the kernel writes at most `len`. A number that is no descriptor, or another one by now, is
    // only read from.
    let done = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut len) };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// Bytes of a socket's own address; those of one without a name are its family only.
fn name_length(fd: i32) -> io::Result<usize> {
    // SAFETY: an address is plain integers, for which zero is valid.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes into `address`, and the length needed into `len`.
    super::checked(unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut len) })?;
    Ok(len as usize)
}
