//! What was typed and is not with the instance yet: a machine without I/O.
//!
//! One piece is under way at a time, so that no key overtakes another one that a full terminal
//! refused. A piece is offered again for a while, and never again when nobody knows what became of it.

use std::{
    mem,
    time::{Duration, Instant},
};

/// How long before keys are offered again to a terminal that took none.
const OFFER_AGAIN: Duration = Duration::from_millis(50);
/// How often that is, before they are dropped.
const OFFERS: usize = 40;

/// Keys on their way.
#[derive(Default)]
pub struct Keys {
    typed: Vec<u8>,
    /// sent, and not answered
    sent: Vec<u8>,
    /// how often these were refused
    refused: usize,
    /// when they are to be sent again
    again: Option<Instant>,
}

/// Keys were dropped, and the user is to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost;

impl Keys {
    /// More was typed.
    pub fn typed(&mut self, keys: &[u8]) {
        self.typed.extend_from_slice(keys);
    }

    /// Bytes that are not under way yet.
    pub fn waiting(&self) -> usize {
        self.typed.len()
    }

    /// Whether all was taken.
    pub fn is_empty(&self) -> bool {
        self.typed.is_empty() && self.sent.is_empty()
    }

    /// When to ask [`Keys::next`] again.
    pub fn again(&self) -> Option<Instant> {
        self.again
    }

    /// What is to be sent now.
    pub fn next(&mut self, now: Instant) -> Option<&[u8]> {
        if self.sent.is_empty() {
            self.sent = mem::take(&mut self.typed);
        } else if self.again.take_if(|at| now >= *at).is_none() {
            return None;
        }
        Some(self.sent.as_slice()).filter(|keys| !keys.is_empty())
    }

    /// The terminal's queue has them.
    pub fn taken(&mut self) {
        self.sent.clear();
        self.refused = 0;
    }

    /// It had no room for them.
    pub fn refused(&mut self, now: Instant) -> Result<(), Lost> {
        self.refused += 1;
        if self.refused < OFFERS {
            self.again = now.checked_add(OFFER_AGAIN);
            return Ok(());
        }
        self.taken();
        Err(Lost)
    }

    /// The connection broke. What was under way may have been typed, and is not sent twice.
    pub fn cut_off(&mut self) -> Result<(), Lost> {
        let lost = !self.sent.is_empty();
        self.again = None;
        self.taken();
        if lost { Err(Lost) } else { Ok(()) }
    }

    /// The instance closed the connection in order: what it has not answered it has not looked at.
    pub fn not_looked_at(&mut self) {
        self.sent.append(&mut self.typed);
        self.typed = mem::take(&mut self.sent);
        self.again = None;
        self.taken();
    }

    /// Nobody takes keys any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_under_way_at_a_time_and_in_order() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        assert_eq!(keys.next(now), None);
        keys.typed(b"a");
        assert_eq!(keys.next(now), Some(b"a".as_slice()));
        keys.typed(b"b");
        keys.typed(b"c");
        assert_eq!(keys.next(now), None, "the first is not answered");
        assert_eq!(keys.waiting(), 2);
        keys.taken();
        assert_eq!(keys.next(now), Some(b"bc".as_slice()));
        keys.taken();
        assert!(keys.is_empty() && keys.next(now).is_none());
    }

    #[test]
    fn refused_keys_are_offered_again_for_two_seconds_and_then_lost() {
        let (mut keys, mut now) = (Keys::default(), Instant::now());
        keys.typed(b"a");
        let begin = now;
        for _ in 1..OFFERS {
            assert_eq!(keys.next(now), Some(b"a".as_slice()));
            assert_eq!(keys.refused(now), Ok(()));
            assert_eq!(keys.next(now), None, "not at once");
            now = keys.again().expect("a moment");
        }
        assert_eq!(keys.next(now), Some(b"a".as_slice()));
        keys.typed(b"b");
        assert_eq!(keys.refused(now), Err(Lost));
        assert!(now - begin >= Duration::from_millis(1_900));
        assert_eq!(keys.next(now), Some(b"b".as_slice()), "the next ones have all their offers");
        assert_eq!(keys.refused(now), Ok(()));
    }

    #[test]
    fn keys_that_were_not_looked_at_are_sent_again_before_the_next_ones() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        keys.not_looked_at();
        assert!(keys.is_empty());
        keys.typed(b"a");
        keys.next(now);
        assert_eq!(keys.refused(now), Ok(()));
        keys.typed(b"b");
        keys.not_looked_at();
        assert_eq!((keys.again(), keys.waiting()), (None, 2));
        assert_eq!(keys.next(now), Some(b"ab".as_slice()));
    }

    #[test]
    fn keys_under_way_when_a_connection_breaks_are_never_sent_twice() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        assert_eq!(keys.cut_off(), Ok(()));
        keys.typed(b"a");
        keys.next(now);
        keys.typed(b"b");
        assert_eq!(keys.cut_off(), Err(Lost));
        assert_eq!(keys.next(now), Some(b"b".as_slice()));
        assert_eq!(keys.refused(now), Ok(()));
        assert_eq!((keys.cut_off(), keys.again()), (Err(Lost), None));
    }
}
