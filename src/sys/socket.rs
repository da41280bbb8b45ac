//! Small facts about sockets and descriptors that std leaves out.
//!
//! Whether the peer is gone, whether an address is ours, what an error means, how a thread that waits in
//! accept is ended. Safe code over socket2.

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::poll::{self, Entry};

/// Makes the last close of `stream` throw away what the peer has not taken, instead of leaving it
/// to the kernel for minutes.
pub fn reset_on_close(stream: &TcpStream) {
    // Fails only on a socket that is gone, and then there is nothing to throw away.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Bounds what the kernel holds of what was written to `stream` and not taken by its peer. Left alone it grows
/// to some MiB, and says only when a third of that is free that more may be written.
pub fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    // Linux counts its own bookkeeping in, and doubles the number for it. A socket that is gone holds nothing.
    let _ = SockRef::from(stream).set_send_buffer_size(bytes);
}

/// Whether the peer of `stream` has ended its sending, or is gone. Never blocks.
pub fn peer_is_gone(stream: &TcpStream) -> bool {
    let mut entries = [Entry::hang_up(stream.as_fd())];
    let looked = poll::poll(&mut entries, Some(Duration::ZERO));
    looked.is_ok() && entries.iter().any(Entry::hung_up)
}

/// Ends `listener`: a thread that waits in accept(2) returns with an error, and so does every later
/// accept. Linux does this for a listening socket; POSIX leaves it open.
pub fn end_listening(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).shutdown(Shutdown::Read)
}

/// Whether `ip` is an address of this machine: only to such a one a socket can be bound.
pub fn is_local(ip: IpAddr) -> io::Result<bool> {
    let at = SocketAddr::new(ip, 0);
    match Socket::new(Domain::for_address(at), Type::STREAM, None)?.bind(&at.into()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `error` says that the process (EMFILE) or the system (ENFILE) is out of descriptors.
pub fn out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
