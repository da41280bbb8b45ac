//! What one that means harm may try with messages, and what it gets.

use super::*;

fn from_agent<'a>(rig: &'a Rig, caller: &'a str, id: &'a str) -> NewMessage<'a> {
    NewMessage { caller, from: caller, ..rig.new_message(id, "x") }
}

#[test]
fn an_agent_cannot_push_the_owners_dead_letters_out_by_letting_its_own_expire() {
    let bounds = table::Bounds { dead: 10, ended: 50, ..table::Bounds::default() };
    let rig = Rig::with(Settings::default(), bounds);
    rig.mail.fail(rig.send("owners"), "x");
    for n in 0..100 {
        let id = n.to_string();
        let new = NewMessage { ttl_ms: 1, ..from_agent(&rig, "agent x", &id) };
        rig.mail.accept(new).expect("room");
        rig.clock.advance(limits::TTL_LEAST_MS);
        rig.mail.maintain();
    }
    let dead = rig.mail.dead(0, 100).expect("a disk").messages;
    assert_eq!((dead.len(), dead[0].id.as_str()), (10, "owners"));
    assert!(rig.mail.accept(rig.new_message("owners", "words")).expect("known").duplicate);
}

#[test]
fn an_id_that_another_uses_keeps_nobody_from_sending() {
    let rig = Rig::new();
    rig.mail.accept(from_agent(&rig, "agent x", "1")).expect("room");
    rig.mail.accept(from_agent(&rig, "agent y", "1")).expect("another's id is his own");
    assert!(!rig.mail.accept(rig.new_message("1", "words")).expect("and the owner's").duplicate);
    // Two names that run together to the same text are two.
    let (ab, a) = (name("ab"), name("a"));
    for (caller, to) in [("agent x", &ab), ("agent xa", &a)] {
        let new = NewMessage { caller, to, ..rig.new_message("2", "words") };
        assert!(!rig.mail.accept(new).expect("room").duplicate);
    }
}

#[test]
fn texts_that_are_hard_to_write_down_come_as_they_were_sent() {
    let rig = Rig::new();
    let all: String = (0..=0x2_100).filter_map(char::from_u32).collect();
    let escapes = "\u{0}".repeat(limits::MESSAGE_TEXT);
    for (id, text) in
        [("empty", ""), ("all", &*all), ("escapes", &*escapes), ("json", "\",\"op\":\"end\"}\n")]
    {
        rig.mail.accept(rig.new_message(id, text)).expect("room");
    }
    let rig = rig.again();
    let handed = rig.take(Manner::Final);
    let texts: Vec<&str> = handed.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["", &*all, &*escapes, "\",\"op\":\"end\"}\n"]);
    let long = format!("{}\u{0}", "\u{1}".repeat(limits::MESSAGE_ID - 1));
    rig.mail.accept(rig.new_message(&long, "x")).expect("room");
    assert_eq!(rig.again().mail.find(&long).len(), 1);
}

#[test]
fn messages_that_wait_for_a_month_take_only_their_senders_share() {
    let bounds =
        table::Bounds { mailbox: 10, mailbox_agents: 8, mailbox_agent: 3, ..table::Bounds::default() };
    let rig = Rig::with(Settings::default(), bounds);
    for n in 0..100 {
        let (caller, id) = (format!("agent x{}", n % 20), n.to_string());
        let _ = rig.mail.accept(NewMessage { ttl_ms: u64::MAX, ..from_agent(&rig, &caller, &id) });
    }
    assert_eq!(rig.mail.waiting(&rig.to), 8);
    assert!(rig.mail.accept(rig.new_message("owners", "x")).is_ok());
}

