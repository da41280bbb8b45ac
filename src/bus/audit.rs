//! What was typed and sent where, by whom, who was turned away, and which agents ran.
//!
//! A text is never kept, only its length and a keyed hash: that key is random and lives as long as
//! the process, so equal texts can be matched within one run and guessed in none (spec agentmux
//! E.7 used a fixed key). Callers never wait for the disk: an entry is put into bounded memory, and a
//! thread links it to the one before ([`chain`]) and writes it within 100 ms ([`writer`]). What one
//! class of callers may fill is bounded ([`share`]), so that a flood of them pushes nothing out.
//! What the chain proves and what it does not stands in [`chain`]; [`mod@verify`] reads it.

mod chain;
mod entry;
mod keyfile;
mod look;
mod rate;
mod read;
mod share;
mod verify;
mod writer;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use hmac_sha256::HMAC;
use serde_json::{Value, json};

pub use entry::{
    Agent, AgentHappened, Entry, Happened, Inject, Message, Refused, Rotation, Swarm, SwarmHappened,
};
pub use keyfile::{AuditError, FILE as KEY_FILE};
pub use look::{LookError, verify};
pub use rate::RefusalRate;
pub use read::{Page, Query};
pub use verify::{Broken, Noted, Report};

use self::{
    entry::{After, INJECT, Instance},
    share::{Payer, Shares},
    writer::{Queued, Writer},
};
use super::rate::Window;
use crate::{
    limits,
    store::{
        Disk, Journal, JournalError,
        journal::{Opened, Settings},
    },
    wire::{clock::Clock, secret::Secret},
};

/// The audit's directory in the home.
pub const DIRECTORY: &str = "audit";

/// How long entries are gathered before they are written.
const GATHER: Duration = Duration::from_millis(limits::AUDIT_GATHER_MS);

/// How long after a failure of the disk the next try comes, where nothing else asks for one.
const RETRY: Duration = Duration::from_secs(1);

/// The audit of one instance. Shared by all; what it locks it locks for moments.
pub struct Audit {
    text_key: Secret,
    clock: Arc<dyn Clock>,
    /// asked before the lock is
    pub refusal_rate: RefusalRate,
    memory: Mutex<Memory>,
    /// an entry came, or was written, or the thread is to end or has ended
    changed: Condvar,
    journal: Option<Arc<Journal>>,
    /// until the thread takes it
    writer: Mutex<Option<Writer>>,
}

/// What is held in memory.
#[derive(Default)]
struct Memory {
    /// the newest injects, as JSON
    injects: VecDeque<Arc<str>>,
    shares: Shares,
    /// entries about injects that a rate refused
    rate_refusals: Window,
    /// not written yet; always empty without a journal
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// entries that found no room in the queue since the last one that did
    lost: u64,
    /// entries put into the queue so far
    came: u64,
    /// how many of those were written or lost
    went: u64,
    /// somebody waits for what is queued
    hurry: bool,
    stopping: bool,
    ended: bool,
    health: Health,
}

/// How the audit is, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// entries that never reached the disk, in this launch
    pub lost: u64,
    /// entries beyond their callers' shares, in this launch
    pub left_out: u64,
    /// why the newest entries are not on the disk
    pub failing: Option<String>,
}

impl Audit {
    /// An audit in memory alone, whose hashes are keyed with `text_key`: random, of this launch.
    pub fn in_memory(text_key: Secret, clock: Arc<dyn Clock>) -> Self {
        Self {
            text_key,
            clock,
            refusal_rate: RefusalRate::default(),
            memory: Mutex::default(),
            changed: Condvar::new(),
            journal: None,
            writer: Mutex::new(None),
        }
    }

