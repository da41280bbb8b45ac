//! All that happened is forgotten, on the disk too: what came before, nothing that came after, and who asks is told.

use super::{
    disk::{filled, on_disk, open, segments, small, soon, task, write},
    *,
};
use crate::store::{
    JournalError,
    disk::testing::{Fault, Model},
};

#[test]
fn a_cleaning_forgets_on_the_disk_too() {
    let model = Model::new();
    let hub = filled(&model, small(), 60);
    let mut followed = follow(&hub);
    hub.publish(task("waits"));
    assert_eq!(hub.clear(), Ok(()));
    assert!(newest(&hub, &Filter::default(), 9).is_empty() && !on_disk(&model).contains("task_sent"));
    assert_eq!((segments(&model), followed.next(9).missed), (1, 1));
    assert_eq!(hub.publish(task("new")), 62, "the numbers go on");
    write(&hub);
    assert_eq!(shown(&newest(&hub, &Filter::default(), 9)), [62]);
    let model = model.after_kill();
    let hub = open(model.disk(), small());
    assert_eq!(shown(&newest(&hub, &Filter::default(), 9)), [62]);
    assert_eq!(hub.last(), 62 + limits::EVENTS_GAP);
    // The same with the thread.
    hub.start().expect("a thread");
    hub.publish(task("more"));
    assert_eq!((hub.clear(), hub.clear()), (Ok(()), Ok(())));
    assert!(newest(&hub, &Filter::default(), 9).is_empty());
    hub.stop(soon());
    assert!(!on_disk(&model).contains("task_sent"));
    assert_eq!(open(model.disk(), small()).last(), 63 + limits::EVENTS_GAP);
}

#[test]
fn a_cleaning_that_the_disk_does_not_take_forgets_nothing() {
    let model = Model::new();
    let hub = filled(&model, small(), 20);
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    assert_eq!(hub.clear(), Err(JournalError::NoSpace));
    assert_eq!(newest(&hub, &Filter::default(), 99).len(), 20);
    model.recover();
    write(&hub);
    let after = open(model.after_kill().disk(), small());
    let events = newest(&after, &Filter::default(), 99);
    assert_eq!((events.len(), events[0].draft.event_type), (20, Name::TaskSent));
}

#[test]
fn what_is_forgotten_is_not_shown_while_its_segments_cannot_be_removed() {
    let remove = |model: &Model| model.log().iter().position(|what| what.starts_with("remove "));
    let other = Model::new();
    assert_eq!(filled(&other, small(), 30).clear(), Ok(()));
    let first = remove(&other).expect("segments were removed") + 1;
    let model = Model::new();
    let hub = filled(&model, small(), 30);
    model.fail(first, Fault::Io, false);
    assert_eq!(hub.clear(), Ok(()), "it is said on the disk");
    assert_eq!(remove(&model), Some(first - 1));
    assert!(segments(&model) > 2 && on_disk(&model).contains("task_sent"));
    // The disk lets itself be read.
    assert!(newest(&hub, &Filter::default(), 99).is_empty());
    assert!(since(&hub, 0, 99).events.is_empty());
    hub.publish(task("new"));
    assert_eq!(shown(&newest(&hub, &Filter::default(), 99)), [31]);
    write(&hub);
    assert_eq!(segments(&model), 1, "what comes next is written once they are gone");
    assert_eq!(shown(&newest(&hub, &Filter::default(), 99)), [31]);
}

#[test]
fn a_cleaning_forgets_nothing_that_came_after_it_was_begun() {
    let model = Model::new();
    let hub = filled(&model, small(), 3);
    let mut followed = follow(&hub);
    let status = |state: &'static str| {
        hub.tell(&NodeName::parse("s").unwrap(), &NodeName::parse("a").unwrap(), Push::State { state });
    };
    status("before");
    let cleaning = Hub::ask_to_clean(&mut hub.ring());
    let round = Hub::take(&mut hub.ring());
    status("after");
    hub.work(hub.disk.as_ref().expect("a disk"), round);
    assert_eq!(cleaning.get(), Some(&Ok(())));
    hub.publish(task("more"));
    let batch = followed.next(9);
    let pushed: Vec<_> =
        batch.entries.iter().filter_map(|entry| entry.pushed()).map(|(_, payload)| payload).collect();
    assert_eq!((batch.missed, pushed), (1, vec![r#"{"agent":"a","state":"after"}"#]));
    assert_eq!(shown(&newest(&hub, &Filter::default(), 9)), [4]);
}

#[test]
fn each_cleaning_is_answered_with_what_became_of_it() {
    let model = Model::new();
    let hub = filled(&model, small(), 3);
    let asked = || Hub::ask_to_clean(&mut hub.ring());
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    let (one, with_it) = (asked(), asked());
    write(&hub);
    model.recover();
    let two = asked();
    assert_eq!(two.get(), None, "nobody knows yet");
    write(&hub);
    assert_eq!([&one, &with_it].map(|asked| asked.get()), [Some(&Err(JournalError::NoSpace)); 2]);
    assert_eq!(two.get(), Some(&Ok(())));
    // What was done is not done again.
    hub.publish(task("new"));
    write(&hub);
    assert_eq!(newest(&hub, &Filter::default(), 1)[0].draft.message, "new");
}
