//! What is held: its order, its marks, when it is tried again, and whom it may not keep back.

use super::*;

#[test]
fn what_cannot_be_handed_over_waits_and_goes_out_unmarked_when_it_can() {
    let rig = Rig::new().with("far", FAR);
    for mood in [
        Mood::Away(NotReached::NoConnection),
        Mood::Away(NotReached::Gone),
        Mood::Away(NotReached::Impostor),
        Mood::Away(NotReached::Busy),
        Mood::Refuses("mailbox_full", false),
    ] {
        rig.is(FAR, mood);
        let id = format!("{mood:?}");
        let sent = rig.send(OWNER, "far", &id).expect("it is held");
        assert_eq!((sent.outcome, sent.held, sent.state), (SendOutcome::Waiting, true, State::Accepted));
        assert!(sent.why.is_some(), "{mood:?}");
        rig.forwards(4);
        assert_eq!(rig.state(&id).0, State::Accepted);
        let again = rig.send(OWNER, "far", &id).expect("known");
        assert_eq!((again.duplicate, again.held), (true, true));
        rig.is(FAR, Mood::Takes);
        rig.clock.advance(limits::HELD_PAUSE_MS);
        rig.forwards(1);
        assert_eq!(rig.came().pop(), Some((format!("far@{FAR}"), id.clone(), false)), "{mood:?}");
        assert_eq!(rig.state(&id), (State::Forwarded, Some(FAR.to_owned())));
    }
    assert_eq!(rig.bus.mail.held_in_all(), 0);
}

#[test]
fn what_may_have_arrived_goes_out_marked_and_stays_so() {
    for mood in [Mood::Silent, Mood::TakesUnheard, Mood::Refuses("peer_broke_off", false)] {
        let rig = Rig::new().with("far", FAR);
        rig.is(FAR, mood);
        assert!(rig.send(OWNER, "far", "1").is_ok_and(|sent| sent.held));
        rig.is(FAR, Mood::Away(NotReached::NoConnection));
        rig.forwards(3);
        rig.is(FAR, Mood::Takes);
        rig.clock.advance(limits::HELD_PAUSE_MS);
        rig.forwards(1);
        assert_eq!(rig.came().pop(), Some((format!("far@{FAR}"), "1".to_owned(), true)), "{mood:?}");
    }
}

#[test]
fn a_kill_between_accepting_and_handing_over_loses_nothing_and_marks_what_may_have_arrived() {
    let rig = Rig::new().with("far", FAR);
    // Killed after the line was on disk: nobody was told that it is accepted, and it may have left.
    let to = name("far");
    let new = Outgoing { hold: Some(true), ..Outgoing::new(&to, "text", "1") };
    let handed = rig.bus.mail.accept(new.to_accept(OWNER, "owner", true)).expect("room").handed;
    let rig = {
        let disk = rig.disk.after_kill();
        std::mem::forget(handed);
        Rig { bus: bus(&disk, &rig.clock, Arc::clone(&rig.others) as _), disk, ..rig }
    };
    rig.forwards(1);
    assert_eq!(rig.came(), owned(&[(&format!("far@{FAR}"), "1", true)]));
    // What certainly did not leave is not marked after a kill either, once that is on disk.
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "2").expect("held");
    rig.bus.mail.end();
    let rig = rig.again();
    rig.is(FAR, Mood::Takes);
    rig.forwards(1);
    assert_eq!(rig.came().pop(), Some((format!("far@{FAR}"), "2".to_owned(), false)));
}

#[test]
fn what_its_sender_has_held_goes_first() {
    let rig = Rig::new().with("far", FAR).with("quick", THIRD).with_agent("near", &[], &[]);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "1").expect("held");
    rig.is(FAR, Mood::Takes);
    let second = rig.send(OWNER, "far", "2").expect("held");
    assert_eq!(second.why.map(|why| why.code), Some("held_before"));
    let other = rig.send(Sender::Agent("near"), "far", "other").expect("taken");
    assert_eq!(other.outcome, SendOutcome::Forwarded, "another's are not kept back");
    assert_eq!(rig.send(OWNER, "quick", "quick").expect("taken").outcome, SendOutcome::Forwarded);
    rig.send(OWNER, "far", "3").expect("held");
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    assert_eq!(rig.ids(), ["other", "quick", "1", "2", "3"]);
    assert_eq!(rig.send(OWNER, "far", "4").expect("taken").outcome, SendOutcome::Forwarded);
}

