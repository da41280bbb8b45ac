//! The table of connections: how many there may be, and who goes when there is one too many.
//!
//! Defends against exhaustion: a stranger who opens connections closes other strangers' ones, the
//! longest waiting first, and never those of callers who showed a credential.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Counters, Settings, slot::Slot};

/// How long an evicted connection's thread may take to be gone. It was waiting, so it wakes at once.
const EVICTION: Duration = Duration::from_secs(1);

/// All connections of one gate.
pub(super) struct Table {
    slots: Mutex<Slots>,
    /// set with `slots` locked
    closed: AtomicBool,
    /// the first connection came, or the table closed
    began: Condvar,
    /// a connection is gone
    left: Condvar,
    counters: Arc<Counters>,
    /// connections in all; 0 < most
    most: usize,
    /// strangers' connections; strangers <= most
    strangers: usize,
}

/// In no order.
type Slots = Vec<Arc<Slot>>;

/// A connection's place; dropping it gives the place back and closes the socket.
pub(super) struct Seat {
    table: Arc<Table>,
    slot: Option<Arc<Slot>>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Arc<Self> {
        let most = settings.connections.max(1);
        Arc::new(Self {
            slots: Mutex::default(),
            closed: AtomicBool::new(false),
            began: Condvar::new(),
            left: Condvar::new(),
            counters,
            most,
            strangers: most.saturating_sub(settings.admitted).max(1),
        })
    }

    /// Gives a place to a connection that has just been accepted, where need be that of another,
    /// and waits until that one is gone. The slot comes
    /// back where nobody can go, and when the table is closed.
    pub(super) fn seat(self: &Arc<Self>, slot: Slot) -> Result<Seat, Slot> {
        let mut slots = self.lock();
        loop {
            if self.is_closed() {
                return Err(slot);
            }
            let strangers = slots.iter().filter(|slot| !slot.is_admitted()).count();
            let crowded = strangers >= self.strangers;
            if !crowded && slots.len() < self.most {
                break;
            }
            let (back, evicted) = self.evict(slots, crowded);
            slots = back;
            if !evicted {
                return Err(slot);
            }
        }
        let slot = Arc::new(slot);
        slots.push(Arc::clone(&slot));
        if slots.len() == 1 {
            self.began.notify_all();
        }
        self.count_open(&slots);
        Ok(Seat { table: Arc::clone(self), slot: Some(slot) })
    }

    /// Closes the connection that has waited longest, a stranger's before any other, and waits until
    /// its descriptor is free. `false` where none waits.
    pub(super) fn free_a_descriptor(&self) -> bool {
        self.evict(self.lock(), false).1
    }

    /// For the watchdog: waits while no connection is open, then looks at each, then waits for
    /// `tick`. `false`: the table is closed.
    pub(super) fn watch(&self, settings: &Settings) -> bool {
        let mut slots = self.lock();
        while slots.is_empty() && !self.is_closed() {
            slots = self.began.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
        if self.is_closed() {
            return false;
        }
        let now = settings.clock.monotonic_ms();
        for slot in slots.iter() {
            slot.shut_if_overdue(now, settings);
        }
        drop(self.began.wait_timeout(slots, settings.tick).unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Closes the table: nobody gets a place any more, and every answer is its connection's last.
    pub(super) fn close(&self) {
        let _slots = self.lock();
        self.closed.store(true, Ordering::Release);
        self.began.notify_all();
    }

    /// Empties the closed table: connections that wait or are upgraded end now, those in a handler
    /// after their answer, all at the latest after `within`.
    pub(super) fn clear(&self, within: Duration) {
        let until = Instant::now().checked_add(within);
        let mut slots = self.lock();
        while !slots.is_empty() {
            // Again each time: one that was busy may have begun to wait.
            for slot in slots.iter() {
                slot.close_unless_busy();
            }
            let rest = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
            if rest.is_zero() {
                break;
            }
            let step = rest.min(Duration::from_millis(100));
            slots = self.left.wait_timeout(slots, step).unwrap_or_else(PoisonError::into_inner).0;
        }
        for slot in slots.iter() {
            slot.close();
        }
    }

    /// Whether the server is about to end: no connection goes on after its answer.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the waiting connection to go first, and waits until one is gone: mostly that one, but under
    /// a flood its thread may be long in coming to its turn, and any other's place is as good.
    fn evict<'a>(
        &'a self,
        slots: MutexGuard<'a, Slots>,
        strangers_only: bool,
    ) -> (MutexGuard<'a, Slots>, bool) {
        loop {
            let oldest = slots
                .iter()
                .filter(|slot| !(strangers_only && slot.is_admitted()))
                .filter_map(|slot| Some(((slot.is_admitted(), slot.waits_since()?, slot.id), slot)))
                .min_by_key(|(order, _)| *order);
            let Some((_, slot)) = oldest else { return (slots, false) };
            // One that has just been given work stays; the next may go instead.
            if slot.close_if_waiting() {
                break;
            }
        }
        Counters::add(&self.counters.evicted);
        // Nobody gets a place meanwhile: whoever asks for one waits here.
        let before = slots.len();
        let (slots, waited) = self
            .left
            .wait_timeout_while(slots, EVICTION, |slots| slots.len() >= before)
            .unwrap_or_else(PoisonError::into_inner);
        (slots, !waited.timed_out())
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_open(&self, slots: &Slots) {
        self.counters.open.store(u64::try_from(slots.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Seat {
    /// The connection.
    pub(super) fn slot(&self) -> Option<&Slot> {
        self.slot.as_deref()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut slots = self.table.lock();
        if let Some(at) = slots.iter().position(|other| other.id == slot.id) {
            slots.swap_remove(at);
        }
        // The last handle: the descriptor is free before anybody learns that the place is.
        drop(slot);
        self.table.count_open(&slots);
        self.table.left.notify_all();
    }
}

/// Numbers connections in the order of their arrival.
#[derive(Default)]
pub(super) struct Ids(AtomicU64);

impl Ids {
    /// The next one.
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;
    use crate::gate::slot::Phase;

    #[test]
    fn a_newcomer_gets_the_first_place_that_becomes_free_and_not_only_the_evicted_ones() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let settings = Settings { connections: 2, admitted: 0, ..Settings::default() };
        let counters = Arc::<Counters>::default();
        let table = Table::new(&settings, Arc::clone(&counters));
        let seat = |id| table.seat(Slot::new(id, TcpStream::connect(at).unwrap(), id)).ok();
        // Its thread does not come to its turn: the seat is not given back.
        let evicted = seat(1).expect("room");
        let other = seat(2).expect("room");
        thread::scope(|scope| {
            let newcomer = scope.spawn(|| seat(3));
            while counters.evicted.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            drop(other);
            assert!(newcomer.join().unwrap().is_some(), "it waited for the evicted one alone");
        });
        drop(evicted);
    }

    /// Between a handler's end and the last byte of its answer.
    #[test]
    fn the_end_of_the_server_lets_an_answer_be_written_and_closes_who_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slot = |phase| {
            let slot = Slot::new(1, TcpStream::connect(listener.local_addr().unwrap()).unwrap(), 0);
            slot.enter(phase, 0).unwrap();
            slot.close_unless_busy();
            slot.enter(phase, 0).is_ok()
        };
        let open = [Phase::Busy, Phase::Write].map(slot);
        let shut = [Phase::Head, Phase::Body, Phase::Idle, Phase::Linger, Phase::Upgraded].map(slot);
        assert_eq!((open, shut), ([true; 2], [false; 5]));
    }
}
