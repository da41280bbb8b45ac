//! Pseudo-terminals.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use super::{
    calls,
    tty::{self, Size},
};

/// A new terminal: our side and the program's side.
#[derive(Debug)]
pub struct Pty {
    /// What is written here is typed, what the program shows is read here; does not block.
    pub master: File,
    /// The terminal itself.
    pub slave: OwnedFd,
}

/// Opens a terminal of that size.
pub fn open(size: Size) -> io::Result<Pty> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let master = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/ptmx")?;
    let locked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    super::checked(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &locked) })?;
    // By descriptor and not by path: what is mounted on /dev/pts does not matter.
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value, and answers a new descriptor.
    let slave = unsafe { calls::owned(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags).into()) }?;
    tty::set_size(slave.as_fd(), size)?;
    tty::set_utf8(slave.as_fd())?;
    Ok(Pty { master, slave })
}
