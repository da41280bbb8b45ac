//! The ways of a message from its acceptance to its end.

use super::*;

#[test]
fn a_message_waits_and_is_handed_out_once() {
    let rig = Rig::new();
    let new = NewMessage {
        correlation_id: Some("c"),
        in_reply_to: Some("r"),
        priority: Priority::High,
        kind: Kind::Ask,
        ..rig.new_message("1", "w\u{0}rds \"\u{1f600}\\ \u{2028}")
    };
    let accepted = rig.mail.accept(new).expect("room");
    assert_eq!((accepted.state, accepted.duplicate), (State::Accepted, false));
    let page = rig.mail.look(&rig.to, 0, 10, 1_000).expect("a disk in memory");
    let expected = Message {
        number: accepted.number,
        id: "1".to_owned(),
        caller: "owner".to_owned(),
        from: "me".to_owned(),
        to: rig.to.clone(),
        kind: Kind::Ask,
        text: "w\u{0}rds \"\u{1f600}\\ \u{2028}".to_owned(),
        priority: Priority::High,
        sent_at: 1_000_000,
        expires_at: 1_060_000,
        state: State::Accepted,
        redelivered: false,
        position: None,
        correlation_id: Some("c".to_owned()),
        in_reply_to: Some("r".to_owned()),
        reason: None,
        hold: false,
        via: None,
    };
    assert_eq!((page.messages, page.more), (vec![expected], false));
    rig.clock.advance(5);
    let handed = rig.take(Manner::Final);
    assert_eq!(handed.messages.len(), 1);
    assert!(rig.take(Manner::Final).messages.is_empty(), "nobody else gets it meanwhile");
    assert_eq!(rig.state("1"), Some(State::Delivering));
    rig.clock.advance(5);
    handed.sent();
    assert!(rig.take(Manner::Final).messages.is_empty() && rig.mail.waiting(&rig.to) == 0);
    let info = rig.mail.find("1").remove(0);
    let history =
        [(State::Accepted, 1_000_000), (State::Delivering, 1_000_005), (State::Delivered, 1_000_010)];
    assert_eq!((info.state, info.history.as_slice()), (State::Delivered, &history[..]));
    assert_eq!((info.from.as_str(), info.correlation_id.as_deref(), info.size), ("me", Some("c"), 16));
}

#[test]
fn what_was_taken_and_not_sent_comes_again_marked() {
    let rig = Rig::new();
    rig.send("1");
    drop(rig.take(Manner::Final));
    assert_eq!(rig.state("1"), Some(State::Accepted));
    assert_eq!(rig.drain(), [("1".to_owned(), true)]);
}

#[test]
fn a_cursor_read_stays_until_it_is_acknowledged() {
    let rig = Rig::new();
    rig.send("1");
    rig.send("2");
    assert_eq!(rig.read(None), [("1".to_owned(), Some(1), false), ("2".to_owned(), Some(2), false)]);
    assert_eq!(rig.read(Some(2)), []);
    assert_eq!(rig.read(None), [("1".to_owned(), Some(1), true), ("2".to_owned(), Some(2), true)]);
    assert_eq!(rig.state("1"), Some(State::Delivered));
    assert_eq!(rig.mail.ack(&rig.to, Ack::Through(1)), Ok(1));
    assert_eq!((rig.state("1"), rig.mail.waiting(&rig.to)), (Some(State::Read), 1));
    assert_eq!(rig.mail.ack(&name("b"), Ack::Ids(&["2"])), Ok(0), "it is another's message");
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["2", "3"])), Ok(1));
    assert_eq!(rig.read(None), []);
}

#[test]
fn an_acknowledgement_that_overtakes_the_end_of_the_answer_holds() {
    let rig = Rig::new();
    rig.send("1");
    let handed = rig.take(Manner::UntilAcked { after: None });
    assert_eq!(rig.mail.ack(&rig.to, Ack::Through(1)), Ok(1));
    drop(handed);
    assert_eq!((rig.read(None), rig.state("1")), (Vec::new(), Some(State::Read)));
}

