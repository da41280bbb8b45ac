//! The audit on a disk: written without being asked for, read back, kept through ends of all kinds.

use super::{
    look::look,
    tests::{TEXT_KEY, inject, refused},
    *,
};
use crate::{
    store::disk::testing::{Chooser, Fault, Model},
    wire::clock::ManualClock,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Small segments, so that a test has several.
pub(super) fn settings() -> Settings {
    Settings { segment_bytes: 2_000, unwritten_bytes: 100_000, ..Settings::default() }
}

fn try_open(model: &Model) -> Result<Arc<Audit>, AuditError> {
    let keys = (Secret::new(TEXT_KEY.to_vec()), [5; 32]);
    Audit::open(model.disk(), settings(), keys, ManualClock::at(1_000), "i").map(|(audit, _)| audit)
}

pub(super) fn open(model: &Model) -> Arc<Audit> {
    try_open(model).expect("an audit")
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// An audit that ran over this directory and wrote so many injects, then ended in order.
pub(super) fn run(model: &Model, entries: usize) {
    let audit = open(model);
    audit.start().expect("a thread");
    for n in 0..entries {
        audit.inject(inject(&format!("req-{n}")), "the words", false);
    }
    audit.stop(soon());
}

fn report(model: &Model) -> Report {
    look(&*model.disk(), None).expect("it can be read")
}

/// What is queued is written by this thread, until the disk takes it all.
fn write_all(audit: &Audit) {
    let mut writer = audit.writer.lock().expect("free").take().expect("no thread has it");
    let batch: Vec<_> = audit.memory().queue.drain(..).collect();
    let _ = writer.write(&batch);
    *audit.writer.lock().expect("free") = Some(writer);
}

#[test]
fn an_entry_is_on_the_disk_soon_without_anybody_asking() {
    let model = Model::new();
    let audit = open(&model);
    audit.start().expect("a thread");
    audit.inject(inject("r"), "the words", false);
    let memory = audit.memory();
    audit.wait(memory, soon(), |memory| memory.went == 2);
    let content = model.files().into_iter().find(|(name, _)| name.ends_with(".seg")).expect("a segment").1;
    let text = String::from_utf8(content).expect("text");
    assert!(text.contains("\"request_id\":\"r\"") && !text.contains("words"), "{text}");
    assert!(model.log().iter().any(|what| what == "sync Commit"));
    audit.stop(soon());
    assert!(GATHER < Duration::from_millis(100), "design section 7");
}

#[test]
fn a_restart_goes_on_with_the_chain_and_the_newest_injects() {
    let model = Model::new();
    run(&model, 30);
    run(&model, 0);
    let audit = open(&model);
    let newest = audit.newest_injects(5);
    let ids: Vec<_> = newest.iter().map(|entry| entry["request_id"].clone()).collect();
    assert_eq!(ids, ["req-29", "req-28", "req-27", "req-26", "req-25"]);
    let names: Vec<&String> = newest[0].as_object().expect("an object").keys().collect();
    assert!(
        !["n", "prev", "mac", "kind"].iter().any(|name| names.contains(&&(*name).to_owned())),
        "{names:?}"
    );
    let report = report(&model);
    assert_eq!((report.broken, report.entries, report.killed_in_all, report.lost), (None, 34, 0, 0));
    assert!(model.files().len() > 4, "over several segments");
}

#[test]
fn the_texts_hash_is_keyed_anew_at_each_launch_and_the_chain_is_not() {
    let model = Model::new();
    let launch = |text_key: u8| {
        let keys = (Secret::new(vec![text_key; 32]), [text_key; 32]);
        let (audit, _) =
            Audit::open(model.disk(), settings(), keys, ManualClock::at(1), "i").expect("an audit");
        audit.start().expect("a thread");
        audit.inject(inject("r"), "yes", false);
        audit.stop(soon());
        audit.newest_injects(1)[0]["message_hash"].clone()
    };
    assert_ne!(launch(1), launch(2), "equal texts of two launches are not linked");
    assert_eq!(report(&model).broken, None);
}

#[test]
fn a_kill_without_a_flush_loses_no_more_than_what_was_not_written_and_is_told() {
    let model = Model::new();
    run(&model, 10);
    let audit = open(&model);
    audit.inject(inject("lost"), "x", false);
    let model = model.after_kill();
    assert_eq!(report(&model).entries, 12);
    let audit_after = open(&model);
    write_all(&audit_after);
    assert_eq!(report(&model).killed_in_all, 0, "whoever wrote last had ended in order");
    let model = model.after_kill();
    run(&model, 1);
    let report = report(&model);
    assert_eq!((report.broken, report.killed_in_all), (None, 1));
    drop(audit);
}

#[test]
fn a_torn_line_is_cut_at_the_next_start_and_told() {
    let model = Model::new();
    run(&model, 3);
    let (name, content) =
        model.files().into_iter().rfind(|(name, _)| name.ends_with(".seg")).expect("a segment");
    model.put(&name, &content[..content.len() - 9]);
    assert!(report(&model).torn);
    run(&model, 3);
    let report = report(&model);
    assert_eq!(
        (report.broken, report.torn, report.killed_in_all),
        (None, false, 1),
        "the cut line said it had ended"
    );
}

/// Every operation fails once and for a while, in every way: the log stays sound, and every entry
/// is on the disk or counted as lost.
#[test]
fn whatever_the_disk_does_the_log_stays_sound_and_says_what_was_lost() {
    let scenario = |model: &Model| -> Option<u64> {
        let audit = try_open(model).ok()?;
        let mut writer = audit.writer.lock().expect("free").take().expect("the writer");
        let mut lost = 0;
        for n in 0..12 {
            audit.inject(inject(&format!("req-{n}")), "x", false);
            let batch: Vec<_> = audit.memory().queue.drain(..).collect();
            lost += writer.write(&batch).0;
        }
        model.recover();
        lost += writer.write(&[]).0;
        Some(lost)
    };
    let whole = Model::new();
    assert_eq!(scenario(&whole), Some(0));
    for nth in 1..=whole.operations() {
        for fault in Fault::ALL {
            for stays in [false, true] {
                let model = Model::new();
                model.fail(nth, fault, stays);
                let lost = scenario(&model);
                model.recover();
                let Some(lost) = lost else {
                    // the start was refused, and the next one is not
                    run(&model, 1);
                    assert_eq!(report(&model).broken, None, "{nth} {fault:?} {stays}");
                    continue;
                };
                let report = report(&model);
                assert_eq!(report.broken, None, "{nth} {fault:?} {stays}: {:?}", model.log());
                assert_eq!(report.entries + lost, 13, "{nth} {fault:?} {stays}");
                run(&model, 1);
                let report = self::report(&model);
                assert_eq!((report.broken, report.lost), (None, lost), "{nth} {fault:?} {stays}");
            }
        }
    }
}

#[test]
fn what_the_journal_does_not_take_is_counted_and_the_next_entry_says_how_many() {
    let model = Model::new();
    let audit = open(&model);
    let mut writer = audit.writer.lock().expect("free").take().expect("the writer");
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    let entry = |n: usize| Queued {
        json: format!("{{\"timestamp\":{n},\"kind\":\"message\",\"to\":\"{}\"}}", "x".repeat(900)).into(),
        lost_before: 0,
    };
    let many: Vec<_> = (0..200).map(entry).collect();
    let (lost, result) = writer.write(&many);
    assert!(lost > 50 && lost < 150, "{lost}: as many as fit wait");
    assert_eq!(result, Err(JournalError::NoSpace));
    model.recover();
    assert_eq!(writer.write(&[entry(200)]).1, Ok(()));
    let report = report(&model);
    assert_eq!((report.broken, report.lost, report.entries), (None, lost, 201 - lost));
}

#[test]
fn after_a_loss_of_power_the_log_is_sound_again() {
    for seed in 0..300 {
        let model = Model::new();
        let audit = open(&model);
        let mut chooser = Chooser::seeded(seed);
        for n in 0..10 {
            audit.inject(inject(&format!("req-{n}")), "x", false);
            if n != 9 {
                write_all(&audit);
            }
        }
        // the newest is written and not synced
        model.crash_after(model.operations() + 1 + seed as usize % 3);
        write_all(&audit);
        let model = model.after_power_loss(&mut chooser);
        run(&model, 2);
        let report = report(&model);
        assert_eq!(report.broken, None, "{seed}");
        assert!(report.entries >= 10 + 3 && report.killed_in_all == 1, "{seed}: {report:?}");
    }
}

#[test]
fn the_key_is_made_once_before_the_first_entry_and_is_never_made_beside_entries() {
    let model = Model::new();
    run(&model, 1);
    let key = model.files().remove(KEY_FILE).expect("a key");
    assert_eq!(key, [5; 32]);
    assert!(
        model.log().iter().position(|what| what.starts_with("create key"))
            < model.log().iter().position(|what| what.ends_with(".seg"))
    );
    run(&model, 1);
    assert_eq!(model.files().remove(KEY_FILE), Some(key.clone()));
    for bad in [&key[..31], b"", &[&key[..], b"x"].concat(), &[0; 32]] {
        model.put(KEY_FILE, bad);
        assert!(matches!(try_open(&model), Err(AuditError::KeyMalformed)), "{}", bad.len());
        assert!(matches!(look(&*model.disk(), None), Err(AuditError::KeyMalformed)));
    }
    model.disk().remove(KEY_FILE).expect("removed");
    assert!(matches!(try_open(&model), Err(AuditError::KeyMissing)));
    assert!(matches!(look(&*model.disk(), None), Err(AuditError::KeyMissing)));
    // made by a process that was killed before the key was written: nothing is proven by it yet
    for unfinished in [&key[..7], &[0; 32]] {
        let model = Model::new();
        model.put(KEY_FILE, unfinished);
        run(&model, 1);
        assert_eq!(model.files().remove(KEY_FILE), Some(vec![5; 32]));
    }
    let model = Model::new();
    model.put(KEY_FILE, &[1; 40]);
    assert!(matches!(try_open(&model), Err(AuditError::KeyMalformed)), "somebody put it there");
}

#[test]
fn the_key_survives_a_loss_of_power_with_the_first_entry() {
    Chooser::every(|chooser| {
        let model = Model::new();
        let audit = open(&model);
        write_all(&audit);
        let model = model.after_power_loss(chooser);
        assert_eq!(model.files().remove(KEY_FILE), Some(vec![5; 32]));
        run(&model, 1);
        assert_eq!(report(&model).broken, None);
    });
}

#[test]
fn the_audit_on_disk_is_bounded_and_says_what_made_room() {
    let model = Model::new();
    let key = keyfile::open(&*model.disk(), [5; 32]).expect("a key");
    let (mut writer, found) = Writer::open(model.disk(), key, settings(), 8_000, &mut |_| {}).expect("open");
    let audit = audit_in_memory();
    for n in 0..300_u64 {
        let json = Entry::Refused(Refused { timestamp: n, ..refused() }).to_json(n, None).to_string();
        assert_eq!(writer.write(&[Queued { json: json.into(), lost_before: 0 }]), (0, Ok(())));
        assert_eq!(writer.make_room(n), Ok(()));
        let bytes: u64 = found.journal.segments().iter().map(|segment| segment.bytes).sum();
        assert!(bytes <= 8_000 + 2_000, "{bytes}");
        let report = report(&model);
        assert_eq!(report.broken, None, "{n}");
    }
    let report = report(&model);
    let (first, _) = report.first.expect("entries");
    assert!(first > 200 && report.dropped_through == first - 1, "{report:?}");
    drop(audit);
    // a beginning that no entry tells of
    let oldest = model.files().into_keys().find(|name| name.ends_with(".seg")).expect("a segment");
    model.disk().remove(&oldest).expect("removed");
    let broken = self::report(&model).broken.expect("it is seen");
    assert!(broken.line == 1 && broken.why.contains("no entry says that they were dropped"), "{broken:?}");
}

fn audit_in_memory() -> Audit {
    Audit::in_memory(Secret::new(TEXT_KEY.to_vec()), ManualClock::at(1))
}

#[test]
fn a_disk_that_fails_while_room_is_made_leaves_a_sound_log() {
    let scenario = |model: &Model| -> Option<()> {
        let key = keyfile::open(&*model.disk(), [5; 32]).ok()?;
        let (mut writer, _) = Writer::open(model.disk(), key, settings(), 4_000, &mut |_| {}).ok()?;
        for n in 0..40 {
            let json = format!("{{\"timestamp\":{n},\"kind\":\"message\",\"to\":\"{}\"}}", "x".repeat(200));
            let (_, result) = writer.write(&[Queued { json: json.into(), lost_before: 0 }]);
            let _ = result.and_then(|()| writer.make_room(n));
        }
        model.recover();
        let _ = writer.write(&[]);
        Some(())
    };
    let whole = Model::new();
    assert_eq!(scenario(&whole), Some(()));
    for nth in 1..=whole.operations() {
        let model = Model::new();
        model.fail(nth, Fault::Io, false);
        if scenario(&model).is_some() {
            let report = report(&model);
            assert_eq!(report.broken, None, "{nth}: {:?}", model.log().get(nth - 1));
        }
    }
}

#[test]
fn a_disk_that_does_not_answer_holds_nobody_up_and_memory_is_bounded() {
    let model = Model::new();
    // no thread takes anything out, as if a sync never ended
    let audit = open(&model);
    let made = 4_000;
    for _ in 0..made {
        // the longest that a caller can make of it: every byte is escaped
        audit.inject(inject(&"\u{1}".repeat(limits::AUDIT_TEXT)), "x", false);
    }
    assert!(audit.memory().queued_bytes <= limits::AUDIT_QUEUE);
    let lost = audit.health().lost;
    assert!(lost > 500, "{lost}");
    audit.start().expect("a thread");
    // the entry that finds room again says how many did not
    let memory = audit.memory();
    audit.wait(memory, soon(), |memory| memory.queue.is_empty());
    audit.inject(inject("after"), "x", false);
    audit.stop(soon());
    let report = report(&model);
    let refused = audit.health().lost - lost;
    assert_eq!((report.broken, report.lost), (None, lost + refused));
    assert_eq!(report.entries + report.lost, made + 3);
}

#[test]
fn pages_of_the_audit_are_bounded_and_lead_through_all_of_it() {
    let model = Model::new();
    let (audit, clock) = {
        let clock = ManualClock::at(1_000);
        let keys = (Secret::new(TEXT_KEY.to_vec()), [5; 32]);
        let (audit, _) =
            Audit::open(model.disk(), settings(), keys, Arc::clone(&clock) as _, "i").expect("an audit");
        (audit, clock)
    };
    audit.start().expect("a thread");
    for n in 0..50 {
        clock.advance(10);
        audit.inject(Inject { timestamp: clock.unix_ms(), ..inject(&format!("req-{n}")) }, "x", false);
    }
    for limit in [1, 7, 50, 51, 52, usize::MAX] {
        let (mut all, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = audit.page(Query { since: 0, before, limit }).expect("a page");
            assert!(page.entries.len() <= limit);
            all.extend(page.entries.iter().map(|entry| entry["n"].as_u64().expect("a number")));
            pages += 1;
            before = page.next;
            if before.is_none() || pages > 60 {
                break;
            }
        }
        assert_eq!(all, (1..=51).rev().collect::<Vec<u64>>(), "{limit}");
    }
    let since = audit.page(Query { since: 1_401, before: None, limit: 1_000 }).expect("a page");
    assert_eq!(since.entries.len(), 10, "those from 1410 to 1500");
    assert_eq!((since.next, &since.entries[0]["request_id"]), (None, &json!("req-49")));
    assert!(since.entries.iter().all(|entry| entry.get("prev").is_none() && entry.get("mac").is_none()));
    assert_eq!(audit.page(Query::default()).expect("a page").entries.len(), 0);
    audit.stop(soon());
}

#[test]
fn a_failing_disk_is_told_in_status_and_stops_no_caller() {
    let model = Model::new();
    let audit = open(&model);
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    audit.start().expect("a thread");
    audit.inject(inject("r"), "x", false);
    let memory = audit.memory();
    audit.wait(memory, soon(), |memory| memory.health.failing.is_some());
    assert_eq!(audit.health().failing.as_deref(), Some("there is no room left on the disk"));
    assert!(audit.page(Query { limit: 9, ..Query::default() }).is_ok_and(|page| page.entries.is_empty()));
    model.recover();
    audit.inject(inject("s"), "x", false);
    let memory = audit.memory();
    audit.wait(memory, soon(), |memory| memory.health.failing.is_none());
    assert_eq!(audit.page(Query { limit: 9, ..Query::default() }).map(|page| page.entries.len()), Ok(3));
    audit.stop(soon());
    assert_eq!((report(&model).broken, report(&model).lost), (None, 0), "it was all tried again");
}
