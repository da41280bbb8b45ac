//! What the mailbox does by itself, called by one thread.
//!
//! Messages expire, what is kept is swept, lines that nobody waits for get to disk within 100 ms, and
//! the journal is compacted in small steps. Each call does a bounded piece of work and says when the next
//! one is due, so that senders and readers are never held up for long.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use super::{Mail, record::Record, table::Phase, types::State};

/// Changes that are made under one lock.
const STEP: usize = 256;

/// How long lines that nobody waits for gather before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause where there is more to do: others get their turn.
const BREATH: Duration = Duration::from_millis(1);

impl Mail {
    /// Does what is due; returns when there will be more at the latest.
    pub fn maintain(&self) -> Duration {
        let more = self.expire() | self.compact_step();
        self.flush();
        if more {
            return BREATH;
        }
        let next = self.shared.lock().table.next_deadline();
        let left = next.map(|at| at.saturating_sub(self.shared.clock.unix_ms()));
        left.map_or(PAUSE, |left| Duration::from_millis(left).clamp(GATHER, PAUSE))
    }

    /// Waits for that long at most, less where something has to get to disk soon. `false`: the instance
    /// ends.
    pub fn pause(&self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let mut inner = self.shared.lock();
        loop {
            if inner.ending {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            let left = if inner.lazy { left.min(GATHER) } else { left };
            if left.is_zero() {
                return true;
            }
            let gathered = inner.lazy;
            inner = self.shared.work.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
            if gathered {
                return !inner.ending;
            }
        }
    }

    /// Ends all pauses and waits, once and for all; what was appended gets to disk.
    pub fn end(&self) {
        let mut inner = self.shared.lock();
        inner.ending = true;
        inner.readers.tell_all();
        drop(inner);
        self.shared.work.notify_all();
        self.flush();
    }

    /// Brings to disk what nobody waits for. Where that fails, the lines stay with the journal, which
    /// tries again with the next ones.
    fn flush(&self) {
        let mut inner = self.shared.lock();
        if !std::mem::take(&mut inner.lazy) {
            return;
        }
        drop(inner);
        if let Err(error) = self.shared.journal.flush() {
            log::warn!("mail: states of messages are not on disk yet: {error}");
            self.shared.lock().lazy = true;
        }
    }

    /// Ends what waited too long and drops what was kept long enough; whether there is more.
    fn expire(&self) -> bool {
        let now = self.shared.clock.unix_ms();
        let mut inner = self.shared.lock();
        let due = inner.table.expired(now, STEP);
        let had = |number: &u64| inner.table.entry(*number).is_some_and(|entry| entry.handed);
        let (had, fresh): (Vec<u64>, Vec<u64>) = due.iter().copied().partition(had);
        for (numbers, reason) in [(fresh, "nobody took it in time"), (had, "nobody acknowledged it in time")]
        {
            if numbers.is_empty() {
                continue;
            }
            let record = Record::End {
                at: now,
                of: numbers.clone(),
                state: State::Expired,
                dead: true,
                reason: Some(reason.into()),
            };
            if !self.shared.append_lazily(&mut inner, &record) {
                return false;
            }
            for number in numbers {
                inner.table.end(number, State::Expired, Some(reason), true, now);
            }
        }
        let swept = inner.table.sweep(now, STEP);
        due.len() == STEP || !swept
    }

    /// A message whose line does not read any more: it is over, and says why.
    pub(super) fn lose(&self, number: u64) {
        const REASON: &str = "its line on disk is damaged";
        let now = self.shared.clock.unix_ms();
        log::error!("mail: message {number} is lost: {REASON}");
        let mut inner = self.shared.lock();
        if inner.table.entry(number).is_some_and(|entry| entry.phase == Phase::Waiting) {
            let (of, reason) = (vec![number], Some(REASON.into()));
            let record = Record::End { at: now, of, state: State::Failed, dead: false, reason };
            self.shared.append_lazily(&mut inner, &record);
            inner.table.end(number, State::Failed, Some(REASON), false, now);
        } else {
            inner.table.bury(number);
        }
    }
}
