//! Events on a disk that fails or hangs: who tells of something goes on, and what was lost is said.

use std::{
    sync::{Condvar, Mutex},
    time::Instant,
};

use super::{
    disk::{end, filled, open, small, soon, task, write},
    *,
};
use crate::store::{
    Disk,
    disk::{
        Held, SyncPoint,
        testing::{Fault, Model},
    },
    journal,
};

#[test]
fn a_disk_that_fails_is_told_of_in_the_status_and_in_an_event_once_it_works_again() {
    let model = Model::new();
    let settings = Settings { waiting: 4_000, ..small() };
    let hub = filled(&model, settings, 5);
    assert_eq!(hub.health().expect("a disk").failing, None);
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    for n in 0..40 {
        hub.publish(task("x").with("n", n));
    }
    write(&hub);
    let health = hub.health().expect("a disk");
    assert!(health.failing.is_some_and(|why| why.contains("no room")) && health.lost > 10);
    assert_eq!(newest(&hub, &Filter::default(), 99).len(), 45, "in memory is all of it");
    model.recover();
    write(&hub);
    let told = newest(&hub, &Filter::default(), 1);
    let facts = &told[0].draft.metadata;
    assert_eq!((told[0].draft.event_type, &facts["lost"]), (Name::EventLogRecovered, &json!(health.lost)));
    assert!(facts["reason"].as_str().is_some_and(|why| why.contains("no room")), "{facts:?}");
    write(&hub);
    assert_eq!(hub.health().expect("a disk").failing, None);
    let kept = newest(&open(model.after_kill().disk(), small()), &Filter::default(), 99).len() as u64;
    assert_eq!(kept, 46 - health.lost, "what waited was written");
}

#[test]
fn events_that_the_disk_did_not_take_are_counted_and_told_once_it_works_again() {
    let model = Model::new();
    // All of them find room before they are brought to the disk, and there few do.
    let journal = journal::Settings { unwritten_bytes: 1_000, ..small().journal };
    let hub = open(model.disk(), Settings { journal, ..small() });
    for n in 0..20 {
        hub.publish(task("x").with("n", n));
    }
    assert_eq!(hub.health().expect("a disk").lost, 0);
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    write(&hub);
    let lost = hub.health().expect("a disk").lost;
    assert!((10..20).contains(&lost), "{lost}");
    assert_eq!(hub.last(), 20, "nothing is told while it fails");
    model.recover();
    write(&hub);
    let told = &newest(&hub, &Filter::default(), 1)[0];
    let Draft { category, event_type, level, metadata, .. } = &told.draft;
    assert_eq!((category, event_type), (&Category::System, &Name::EventLogRecovered));
    assert_eq!((level, &metadata["lost"]), (&Level::Warning, &json!(lost)));
    // That is so.
    end(&hub);
    let page = since(&open(model.disk(), small()), 0, 99);
    assert_eq!((page.events.len() as u64, page.missed, page.next), (21 - lost, lost, 21));
}

/// Whether syncs wait.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Syncs wait until the test lets them go.
fn held(model: &Model) -> (Box<dyn Disk>, Gate) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let hold = Arc::clone(&gate);
    let disk = Held::new(model.disk(), move |point| {
        let is_held = |held: &mut bool| *held && point == SyncPoint::Commit;
        drop(hold.1.wait_while(hold.0.lock().unwrap(), is_held).unwrap());
    });
    (Box::new(disk), gate)
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_and_memory_is_bounded() {
    const WAITING: usize = 100_000;
    let model = Model::new();
    let (disk, gate) = held(&model);
    let hub = open(disk, Settings { waiting: WAITING, ..Settings::default() });
    *gate.0.lock().unwrap() = true;
    hub.start().expect("a thread");
    let mut followed = follow(&hub);
    // The thread hangs with the first of them.
    hub.publish(task("first"));
    let end = soon();
    while hub.ring().behind.since.is_none() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
    for n in 0..3_000 {
        hub.publish(task("x").with("n", n));
        assert!(hub.ring().behind.text.len() <= WAITING);
    }
    assert_eq!(followed.next(usize::MAX).entries.len(), 3_001, "who follows is told of all");
    let lost = hub.health().expect("a disk").lost;
    assert!(lost > 2_000, "{lost}");
    // Neither the end of the instance nor a cleaning waits for it longer than it is told to.
    hub.stop(Instant::now());
    hub.ring().behind.stopping = false;
    *gate.0.lock().unwrap() = false;
    gate.1.notify_all();
    let end = soon();
    let told = |hub: &Hub| newest(hub, &Filter::default(), 1)[0].draft.event_type == Name::EventLogRecovered;
    while !told(&hub) {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
    hub.stop(soon());
    let kept = newest(&open(model.disk(), Settings::default()), &Filter::default(), usize::MAX);
    assert_eq!(kept.len() as u64, 3_002 - lost);
    const { assert!(limits::EVENTS_BATCH < limits::EVENTS_QUEUE) };
    assert_eq!(Settings::default().waiting, limits::EVENTS_QUEUE);
}