    /// Opens the audit in its directory. The newest injects are in memory then, and an entry says
    /// that `instance` began and how the one before ended. `fresh_key` is random: the key of the
    /// chain, where there is none.
    pub fn open(
        disk: Box<dyn Disk>,
        settings: Settings,
        (text_key, fresh_key): (Secret, [u8; 32]),
        clock: Arc<dyn Clock>,
        instance: &str,
    ) -> Result<(Arc<Self>, Opened), AuditError> {
        let key = keyfile::open(&*disk, fresh_key)?;
        let mut injects = VecDeque::new();
        // room for what is written until the oldest has made room
        let most = (limits::AUDIT_BYTES as u64).saturating_sub(settings.segment_bytes);
        let (writer, found) = Writer::open(disk, key, settings, most, &mut |json| {
            if read::is_of_kind(json, INJECT)
                && let Ok(text) = std::str::from_utf8(json)
            {
                push(&mut injects, text.into());
            }
        })
        .map_err(AuditError::Journal)?;
        let audit = Self {
            journal: Some(found.journal),
            writer: Mutex::new(Some(writer)),
            memory: Mutex::new(Memory { injects, ..Memory::default() }),
            ..Self::in_memory(text_key, clock)
        };
        let started = Instance::Started { instance: instance.to_owned(), after: found.after };
        audit.write(&Entry::Instance(started), Payer::Free, None);
        if found.after == After::Kill {
            log::warn!("the instance before this one was killed: its last audit entries may be missing");
        }
        Ok((Arc::new(audit), found.opened))
    }

