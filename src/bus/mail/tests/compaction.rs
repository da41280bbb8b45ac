//! The journal stays bounded, and what counts survives being written again.

use super::*;

fn small() -> Rig {
    let settings = Settings { segment_bytes: 8 * 1024, ..Settings::default() };
    Rig::with(settings, table::Bounds { ended: 20, ..table::Bounds::default() })
}

fn bytes(rig: &Rig) -> u64 {
    rig.mail.shared.journal.segments().iter().map(|segment| segment.bytes).sum()
}

/// Until nothing is left to do.
fn maintain(rig: &Rig) {
    for _ in 0..1_000 {
        if rig.mail.maintain() > Duration::from_millis(1) {
            return;
        }
    }
    panic!("there is no end to it");
}

#[test]
fn the_journal_stays_bounded_under_endless_sending_and_reading() {
    let rig = small();
    let text = "x".repeat(1_000);
    let mut most = 0;
    for n in 0..2_000 {
        rig.mail.accept(rig.new_message(&n.to_string(), &text)).expect("room");
        assert_eq!(rig.drain(), plain(&[&n.to_string()]));
        maintain(&rig);
        most = most.max(bytes(&rig));
    }
    assert!(most < 100 * 1024, "2 MB went through it, and it took {most} bytes");
    assert!(rig.disk.files().len() < 16);
}

#[test]
fn all_that_counts_survives_compaction_and_a_start() {
    let rig = small();
    for id in ["waits", "had", "dead", "read", "drained"] {
        rig.send(id);
    }
    rig.read(None);
    assert_eq!(rig.mail.ack(&rig.to, Ack::Ids(&["read"])), Ok(1));
    assert_eq!(rig.mail.delete(&rig.to, &["drained"]), Ok(1));
    rig.mail.fail(rig.mail.find("dead")[0].number, "a reason");
    rig.send("fresh");
    let ids = ["waits", "had", "dead", "read", "drained", "fresh"];
    let infos = |rig: &Rig| ids.iter().flat_map(|id| rig.mail.find(id)).collect::<Vec<Info>>();
    let before = infos(&rig);
    let first = rig.mail.shared.journal.segments()[0].id;
    let (flood, other) = ("y".repeat(2_000), name("other"));
    for n in 0..100 {
        let id = n.to_string();
        rig.mail
            .accept(NewMessage { to: &other, caller: "agent x", ..rig.new_message(&id, &flood) })
            .expect("room");
        rig.mail.take(&other, Manner::Final, 9, 9_999).expect("a disk in memory").sent();
        maintain(&rig);
    }
    assert!(rig.mail.shared.journal.segments()[0].id > first + 5, "what they were written in is gone");
    assert_eq!(infos(&rig), before);
    let rig = rig.again();
    assert_eq!(infos(&rig), before);
    assert_eq!(rig.mail.dead(0, 9).expect("a disk").messages[0].text, "words");
    assert!(rig.mail.accept(rig.new_message("read", "words")).expect("known").duplicate);
    assert_eq!(rig.mail.accept(rig.new_message("read", "x")).map(|a| a.number), Err(MailError::IdReused));
    rig.mail.redeliver("dead", None).expect("room");
    let read = rig.read(None);
    let read: Vec<_> = read.iter().map(|(id, position, again)| (id.as_str(), *position, *again)).collect();
    assert_eq!(
        read,
        [
            ("waits", Some(1), true),
            ("had", Some(2), true),
            ("dead", Some(6), true),
            ("fresh", Some(7), false)
        ]
    );
}

#[test]
fn positions_of_an_empty_mailbox_survive_compaction() {
    let rig = small();
    for n in 0..200 {
        let id = n.to_string();
        rig.mail.accept(rig.new_message(&id, &"x".repeat(500))).expect("room");
        assert_eq!(rig.read(Some(n)), [(id, Some(n + 1), false)]);
        assert_eq!(rig.mail.ack(&rig.to, Ack::Through(n + 1)), Ok(1));
        maintain(&rig);
    }
    let rig = rig.again();
    rig.send("next");
    assert_eq!(rig.read(Some(200)), [("next".to_owned(), Some(201), false)]);
}

/// Texts and ids whose every byte takes six on disk, and which are remembered long after.
#[test]
fn what_takes_more_room_on_disk_than_it_counts_does_not_keep_compaction_busy() {
    let rig = small();
    for n in 0..60 {
        let id = format!("{n}{}", "\u{1}".repeat(100));
        let from = "\u{2}".repeat(200);
        let new = NewMessage { from: &from, ..rig.new_message(&id, "\u{3}\u{4}") };
        rig.mail.accept(new).expect("room");
        assert_eq!(rig.mail.delete(&rig.to, &[&id]), Ok(1));
        maintain(&rig);
    }
    let quiet = rig.disk.operations();
    maintain(&rig);
    assert_eq!(rig.disk.operations(), quiet, "nothing is left to do");
}

#[test]
fn a_message_that_is_held_is_written_again_as_handed_out() {
    let rig = Rig::new();
    let number = rig.send("1");
    let mut inner = rig.mail.shared.lock();
    assert!(inner.table.hold(number, 7, 1_000_000).is_some());
    let text = Some("words".to_owned());
    let words = record::Words { from: "me".to_owned(), correlation_id: None, in_reply_to: None, text };
    let mut line = Vec::new();
    record::snap(&mut line, number, inner.table.entry(number).expect("held"), &inner.table, &words);
    assert!(String::from_utf8_lossy(&line).contains("\"handed\":true"));
}

#[test]
fn no_segment_is_removed_while_a_line_that_may_be_in_it_is_on_its_way() {
    let rig = small();
    for round in 0..200 {
        rig.send(&format!("{round}"));
        rig.drain();
    }
    let oldest = || rig.mail.shared.journal.segments().first().map(|segment| segment.id);
    let (before, number) = (oldest(), 1_000_000);
    rig.mail.shared.lock().table.reserve(number, &rig.new_message("slow", "words"), 0, 0, 0);
    for _ in 0..100 {
        rig.mail.maintain();
    }
    assert_eq!(oldest(), before);
    rig.mail.shared.lock().table.abandon(number, 0);
    for _ in 0..100 {
        rig.mail.maintain();
    }
    assert_ne!(oldest(), before);
}
