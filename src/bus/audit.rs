//! What was typed and sent where, by whom, who was turned away, and which agents ran.
//!
//! A text is never kept, only its length and a keyed hash: the key is random and lives as long as
//! the process, so equal texts can be matched within one run and guessed in none (spec agentmux
//! E.7 used a fixed key). Callers never wait for a disk here: an entry is put into memory, and what
//! one class of callers may fill is bounded ([`share`]), so that a flood of them pushes nothing out.

mod entry;
mod share;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hmac_sha256::HMAC;
use serde_json::{Value, json};

pub use entry::{Agent, AgentHappened, Entry, Happened, Inject, Message, Refused};

use self::share::{Payer, Shares};
use super::rate::Window;
use crate::{
    limits,
    wire::{clock::Clock, secret::Secret},
};

/// The audit of one instance. Shared by all; what it locks it locks for moments.
pub struct Audit {
    text_key: Secret,
    clock: Arc<dyn Clock>,
    /// asked before the lock is
    pub refusal_rate: RefusalRate,
    memory: Mutex<Memory>,
}

/// What is held in memory.
#[derive(Default)]
struct Memory {
    /// the newest injects, as JSON
    injects: VecDeque<Arc<str>>,
    /// the newest refusals, as JSON
    refusals: VecDeque<Arc<str>>,
    shares: Shares,
    /// entries about injects that a rate refused
    rate_refusals: Window,
}

impl Audit {
    /// An audit in memory alone, whose hashes are keyed with `text_key`: random, of this launch.
    pub fn in_memory(text_key: Secret, clock: Arc<dyn Clock>) -> Self {
        Self { text_key, clock, refusal_rate: RefusalRate::default(), memory: Mutex::default() }
    }

    /// The keyed hash of a text.
    pub fn hash(&self, text: &str) -> String {
        let mac = HMAC::mac(text.as_bytes(), self.text_key.expose());
        mac.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes an inject down, typed or not, with the hash of its `text`. What a rate refused
    /// (`rate_limited`) is written at a bounded rate itself, or one sender could push everything
    /// else out.
    pub fn inject(&self, inject: Inject, text: &str, rate_limited: bool) {
        let now = self.clock.monotonic_ms();
        if rate_limited && !self.memory().rate_refusals.take(limits::AUDIT_REFUSALS_PER_SECOND, now) {
            return;
        }
        let hash = self.hash(text);
        let caller = inject.caller.clone();
        self.write(&Entry::Inject(inject), Payer::of(&caller), Some(&hash));
    }

    /// Writes down what became of a message, with the hash of its `text`.
    pub fn message(&self, message: Message, text: &str) {
        let hash = self.hash(text);
        let caller = message.caller.clone();
        self.write(&Entry::Message(message), Payer::of(&caller), Some(&hash));
    }

    /// Writes down that an agent was started or ended.
    pub fn agent(&self, agent: Agent) {
        self.write(&Entry::Agent(agent), Payer::Free, None);
    }

    /// Writes a refusal down; [`Audit::refusal_rate`] was asked before.
    pub fn refused(&self, refused: Refused) {
        self.write(&Entry::Refused(refused), Payer::Refused, None);
    }

    /// The newest injects, newest first, as AgentMux shows them.
    pub fn newest_injects(&self, limit: usize) -> Vec<Value> {
        // Copied under the lock, parsed outside of it: nobody's inject waits for that.
        let newest: Vec<_> = self.memory().injects.iter().rev().take(limit).cloned().collect();
        newest.iter().map(|json| shown(json)).collect()
    }

    /// The newest refusals, newest first.
    pub fn newest_refusals(&self, limit: usize) -> Vec<Value> {
        let newest: Vec<_> = self.memory().refusals.iter().rev().take(limit).cloned().collect();
        newest.iter().map(|json| shown(json)).collect()
    }

    fn write(&self, entry: &Entry, payer: Payer<'_>, hash: Option<&str>) {
        let mut value = entry.to_json(self.clock.unix_ms(), hash);
        let length = value.to_string().len();
        let mut memory = self.memory();
        let Some(left_out) = memory.shares.take(payer, length, self.clock.monotonic_ms()) else { return };
        if left_out > 0
            && let Some(fields) = value.as_object_mut()
        {
            let before = fields.get("unwritten_before").and_then(Value::as_u64).unwrap_or(0);
            fields.insert("unwritten_before".to_owned(), json!(before.saturating_add(left_out)));
        }
        let json: Arc<str> = value.to_string().into();
        match entry {
            Entry::Inject(_) => push(&mut memory.injects, json),
            Entry::Refused(_) => push(&mut memory.refusals, json),
            Entry::Message(_) | Entry::Agent(_) => {}
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic of another thread leaves counters at worst one too low; nothing is half written.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often refusals are written down. Without a lock, because anybody can cause refusals: threads
/// that wait for each other are busy ones, and nobody could be evicted for a better caller.
#[derive(Debug, Default)]
pub struct RefusalRate {
    /// a second of the monotonic clock, and in the low eight bits how many were written in it
    written: AtomicU64,
    unwritten: AtomicU64,
}

impl RefusalRate {
    /// Whether a refusal may be written now. One that may not is counted. Asked before the peer is
    /// looked up, because that costs.
    #[must_use]
    pub fn take(&self, now_monotonic: u64) -> bool {
        let next = |written: u64| {
            let second = (written >> 8).max(now_monotonic / 1_000);
            let used = if written >> 8 == second { written & 0xff } else { 0 };
            (used < u64::from(limits::AUDIT_REFUSALS_PER_SECOND)).then_some(second << 8 | (used + 1))
        };
        let free = self.written.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        if !free {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// How many were counted and not written, for the one that is written now.
    pub fn take_unwritten(&self) -> u64 {
        self.unwritten.swap(0, Ordering::Relaxed)
    }
}

fn push(ring: &mut VecDeque<Arc<str>>, json: Arc<str>) {
    while ring.len() >= limits::AUDIT_ENTRIES {
        ring.pop_front();
    }
    ring.push_back(json);
}

/// An entry as a ring's reader is shown it: all of its kind there, so that the kind is not told.
fn shown(json: &str) -> Value {
    let mut value = serde_json::from_str(json).unwrap_or(Value::Null);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("kind");
    }
    value
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
