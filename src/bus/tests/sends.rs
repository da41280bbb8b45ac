//! Sends and injects: who gets them, what their sender is told.

use super::*;

#[test]
fn a_message_for_a_name_that_is_elsewhere_is_handed_over_and_remembered() {
    let rig = Rig::new().with("far", FAR).with_agent("near", &[], &[]);
    let sent = rig.send(Sender::Agent("near"), "far", "1").expect("it is taken");
    assert_eq!((sent.outcome, sent.state, sent.held), (SendOutcome::Forwarded, State::Forwarded, false));
    assert_eq!(sent.home, Some(home(FAR)));
    let came = rig.letter(0);
    assert_eq!((came.caller.as_str(), came.carry), (&*format!("agent near of {OWN}"), Carry::Send));
    assert_eq!(rig.state("1"), (State::Forwarded, Some(FAR.to_owned())));
    let history: Vec<State> = rig.bus.mail.find("1")[0].history.iter().map(|(state, _)| *state).collect();
    assert_eq!(history, [State::Accepted, State::Delivering, State::Forwarded]);
    // Sent again under its id it goes nowhere, and its sender is told the same.
    let again = rig.send(Sender::Agent("near"), "far", "1").expect("known");
    assert_eq!((again.outcome, again.duplicate, again.home), (SendOutcome::Forwarded, true, Some(home(FAR))));
    assert_eq!(rig.came().len(), 1);
    assert_eq!(rig.bus.mail.waiting_in_all().0, 0);
    let rig = rig.again();
    rig.forwards(3);
    let to = format!("far@{FAR}");
    let again = [(to.as_str(), "1", false), (to.as_str(), "1", true)];
    assert_eq!(rig.came(), owned(&again), "that it was taken was noted lazily: it is known there");
    assert_eq!(rig.state("1").0, State::Forwarded);
}

#[test]
fn a_name_that_is_here_is_here_and_one_with_a_home_is_there() {
    let rig = Rig::new().with("both", FAR).with_agent("both", &[], &[]);
    let sent = rig.send(OWNER, "both", "1").expect("room");
    assert_eq!((sent.outcome, sent.home), (SendOutcome::Waiting, None));
    assert_eq!(rig.came(), []);
    rig.send(OWNER, &format!("both@{FAR}"), "1").expect("another target, so another message");
    rig.send(OWNER, &format!("both@{OWN}"), "2").expect("room");
    assert_eq!(rig.came(), owned(&[(&format!("both@{FAR}"), "1", false)]));
    let here: Vec<String> = rig.read("both").into_iter().map(|(id, ..)| id).collect();
    assert_eq!(here, ["1", "2"]);
}

#[test]
fn an_ambiguous_name_is_refused_with_the_candidates_and_never_guessed() {
    let rig = Rig::new().with("far", FAR).with("far", THIRD);
    let candidates = [FAR, THIRD].map(|at| Address { name: name("far"), home: Some(home(at)) });
    let error = rig.send(OWNER, "far", "1").expect_err("two have the name");
    assert_eq!(error, SendError::Ambiguous(candidates.to_vec()));
    let sentence = format!("ambiguous agent name: far@{FAR}, far@{THIRD}");
    assert_eq!(error.answer(), (409, "ambiguous_agent", sentence.clone(), None));
    let injected = rig.inject(OWNER, "far", Some(true));
    assert_eq!(injected.result, Err(InjectError::Ambiguous(candidates.to_vec())));
    assert_eq!((injected.error("far"), injected.held), (Some(sentence), None));
    let ask = BusInject {
        target: "far",
        message: "x",
        from: "me",
        priority: mail::Priority::Normal,
        id: "2",
        hold: None,
    };
    let refused = rig.bus.bus_inject(OWNER, ask, &rig.rooms);
    assert!(matches!(refused, Err(BusInjectError::Inject(InjectError::Ambiguous(_), _))), "{refused:?}");
    assert_eq!((rig.came(), rig.bus.mail.waiting_in_all().0), (Vec::new(), 0));
    assert!(rig.send(OWNER, &format!("far@{THIRD}"), "1").is_ok());
    assert_eq!(rig.came(), owned(&[(&format!("far@{THIRD}"), "1", false)]));
}

