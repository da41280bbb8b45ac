//! Questions to agents of other instances: who can answer them, and what becomes of the rest.

use super::*;

/// Asks in a thread of its own, lets `then` act once the question has left, and returns the envelope.
fn ask(rig: &Rig, to: &str, hold: Option<bool>, then: impl FnOnce(&Came)) -> Result<Value, AskError> {
    let to = Address::parse(to).expect("an address");
    let gone = AtomicBool::new(false);
    let before = rig.came().len();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let question = Ask {
                to: &to.name,
                home: to.home.as_ref(),
                hold,
                text: "how many?",
                id: "q1",
                correlation_id: Some("c1"),
                timeout_ms: Some(60_000),
                priority: mail::Priority::Normal,
            };
            let gone = || gone.load(Ordering::SeqCst);
            rig.bus.ask(Sender::Agent("asker"), question, &rig.rooms, &gone).map(|asked| {
                let (envelope, settle) = asked.into_parts();
                settle(true);
                envelope
            })
        });
        while !asking.is_finished() && rig.came().len() == before {
            std::thread::yield_now();
        }
        if let Some(came) = rig.others.told().came.get(before).cloned() {
            then(&came);
        }
        gone.store(true, Ordering::SeqCst);
        asking.join().expect("no panic")
    })
}

fn asker() -> Rig {
    Rig::new().with("far", FAR).with_agent("asker", &[], &[])
}

fn reply(rig: &Rig, sender: Sender<'_>, from: Option<&str>) -> Result<Sent, SendError> {
    let to = name("asker");
    let id = format!("{sender:?}");
    let message =
        Outgoing { kind: Kind::Reply, in_reply_to: Some("q1"), from, ..Outgoing::new(&to, "42", &id) };
    rig.bus.receive(sender, message, &rig.rooms)
}

#[test]
fn an_answer_comes_back_to_the_one_who_waits_for_it() {
    let rig = asker();
    let envelope = ask(&rig, "far", None, |came| {
        assert_eq!((came.carry, came.correlation_id.as_deref()), (Carry::Ask, Some("c1")));
        let told = reply(&rig, Sender::FarAgent("far@00000000000b"), None).expect("room");
        assert_eq!(told.outcome, SendOutcome::Queued, "somebody waits for it");
    });
    assert_eq!(envelope.expect("asked")["result"], 42);
    assert_eq!(rig.bus.mail.waiting_in_all().0, 0);
}

#[test]
fn nobody_else_of_that_name_answers_a_question_to_another_instance() {
    let rig = asker().with_agent("other", &[], &[]);
    let envelope = ask(&rig, "far", None, |_| {
        for (sender, from) in [
            (Sender::Agent("far"), None),
            (Sender::FarAgent("far@00000000000c"), None),
            (Sender::FarAgent("other@00000000000b"), None),
            (Sender::FarOwner("owner@00000000000b"), Some("far")),
            (Sender::Owner("far"), Some("far")),
        ] {
            reply(&rig, sender, from).expect("room");
        }
        let plain = Inject {
            target: "asker",
            message: "42",
            source: Some("far"),
            request_id: "q1",
            submit: None,
            hold: None,
            route: Route::default(),
        };
        assert!(rig.bus.answer_from_peer(&plain).is_none(), "it has a word for answers");
    });
    assert_eq!(envelope.expect("asked")["ok"], false);
    assert_eq!(rig.read("asker").len(), 5, "what answers nothing lies in the mailbox");
}

#[test]
fn an_answer_that_comes_too_late_lies_in_the_askers_mailbox() {
    let rig = asker();
    ask(&rig, "far", None, |_| {}).expect("asked");
    let told = reply(&rig, Sender::FarAgent("far@00000000000b"), None).expect("room");
    assert_eq!(told.outcome, SendOutcome::Waiting);
    assert_eq!(rig.read("asker")[0].1, "far@00000000000b");
}

