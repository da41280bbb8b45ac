//! What is missed of one swarm: counted exactly, whatever else happens, and for as long as somebody follows it.

use super::*;

/// How many of the swarm came before a batch, or where nothing of it is in there.
fn before(of: &mut Of, batch: &Batch) -> u64 {
    let passed: Vec<u64> = batch.entries.iter().filter_map(|entry| of.passes(entry)).collect();
    if passed.is_empty() { of.missed() } else { passed.into_iter().sum() }
}

fn happen(hub: &Hub, swarm: &str, count: usize) {
    for _ in 0..count {
        hub.publish(Draft::new(Name::TaskSent, "x").swarm(swarm));
    }
}

#[test]
fn a_gap_is_counted_for_one_swarm_alone() {
    let (hub, _) = hub();
    let mut followed = follow(&hub);
    happen(&hub, "s", 3);
    let mut of = hub.of("s");
    let mut other = hub.of("t");
    assert_eq!((of.swarm(), hub.ring().counted()), ("s", 2));
    happen(&hub, "s", 5);
    happen(&hub, "t", 7);
    // What came before counts for nobody, and what is there is not missed.
    assert_eq!((of.missed(), other.missed()), (0, 0));
    happen(&hub, "u", limits::SWARM_EVENTS - 4);
    assert_eq!((of.missed(), other.missed(), of.missed()), (5, 3, 0));
    let batch = followed.next(usize::MAX);
    assert_eq!(batch.missed, 3 + 5 + 3);
    assert_eq!((before(&mut of, &batch), before(&mut other, &batch)), (0, 0));
    // Some were given, some were missed, some come.
    happen(&hub, "s", 2);
    let batch = followed.next(1);
    assert_eq!((batch.entries.len(), before(&mut of, &batch)), (1, 0));
    happen(&hub, "u", limits::SWARM_EVENTS);
    happen(&hub, "s", 2);
    let batch = followed.next(usize::MAX);
    assert_eq!((before(&mut of, &batch), before(&mut other, &batch)), (1, 0));
    assert_eq!((of.missed(), before(&mut of, &batch)), (0, 0), "once");
    // A cleaning is missed too.
    happen(&hub, "s", 4);
    hub.clear().unwrap();
    assert_eq!((of.missed(), other.missed()), (4, 0));
}

#[test]
fn only_what_is_followed_is_counted() {
    let (hub, _) = hub();
    let of = hub.of("s");
    happen(&hub, "s", 100);
    let mut later = hub.of("s");
    drop(of);
    assert_eq!(hub.ring().counted(), 1, "one more follows it");
    happen(&hub, "s", 1);
    drop(later);
    assert_eq!(hub.ring().counted(), 0);
    // Who follows it anew is told of nothing that was before.
    later = hub.of("s");
    happen(&hub, "s", 6);
    happen(&hub, "t", limits::SWARM_EVENTS - 2);
    assert_eq!(later.missed(), 4);
    let (mut passed, mut followed) = (hub.of("t"), follow(&hub));
    happen(&hub, "s", 1);
    happen(&hub, "t", 1);
    let entries = followed.next(9).entries;
    assert_eq!(entries.iter().filter_map(|entry| later.passes(entry)).collect::<Vec<_>>(), [2]);
    assert_eq!(entries.iter().filter_map(|entry| passed.passes(entry)).collect::<Vec<_>>(), [0]);
}
