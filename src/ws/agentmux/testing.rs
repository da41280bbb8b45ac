//! An instance in memory, for tests and fuzzing: blocks are vectors, mail is a queue.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // never in the program

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    agent::{BeyondEnd, Delivery, InputError, Offer, Output, ResizeError, Submit, Watch, Watchers},
    bus::{Bus, Terminal, Terminals, audit::Audit},
    limits,
    registry::Nowhere,
    sys::poll::Wake,
    wire::{clock::ManualClock, id::AgentId, secret::Secret},
    ws::{Instance, Parcel},
};

/// The instance.
pub(super) struct World {
    pub bus: Arc<Bus>,
    pub blocks: Mutex<BTreeMap<String, Block>>,
    pub mail: Arc<Mutex<BTreeMap<String, VecDeque<Value>>>>,
    /// blocks of agents that were removed, which only those can read who watch them
    pub hidden: Mutex<BTreeSet<String>>,
    /// parcels whose frames the socket had
    pub taken: Arc<AtomicU64>,
}

/// A terminal of tests.
#[derive(Default)]
pub(super) struct Block {
    pub start: u64,
    pub bytes: Vec<u8>,
    pub done: bool,
    pub keys: Vec<u8>,
    pub size: (u16, u16),
    pub watchers: Arc<Watchers>,
}

impl World {
    pub fn new() -> Arc<Self> {
        let clock = ManualClock::at(1_000);
        let audit = Audit::in_memory(Secret::new(vec![7; 32]), clock.clone());
        Arc::new(Self {
            bus: Arc::new(Bus::new(
                clock.clone(),
                Arc::new(audit),
                crate::bus::mail::Mail::in_memory(clock),
                Arc::new(Nowhere::default()),
            )),
            blocks: Mutex::default(),
            mail: Arc::default(),
            hidden: Mutex::default(),
            taken: Arc::default(),
        })
    }

    pub fn start(&self, block: &str) {
        self.blocks.lock().unwrap().insert(block.to_owned(), Block::default());
    }

    pub fn print(&self, block: &str, bytes: &[u8]) {
        let mut blocks = self.blocks.lock().unwrap();
        let block = blocks.get_mut(block).unwrap();
        block.bytes.extend_from_slice(bytes);
        block.watchers.wake();
    }

    #[cfg(test)]
    pub fn mail(&self, to: &str, text: &str) {
        let message = json!({ "id": text, "payload": text });
        self.mail.lock().unwrap().entry(to.to_owned()).or_default().push_back(message);
    }
}

impl Terminals for World {
    fn deliver(&self, _: &str, _: &str, _: Option<Submit>) -> Option<Delivery> {
        None
    }

    fn offer(&self, _: &str, _: &str, _: Duration) -> Option<Offer> {
        None
    }

    fn terminal(&self, _: &AgentId) -> Option<Terminal> {
        None
    }

    fn may_type_into(&self, _: &AgentId) -> Vec<String> {
        Vec::new()
    }

    fn knows(&self, _: &AgentId) -> bool {
        false
    }

    fn running(&self) -> Vec<AgentId> {
        Vec::new()
    }
}

impl Instance for World {
    fn version(&self) -> &str {
        "1.2.3"
    }

    fn unix_ms(&self) -> u64 {
        1_234
    }

    fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    fn terminals(&self) -> &dyn Terminals {
        self
    }

    fn blocks(&self) -> Vec<String> {
        let hidden = self.hidden.lock().unwrap();
        self.blocks.lock().unwrap().keys().filter(|block| !hidden.contains(*block)).cloned().collect()
    }

    fn input(&self, block: &str, bytes: &[u8]) -> Option<Result<(), InputError>> {
        let mut blocks = self.blocks.lock().unwrap();
        let block = blocks.get_mut(block)?;
        if block.done {
            return Some(Err(InputError::Done));
        }
        block.keys.extend_from_slice(bytes);
        Some(Ok(()))
    }

    fn resize(&self, block: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>> {
        let mut blocks = self.blocks.lock().unwrap();
        let block = blocks.get_mut(block)?;
        if rows < limits::ROWS_MIN {
            return Some(Err(ResizeError::OutOfBounds("rows")));
        }
        block.size = (rows, cols);
        Some(Ok(()))
    }

    fn output(&self, block: &str, from: Option<u64>, most: usize) -> Option<Result<Output, BeyondEnd>> {
        let blocks = self.blocks.lock().unwrap();
        let block = blocks.get(block)?;
        let (asked, end) = (from.unwrap_or(0), block.start + block.bytes.len() as u64);
        if asked > end {
            return Some(Err(BeyondEnd { end }));
        }
        let from = asked.max(block.start);
        let rest = &block.bytes[(from - block.start) as usize..];
        let bytes = rest[..rest.len().min(most)].to_vec();
        let next = from + bytes.len() as u64;
        Some(Ok(Output { from, next, bytes, gap: asked < from, done: block.done && next == end }))
    }

    fn output_end(&self, block: &str) -> Option<u64> {
        let blocks = self.blocks.lock().unwrap();
        blocks.get(block).map(|block| block.start + block.bytes.len() as u64)
    }

    fn watch(&self, block: &str, wake: Arc<Wake>) -> Option<Watch> {
        self.blocks.lock().unwrap().get(block).map(|block| block.watchers.add(wake))
    }

    fn take(&self, name: &AgentId, most: usize, _: usize) -> Option<Parcel> {
        let mut all = self.mail.lock().unwrap();
        let waiting = all.get_mut(name.as_str()).filter(|waiting| !waiting.is_empty())?;
        let messages: Vec<Value> = waiting.drain(..most.min(waiting.len())).collect();
        let back =
            GoesBack { name: name.as_str().to_owned(), messages: messages.clone(), mail: self.mail.clone() };
        let taken = Arc::clone(&self.taken);
        let sent = move || {
            taken.fetch_add(1, Ordering::SeqCst);
            std::mem::forget(back);
        };
        Some(Parcel { messages, sent: Box::new(sent) })
    }
}

/// Dropped without having been sent: they wait again, marked.
struct GoesBack {
    name: String,
    messages: Vec<Value>,
    mail: Arc<Mutex<BTreeMap<String, VecDeque<Value>>>>,
}

impl Drop for GoesBack {
    fn drop(&mut self) {
        let mut all = self.mail.lock().unwrap();
        for mut message in self.messages.drain(..).rev() {
            message["redelivered"] = json!(true);
            all.entry(self.name.clone()).or_default().push_front(message);
        }
    }
}