#[test]
fn what_is_for_a_name_that_nobody_has_goes_to_whoever_has_it_first() {
    let rig = Rig::new();
    let sent = rig.send(OWNER, "later", "1").expect("held");
    assert_eq!((sent.outcome, sent.held, sent.known), (SendOutcome::Waiting, true, false));
    assert_eq!(sent.why.map(|why| why.code), Some("agent_not_found"));
    rig.forwards(2);
    let rig = rig.with("later", FAR);
    rig.forwards(1);
    assert_eq!(rig.ids(), ["1"]);
    rig.send(OWNER, "here", "2").expect("held");
    let rig = rig.with_agent("here", &[], &[]).with("here", FAR);
    rig.forwards(2);
    assert_eq!(rig.ids(), ["1"], "it has appeared here first");
    assert_eq!(rig.read("here").len(), 1);
}

#[test]
fn what_is_held_for_another_home_is_no_mail_of_the_same_name_here() {
    let rig = Rig::new().with("both", FAR).with_agent("both", &["owner"], &[]);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    assert!(rig.send(OWNER, &format!("both@{FAR}"), "1").is_ok_and(|sent| sent.held));
    assert_eq!(rig.read("both"), [], "nor a destructive read");
    let manner = Manner::UntilAcked { after: None };
    let handed = rig.bus.mail.take(&name("both"), manner, 10, 1_000).expect("a disk in memory");
    assert_eq!(handed.messages, [], "nor a cursor");
    drop(handed);
    rig.bus.drain(&rig.rooms);
    assert_eq!(rig.typed(), Vec::<String>::new(), "nor is it typed");
    rig.is(FAR, Mood::Takes);
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    assert_eq!(rig.came(), owned(&[(&format!("both@{FAR}"), "1", false)]));
}

#[test]
fn what_a_reader_here_was_handed_by_a_cursor_is_handed_to_no_other_instance() {
    let rig = Rig::new();
    rig.send(OWNER, "later", "1").expect("held");
    let manner = Manner::UntilAcked { after: None };
    let handed = rig.bus.mail.take(&name("later"), manner, 10, 1_000).expect("a disk in memory");
    handed.sent();
    let rig = rig.with("later", FAR);
    rig.forwards(2);
    let rig = rig.again();
    rig.forwards(2);
    assert_eq!(rig.came(), []);
}

#[test]
fn what_is_refused_for_good_is_a_dead_letter_with_the_reason_and_can_be_sent_on() {
    let rig = Rig::new().with("far", FAR);
    rig.is(FAR, Mood::Refuses("typing_not_allowed", true));
    assert!(matches!(rig.send(OWNER, "far", "1"), Err(SendError::NotForwarded(why)) if why.lasting));
    assert_eq!(rig.state("1").0, State::Failed, "told at once");
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "2").expect("held");
    rig.is(FAR, Mood::Refuses("typing_not_allowed", true));
    rig.forwards(2);
    let dead = rig.bus.mail.dead(0, 10).expect("a disk in memory").messages;
    let reason = format!("not forwarded to {FAR}: typing_not_allowed");
    assert_eq!((dead.len(), dead[0].id.as_str(), dead[0].reason.as_ref()), (1, "2", Some(&reason)));
    rig.is(FAR, Mood::Takes);
    rig.bus.mail.redeliver("2", None).expect("there is room");
    rig.forwards(1);
    assert_eq!(rig.came().pop().map(|(_, id, _)| id).as_deref(), Some("2"));
}

#[test]
fn held_messages_of_agents_are_typed_elsewhere_only_while_that_is_allowed() {
    let rig = Rig::new().with_agentmux("far", FAR).with_agent("bold", &[], &["far"]);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(Sender::Agent("bold"), "far", "1").expect("held");
    let rig = rig.with_agent("bold", &[], &[]);
    rig.is(FAR, Mood::Takes);
    rig.forwards(2);
    assert_eq!(rig.came(), []);
    assert_eq!(rig.bus.mail.dead(0, 10).expect("a disk in memory").messages.len(), 1);
}

#[test]
fn what_is_held_too_long_is_a_dead_letter() {
    let rig = Rig::new();
    rig.send(OWNER, "later", "1").expect("held");
    rig.clock.advance(24 * 3_600_000);
    rig.bus.mail.maintain();
    assert_eq!(rig.state("1").0, State::Expired);
    let rig = rig.with("later", FAR);
    rig.forwards(1);
    assert_eq!(rig.came(), []);
}