#[test]
fn a_message_sent_twice_waits_once() {
    let rig = Rig::new();
    let first = rig.send("1");
    let again = rig.mail.accept(rig.new_message("1", "words")).expect("the first answer");
    assert_eq!((again.number, again.duplicate, again.state), (first, true, State::Accepted));
    assert_eq!(rig.mail.accept(rig.new_message("1", "others")).map(|a| a.number), Err(MailError::IdReused));
    let other = NewMessage { caller: "agent x", ..rig.new_message("1", "others") };
    assert!(!rig.mail.accept(other).expect("another's").duplicate);
    assert_eq!(rig.drain().len(), 2);
    let again = rig.mail.accept(rig.new_message("1", "words")).expect("the first answer");
    assert_eq!((again.number, again.duplicate, again.state), (first, true, State::Delivered));
    assert_eq!(rig.drain(), []);
}

#[test]
fn a_claimed_message_is_held_for_its_typing() {
    let rig = Rig::new();
    let claim = |id| {
        let new = NewMessage { claim: true, ..rig.new_message(id, "words") };
        rig.mail.accept(new).expect("room")
    };
    let accepted = claim("1");
    assert_eq!(accepted.state, State::Delivering);
    let handed = accepted.handed.expect("it is held");
    assert_eq!((handed.messages[0].text.as_str(), handed.messages[0].redelivered), ("words", false));
    assert!(claim("1").handed.is_none() && claim("1").duplicate);
    assert_eq!(rig.drain(), [], "nobody else gets it");
    assert_eq!(rig.mail.claim(accepted.number).map(|handed| handed.is_none()), Ok(true));
    handed.sent();
    assert_eq!((rig.state("1"), rig.mail.waiting(&rig.to)), (Some(State::Delivered), 0));
    drop(claim("2"));
    assert_eq!(rig.drain(), [("2".to_owned(), true)]);
}

#[test]
fn what_waits_is_typed_where_its_sender_may() {
    let rig = Rig::new();
    let first = rig.send("1");
    let agents = NewMessage { caller: "agent x", priority: Priority::Urgent, ..rig.new_message("2", "x") };
    let second = rig.mail.accept(agents).expect("room").number;
    let next = |from: &dyn Fn(&str) -> bool| rig.mail.next_for_typing(&rig.to, from);
    assert_eq!(next(&|_| true), Some((first, false)), "the owner's comes first, however urgent the other");
    assert_eq!(next(&|caller| caller == "agent x"), Some((second, true)));
    assert_eq!(next(&|caller| caller == "owner"), Some((first, false)));
    assert_eq!(next(&|caller| caller == "api" || caller == "agent y"), None);
    let handed = rig.mail.claim(first).expect("a disk").expect("it is free");
    assert_eq!(next(&|_| true), Some((second, true)));
    handed.sent();
    assert_eq!(rig.state("1"), Some(State::Delivered));
    assert_eq!(next(&|_| true), Some((second, true)), "when nothing but agents' messages are left");
    assert_eq!(rig.read(None).len(), 1);
    assert_eq!(next(&|_| true), None, "a reader had it");
}

#[test]
fn deleting_removes_what_waits_and_counts_it() {
    let rig = Rig::new();
    rig.send("1");
    rig.send("2");
    assert_eq!(rig.mail.delete(&rig.to, &["1", "unknown"]), Ok(1), "spec agentmux L.47");
    let info = rig.mail.find("1").remove(0);
    assert_eq!((info.state, info.reason.as_deref()), (State::Failed, Some("deleted")));
    assert_eq!(rig.mail.dead(0, 10).expect("a disk").messages, []);
    assert_eq!(rig.drain(), plain(&["2"]));
}

#[test]
fn what_nobody_takes_expires_into_the_dead_letters_and_can_be_redelivered() {
    let rig = Rig::new();
    rig.send("1");
    rig.clock.advance(59_999);
    rig.mail.maintain();
    assert_eq!(rig.state("1"), Some(State::Accepted));
    rig.clock.advance(1);
    rig.mail.maintain();
    assert_eq!((rig.state("1"), rig.mail.waiting(&rig.to)), (Some(State::Expired), 0));
    let dead = rig.mail.dead(0, 10).expect("a disk");
    assert_eq!((dead.messages[0].text.as_str(), dead.more), ("words", false));
    assert_eq!(dead.messages[0].reason.as_deref(), Some("nobody took it in time"));
    assert_eq!(rig.mail.redeliver("unknown", None), Err(MailError::NotFound));
    let info = rig.mail.redeliver("1", None).expect("room");
    assert_eq!((info.state, info.expires_at, info.reason), (State::Accepted, 1_120_000, None));
    assert_eq!(rig.mail.redeliver("1", None), Err(MailError::NotDead), "it is no dead letter any more");
    assert_eq!(rig.drain(), plain(&["1"]), "nobody had it before");
}

