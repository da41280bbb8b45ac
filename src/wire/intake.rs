//! What has been read of a connection and not yet used: heads and bodies come out of it in order.
//!
//! Does no I/O. Defends against a second request born from a body: every byte is handed out
//! exactly once, and what a head's Content-Length covers is never looked at as a head. Holds at
//! most one head's worth of bytes, and little while the connection is idle.

use super::head::{Head, HeadError, Scan};
use crate::limits;

/// Bytes kept for a connection that owes nothing.
const SMALL: usize = 2 * 1024;

/// Bytes read and not yet used.
pub struct Intake {
    /// 0 or SMALL..=limits::HEAD bytes, all of them initialised
    buffer: Vec<u8>,
    /// start <= end <= buffer.len(): what has been read and not used is between them
    start: usize,
    end: usize,
    /// over buffer[start..end]
    scan: Scan,
    /// longest body that a head may declare
    bodies: usize,
}

impl Default for Intake {
    fn default() -> Self {
        Self::new(limits::BODY_LARGEST)
    }
}

impl Intake {
    /// Nothing yet; heads that declare a body over `bodies` bytes will be refused.
    pub fn new(bodies: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, scan: Scan::default(), bodies }
    }

    /// What has been read and not used.
    pub fn unused(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether there is nothing of a next request.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room for the next read, never empty while [`Intake::head`] gives `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            // Memory of an idle connection; a long head's buffer is not kept.
            if self.buffer.len() != SMALL {
                self.buffer = vec![0; SMALL];
            }
        } else if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end = self.end.saturating_sub(self.start);
                self.start = 0;
            } else {
                // A head of limits::HEAD bytes without an end has been refused by the scan.
                let more = self.buffer.len().saturating_mul(2).clamp(SMALL, limits::HEAD);
                self.buffer.resize(more.max(self.end), 0);
            }
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `count` bytes of [`Intake::space`] have been read.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// The next request's head, where all of it is here.
    pub fn head(&mut self) -> Result<Option<Head>, HeadError> {
        let unused = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(length) = self.scan.advance(unused)? else { return Ok(None) };
        let head = Head::parse_with(unused.get(..length).unwrap_or_default(), self.bodies)?;
        self.scan = Scan::default();
        self.use_up(length);
        Ok(Some(head))
    }

    /// Takes the first bytes that are not a head's; how many.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let here = self.unused();
        let count = here.len().min(into.len());
        for (to, from) in into.iter_mut().zip(here) {
            *to = *from;
        }
        self.use_up(count);
        count
    }

    /// Ends HTTP on the connection: what comes behind the last request.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = self.unused().to_vec();
        *self = Self::new(self.bodies);
        rest
    }

    fn use_up(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}
