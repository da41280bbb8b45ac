//! One connection as the watching thread sees it: its socket, its deadline, and what it waits for.
//!
//! The connection's thread reads and writes without a time-out of its own. Whoever must interrupt it shuts the
//! socket down, or cuts the line to the endpoint; why is left here.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{client::upstream::Cut, sys::socket};

/// No deadline.
const NEVER: u64 = u64::MAX;

pub(super) struct Slot {
    pub(super) stream: TcpStream,
    /// monotonic
    deadline: AtomicU64,
    /// whether the thread writes to the agent: then an answer is no use any more
    writes: AtomicBool,
    overdue: AtomicBool,
    ended: AtomicBool,
    /// what ends the exchange that is on its way
    exchange: Mutex<Option<Cut>>,
}

impl Slot {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            deadline: AtomicU64::new(NEVER),
            writes: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            exchange: Mutex::default(),
        }
    }

    /// Something must come from the agent by then.
    pub(super) fn await_agent(&self, now: u64, within: Duration) {
        self.writes.store(false, Ordering::SeqCst);
        self.deadline.store(after(now, within), Ordering::SeqCst);
    }

    /// The agent must have taken something by then.
    pub(super) fn await_taking(&self, now: u64, within: Duration) {
        self.writes.store(true, Ordering::SeqCst);
        self.deadline.store(after(now, within), Ordering::SeqCst);
    }

    /// Nothing is waited for from the agent.
    pub(super) fn await_nothing(&self) {
        self.deadline.store(NEVER, Ordering::SeqCst);
    }

    /// Whether a deadline has passed.
    pub(super) fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::SeqCst)
    }

    /// Whether somebody ended it.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// An exchange begins that `cut` ends; `false` where the connection has ended already.
    pub(super) fn begin(&self, cut: Cut) -> bool {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
        !self.is_ended()
    }

    /// It is over.
    pub(super) fn over(&self) {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Ends the connection, and whatever it does.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.stream.shutdown(Shutdown::Both);
        self.cut();
    }

    /// Looks at the deadline, and whether the agent still waits for its answer: an endpoint would go on
    /// speaking, for money, to somebody who is gone.
    pub(super) fn look(&self, now: u64) {
        if now >= self.deadline.load(Ordering::SeqCst) {
            self.overdue.store(true, Ordering::SeqCst);
            if self.writes.load(Ordering::SeqCst) {
                self.end();
            } else {
                let _ = self.stream.shutdown(Shutdown::Read);
            }
        } else if self.exchanges() && socket::peer_is_gone(&self.stream) {
            self.end();
        }
    }

    fn exchanges(&self) -> bool {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn cut(&self) {
        let cut = self.exchange.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(cut) = cut {
            cut.cut();
        }
    }
}

fn after(now: u64, within: Duration) -> u64 {
    now.saturating_add(u64::try_from(within.as_millis()).unwrap_or(NEVER))
}