#[test]
fn what_is_due_is_handed_to_nobody_though_it_was_not_looked_at_yet() {
    let rig = Rig::new();
    let soon = rig.send("soon");
    rig.mail.accept(NewMessage { ttl_ms: 120_000, ..rig.new_message("later", "words") }).expect("room");
    assert_eq!(rig.read(None).len(), 2);
    // It expires while the instance is down, and readers come before the first look.
    rig.clock.advance(60_000);
    let rig = rig.again();
    assert!(rig.mail.claim(soon).expect("a disk in memory").is_none());
    assert_eq!(rig.read(None), [("later".to_owned(), Some(2), true)]);
    assert_eq!(rig.drain(), [("later".to_owned(), true)]);
    assert!(!rig.mail.wait(&rig.to, None, Instant::now(), &|| false));
    rig.mail.maintain();
    assert_eq!(rig.state("soon"), Some(State::Expired));
}

#[test]
fn a_reader_that_holds_a_message_keeps_it_from_expiring() {
    let rig = Rig::new();
    rig.send("1");
    let handed = rig.take(Manner::Final);
    rig.clock.advance(60_000);
    rig.mail.maintain();
    assert_eq!(rig.state("1"), Some(State::Delivering));
    drop(handed);
    rig.mail.maintain();
    assert_eq!(rig.state("1"), Some(State::Expired));
    assert_eq!(rig.mail.find("1")[0].reason.as_deref(), Some("nobody acknowledged it in time"));
}

#[test]
fn a_message_that_fails_is_a_dead_letter_with_its_reason() {
    let rig = Rig::new();
    let number = rig.send("1");
    let handed = rig.mail.claim(number).expect("a disk").expect("it is free");
    rig.mail.fail(number, "the terminal refused it");
    drop(handed);
    assert_eq!(rig.drain(), []);
    let dead = rig.mail.dead(0, 10).expect("a disk").messages.remove(0);
    assert_eq!((dead.state, dead.reason.as_deref()), (State::Failed, Some("the terminal refused it")));
    rig.mail.redeliver("1", None).expect("room");
    assert_eq!(rig.drain(), [("1".to_owned(), true)]);
}

#[test]
fn a_full_mailbox_takes_no_dead_letter_back() {
    let rig = Rig::with(Settings::default(), table::Bounds { mailbox: 1, ..table::Bounds::default() });
    rig.mail.fail(rig.send("1"), "x");
    rig.send("2");
    assert_eq!(rig.mail.redeliver("1", None), Err(Full::Mailbox(1).into()));
    assert_eq!(rig.drain(), plain(&["2"]));
    assert!(rig.mail.redeliver("1", None).is_ok());
}

#[test]
fn one_that_waits_is_told_of_a_message_and_of_the_end() {
    let rig = Rig::new();
    let soon = || Instant::now() + Duration::from_secs(20);
    assert!(!rig.mail.wait(&rig.to, None, Instant::now(), &|| false));
    assert!(!rig.mail.wait(&rig.to, None, soon(), &|| true), "its peer is gone");
    std::thread::scope(|scope| {
        let waits = [None, Some(0)].map(|after| {
            let rig = &rig;
            scope.spawn(move || rig.mail.wait(&rig.to, after, soon(), &|| false))
        });
        rig.send("1");
        assert!(waits.into_iter().all(|wait| wait.join().expect("no panic")));
    });
    assert!(!rig.mail.wait(&name("b"), None, Instant::now(), &|| false), "it is another's");
    rig.mail.end();
    assert!(!rig.mail.wait(&name("b"), None, soon(), &|| false));
    assert!(!rig.mail.pause(Duration::from_secs(20)));
}

