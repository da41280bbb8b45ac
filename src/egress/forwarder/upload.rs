//! The body of one request on its way from the agent to the endpoint: streamed, never held whole.
//!
//! Gives exactly as many bytes as the head declared, or an error; never a byte of what follows.

use std::io::{self, ErrorKind, Read};

use super::{Shared, account::Pass, slot::Slot};
use crate::wire::intake::Intake;

pub(super) struct Upload<'a> {
    slot: &'a Slot,
    intake: &'a mut Intake,
    pass: &'a Pass<'a>,
    /// bytes that are still to come
    left: u64,
    /// the agent did not send all of it
    pub(super) failed: bool,
}

impl<'a> Upload<'a> {
    /// A body of `length` bytes, whose deadline begins now.
    pub(super) fn new(
        shared: &'a Shared,
        slot: &'a Slot,
        intake: &'a mut Intake,
        pass: &'a Pass<'a>,
        length: u64,
    ) -> Self {
        if length > 0 {
            slot.await_agent(shared.now(), shared.settings.body);
        } else {
            slot.await_nothing();
        }
        Self { slot, intake, pass, left: length, failed: false }
    }

    /// Whether all of it was read.
    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }
}

impl Read for Upload<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..most).unwrap_or_default();
        if into.is_empty() {
            return Ok(0);
        }
        let mut count = self.intake.take(into);
        while count == 0 {
            match (&self.slot.stream).read(into) {
                Ok(0) => {
                    self.failed = true;
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(some) => count = some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
        }
        let bytes = count as u64;
        self.pass.up(bytes);
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            self.slot.await_nothing();
        }
        Ok(count)
    }
}