#[test]
fn what_is_not_to_be_held_is_refused_with_the_reason_and_over() {
    for (mood, status, code, unsure) in [
        (Mood::Away(NotReached::NoConnection), 502, "peer_unreachable", false),
        (Mood::Away(NotReached::Gone), 502, "peer_gone", false),
        (Mood::Away(NotReached::Impostor), 502, "peer_impostor", false),
        (Mood::Away(NotReached::Busy), 503, "peer_busy", false),
        (Mood::Away(NotReached::TooLarge), 413, "too_large_to_forward", false),
        (Mood::Silent, 504, "peer_silent", true),
        (Mood::TakesUnheard, 502, "peer_broke_off", true),
        (Mood::Refuses("mailbox_full", false), 429, "mailbox_full", false),
        (Mood::Refuses("agent_not_found", false), 404, "agent_not_found", false),
        (Mood::Refuses("a word of its own", false), 502, "peer_refused", false),
        (Mood::Refuses("peer_silent", false), 504, "peer_silent", true),
    ] {
        let rig = Rig::new().with("far", FAR);
        rig.is(FAR, mood);
        let Err(SendError::NotForwarded(why)) = rig.send_as(OWNER, "far", "1", Some(false)) else {
            panic!("{mood:?}");
        };
        assert_eq!((why.status, why.code, why.unsure), (status, code, unsure), "{mood:?}");
        if matches!(mood, Mood::Silent | Mood::TakesUnheard) {
            assert!(why.sentence.contains("it may have arrived"), "{}", why.sentence);
        }
        assert_eq!(rig.state("1"), (State::Failed, Some(format!("not forwarded to {FAR}: {code}"))));
        rig.is(FAR, Mood::Takes);
        let before = rig.came().len();
        rig.forwards(3);
        assert_eq!((rig.came().len(), rig.bus.mail.waiting_in_all().0), (before, 0), "{mood:?}");
    }
    let rig = Rig::new();
    let refused = rig.send_as(OWNER, "far", "1", Some(false)).expect_err("nobody has the name");
    assert_eq!(refused.answer().1, "agent_not_found");
}

#[test]
fn an_agents_message_for_a_name_that_is_nowhere_is_refused() {
    let rig = Rig::new().with_agent("near", &[], &[]);
    let refused = rig.send_as(Sender::Agent("near"), "far", "1", Some(true)).expect_err("nobody");
    assert_eq!(refused, SendError::NotFound(name("far").into(), None));
    assert_eq!(rig.bus.mail.waiting_in_all().0, 0, "so it fills no mailbox under a name that it makes up");
    rig.others.told().trouble = Some("entry_mode");
    let refused = rig.send(Sender::Agent("near"), "far", "1").expect_err("its entry does not count");
    assert!(refused.answer().2.contains("entry_mode"), "{refused:?}");
    assert!(rig.send(Sender::Agent("near"), "owner", "1").is_ok(), "the owner's mailbox is here");
}

#[test]
fn without_a_registry_all_is_as_before() {
    let rig = Rig::new().with("far", FAR).with_agent("near", &[], &[]);
    rig.others.on.store(false, Ordering::SeqCst);
    let sent = rig.send(OWNER, "far", "1").expect("room");
    assert_eq!((sent.outcome, sent.known, sent.held, sent.why), (SendOutcome::Waiting, false, false, None));
    assert!(rig.send(OWNER, &format!("far@{FAR}"), "2").is_err());
    assert!(rig.send(Sender::Agent("near"), "far", "3").is_err());
    assert_eq!(rig.inject(OWNER, "far", None).result, Err(InjectError::NotFound));
    rig.others.on.store(true, Ordering::SeqCst);
    rig.forwards(3);
    assert_eq!(rig.came(), [], "what was accepted for here stays here");
    assert_eq!(rig.read("far").len(), 1);
}

