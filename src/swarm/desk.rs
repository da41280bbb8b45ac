//! A desk at which one is served at a time: who reads files that may be large, and holds up nobody else by it.
//!
//! Who comes while it is taken waits in a row, and not for ever: first come, first served, so that one who comes again
//! and again lets everybody else go between. A connection has one thread, and so stands in the row once.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The desk.
#[derive(Default)]
pub(in crate::swarm) struct Desk {
    row: Mutex<Row>,
    moved: Condvar,
}

/// Invariant: `waiting` has the numbers of those who wait, rising, all below `next`.
#[derive(Default)]
struct Row {
    taken: bool,
    waiting: VecDeque<u64>,
    next: u64,
}

/// The turn at a desk; dropped, it is the next one's.
pub(in crate::swarm) struct Turn<'a>(&'a Desk);

/// It took too long until the turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::swarm) struct Taken;

impl Desk {
    /// Waits for the turn, so long at most.
    pub fn enter(&self, within: Duration) -> Result<Turn<'_>, Taken> {
        let mut row = self.row();
        let mine = row.next;
        row.next = row.next.saturating_add(1);
        row.waiting.push_back(mine);
        let waits = |row: &mut Row| row.taken || row.waiting.front() != Some(&mine);
        let waited = self.moved.wait_timeout_while(row, within, waits);
        let (mut row, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_mine = !waits(&mut row);
        row.waiting.retain(|other| *other != mine);
        row.taken |= is_mine;
        drop(row);
        // Whoever stood behind this one may be the first now.
        self.moved.notify_all();
        if is_mine { Ok(Turn(self)) } else { Err(Taken) }
    }

    /// How many wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.row().waiting.len()
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.row().taken = false;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Instant};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_waits_at_a_desk_is_served_in_the_order_in_which_he_came() {
        let desk = Desk::default();
        let (told, order) = mpsc::channel();
        thread::scope(|scope| {
            let first = desk.enter(LONG).expect("free");
            for at in 0..5 {
                let (desk, told) = (&desk, told.clone());
                scope.spawn(move || {
                    let turn = desk.enter(LONG).expect("its turn");
                    told.send(at).expect("heard");
                    drop(turn);
                });
                let end = Instant::now() + LONG;
                while desk.waiting() <= at {
                    assert!(Instant::now() < end, "waited in vain");
                    thread::yield_now();
                }
            }
            assert_eq!(desk.enter(Duration::ZERO).err(), Some(Taken), "nobody goes before them");
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        drop(desk.enter(Duration::ZERO).expect("free again"));
    }

    #[test]
    fn who_waits_for_too_long_goes_and_holds_up_nobody() {
        let desk = Desk::default();
        let turn = desk.enter(Duration::ZERO).expect("free");
        assert_eq!(desk.enter(Duration::from_millis(1)).err(), Some(Taken));
        assert_eq!(desk.waiting(), 0);
        drop(turn);
        drop(desk.enter(Duration::ZERO).expect("free"));
    }
}
