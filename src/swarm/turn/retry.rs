//! When a program that failed is started again: after 1, 2, 4 ... 60 s, and not for ever.

use crate::limits;

/// A program that ran for so long has not failed at its start: the count begins anew.
const RAN_MS: u64 = 60_000;
/// The first pause.
const FIRST_MS: u64 = 1_000;

/// Invariant: `failures` is at most [`limits::SWARM_RESTARTS`].
#[derive(Debug, Default)]
pub(super) struct Retry {
    failures: u32,
    /// when the program that runs was started
    started: Option<u64>,
}

impl Retry {
    pub fn started(&mut self, now: u64) {
        self.started = Some(now);
    }

    /// Whether the start under way is not the first.
    pub fn is_again(&self) -> bool {
        self.failures > 0
    }

    /// The program failed: when it is to be started again, if it is.
    pub fn failed(&mut self, now: u64) -> Option<u64> {
        if self.started.take().is_some_and(|started| now.saturating_sub(started) >= RAN_MS) {
            self.failures = 0;
        }
        if self.failures >= limits::SWARM_RESTARTS {
            return None;
        }
        let pause = FIRST_MS.saturating_mul(1 << self.failures.min(32)).min(limits::SWARM_RESTART_PAUSE_MS);
        self.failures += 1;
        Some(now.saturating_add(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_end_after_ten() {
        let mut retry = Retry::default();
        let mut pauses = Vec::new();
        while let Some(at) = retry.failed(5_000) {
            pauses.push((at - 5_000) / 1_000);
            retry.started(5_000);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(pauses.len(), limits::SWARM_RESTARTS as usize);
        assert_eq!(retry.failed(5_000 + RAN_MS - 1), None);
    }

    #[test]
    fn a_program_that_ran_for_a_minute_begins_anew() {
        let mut retry = Retry::default();
        assert_eq!(retry.failed(0), Some(1_000));
        assert_eq!(retry.failed(1_000), Some(3_000));
        assert!(retry.is_again());
        retry.started(3_000);
        assert_eq!(retry.failed(3_000 + RAN_MS), Some(3_000 + RAN_MS + 1_000));
    }
}