    /// Starts the thread that writes.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let audit = Arc::clone(self);
        thread::Builder::new().name("audit".to_owned()).spawn(move || audit.run(writer))?;
        Ok(())
    }

    /// Writes what is queued and that the instance ends in order, and ends the thread. Waits for that
    /// until `deadline`.
    pub fn stop(&self, deadline: Instant) {
        if self.journal.is_none() {
            return;
        }
        let stopped = Entry::Instance(Instance::Stopped).to_json(self.clock.unix_ms(), None).to_string();
        let mut memory = self.memory();
        memory.queue(stopped.into());
        // from here on nothing comes behind it
        memory.stopping = true;
        self.changed.notify_all();
        self.wait(memory, deadline, |memory| memory.ended);
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

    /// Writes a call down that was to change a swarm, with the hash of the `text` that it brought.
    pub fn swarm(&self, swarm: Swarm, text: Option<&str>) {
        let hash = text.map(|text| self.hash(text));
        let caller = swarm.caller.clone();
        self.write(&Entry::Swarm(swarm), Payer::of(&caller), hash.as_deref());
    }

    /// Writes down that the keys were changed, or could not be.
    pub fn rotation(&self, rotation: Rotation) {
        self.write(&Entry::Instance(Instance::Keys(rotation)), Payer::Free, None);
    }

    /// Writes a refusal down; [`Audit::refusal_rate`] was asked before.
    pub fn refused(&self, refused: Refused) {
        self.write(&Entry::Refused(refused), Payer::Refused, None);
    }

    /// The newest injects, newest first, as AgentMux shows them.
    pub fn newest_injects(&self, limit: usize) -> Vec<Value> {
        // Copied under the lock, parsed outside of it: nobody's inject waits for that.
        let newest: Vec<_> = self.memory().injects.iter().rev().take(limit).cloned().collect();
        newest.iter().map(|json| as_agentmux(json)).collect()
    }

    /// A page of all entries, newest first, read from the disk. What came until now is on it, unless
    /// the disk fails or takes longer than a second.
    pub fn page(&self, query: Query) -> Result<Page, JournalError> {
        let Some(journal) = &self.journal else { return Ok(Page::default()) };
        let mut memory = self.memory();
        let came = memory.came;
        memory.hurry = true;
        self.changed.notify_all();
        let until = Instant::now().checked_add(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        self.wait(memory, until, |memory| {
            memory.went >= came || memory.ended || memory.health.failing.is_some()
        });
        read::page(journal, query)
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.memory().health.clone()
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        let segments = self.journal.as_ref().map(|journal| journal.segments()).unwrap_or_default();
        segments.iter().fold(0, |bytes, segment| bytes.saturating_add(segment.bytes))
    }

    fn write(&self, entry: &Entry, payer: Payer<'_>, hash: Option<&str>) {
        let mut value = entry.to_json(self.clock.unix_ms(), hash);
        let length = value.to_string().len();
        let mut memory = self.memory();
        let Some(left_out) = memory.shares.take(payer, length, self.clock.monotonic_ms()) else {
            memory.health.left_out = memory.health.left_out.saturating_add(1);
            return;
        };
        if left_out > 0
            && let Some(fields) = value.as_object_mut()
        {
            let before = fields.get("unwritten_before").and_then(Value::as_u64).unwrap_or(0);
            fields.insert("unwritten_before".to_owned(), json!(before.saturating_add(left_out)));
        }
        let json: Arc<str> = value.to_string().into();
        if let Entry::Inject(_) = entry {
            push(&mut memory.injects, Arc::clone(&json));
        }
        if self.journal.is_some() && !memory.stopping {
            memory.queue(json);
            self.changed.notify_all();
        }
    }

    /// The thread.
    fn run(&self, mut writer: Writer) {
        loop {
            let (batch, stopping) = self.gather(&writer);
            let (lost, mut result) = writer.write(&batch);
            if result.is_ok() {
                result = writer.make_room(self.clock.unix_ms());
            }
            let mut memory = self.memory();
            memory.went = memory.went.saturating_add(batch.len() as u64);
            memory.health.lost = memory.health.lost.saturating_add(lost);
            tell(&mut memory.health.failing, result.err());
            memory.ended = stopping && memory.queue.is_empty();
            let ended = memory.ended;
            drop(memory);
            self.changed.notify_all();
            if ended {
                return;
            }
        }
    }

    /// Waits for entries, and then a moment for more. Comes back without any where something is to
    /// be tried again.
    fn gather(&self, writer: &Writer) -> (Vec<Queued>, bool) {
        let mut memory = self.memory();
        let mut first = None;
        loop {
            let now = Instant::now();
            let waits = match (memory.queue.is_empty(), memory.stopping || memory.hurry) {
                (_, true) => Duration::ZERO,
                (false, false) => {
                    let since = *first.get_or_insert(now);
                    GATHER.saturating_sub(now.saturating_duration_since(since))
                }
                (true, false) if writer.is_settled() && memory.health.failing.is_none() => Duration::MAX,
                (true, false) => {
                    let since = *first.get_or_insert(now);
                    RETRY.saturating_sub(now.saturating_duration_since(since))
                }
            };
            if waits.is_zero() {
                memory.hurry = false;
                memory.queued_bytes = 0;
                return (memory.queue.drain(..).collect(), memory.stopping);
            }
            // a wait without end is one that is looked after once an hour
            let waits = waits.min(Duration::from_secs(3_600));
            (memory, _) = self.changed.wait_timeout(memory, waits).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait(&self, mut memory: MutexGuard<'_, Memory>, until: Instant, done: impl Fn(&Memory) -> bool) {
        while !done(&memory) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (memory, _) = self.changed.wait_timeout(memory, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic of another thread leaves counters at worst one too low; nothing is half written.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn queue(&mut self, json: Arc<str>) {
        let bytes = self.queued_bytes.saturating_add(json.len());
        if bytes > limits::AUDIT_QUEUE {
            self.lost = self.lost.saturating_add(1);
            self.health.lost = self.health.lost.saturating_add(1);
            return;
        }
        self.queued_bytes = bytes;
        self.came = self.came.saturating_add(1);
        self.queue.push_back(Queued { json, lost_before: std::mem::take(&mut self.lost) });
    }
}

/// Logs the first failure, and the end of it.
fn tell(failing: &mut Option<String>, error: Option<JournalError>) {
    let error = error.map(|error| error.to_string());
    match (&failing, &error) {
        (None, Some(why)) => log::error!("audit entries cannot be written: {why}; it is tried again"),
        (Some(_), None) => log::info!("audit entries are written again"),
        (None, None) | (Some(_), Some(_)) => {}
    }
    *failing = error;
}

fn push(ring: &mut VecDeque<Arc<str>>, json: Arc<str>) {
    while ring.len() >= limits::AUDIT_ENTRIES {
        ring.pop_front();
    }
    ring.push_back(json);
}

/// An inject as AgentMux's route shows it, where all are of one kind.
fn as_agentmux(json: &str) -> Value {
    let mut value = read::shown(json.as_bytes());
    if let Some(fields) = value.as_object_mut() {
        for ours in ["kind", "n", "lost_before"] {
            fields.remove(ours);
        }
    }
    value
}

#[cfg(test)]
#[path = "audit/disk_tests.rs"]
mod disk_tests;
#[cfg(test)]
#[path = "audit/tamper_tests.rs"]
mod tamper_tests;
#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