#[test]
fn names_that_are_made_up_leave_nothing_behind() {
    let bounds = table::Bounds { ended: 5, mailboxes: 5, ..table::Bounds::default() };
    let rig = Rig::with(Settings::default(), bounds);
    for n in 0..200 {
        let (to, id) = (name(&format!("made-up-{n}")), n.to_string());
        rig.mail.accept(NewMessage { to: &to, ..rig.new_message(&id, "x") }).expect("room");
        let handed = rig.mail.take(&to, Manner::UntilAcked { after: None }, 9, 9).expect("a disk");
        handed.sent();
        assert_eq!(rig.mail.ack(&to, Ack::Through(u64::MAX)), Ok(1));
        rig.mail.maintain();
    }
    let inner = rig.mail.shared.lock();
    assert!(inner.table.names.len() < 20, "{}", inner.table.names.len());
    drop(inner);
    assert_eq!(rig.mail.mailboxes(), []);
}

#[test]
fn a_line_that_is_no_record_is_skipped_and_told() {
    let rig = Rig::new();
    rig.send("1");
    let put = |fields: &[u8]| {
        let ticket = rig.mail.shared.journal.append(|_, out| out.extend_from_slice(fields)).expect("room");
        rig.mail.shared.journal.wait(&ticket).expect("a disk");
    };
    for line in [
        &b"\"op\":\"take\",\"at\":1,\"of\":[1,2],\"pos\":[1]"[..],
        b"\"op\":\"end\",\"at\":1,\"of\":[1],\"state\":\"gone\",\"dead\":false,\"why\":null",
        b"\"op\":\"end\",\"at\":-1,\"of\":[1],\"state\":\"read\",\"dead\":false,\"why\":null",
        b"\"op\":\"other\"",
        b"\"x\":1",
    ] {
        put(line);
    }
    rig.send("2");
    let disk = rig.disk.after_kill();
    let (mail, loaded) = Mail::open(disk.disk(), rig.settings, Arc::clone(&rig.clock) as _).expect("opens");
    assert_eq!((loaded.unknown_in_all, loaded.unknown), (5, vec![2, 3, 4, 5, 6]));
    assert_eq!(mail.waiting(&rig.to), 2);
}

#[test]
fn an_id_that_another_sender_chose_too_acknowledges_and_redelivers_nothing_by_itself() {
    let rig = Rig::new();
    let other = |id| NewMessage { caller: "agent x", ..rig.new_message(id, "other words") };
    let mine = rig.send("same");
    let others = rig.mail.accept(other("same")).expect("another sender's id is its own").number;
    rig.send("plain");
    // Only one of the two was handed out: nothing else can be meant.
    rig.mail.take(&rig.to, Manner::UntilAcked { after: None }, 1, 0).expect("a disk").sent();
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["same"])), Ok(1));
    assert_eq!(
        (rig.mail.find("same")[0].state, rig.mail.find("same")[1].state),
        (State::Read, State::Accepted)
    );

    let mine_too = rig.mail.accept(NewMessage { caller: "api", ..other("same") }).expect("room").number;
    assert_eq!(rig.read(None).len(), 3);
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["plain", "same"])), Err(MailError::Ambiguous));
    assert_eq!(rig.mail.waiting(&rig.to), 3, "nothing of it was done");
    assert_eq!(rig.mail.ack(&rig.to, Ack::Numbers(&[mine_too, mine, 999])), Ok(1));
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["plain", "same"])), Ok(2));

    let dead = [rig.send("dead"), rig.mail.accept(other("dead")).expect("room").number];
    dead.iter().for_each(|number| rig.mail.fail(*number, "x"));
    assert_eq!(rig.mail.redeliver("dead", None), Err(MailError::Ambiguous));
    for wrong in [others, 999] {
        assert_eq!(rig.mail.redeliver("dead", Some(wrong)), Err(MailError::NotDead));
    }
    assert_eq!(rig.mail.redeliver("dead", Some(dead[0])).map(|info| info.caller), Ok("owner".to_owned()));
    assert_eq!(rig.mail.redeliver("dead", None).map(|info| info.number), Ok(dead[1]), "the only one left");
}