#[test]
fn the_newest_socket_is_woken_and_an_older_one_does_not_take_it_along() {
    use crate::sys::poll::{Entry, Wake, poll};
    use std::os::fd::AsFd;
    let rig = Rig::new();
    let woken = |wake: &Wake| {
        let ready = poll(&mut [Entry::new(wake.as_fd(), true, false)], Some(Duration::ZERO)).expect("polls");
        wake.clear();
        ready == 1
    };
    let [first, second] = [(); 2].map(|()| Arc::new(Wake::new().expect("a descriptor")));
    rig.mail.attach(&rig.to, 1, Arc::clone(&first));
    assert!(!woken(&first));
    rig.send("1");
    assert!(woken(&first));
    rig.mail.attach(&rig.to, 2, Arc::clone(&second));
    assert!(woken(&second), "something waits already");
    rig.mail.detach(&rig.to, 1);
    rig.send("2");
    assert!(woken(&second) && !woken(&first));
    rig.mail.detach(&rig.to, 2);
    rig.send("3");
    assert!(!woken(&second));
}

#[test]
fn a_message_that_is_on_its_way_to_disk_is_seen_by_nobody_and_counts() {
    let rig = Rig::with(Settings::default(), table::Bounds { mailbox: 1, ..table::Bounds::default() });
    let done = AtomicBool::new(false);
    let inner = rig.mail.shared.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            rig.send("1");
            done.store(true, Ordering::SeqCst);
        });
        // Nothing of it happens while the table is locked; then it is there at once.
        assert!(!done.load(Ordering::SeqCst));
        drop(inner);
    });
    assert_eq!(rig.mail.waiting(&rig.to), 1);
    let full = rig.mail.accept(rig.new_message("2", "x")).map(|accepted| accepted.number);
    assert_eq!(full, Err(Full::Mailbox(1).into()));
}

#[test]
fn what_was_accepted_is_there_after_a_start_and_what_is_over_stays_over() {
    let rig = Rig::new();
    for id in ["read", "drained", "waits", "had", "held", "failed"] {
        rig.send(id);
    }
    assert_eq!(rig.mail.delete(&rig.to, &["drained"]), Ok(1));
    let handed = rig.take(Manner::UntilAcked { after: None });
    assert_eq!(handed.messages.len(), 5);
    handed.sent();
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["read"])), Ok(1));
    rig.mail.fail(rig.mail.find("failed")[0].number, "x");
    rig.send("fresh");
    rig.mail.maintain();
    let before: Vec<Info> = ["read", "drained", "waits", "had", "held", "failed", "fresh"]
        .iter()
        .flat_map(|id| rig.mail.find(id))
        .collect();
    let rig = rig.again();
    let after: Vec<Info> = ["read", "drained", "waits", "had", "held", "failed", "fresh"]
        .iter()
        .flat_map(|id| rig.mail.find(id))
        .collect();
    assert_eq!(before, after);
    let again = rig.mail.accept(rig.new_message("read", "words")).expect("known");
    assert!(again.duplicate);
    assert_eq!(rig.mail.accept(rig.new_message("read", "x")).map(|a| a.number), Err(MailError::IdReused));
    let expected = [("waits", 3, true), ("had", 4, true), ("held", 5, true), ("fresh", 7, false)];
    let expected: Vec<_> = expected.iter().map(|(id, p, r)| ((*id).to_owned(), Some(*p), *r)).collect();
    let read = rig.read(None);
    // Positions were given out in the order of acceptance, and 1 and 6 are gone.
    assert_eq!(
        read.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(),
        ["waits", "had", "held", "fresh"]
    );
    assert_eq!(read.iter().map(|(.., again)| *again).collect::<Vec<_>>(), [true, true, true, false]);
    assert!(read.windows(2).all(|pair| pair[0].1 < pair[1].1) && expected.len() == 4);
    rig.mail.redeliver("failed", None).expect("room");
}

#[test]
fn one_whose_delivery_was_not_noted_comes_again_marked_after_a_start() {
    let rig = Rig::new();
    rig.send("1");
    rig.take(Manner::Final).sent();
    // No maintenance: that it was sent is in memory only.
    let rig = rig.again();
    assert_eq!(rig.drain(), [("1".to_owned(), true)]);
    rig.mail.maintain();
    let rig = rig.again();
    assert_eq!((rig.drain(), rig.state("1")), (Vec::new(), Some(State::Delivered)));
}
