//! A connection with one deadline for all of it.
//!
//! The deadlines of sockets begin anew with each call, so that a peer that takes or gives a little at a time
//! would stretch them without end. Here each call has what is left.

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use ureq::{
    Error, Timeout,
    unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport},
};

/// A TCP connection that ends at an instant, whatever its peer does.
pub(super) struct Timed {
    stream: TcpStream,
    buffers: LazyBuffers,
    until: Instant,
    /// the peer has closed its side while we wrote; it may have answered before
    refused: bool,
}

impl Timed {
    pub(super) fn new(stream: TcpStream, buffers: LazyBuffers, until: Instant) -> Self {
        Self { stream, buffers, until, refused: false }
    }

    /// What is left, and never nothing: a socket takes zero as no deadline.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn write(&mut self, amount: usize) -> io::Result<()> {
        let mut written = 0;
        while written < amount {
            self.stream.set_write_timeout(Some(self.left()?))?;
            let rest = self.buffers.output().get(written..amount).unwrap_or_default();
            match (&self.stream).write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => written = written.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Transport for Timed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Whoever closes before he has read all may have answered: that is read next.
    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        if self.refused {
            return Ok(());
        }
        match self.write(amount) {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.refused = true;
                Ok(())
            }
            other => other.map_err(late),
        }
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let count = self.read().map_err(late)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    /// It serves one request.
    fn is_open(&mut self) -> bool {
        false
    }
}

fn late(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(Timeout::Global),
        _ => Error::Io(error),
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timed")
    }
}
