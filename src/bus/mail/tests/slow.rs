//! A disk that does not answer: who waited for it in vain was told that nothing was accepted, and
//! that stays true when the disk goes on.

use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

use super::*;
use crate::store::disk::{Held, SyncPoint};

/// Lets no sync of a line through while it is shut.
#[derive(Default)]
struct Barrier {
    /// shut, and how many wait
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Barrier {
    fn state(&self) -> MutexGuard<'_, (bool, usize)> {
        self.state.lock().expect("no test panics with it")
    }

    fn shut(&self, shut: bool) {
        self.state().0 = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state();
        state.1 += 1;
        self.changed.notify_all();
        state = self.changed.wait_while(state, |state| state.0).expect("no test panics with it");
        state.1 -= 1;
    }

    fn until_one_waits(&self) {
        drop(self.changed.wait_while(self.state(), |state| state.1 == 0).expect("no test panics with it"));
    }
}

#[test]
fn a_message_that_was_refused_because_the_disk_did_not_answer_does_not_come_later() {
    let barrier = Arc::new(Barrier::default());
    let mut rig = Rig::new();
    rig.settings.wait = Duration::from_millis(1);
    let at = Arc::clone(&barrier);
    let disk = Held::new(rig.disk.disk(), move |point| {
        if point == SyncPoint::Commit {
            at.pass();
        }
    });
    let opened = Mail::open_with(Box::new(disk), rig.settings, rig.bounds, Arc::clone(&rig.clock) as _);
    rig.mail = Arc::new(opened.expect("opens").0);

    barrier.shut(true);
    thread::scope(|scope| {
        let first = scope.spawn(|| rig.send("first"));
        barrier.until_one_waits();
        let late = rig.mail.accept(rig.new_message("late", "words")).map(|accepted| accepted.number);
        barrier.shut(false);
        assert!(matches!(late, Err(MailError::Journal(JournalError::Slow))), "{late:?}");
        first.join().expect("the disk answered");
    });
    assert_eq!(rig.mail.waiting(&rig.to), 1);
    // Its line gets to disk with the next one's, and what was noted of it behind that.
    rig.send("next");
    rig.mail.maintain();
    let rig = rig.again();
    assert_eq!(rig.drain(), [("first".to_owned(), false), ("next".to_owned(), false)]);
}
