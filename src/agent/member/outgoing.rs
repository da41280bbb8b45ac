//! What is to be written to one member's standard input: a queue without I/O.
//!
//! Bounded in number and in bytes: a program that reads nothing costs the sender a refusal and us no more
//! than this.

use std::collections::VecDeque;

use crate::limits;

/// Nothing more is taken now: the queue is full, or nobody reads it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Invariant: `bytes` is the sum of the lines' lengths; `written` is less than that of the first line.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    written: usize,
    /// Nothing more is taken.
    closed: bool,
}

impl Outgoing {
    /// Whether a line of `length` would be queued.
    pub fn has_room(&self, length: usize) -> bool {
        self.with(length).is_some()
    }

    /// The bytes with a line of `length`, if it may be queued.
    fn with(&self, length: usize) -> Option<usize> {
        let bytes = self.bytes.saturating_add(length).saturating_add(1);
        let fits = self.lines.len() < limits::SAY_QUEUE && bytes <= limits::SAY_QUEUE_BYTES;
        (fits && !self.closed).then_some(bytes)
    }

    /// Queues one line.
    pub fn push(&mut self, mut line: Vec<u8>) -> Result<(), Full> {
        let bytes = self.with(line.len()).ok_or(Full)?;
        // What is said as one line is read as one.
        line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        line.push(b'\n');
        self.bytes = bytes;
        self.lines.push_back(line);
        Ok(())
    }

    /// What to write next.
    pub fn next(&self) -> Option<&[u8]> {
        self.lines.front()?.get(self.written..)
    }

    /// `count` of the bytes offered were taken.
    pub fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        let Some(line) = self.lines.front().filter(|line| self.written >= line.len()) else { return };
        self.bytes = self.bytes.saturating_sub(line.len());
        self.lines.pop_front();
        self.written = 0;
    }

    /// Takes nothing more; what waits is still to be written.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Nobody reads any more.
    pub fn give_up(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    /// All is written, and nothing more will come.
    pub fn is_over(&self) -> bool {
        self.closed && self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_not_read_refuses_and_loses_nothing() {
        let mut queue = Outgoing::default();
        for at in 0..limits::SAY_QUEUE {
            assert_eq!(queue.push(at.to_string().into_bytes()), Ok(()));
        }
        assert_eq!(queue.push(Vec::new()), Err(Full));
        for at in 0..limits::SAY_QUEUE {
            let line = format!("{at}\n");
            assert_eq!(queue.next(), Some(line.as_bytes()));
            queue.wrote(1);
            assert_eq!(queue.next(), Some(&line.as_bytes()[1..]));
            queue.wrote(line.len() - 1);
        }
        assert_eq!((queue.next(), queue.bytes), (None, 0));
    }

    #[test]
    fn what_waits_for_a_member_is_bounded_in_bytes() {
        let mut queue = Outgoing::default();
        assert_eq!(queue.push(vec![b'x'; limits::SAY_QUEUE_BYTES]), Err(Full));
        assert_eq!(
            [limits::SAY_QUEUE_BYTES, limits::SAY_QUEUE_BYTES - 1].map(|one| queue.has_room(one)),
            [false, true]
        );
        assert_eq!(queue.push(vec![b'x'; limits::SAY_QUEUE_BYTES - 1]), Ok(()));
        assert_eq!(queue.push(Vec::new()), Err(Full));
    }

    #[test]
    fn one_saying_is_one_line() {
        let mut queue = Outgoing::default();
        assert_eq!(queue.push(b"a\nb\n".to_vec()), Ok(()));
        assert_eq!(queue.next(), Some(&b"a b \n"[..]));
    }

    #[test]
    fn a_closed_queue_is_written_to_its_end_and_takes_nothing() {
        let mut queue = Outgoing::default();
        assert_eq!(queue.push(b"last".to_vec()), Ok(()));
        queue.close();
        assert_eq!(queue.push(b"more".to_vec()), Err(Full));
        assert!(!queue.is_over());
        queue.wrote(5);
        assert!(queue.is_over());
        let mut other = Outgoing::default();
        assert_eq!(other.push(b"lost".to_vec()), Ok(()));
        other.give_up();
        assert!(other.is_over() && other.next().is_none());
    }
}