#[test]
fn an_inject_for_an_agent_elsewhere_is_handed_over_and_answered_with_its_answer() {
    let rig = Rig::new().with("far", FAR);
    let answer = rig.inject(OWNER, "far", None);
    assert_eq!(answer.result, Ok(true), "it says that it is queued");
    let there = answer.forwarded.expect("its answer");
    assert_eq!((there.home, there.outcome.as_deref()), (home(FAR), Some("queued")));
    assert_eq!(there.body["from"], "there");
    let came = rig.letter(0);
    assert_eq!((came.carry, came.id.as_str(), came.from.as_deref()), (Carry::Inject, "r1", Some("label")));
    assert_eq!(rig.bus.mail.waiting_in_all().0, 0);
    rig.is(FAR, Mood::Silent);
    let answer = rig.inject(OWNER, "far", None);
    let Err(InjectError::NotForwarded(why)) = &answer.result else { panic!("{answer:?}") };
    assert_eq!((why.code, why.unsure, answer.held.is_none()), ("peer_silent", true, true));
    assert_eq!(answer.error("far").as_deref(), Some("agent not found: far"));
    assert_eq!(rig.inject(OWNER, "none", None).result, Err(InjectError::NotFound));
    assert_eq!(rig.inject(OWNER, "far@bad", None).result, Err(InjectError::BadId));
}

#[test]
fn an_inject_that_is_to_be_held_waits_as_a_message_marked_only_where_it_may_have_arrived() {
    for (mood, marked) in [(Mood::Away(NotReached::NoConnection), false), (Mood::Silent, true)] {
        let rig = Rig::new().with("far", FAR);
        rig.is(FAR, mood);
        let held = rig.inject(OWNER, "far", Some(true)).held.expect("it waits");
        assert_eq!((held.outcome, held.held), (SendOutcome::Waiting, true));
        rig.is(FAR, Mood::Takes);
        rig.forwards(2);
        let came = rig.letter(0);
        assert_eq!((came.carry, came.redelivered, came.id.as_str()), (Carry::Send, marked, "r1"), "{mood:?}");
    }
    let rig = Rig::new();
    assert!(rig.inject(OWNER, "later", Some(true)).held.is_some_and(|held| held.held && !held.known));
    let rig = rig.with("later", FAR);
    rig.forwards(1);
    assert_eq!(rig.ids(), ["r1"]);
}

#[test]
fn an_inject_of_the_message_bus_goes_elsewhere_too() {
    let rig = Rig::new().with("far", FAR);
    let ask = |target, id, hold| BusInject {
        target,
        message: "x",
        from: "me",
        priority: mail::Priority::Normal,
        id,
        hold,
    };
    let done = rig.bus.bus_inject(OWNER, ask("far", "1", None), &rig.rooms).expect("taken");
    let expected = BusInjected::Forwarded {
        home: home(FAR),
        block_id: None,
        outcome: "queued".to_owned(),
        truncated: false,
    };
    assert_eq!(done, expected);
    rig.is(FAR, Mood::Away(NotReached::Gone));
    let done = rig.bus.bus_inject(OWNER, ask("far", "2", None), &rig.rooms).expect("held");
    assert!(matches!(done, BusInjected::Mailed(sent) if sent.held));
    let refused = rig.bus.bus_inject(OWNER, ask("far", "3", Some(false)), &rig.rooms);
    assert!(matches!(refused, Err(BusInjectError::Inject(InjectError::NotForwarded(_), _))), "{refused:?}");
    rig.is(FAR, Mood::Takes);
    rig.forwards(2);
    assert_eq!(rig.ids(), ["1", "2"]);
}

