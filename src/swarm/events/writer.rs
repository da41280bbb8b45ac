//! The thread `events`: brings what is told to the disk within [`limits::EVENTS_GATHER_MS`] and one sync.
//!
//! Nobody who tells of something waits for it. What the disk does not take is lost there and nowhere else; how much that
//! was an event says once the disk works again. A disk that does not answer at all holds up this thread alone, and at
//! the end of the instance no longer than it is told to wait.

use std::{
    io,
    sync::{Arc, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{Draft, Hub, Level, Name, disk::EventDisk, ring::Ring};
use crate::{limits, store::JournalError};

/// How long events are gathered before they are written.
const GATHER: Duration = Duration::from_millis(limits::EVENTS_GATHER_MS);
/// How long after a failure of the disk the next try comes, where nobody asks for one.
const RETRY: Duration = Duration::from_secs(1);
/// A disk that takes longer for an answer is told of in `status`.
const SLOW: Duration = Duration::from_secs(1);
/// A wait without end is one that is looked after once an hour.
const LONG: Duration = Duration::from_secs(3_600);

/// How the events on the disk are, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// bytes on the disk
    pub bytes: u64,
    /// events that never reached the disk, in this launch
    pub lost: u64,
    /// lines on the disk that were read and are no events
    pub unread: u64,
    /// why the newest events are not on the disk
    pub failing: Option<String>,
}

/// What became of a cleaning, for those alone who asked for it.
pub(super) type Cleaning = OnceLock<Result<(), JournalError>>;

/// What is done at once.
pub(super) struct Round {
    text: Vec<u8>,
    /// the newest event in it, or before it
    last: u64,
    /// all that is told is to be forgotten with it, up to this place of the stream; and who is told what became of it
    clear: Option<(u64, Arc<Cleaning>)>,
    /// it is the last one
    end: bool,
}

impl Hub {
    /// Starts the thread that writes, where there is a disk.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        if self.disk.is_none() || std::mem::replace(&mut self.ring().behind.started, true) {
            return Ok(());
        }
        let hub = Arc::clone(self);
        let thread = thread::Builder::new().name("events".to_owned()).stack_size(limits::THREAD_STACK);
        thread.spawn(move || hub.run()).map(drop).inspect_err(|_| self.ring().behind.started = false)
    }

    /// Writes what is left and that no more comes, and ends the thread. Waits for that until `by`.
    pub fn stop(&self, by: Instant) {
        let mut ring = self.ring();
        if !ring.behind.started {
            return;
        }
        ring.behind.stopping = true;
        self.changed.notify_all();
        drop(self.wait(ring, by, |ring| ring.behind.ended));
    }

    /// Forgets all events, on the disk too. The numbers go on. After an error nothing is forgotten, but for
    /// [`JournalError::Slow`]: then nobody knows yet.
    pub fn clear(&self) -> Result<(), JournalError> {
        let mut ring = self.ring();
        let Some(disk) = &self.disk else {
            let (place, last) = (ring.next, ring.last);
            let forgotten = ring.forget(place, last);
            drop(ring);
            drop(forgotten);
            return Ok(());
        };
        let cleaning = Self::ask_to_clean(&mut ring);
        if !ring.behind.started {
            let round = Self::take(&mut ring);
            drop(ring);
            self.work(disk, round);
            ring = self.ring();
        }
        self.changed.notify_all();
        let by = Instant::now().checked_add(disk.settings.journal.wait).unwrap_or_else(Instant::now);
        drop(self.wait(ring, by, |ring| cleaning.get().is_some() || ring.behind.ended));
        cleaning.get().cloned().unwrap_or(Err(JournalError::Slow))
    }

    /// The next round forgets all that was told until it begins.
    pub(super) fn ask_to_clean(ring: &mut Ring) -> Arc<Cleaning> {
        Arc::clone(ring.behind.clean.get_or_insert_default())
    }

    /// How the events on the disk are; nothing where there is no disk.
    pub fn health(&self) -> Option<Health> {
        let disk = self.disk.as_ref()?;
        let (bytes, unread) = (disk.bytes(), disk.unread.load(std::sync::atomic::Ordering::Relaxed));
        let ring = self.ring();
        let slow = ring.behind.since.is_some_and(|since| since.elapsed() > SLOW);
        let failing = ring.behind.failing.clone().or_else(|| slow.then(|| JournalError::Slow.to_string()));
        Some(Health { bytes, lost: ring.behind.lost, unread, failing })
    }

    /// Waits until the event of this number is on the disk or lost, or the disk fails; a moment at most.
    pub(super) fn settle(&self, id: u64) {
        let mut ring = self.ring();
        if ring.behind.settled >= id || !ring.behind.started {
            return;
        }
        ring.behind.hurry = true;
        self.changed.notify_all();
        let by = Instant::now().checked_add(SLOW).unwrap_or_else(Instant::now);
        let settled =
            |ring: &Ring| ring.behind.settled >= id || ring.behind.ended || ring.behind.failing.is_some();
        drop(self.wait(ring, by, settled));
    }

    fn run(&self) {
        let Some(disk) = &self.disk else { return };
        loop {
            let round = self.gather(disk);
            let end = round.end;
            self.work(disk, round);
            if end {
                return;
            }
        }
    }

    /// Waits for something to do, and then a moment for more.
    fn gather(&self, disk: &EventDisk) -> Round {
        let mut ring = self.ring();
        let mut first = None;
        loop {
            let behind = &mut ring.behind;
            let now = Instant::now();
            let mut left = |most: Duration| {
                most.saturating_sub(now.saturating_duration_since(*first.get_or_insert(now)))
            };
            let is_asked = behind.hurry || behind.stopping || behind.clean.is_some();
            let (waits, asleep) = match (is_asked, behind.text.is_empty()) {
                (true, _) => (Duration::ZERO, false),
                (false, false) if behind.failing.is_none() => (left(GATHER), false),
                (false, false) => (left(RETRY), false),
                (false, true) if disk.is_settled() && behind.failing.is_none() => (LONG, true),
                (false, true) => (left(RETRY), true),
            };
            if waits.is_zero() {
                return Self::take(&mut ring);
            }
            behind.asleep = asleep;
            (ring, _) = self.changed.wait_timeout(ring, waits).unwrap_or_else(PoisonError::into_inner);
            ring.behind.asleep = false;
        }
    }

    pub(super) fn take(ring: &mut Ring) -> Round {
        let (place, last) = (ring.next, ring.last);
        let behind = &mut ring.behind;
        behind.hurry = false;
        behind.closed = behind.stopping;
        behind.since = Some(Instant::now());
        let clear = behind.clean.take().map(|cleaning| (place, cleaning));
        Round { text: std::mem::take(&mut behind.text), last, clear, end: behind.stopping }
    }

    /// Does what is to be done, without the lock, and says what became of it.
    pub(super) fn work(&self, disk: &EventDisk, round: Round) {
        let made = disk.make_room(&round.text);
        let (lost, written) = disk.write(&round.text);
        drop(round.text);
        let mut result = written.and(made);
        let clear = || if disk.is_settled() { disk.clear(round.last) } else { Err(JournalError::Io) };
        let cleared = round.clear.as_ref().map(|(place, _)| (*place, result.clone().and_then(|()| clear())));
        if round.end && result.is_ok() && disk.is_settled() {
            result = disk.end(round.last);
        }
        let mut ring = self.ring();
        let forgotten = match &cleared {
            Some((place, Ok(()))) => ring.forget(*place, round.last),
            Some((_, Err(_))) | None => Vec::new(),
        };
        let behind = &mut ring.behind;
        if let (Some((_, cleaning)), Some((_, result))) = (round.clear, cleared) {
            let _ = cleaning.set(result);
        }
        behind.since = None;
        behind.settled = round.last;
        behind.ended = round.end;
        behind.lose(lost);
        let failed = result.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut behind.failing, failed.clone());
        let told = behind.recovered();
        drop(ring);
        drop(forgotten);
        self.changed.notify_all();
        match (&before, &failed) {
            (None, Some(why)) => log::error!("events cannot be written: {why}; it is tried again"),
            (Some(_), None) => log::info!("events are written again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        if let Some((why, lost)) = told {
            self.publish(recovered(why, lost));
        }
    }

    fn wait<'a>(
        &self,
        mut ring: MutexGuard<'a, Ring>,
        by: Instant,
        done: impl Fn(&Ring) -> bool,
    ) -> MutexGuard<'a, Ring> {
        while !done(&ring) {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (ring, _) = self.changed.wait_timeout(ring, left).unwrap_or_else(PoisonError::into_inner);
        }
        ring
    }
}

/// What tells that the disk takes events again, and how many are not on it.
fn recovered(why: String, lost: u64) -> Draft {
    let draft =
        Draft::new(Name::EventLogRecovered, format!("events are written again; {lost} are not on the disk"));
    let level = if lost > 0 { Level::Warning } else { Level::Info };
    draft.level(level).with("lost", lost).with("reason", why)
}