#[test]
fn a_question_that_cannot_be_handed_over_is_refused_at_once_and_not_held() {
    let rig = asker();
    for (mood, code, lasting) in [
        (Mood::Away(NotReached::NoConnection), "peer_unreachable", "transient"),
        (Mood::Silent, "peer_silent", "transient"),
        (Mood::Refuses("typing_not_allowed", true), "typing_not_allowed", "permanent"),
    ] {
        let rig = asker();
        rig.is(FAR, mood);
        let envelope = ask(&rig, "far", None, |_| {}).expect("told by the envelope");
        assert_eq!((&envelope["error"]["code"], &envelope["error"]["type"]), (&json!(code), &json!(lasting)));
        rig.is(FAR, Mood::Takes);
        rig.clock.advance(limits::HELD_PAUSE_MS);
        rig.forwards(2);
        assert_eq!(rig.came(), [], "{mood:?}");
    }
    let envelope = ask(&rig, "nobody", Some(true), |_| {}).expect("told by the envelope");
    assert_eq!(envelope["error"]["code"], "target_not_found");
    let rig = rig.with("far", THIRD);
    assert!(matches!(ask(&rig, "far", None, |_| {}), Err(AskError::Send(SendError::Ambiguous(_)))));
}

#[test]
fn a_question_that_is_held_can_be_answered_by_whoever_gets_it() {
    let rig = asker();
    rig.is(FAR, Mood::Away(NotReached::NoConnection));
    let envelope = std::thread::scope(|scope| {
        let forwards = scope.spawn(|| {
            while rig.bus.mail.held_in_all() == 0 {
                std::thread::yield_now();
            }
            let mut told = rig.others.told();
            told.peers = vec![Peer::made_up("far", THIRD, Speaks::Loopgate)];
            drop(told);
            rig.forwards(1);
        });
        let envelope = ask(&rig, "far", Some(true), |came| {
            assert_eq!(came.to, format!("far@{THIRD}"));
            while rig.bus.mail.held_in_all() > 0 {
                std::thread::yield_now();
            }
            reply(&rig, Sender::FarAgent("far@00000000000c"), None).expect("room");
        });
        forwards.join().expect("no panic");
        envelope
    });
    assert_eq!(envelope.expect("asked")["result"], 42);
}

#[test]
fn an_agentmux_answers_with_an_inject_that_names_the_question() {
    for request_id in ["q1", "c1"] {
        let rig = Rig::new().with_agentmux("far", FAR).with_agent("asker", &[], &["far"]);
        let plain = |source, request_id| Inject {
            target: "asker",
            message: "42",
            source,
            request_id,
            submit: None,
            hold: None,
            route: Route::default(),
        };
        let envelope = ask(&rig, "far", None, |came| {
            assert_eq!(came.carry, Carry::Inject);
            assert_eq!(came.text, "@asker: how many?\n(answer: inject to asker with request_id c1)");
            assert!(rig.bus.answer_from_peer(&plain(Some("other"), request_id)).is_none());
            assert!(rig.bus.answer_from_peer(&plain(None, request_id)).is_none());
            assert!(rig.bus.answer_from_peer(&plain(Some("far"), "q2")).is_none());
            let ours = rig.bus.inject(OWNER, plain(Some("far"), request_id), &rig.rooms);
            assert_eq!((ours.result, rig.typed().len()), (Ok(false), 1), "the owner types, as ever");
            let answered = rig.bus.inject(Sender::Peer, plain(Some("far"), request_id), &rig.rooms);
            assert_eq!((answered.result, rig.typed().len()), (Ok(true), 1), "it is not typed");
            let again = rig.bus.inject(Sender::Peer, plain(Some("far"), request_id), &rig.rooms);
            assert_eq!((again.result, rig.typed().len()), (Ok(false), 2), "one answer is enough");
        });
        assert_eq!(envelope.expect("asked")["result"], 42, "{request_id}");
    }
    let rig = Rig::new().with_agentmux("far", FAR).with_agent("asker", &[], &[]);
    let refused = ask(&rig, "far", None, |_| {});
    assert!(matches!(refused, Err(AskError::Send(SendError::TypingNotAllowed(_)))), "{refused:?}");
}
