//! `controllerstatus`: what AgentMux's frontend shows of a terminal's program (spec agentmux D.6).
//!
//! Told once when an agent runs and once when it has ended, in this order or the second alone: a
//! program may have ended before its start was answered, and whoever reads the history afterwards
//! must not find it running for ever.

use std::sync::{Arc, Mutex, PoisonError};

use super::service_rpc::status_of;
use crate::{
    agent::{Record, State},
    bus::events::{Event, Hub},
};

/// Tells of starts and ends.
pub(super) struct Statuses {
    events: Arc<Hub>,
    /// held while one is told, so that no start is told behind its end
    telling: Mutex<()>,
}

impl Statuses {
    pub(super) fn new(events: Arc<Hub>) -> Self {
        Self { events, telling: Mutex::new(()) }
    }

    /// An agent was started; `now` looks it up again. One that is done by now is told of by
    /// [`Statuses::ended`].
    pub(super) fn started(&self, now: impl FnOnce() -> Option<Record>) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = now().filter(|record| record.state != State::Done) {
            self.events.publish(event(&record));
        }
    }

    /// An agent has ended: its record says so.
    pub(super) fn ended(&self, record: &Record) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        self.events.publish(event(record));
    }
}

fn event(record: &Record) -> Event {
    Event::new("controllerstatus", vec![format!("block:{}", record.block_id)], status_of(record)).kept(1)
}
