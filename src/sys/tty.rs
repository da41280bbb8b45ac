//! Terminals: raw mode and the window's size.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

/// A terminal's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// The size of the terminal's window.
pub fn size(tty: BorrowedFd<'_>) -> io::Result<Size> {
    let mut raw = winsize(Size { rows: 0, cols: 0 });
    // SAFETY: TIOCGWINSZ writes one winsize, which `raw` is.
    super::checked(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCGWINSZ, &mut raw) })?;
    Ok(Size { rows: raw.ws_row, cols: raw.ws_col })
}

/// Sets the size; the kernel tells the programs in the terminal's foreground (SIGWINCH).
pub fn set_size(tty: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    // SAFETY: TIOCSWINSZ reads one winsize.
    super::checked(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSWINSZ, &winsize(size)) })
}

/// A terminal in raw mode, until this is dropped; what it then has unread is thrown away.
pub struct RawMode<'fd> {
    tty: BorrowedFd<'fd>,
    before: libc::termios,
}

impl<'fd> RawMode<'fd> {
    /// Switches the terminal to raw mode: every key arrives as it is, nothing is echoed.
    pub fn enter(tty: BorrowedFd<'fd>) -> io::Result<Self> {
        let before = attributes(tty)?;
        let mut raw = before;
        // SAFETY: `raw` is an initialised termios.
        unsafe { libc::cfmakeraw(&mut raw) };
        set_attributes(tty, &raw)?;
        Ok(Self { tty, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // Without a terminal there is nothing to give back.
        let _ = set_attributes(self.tty, &self.before);
        // What was typed for the program and not read must not reach whoever reads next: a shell.
        // SAFETY: takes no pointers.
        unsafe { libc::tcflush(self.tty.as_raw_fd(), libc::TCIFLUSH) };
    }
}

/// Tells the line discipline that input is UTF-8, so that erasing takes a whole character.
pub(super) fn set_utf8(tty: BorrowedFd<'_>) -> io::Result<()> {
    let mut now = attributes(tty)?;
    now.c_iflag |= libc::IUTF8;
    set_attributes(tty, &now)
}

fn attributes(tty: BorrowedFd<'_>) -> io::Result<libc::termios> {
    // SAFETY: termios is made of integers, for which zero is valid; tcgetattr fills it, and it is
    // used only when that has succeeded.
    unsafe {
        let mut now = mem::zeroed();
        super::checked(libc::tcgetattr(tty.as_raw_fd(), &mut now))?;
        Ok(now)
    }
}

fn set_attributes(tty: BorrowedFd<'_>, to: &libc::termios) -> io::Result<()> {
    // SAFETY: `to` is an initialised termios.
    super::checked(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSANOW, to) })
}

fn winsize(size: Size) -> libc::winsize {
    libc::winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 }
}
