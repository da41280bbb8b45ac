//! One request's body while it arrives.
//!
//! Does no I/O. Takes exactly as many bytes as the head declared (RFC 9112, 6.3): room for more is
//! never offered, so what lies behind the body stays in the socket.

#[cfg(any(test, fuzzing))]
mod fuzz;

#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;

use crate::wire::intake::Intake;

/// A body of a known length; `filled` bytes of it are here.
pub(super) struct Body {
    /// as long as declared
    bytes: Vec<u8>,
    /// 0 <= filled <= bytes.len()
    filled: usize,
}

impl Body {
    /// A body of which nothing is here yet. The caller has checked `length` against every limit.
    pub(super) fn new(length: usize) -> Self {
        Self { bytes: vec![0; length], filled: 0 }
    }

    /// The same, begun with what has been read of it already.
    pub(super) fn of(intake: &mut Intake, length: usize) -> Self {
        let mut body = Self::new(length);
        let count = intake.take(body.space());
        body.filled(count);
        body
    }

    /// Room for what is missing; empty when the body is complete.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// The first `count` bytes of [`Body::space`] have been read.
    pub(super) fn filled(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len());
    }

    /// Whether all of it is here.
    pub(super) fn is_complete(&self) -> bool {
        self.filled == self.bytes.len()
    }

    /// Whether nothing of it is here.
    pub(super) fn is_untouched(&self) -> bool {
        self.filled == 0
    }

    /// What is here of it: once complete, all.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}
