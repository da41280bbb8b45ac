//! Pseudo-terminals.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use super::tty::{self, Size};

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
    // SAFETY: TIOCGPTPEER takes open flags by value and returns a descriptor.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    super::checked(slave)?;
    // SAFETY: the ioctl has just made this descriptor, and nobody else owns it.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    tty::set_size(slave.as_fd(), size)?;
    tty::set_utf8(slave.as_fd())?;
    Ok(Pty { master, slave })
}