#[test]
fn what_is_held_is_tried_again_within_two_seconds() {
    let rig = Rig::new();
    assert!(rig.bus.forward_held(&rig.rooms) > Duration::from_millis(limits::HELD_AGAIN_MS), "nothing waits");
    rig.send(OWNER, "later", "1").expect("held");
    assert!(rig.bus.pause_forwarding(Duration::from_secs(600)), "what is held wakes the thread");
    assert!(rig.bus.forward_held(&rig.rooms) <= Duration::from_millis(limits::HELD_AGAIN_MS));
    rig.bus.end_forwarding();
    assert!(!rig.bus.pause_forwarding(Duration::from_secs(600)));
}

#[test]
fn one_round_hands_over_a_bounded_number() {
    let rig = Rig::new();
    for n in 0..limits::HELD_ROUND + 10 {
        rig.send(OWNER, "later", &n.to_string()).expect("held");
    }
    let rig = rig.with("later", FAR);
    let again = rig.bus.forward_held(&rig.rooms);
    assert_eq!(rig.came().len(), limits::HELD_ROUND);
    assert!(again < Duration::from_millis(10), "the next follows at once");
    rig.bus.forward_held(&rig.rooms);
    assert_eq!(rig.ids(), (0..limits::HELD_ROUND + 10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn silent_instances_do_not_hold_up_what_is_for_others() {
    let rig = Rig::new().with("quick", THIRD);
    let silent: Vec<String> = (0..20).map(|n| format!("{n:012x}")).collect();
    let rig = silent.iter().fold(rig, |rig, at| {
        rig.is(at, Mood::Away(NotReached::NoConnection));
        rig.with(&format!("mute{at}"), at)
    });
    rig.is(THIRD, Mood::Away(NotReached::NoConnection));
    for at in &silent {
        rig.send(OWNER, &format!("mute{at}"), &format!("to {at}")).expect("held");
        rig.is(at, Mood::Silent);
    }
    // All are known to fail by now; then one of them takes what comes.
    for _ in 0..200 {
        rig.bus.forward_held(&rig.rooms);
        rig.clock.advance(10);
    }
    rig.is(THIRD, Mood::Takes);
    rig.send(OWNER, "quick", "first").expect("taken");
    rig.is(THIRD, Mood::Away(NotReached::Busy));
    rig.send(OWNER, "quick", "second").expect("held");
    rig.is(THIRD, Mood::Takes);
    let begin = rig.clock.monotonic_ms();
    while !rig.ids().contains(&"second".to_owned()) {
        let pause = rig.bus.forward_held(&rig.rooms);
        rig.clock.advance(pause.as_millis() as u64);
        assert!(rig.clock.monotonic_ms() - begin < 12_000, "it is held up");
    }
}

#[test]
fn an_instance_that_takes_nothing_is_left_alone_longer_and_longer() {
    let rig = Rig::new().with("far", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "1").expect("held");
    let mut at = Vec::new();
    let begin = rig.clock.monotonic_ms();
    for _ in 0..1_500 {
        let before = rig.tries("1");
        rig.bus.forward_held(&rig.rooms);
        if rig.tries("1") > before {
            at.push((rig.clock.monotonic_ms() - begin) / 1_000);
        }
        rig.clock.advance(100);
    }
    assert_eq!(at, [1, 3, 7, 15, 31, 61, 91, 121]);
    rig.is(FAR, Mood::Takes);
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "2").expect("held");
    rig.clock.advance(1_000);
    rig.forwards(1);
    assert_eq!(rig.tries("2"), 2, "it begins anew");
}

#[test]
fn an_instance_that_was_started_anew_is_tried_at_once() {
    let rig = Rig::new().with("far", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "1").expect("held");
    rig.clock.advance(60_000);
    rig.bus.forward_held(&rig.rooms);
    rig.is(FAR, Mood::Takes);
    rig.bus.forward_held(&rig.rooms);
    assert_eq!(rig.came(), [], "it is left alone");
    rig.others.told().peers[0].pid = 2;
    rig.bus.forward_held(&rig.rooms);
    assert_eq!(rig.ids(), ["1"]);
}

impl Rig {
    /// As the thread does it, for so many seconds.
    fn forwards_for(&self, seconds: u64) {
        let end = self.clock.monotonic_ms() + seconds * 1_000;
        while self.clock.monotonic_ms() < end {
            let pause = self.bus.forward_held(&self.rooms);
            self.clock.advance(u64::try_from(pause.as_millis()).expect("a pause"));
        }
    }
}

#[test]
fn a_full_mailbox_elsewhere_keeps_back_only_what_is_for_it() {
    let rig = Rig::new().with("a", FAR).with("b", FAR).with("c", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    for to in ["a", "b", "c"] {
        rig.send(OWNER, to, &format!("for {to}")).expect("held");
    }
    rig.is(FAR, Mood::Takes);
    rig.is_for("a", Mood::Refuses("mailbox_full", false));
    rig.forwards_for(40);
    assert_eq!(rig.ids(), ["for b", "for c"], "its instance takes what is for others");
    assert_eq!(rig.state("for a").0, State::Accepted);
    let tries = rig.tries("for a");
    rig.forwards_for(300);
    assert!(rig.tries("for a") - tries <= 11, "and is not asked all the time");
    rig.is_for("a", Mood::Takes);
    rig.forwards_for(40);
    assert_eq!(rig.ids(), ["for b", "for c", "for a"]);
}

#[test]
fn a_sender_whose_share_elsewhere_is_full_keeps_back_no_other() {
    let rig = Rig::new().with("far", FAR).with_agent("near", &[], &[]);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(Sender::Agent("near"), "far", "an agent's").expect("held");
    rig.send(OWNER, "far", "the owner's").expect("held");
    rig.is(FAR, Mood::Takes);
    rig.is_for("agent near", Mood::Refuses("sender_share_full", false));
    rig.forwards_for(40);
    assert_eq!(rig.ids(), ["the owner's"]);
}

#[test]
fn a_name_that_its_instance_does_not_answer_for_keeps_back_no_other() {
    let rig = Rig::new().with("a", FAR).with("b", FAR).with("c", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    for to in ["a", "b", "c"] {
        rig.send(OWNER, to, &format!("for {to}")).expect("held");
    }
    rig.is(FAR, Mood::Takes);
    rig.is_for("a", Mood::Silent);
    rig.is_for("b", Mood::Silent);
    rig.forwards_for(150);
    assert_eq!(rig.ids(), ["for c"]);
}

#[test]
fn a_dead_letter_that_was_held_goes_out_at_once_when_it_is_redelivered() {
    let rig = Rig::new();
    rig.send(OWNER, "later", "1").expect("held");
    rig.clock.advance(24 * 3_600_000);
    rig.bus.mail.maintain();
    assert!(rig.bus.forward_held(&rig.rooms) > Duration::from_millis(limits::HELD_AGAIN_MS), "nothing waits");
    assert!(rig.bus.pause_forwarding(Duration::ZERO));
    rig.bus.redeliver("1", None).expect("there is room");
    let begin = std::time::Instant::now();
    assert!(rig.bus.pause_forwarding(Duration::from_secs(20)));
    assert!(begin.elapsed() < Duration::from_secs(20), "the thread is woken");
}

#[test]
fn what_may_have_arrived_when_it_was_tried_again_is_marked_from_then_on() {
    for mood in [Mood::TakesUnheard, Mood::Silent] {
        let rig = Rig::new().with("far", FAR);
        rig.is(FAR, Mood::Away(NotReached::NoConnection));
        rig.send(OWNER, "far", "1").expect("held");
        rig.is(FAR, mood);
        rig.forwards_for(10);
        rig.is(FAR, Mood::Takes);
        rig.forwards_for(40);
        assert_eq!(rig.came().pop(), Some((format!("far@{FAR}"), "1".to_owned(), true)), "{mood:?}");
    }
}

#[test]
fn what_is_for_a_home_does_not_follow_what_its_sender_has_for_the_bare_name() {
    let rig = Rig::new().with("far", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "1").expect("held");
    assert!(rig.send(OWNER, &format!("far@{THIRD}"), "2").is_ok_and(|sent| sent.held));
    rig.is(FAR, Mood::Takes);
    rig.forwards_for(40);
    assert_eq!(rig.came(), owned(&[(&format!("far@{FAR}"), "1", false)]));
    assert_eq!(rig.state("2").0, State::Accepted);
}

#[test]
fn what_a_cursor_here_had_and_did_not_take_stays_here_too() {
    let rig = Rig::new();
    rig.send(OWNER, "later", "1").expect("held");
    let manner = Manner::UntilAcked { after: None };
    drop(rig.bus.mail.take(&name("later"), manner, 10, 1_000).expect("a disk in memory"));
    let rig = rig.with("later", FAR);
    rig.forwards_for(10);
    assert_eq!(rig.came(), [], "the cursor's reader comes back to it");
}
