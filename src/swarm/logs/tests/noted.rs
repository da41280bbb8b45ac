//! What is noted under a lock and logged behind it: nothing of it is lost, and it is of the time when it was said.

use super::*;

#[test]
fn what_was_noted_has_the_time_and_the_session_in_which_it_was_said() {
    let rig = Rig::new();
    let (a, b) = (rig.agent("a"), rig.agent("b"));
    a.begin();
    a.note(Role::Assistant, "before");
    rig.clock.advance(5_000);
    b.said(Role::User, "meanwhile");
    a.begin();
    a.note(Role::User, "after");
    a.catch_up();
    let records = rig.page(&["a", "b"], Kinds::ALL, None, 9).rows;
    assert!(numbers(&records).is_sorted_by(|one, other| one < other));
    let shown = |row: &Row| (row.record.content.to_string(), row.record.unix_ms - TODAY, row.record.session);
    let mut shown: Vec<_> = records.iter().map(shown).collect();
    shown.sort();
    let of = |text: &str, ms, session| (text.to_owned(), ms, session);
    assert_eq!(shown, [of("after", 5_000, 2), of("before", 0, 1), of("meanwhile", 5_000, 0)]);
}

#[test]
fn who_looks_finds_what_was_noted_before_and_nobody_has_cleaned_yet() {
    let rig = Rig::new();
    rig.agent("a").note(Role::User, "noted");
    assert_eq!(rig.texts("a"), ["noted"]);
    assert_eq!(rig.texts("a"), ["noted"], "once");
}

#[test]
fn what_was_noted_of_an_agent_before_it_left_is_kept() {
    let rig = Rig::new();
    let log = rig.agent("a");
    let mut follow = rig.swarm().follow(None, Kinds::ALL, Arc::new(Wake::new().unwrap()));
    log.note(Role::Assistant, "last words");
    let left = rig.swarm().left(&name("a")).unwrap();
    // Another one takes the name before that was logged.
    let other = rig.agent("a");
    assert_ne!(other.id, log.id);
    other.said(Role::User, "another one's");
    left.leave();
    assert_eq!(rig.texts("a"), ["last words", "another one's"]);
    assert_eq!(follow.next(9).rows.len(), 1, "the other's");
    let (_, seqs): (Vec<_>, Vec<_>) =
        rig.page(&["a"], Kinds::ALL, None, 9).rows.iter().map(|row| (row.record.n, row.record.seq)).unzip();
    assert_eq!(seqs, [1, 2]);
}
