//! The thread `logs`: brings what was logged to the disk, soon, and never holds up who logs.
//!
//! Lines wait in a queue, a bounded share for each agent: who floods loses his own, and a quiet agent's are taken
//! whatever the others do. What the queue or the disk does not take is counted, and told in the agent's log once it
//! works again. The thread starts with the first swarm that runs.

use std::{
    collections::BTreeMap,
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{file::File, lock, record::Record};
use crate::{limits, store::LentError};

/// Of the queue, what each agent has for itself whatever the others take.
const OWN: usize = 16 * 1024;

/// Whom a record is to be told of that is about the log itself.
pub(super) trait Owner: Send + Sync {
    /// So many records did not reach the disk, which works again.
    fn lost(self: Arc<Self>, id: u64, count: u64);
    /// No record reaches the disk for now: told once, until one does.
    fn refused(self: Arc<Self>, id: u64, why: LentError);
}

/// What did not reach the disk.
#[derive(Default)]
struct Lost {
    count: u64,
    /// the log has been told why
    told: bool,
}

/// The queue, and the thread that empties it.
#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    /// there is something to write, or it is over
    changed: Condvar,
    /// something was written
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    /// by the id of the agent's log
    waiting: BTreeMap<u64, Waiting>,
    /// what was lost of it, until that is told
    lost: BTreeMap<u64, Lost>,
    /// of all that waits, and of what is being written
    bytes: usize,
    /// records taken in
    taken: u64,
    /// of those, how many were written or lost
    done: u64,
    /// somebody waits for it
    hurry: bool,
    running: bool,
    ended: bool,
}

/// What waits for one agent's file.
struct Waiting {
    owner: Arc<dyn Owner>,
    file: Arc<File>,
    records: Vec<Arc<Record>>,
    bytes: usize,
}

impl Writer {
    /// Starts the thread, where there is none.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let mut queue = lock(&self.queue);
        if queue.running || queue.ended {
            return Ok(());
        }
        let writer = Arc::clone(self);
        let thread = thread::Builder::new().name("logs".to_owned()).stack_size(limits::THREAD_STACK);
        drop(thread.spawn(move || writer.run())?);
        queue.running = true;
        Ok(())
    }

    /// Takes a record for the disk.
    pub fn put(&self, owner: &Arc<dyn Owner>, id: u64, file: &Arc<File>, record: &Arc<Record>) {
        let mut queue = lock(&self.queue);
        let size = record.size();
        let all = queue.bytes.saturating_add(size);
        let was_empty = queue.waiting.is_empty();
        let own = queue.waiting.get(&id).map_or(0, |waiting| waiting.bytes).saturating_add(size);
        if own > OWN && (own > limits::LOG_WAITING || all > limits::LOG_WAITING_ALL) {
            queue.has_lost(id, 1);
            return;
        }
        let waiting = queue.waiting.entry(id).or_insert_with(|| Waiting::new(owner, file));
        waiting.bytes = own;
        waiting.records.push(Arc::clone(record));
        queue.bytes = all;
        queue.taken = queue.taken.saturating_add(1);
        drop(queue);
        if was_empty {
            self.changed.notify_one();
        }
    }

    /// How much was taken up to now; it is written soon.
    pub fn mark(&self) -> u64 {
        let mut queue = lock(&self.queue);
        if queue.done < queue.taken {
            queue.hurry = true;
            self.changed.notify_one();
        }
        queue.taken
    }

    /// Whether all up to a mark is written, or cannot be. Waits until then, for as long as there is a limit.
    pub fn is_done(&self, mark: u64, limit: Option<Instant>) -> bool {
        let mut queue = lock(&self.queue);
        loop {
            let left = limit.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
            if queue.done >= mark || left.is_zero() || !queue.running {
                return queue.done >= mark || !queue.running;
            }
            queue.hurry = true;
            self.changed.notify_one();
            queue = self.written.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until all that was taken up to now is written, or cannot be; at most so long. Whether it is.
    pub fn settle(&self, within: Duration) -> bool {
        self.is_done(self.mark(), Instant::now().checked_add(within))
    }

    /// What was lost of a log is told to nobody any more: there is no such log.
    pub fn forget(&self, id: u64) {
        lock(&self.queue).lost.remove(&id);
    }

    /// Writes what there is and ends the thread; waits for it no longer than this.
    pub fn end(&self, within: Duration) {
        lock(&self.queue).ended = true;
        self.changed.notify_one();
        self.settle(within);
    }

    /// Bytes that wait, or are being written.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        lock(&self.queue).bytes
    }

    fn run(&self) {
        loop {
            let mut queue = self.gather();
            if queue.waiting.is_empty() {
                queue.running = false;
                drop(queue);
                self.written.notify_all();
                return;
            }
            let batch = mem::take(&mut queue.waiting);
            queue.hurry = false;
            drop(queue);
            for (id, waiting) in batch {
                self.write(id, waiting);
            }
        }
    }

    /// Returns when there is something to write and some more has come, or at the end.
    fn gather(&self) -> MutexGuard<'_, Queue> {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.ended;
        let queue = self.changed.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
        let wait = Duration::from_millis(limits::LOG_GATHER_MS);
        let more = |queue: &mut Queue| !queue.hurry && !queue.ended;
        self.changed.wait_timeout_while(queue, wait, more).unwrap_or_else(PoisonError::into_inner).0
    }

    fn write(&self, id: u64, waiting: Waiting) {
        let Waiting { owner, file, records, bytes } = waiting;
        let mut lines = Vec::with_capacity(bytes);
        records.iter().for_each(|record| record.write(&mut lines));
        let count = records.len() as u64;
        let written = file.append(&lines);
        drop((lines, records));
        let mut queue = lock(&self.queue);
        queue.bytes = queue.bytes.saturating_sub(bytes);
        queue.done = queue.done.saturating_add(count);
        match written {
            Ok(()) => {
                let lost = queue.lost.remove(&id);
                drop(queue);
                lost.iter().for_each(|lost| Arc::clone(&owner).lost(id, lost.count));
            }
            Err(why) => {
                let lost = queue.has_lost(id, count);
                let tells = why == LentError::Mounted && !mem::replace(&mut lost.told, true);
                drop(queue);
                if tells {
                    owner.refused(id, why);
                }
            }
        }
        self.written.notify_all();
    }
}

impl Queue {
    fn has_lost(&mut self, id: u64, count: u64) -> &mut Lost {
        let lost = self.lost.entry(id).or_default();
        lost.count = lost.count.saturating_add(count);
        lost
    }
}

impl Waiting {
    fn new(owner: &Arc<dyn Owner>, file: &Arc<File>) -> Self {
        Self { owner: Arc::clone(owner), file: Arc::clone(file), records: Vec::new(), bytes: 0 }
    }
}