#[test]
fn typing_into_an_instance_that_knows_nothing_else_takes_permission() {
    let rig = Rig::new()
        .with_agentmux("far", FAR)
        .with_agentmux("other", FAR)
        .with_agent("near", &[], &[])
        .with_agent("bold", &[], &["far"])
        .with_agent("exact", &[], &[&format!("other@{FAR}")]);
    for (sender, to, may) in [
        (Sender::Agent("near"), "far", false),
        (Sender::Agent("bold"), "far", true),
        (Sender::Agent("bold"), "other", false),
        (Sender::Agent("exact"), "other", true),
        (Sender::Agent("exact"), "far", false),
        (Sender::FarAgent("bold@00000000000c"), "far", false),
        (Sender::FarOwner("owner@00000000000c"), "far", true),
        (OWNER, "far", true),
        (Sender::Api, "far", true),
    ] {
        let before = rig.came().len();
        let id = format!("{sender:?} {to}");
        let sent = rig.send(sender, to, &id);
        assert_eq!(sent.is_ok(), may, "{id}: {sent:?}");
        let injected = rig.inject(sender, to, None);
        assert_eq!(injected.result.is_ok(), may, "{id}: {injected:?}");
        if !may {
            let error = sent.expect_err("refused");
            assert_eq!((error.answer().0, error.answer().1), (403, "typing_not_allowed"));
            assert!(error.answer().2.contains("may_type_into"), "it says how: {error:?}");
            assert!(matches!(injected.result, Err(InjectError::FarNotAllowed(_))));
        }
        assert_eq!(rig.came().len() - before, if may { 2 } else { 0 }, "{id}");
        rig.clock.advance(1_000);
    }
    let told = rig.others.told();
    assert!(told.came.iter().all(|came| came.carry == Carry::Inject));
    let of_bold: Vec<&str> =
        told.came.iter().filter(|came| came.caller.contains("bold")).map(|came| came.text.as_str()).collect();
    assert!(
        of_bold.iter().all(|text| text.starts_with("@bold: ")),
        "no text reads as another's: {of_bold:?}"
    );
}

#[test]
fn a_forwarded_inject_costs_what_a_typed_one_does() {
    let rig = Rig::new().with("far", FAR);
    let results: Vec<_> =
        (0..limits::INJECT_PER_SENDER + 1).map(|_| rig.inject(OWNER, "far", None).result).collect();
    let refused = results.iter().filter(|result| matches!(result, Err(InjectError::RateLimited(_)))).count();
    assert_eq!((refused, rig.came().len()), (1, limits::INJECT_PER_SENDER as usize));
}

#[test]
fn what_was_refused_is_tried_anew_under_its_id_and_marked_where_it_may_have_arrived() {
    for (mood, marked) in [
        (Mood::Away(NotReached::Gone), false),
        (Mood::Refuses("mailbox_full", false), false),
        (Mood::Silent, true),
        (Mood::Refuses("peer_broke_off", false), true),
    ] {
        let rig = Rig::new().with("far", FAR);
        rig.is(FAR, mood);
        for _ in 0..2 {
            let refused = rig.send_as(OWNER, "far", "1", Some(false));
            assert!(matches!(refused, Err(SendError::NotForwarded(_))), "each time: {refused:?}");
        }
        let rig = rig.again();
        rig.is(FAR, Mood::Takes);
        let before = rig.came().len();
        rig.forwards(2);
        assert_eq!(rig.came().len(), before, "{mood:?}: it was told to be refused, also before the start");
        let sent = rig.send_as(OWNER, "far", "1", Some(false)).expect("taken");
        assert_eq!((sent.outcome, sent.duplicate), (SendOutcome::Forwarded, false), "{mood:?}");
        assert_eq!(rig.came().len(), before + 1, "{mood:?}");
        assert_eq!(rig.came()[before].2, marked, "{mood:?}");
        assert_eq!(rig.bus.mail.find("1").len(), 1, "an id is one message");
        assert!(rig.send_as(OWNER, "far", "1", Some(false)).is_ok_and(|again| again.duplicate));
        let rig = rig.again();
        assert_eq!(rig.bus.mail.find("1").len(), 1, "also after a start");
    }
}

#[test]
fn what_was_given_up_meanwhile_is_not_told_as_waiting() {
    let rig = Rig::new().with("far", FAR);
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    rig.send(OWNER, "far", "1").expect("held");
    rig.is(FAR, Mood::Refuses("typing_not_allowed", true));
    rig.clock.advance(limits::HELD_PAUSE_MS);
    rig.forwards(1);
    let again = rig.send(OWNER, "far", "1").expect("known");
    assert_eq!((again.outcome, again.state, again.held), (SendOutcome::Failed, State::Failed, false));
    rig.send(OWNER, "later", "2").expect("held");
    rig.clock.advance(24 * 3_600_000);
    rig.bus.mail.maintain();
    let again = rig.send(OWNER, "later", "2").expect("known");
    assert_eq!((again.outcome, again.state), (SendOutcome::Failed, State::Expired));
}
