//! The files: bounded, behind who logs, and there again afterwards.

use super::*;
use crate::store::testing::mode_of;

#[test]
fn what_was_logged_is_on_the_disk_soon_without_anybody_asking() {
    let rig = Rig::new();
    rig.agent("a").said(Role::User, "hello");
    until(|| {
        fs::read_to_string(rig.file("a")).is_ok_and(|text| text.contains("hello") && text.ends_with('\n'))
    });
    assert_eq!(mode_of(&rig.file("a")), 0o600);
}

#[test]
fn a_log_is_there_again_after_a_restart_and_goes_on() {
    let mut rig = Rig::new();
    let log = rig.agent("a");
    log.said(Role::User, "one");
    log.printed(Stream::Out, b"two", false);
    rig.again();
    assert_eq!(rig.texts("a"), ["one", "two"], "of an agent that was not started since");
    rig.agent("a").said(Role::User, "three");
    assert_eq!(rig.texts("a"), ["one", "two", "three"]);
    assert_eq!(texts(&rig.page(&["a"], Kinds::SAID, None, 9)), ["one", "three"]);
    rig.settle();
    assert_eq!(rig.texts("a"), ["one", "two", "three"], "what is in memory and on the disk comes once");
}

#[test]
fn a_line_that_was_torn_is_passed_over_and_the_next_one_is_whole() {
    let mut rig = Rig::new();
    rig.agent("a").said(Role::User, "one");
    rig.again();
    let text = fs::read(rig.file("a")).unwrap();
    for torn in [&text[..text.len() / 2], b"{\"n\":", b"\xff\xfe", b"x"] {
        fs::write(rig.file("a"), [&text, torn].concat()).unwrap();
        rig.killed();
        rig.agent("a").said(Role::User, "two");
        rig.again();
        assert_eq!(rig.texts("a"), ["one", "two"]);
    }
}

#[test]
fn a_full_file_makes_room_and_one_predecessor_is_kept() {
    let mut rig = Rig::new();
    let log = rig.agent("a");
    let text = "x".repeat(30_000);
    // Three times what one file holds.
    for at in 0..3 * limits::LOG_FILE / text.len() {
        log.said(Role::User, &format!("{at} {text}"));
        if at % 5 == 0 {
            rig.settle();
        }
    }
    rig.settle();
    let sizes: Vec<u64> = ["log.jsonl", "log.1.jsonl"]
        .map(|name| fs::metadata(rig.directory("a").join(name)).unwrap().len())
        .into();
    assert!(
        sizes.iter().all(|size| *size <= limits::LOG_FILE as u64) && sizes[1] > limits::LOG_FILE as u64 / 2
    );
    assert_eq!(fs::read_dir(rig.directory("a")).unwrap().count(), 2);
    // The count of what is gone is right, from the beginning and from any number on.
    let all = rig.page(&["a"], Kinds::ALL, Some(0), 3);
    let first: u64 = all.rows[0].record.content.split(' ').next().unwrap().parse().unwrap();
    assert_eq!((all.missed, all.rows.len()), (first, 3));
    let on = rig.page(&["a"], Kinds::ALL, Some(all.next), 3);
    assert_eq!((on.missed, on.rows[0].record.seq), (0, first + 4));
    rig.again();
    assert_eq!(rig.page(&["a"], Kinds::ALL, Some(0), 3).missed, first);
}

#[test]
fn fifty_agents_that_flood_take_a_bounded_room_and_no_line_of_the_others() {
    let rig = Rig::new();
    let quiet = rig.agent("quiet");
    let loud: Vec<Log> = (0..50).map(|at| rig.agent(&format!("loud{at}"))).collect();
    let bytes = || rig.logs.shared.writer.waiting();
    let line = [b'x'; 1_000];
    std::thread::scope(|scope| {
        for half in loud.chunks(25) {
            scope.spawn(move || {
                for _ in 0..400 {
                    half.iter().for_each(|log| log.printed(Stream::Out, &line, false));
                }
            });
        }
        for at in 0..100 {
            quiet.said(Role::User, &at.to_string());
            let most = limits::LOG_WAITING_ALL + 51 * 16 * 1024;
            assert!(bytes() <= most, "{}", bytes());
            std::thread::yield_now();
        }
    });
    rig.settle();
    let wanted: Vec<String> = (0..100).map(|at| at.to_string()).collect();
    assert_eq!(rig.texts("quiet"), wanted);
    let mut rig = rig;
    rig.again();
    assert_eq!(rig.texts("quiet"), wanted, "on the disk too");
}

#[test]
fn what_a_full_queue_or_a_failing_disk_does_not_take_is_counted_and_told() {
    let mut rig = Rig::new();
    let log = rig.agent("a");
    log.said(Role::User, "first");
    rig.settle();
    // Nothing can be written: a directory that is not empty has the file's name.
    let aside = rig.directory("a").join("aside");
    fs::rename(rig.file("a"), &aside).unwrap();
    fs::create_dir_all(rig.file("a").join("x")).unwrap();
    for at in 0..10 {
        log.said(Role::User, &format!("lost {at}"));
        rig.settle();
    }
    fs::remove_dir_all(rig.file("a")).unwrap();
    fs::rename(&aside, rig.file("a")).unwrap();
    log.said(Role::User, "works again");
    let told = "10 lines of this log were not kept: they came too fast, or the disk failed";
    until(|| log.held()[0].last().is_some_and(|record| &*record.content == told));
    assert_eq!(log.held()[0].len(), 13, "in memory they are");
    rig.again();
    assert_eq!(rig.texts("a"), ["first", "works again", told]);
    assert_eq!(rig.page(&["a"], Kinds::ALL, Some(0), 9).missed, 10);
}

#[test]
fn emptied_directories_stay_empty_of_what_was_logged_before() {
    let rig = Rig::new();
    let old = rig.agent("a");
    old.said(Role::User, "old");
    rig.logs.wipe(&name("s"));
    rig.shelf.wipe_agents(&name("s")).unwrap();
    old.said(Role::User, "late");
    let new = rig.agent("a");
    new.begin();
    new.said(Role::User, "new");
    rig.settle();
    assert_eq!(rig.texts("a"), ["new"]);
    let text = fs::read_to_string(rig.file("a")).unwrap();
    assert!(text.contains("\"seq\":1,") && text.contains("session-1") && text.lines().count() == 1, "{text}");
    rig.logs.forget(&name("s"));
    rig.shelf.purge(&name("s")).unwrap();
    new.said(Role::User, "nobody's");
    rig.settle();
    assert!(!rig.home.path().join("swarms/s").exists());
}
