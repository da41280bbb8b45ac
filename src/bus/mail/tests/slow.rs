//! A disk that does not answer: who waited for it in vain was told that nothing was accepted, and
//! that stays true when the disk goes on.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

use super::*;
use crate::store::{
    FileError,
    disk::{Disk, DiskFile, SyncPoint},
};

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

struct Slow(Box<dyn Disk>, Arc<Barrier>);

struct SlowFile(Box<dyn DiskFile>, Arc<Barrier>);

impl Disk for Slow {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        self.0.list(most)
    }
    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(SlowFile(self.0.create(name)?, Arc::clone(&self.1))))
    }
    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(SlowFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(point)
    }
}

impl DiskFile for SlowFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        if point == SyncPoint::Commit {
            self.1.pass();
        }
        self.0.sync(point)
    }
}

#[test]
fn a_message_that_was_refused_because_the_disk_did_not_answer_does_not_come_later() {
    let barrier = Arc::new(Barrier::default());
    let mut rig = Rig::new();
    rig.settings.wait = Duration::from_millis(1);
    let disk = Box::new(Slow(rig.disk.disk(), Arc::clone(&barrier)));
    let opened = Mail::open_with(disk, rig.settings, rig.bounds, Arc::clone(&rig.clock) as _);
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
