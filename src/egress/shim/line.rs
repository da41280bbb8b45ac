//! The socket pair between the shim and the instance, with one deadline for all that is said over it.
//!
//! Neither side waits beyond it, whatever the other does or leaves out.

use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Instant,
};

use crate::sys::{
    pass,
    poll::{self, Entry},
};

/// One end.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    until: Instant,
}

impl Line {
    pub fn new(stream: UnixStream, until: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, until })
    }

    /// The number of its descriptor.
    pub fn number(&self) -> Option<u32> {
        u32::try_from(self.stream.as_raw_fd()).ok()
    }

    /// Sends all of it, and with its first byte the descriptor.
    pub fn send(&self, mut bytes: &[u8], mut descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = match descriptor {
                Some(descriptor) => pass::send(&self.stream, bytes, descriptor),
                None => (&self.stream).write(bytes),
            };
            match sent {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    descriptor = None;
                }
                Err(e) => self.wait(&e, false).map_err(|()| e)?,
            }
        }
        Ok(())
    }

    /// What is there next, and the descriptors that came with it; 0 bytes are the end.
    pub fn receive(&self, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            match pass::receive(&self.stream, bytes) {
                Ok(received) => return Ok(received),
                // An end that the other side made in the middle of something is an end.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok((0, Vec::new())),
                Err(e) => self.wait(&e, true).map_err(|()| e)?,
            }
        }
    }

    /// Fills `bytes`. Fewer before the end are `UnexpectedEof`; no descriptor may come with them.
    pub fn receive_exactly(&self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.receive(bytes)? {
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (count, none) if none.is_empty() => bytes = bytes.get_mut(count..).unwrap_or_default(),
                (_, _) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// Whether nothing is there to be received, not even an end.
    pub fn is_silent(&self) -> bool {
        let received = pass::receive(&self.stream, &mut [0; 1]);
        received.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits for what `error` says is not there yet; an error where it is another one.
    fn wait(&self, error: &io::Error, read: bool) -> Result<(), ()> {
        match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            io::ErrorKind::WouldBlock => {
                let left = self.until.saturating_duration_since(Instant::now());
                let mut entries = [Entry::new(self.stream.as_fd(), read, !read)];
                let _ = poll::poll(&mut entries, Some(left)).map_err(|_| ())?;
                let [entry] = entries;
                // Also where something is ready: who sends a byte now and then must not hold us for ever.
                let ready = if read { entry.readable() } else { entry.writable() };
                if ready || Instant::now() < self.until { Ok(()) } else { Err(()) }
            }
            _ => Err(()),
        }
    }
}
