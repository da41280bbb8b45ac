//! One agent, as the rest of the program sees it.

use std::time::Duration;

use super::types::{BeyondEnd, Delivery, InputError, Output, Record, ResizeError, State, Submit};
use crate::wire::id::AgentId;

/// One agent, running or done.
pub struct Agent {
    name: AgentId,
}

impl Agent {
    /// Its name.
    pub fn name(&self) -> &AgentId {
        &self.name
    }

    /// Its terminal's id: a UUIDv4 per start.
    pub fn block_id(&self) -> &str {
        todo!()
    }

    /// Whether it was started with `accept_typed_from` naming `who`.
    pub fn accepts_typed_from(&self, _who: &str) -> bool {
        todo!()
    }

    /// How text is submitted where a delivery does not say.
    pub fn submit(&self) -> Submit {
        todo!()
    }

    /// The process that holds its tree.
    pub fn keeper_pid(&self) -> u32 {
        todo!()
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        todo!()
    }

    /// Types `text`, which the caller has sanitised, and submits it; waits at most 250 ms for it
    /// to be written.
    pub fn deliver(&self, _text: &str, _submit: Submit) -> Delivery {
        todo!()
    }

    /// Types raw keys, after what is queued already.
    pub fn input(&self, _bytes: &[u8]) -> Result<(), InputError> {
        todo!()
    }

    /// Output from an absolute offset (`None`: the oldest kept). Where there is none yet, waits
    /// for it at most `wait`, and `OUTPUT_WAIT_MS`; at most `max` bytes, and `OUTPUT_CHUNK`.
    pub fn output(&self, _from: Option<u64>, _wait: Duration, _max: usize) -> Result<Output, BeyondEnd> {
        todo!()
    }

    /// Changes the screen's size.
    pub fn resize(&self, _rows: u16, _cols: u16) -> Result<(), ResizeError> {
        todo!()
    }

    /// What is known of it now.
    pub fn record(&self) -> Record {
        todo!()
    }
}
