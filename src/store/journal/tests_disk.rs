//! A journal on a disk that does not answer, and on a real one.

use std::sync::mpsc;

use super::*;
use crate::store::{
    disk::{Held, RealDisk, testing::Chooser},
    testing::TempHome,
};

#[test]
fn a_writer_behind_a_disk_that_does_not_answer_is_told_at_the_deadline() {
    let model = Model::new();
    let (go, held) = mpsc::channel();
    let held = Mutex::new(held);
    let disk = Held::new(model.disk(), move |_| held.lock().expect("a lock").recv().expect("let go"));
    let settings = Settings { wait: Duration::from_millis(20), ..SMALL };
    let (journal, ..) = opened(Box::new(disk), settings);
    let first = journal.append(text("first")).expect("appended");
    thread::scope(|scope| {
        let leader = scope.spawn(|| journal.wait(&first));
        while journal.state().writer.is_some() {
            thread::yield_now();
        }
        let second = journal.append(text("second")).expect("appended while the disk is silent");
        assert_eq!(journal.wait(&second), Err(JournalError::Slow));
        assert_eq!(journal.flush(), Err(JournalError::Slow));
        go.send(()).expect("sent");
        go.send(()).expect("sent");
        assert!(leader.join().expect("no panic").is_ok());
        journal.wait(&second).expect("the disk answers again");
    });
    assert_eq!(Settings::default().wait, Duration::from_millis(limits::JOURNAL_WAIT_MS));
}

#[test]
fn a_panic_of_the_writer_is_told_and_the_next_one_writes() {
    let model = Model::new();
    let (go, held) = mpsc::channel();
    let held = Arc::new(Mutex::new(held));
    let at = Arc::clone(&held);
    let disk = Held::new(model.disk(), move |_| at.lock().expect("a lock").recv().expect("let go"));
    let (journal, ..) = opened(Box::new(disk), SMALL);
    drop(go);
    let ticket = journal.append(text("first")).expect("appended");
    assert_eq!(journal.wait(&ticket), Err(JournalError::Io));
    let (go, next) = mpsc::channel();
    held.clear_poison();
    *held.lock().expect("a lock") = next;
    go.send(()).expect("sent");
    put(&journal, "second");
    drop(journal);
    let (_, shown, _) = opened(model.disk(), SMALL);
    assert!(shown.iter().map(|(_, json)| json.contains("second")).eq([true]), "{shown:?}");
}

#[test]
fn writers_that_come_during_a_sync_share_the_next_one() {
    let model = Model::new();
    let (go, held) = mpsc::channel();
    let held = Mutex::new(held);
    let disk = Held::new(model.disk(), move |_| held.lock().expect("a lock").recv().expect("let go"));
    let (journal, ..) = opened(Box::new(disk), Settings::default());
    let first = journal.append(text("first")).expect("appended");
    thread::scope(|scope| {
        let leader = scope.spawn(|| journal.wait(&first));
        while journal.state().writer.is_some() {
            thread::yield_now();
        }
        let tickets: Vec<Ticket> = (0..15).map(|_| journal.append(text("more")).expect("appended")).collect();
        let journal = &journal;
        let followers: Vec<_> =
            tickets.into_iter().map(|ticket| scope.spawn(move || journal.wait(&ticket))).collect();
        for _ in 0..2 {
            go.send(()).expect("sent");
        }
        assert!(leader.join().expect("no panic").is_ok());
        for follower in followers {
            follower.join().expect("no panic").expect("written");
        }
    });
    let syncs = model.log().iter().filter(|what| *what == "sync Commit").count();
    assert_eq!(syncs, 2);
}

#[test]
fn on_a_real_disk_what_was_waited_for_is_shown_again_and_read() {
    let temp = TempHome::new();
    let disk = || Box::new(RealDisk::open(&temp.home(), "mail").expect("a directory"));
    let (journal, ..) = opened(disk(), SMALL);
    let places: Vec<Place> = (0..20).map(|at| put(&journal, &format!("line {at}"))).collect();
    drop(journal);
    let (journal, shown, _) = opened(disk(), SMALL);
    assert!(shown.iter().map(|(number, _)| *number).eq(1..=20));
    for place in places {
        journal.read(place).expect("read");
    }
    let oldest = journal.segments()[0].id;
    journal.remove_oldest(oldest).expect("removed");
    drop(journal);
    let (_, shown, _) = opened(disk(), SMALL);
    assert!(shown.len() < 20 && shown.last().is_some_and(|(number, _)| *number == 20));
}

#[test]
fn on_a_real_disk_a_segment_that_is_not_ours_alone_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    const NAME: &str = "00000001-0000000000000001.seg";
    let refused = |put: &dyn Fn(&std::path::Path), wanted: &str| {
        let temp = TempHome::new();
        let disk = RealDisk::open(&temp.home(), "mail").expect("a directory");
        assert_eq!(crate::store::testing::mode_of(&temp.path().join("mail")), 0o700);
        put(&temp.path().join("mail").join(NAME));
        match Journal::open(Box::new(disk), SMALL, &mut |_| {}) {
            Err(JournalError::Refused(why)) => assert!(why.contains(NAME) && why.contains(wanted), "{why}"),
            Err(other) => panic!("{wanted}: {other:?}"),
            Ok(_) => panic!("{wanted}: taken"),
        }
    };
    refused(&|at| symlink("/dev/zero", at).expect("a link"), "symbolic link");
    refused(&|at| std::fs::create_dir(at).expect("a directory"), "not a regular file");
    refused(
        &|at| {
            std::fs::write(at, "").expect("written");
            std::fs::set_permissions(at, PermissionsExt::from_mode(0o640)).expect("mode");
        },
        "lets others in",
    );
    refused(&|at| drop(std::os::unix::net::UnixListener::bind(at).expect("a socket")), "not a regular file");
    if crate::store::testing::is_root() {
        refused(
            &|at| {
                std::fs::write(at, "").expect("written");
                std::fs::set_permissions(at, PermissionsExt::from_mode(0o600)).expect("mode");
                std::os::unix::fs::chown(at, Some(65_534), None).expect("chown");
            },
            "belongs to uid 65534",
        );
    }
}

#[test]
fn on_a_real_disk_a_directory_that_is_a_link_or_open_to_others_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let temp = TempHome::new();
    let mail = temp.path().join("mail");
    symlink(temp.around(), &mail).expect("a link");
    let refused = RealDisk::open(&temp.home(), "mail").expect_err("refused").to_string();
    assert!(refused.contains("home/mail is a symbolic link"), "{refused}");
    std::fs::remove_file(&mail).expect("removed");
    std::fs::create_dir(&mail).expect("a directory");
    std::fs::set_permissions(&mail, PermissionsExt::from_mode(0o755)).expect("mode");
    let refused = RealDisk::open(&temp.home(), "mail").expect_err("refused").to_string();
    assert!(refused.contains("lets others in"), "{refused}");
}

/// Syncs, cuts and removals may fail for as long as they like: what waits is written once they work, and there are few files.
#[test]
fn a_disk_whose_syncs_fail_for_long_holds_few_files_and_then_takes_what_waits() {
    const ALL: usize = usize::MAX;
    for refused in [
        &[("sync Commit", ALL)][..],
        &[("sync Commit", 1), ("sync_dir NewSegment", ALL)],
        &[("sync Commit", ALL), ("remove", ALL)],
        &[("append", ALL)],
    ] {
        let model = Model::new();
        let (journal, ..) = opened(model.disk(), SMALL);
        let first = put(&journal, "first");
        let lazy = journal.append(text("lazy")).expect("appended");
        refused.iter().for_each(|(what, times)| model.refuse(what, *times));
        let most = if refused.contains(&("remove", ALL)) { 10 } else { 4 };
        for round in 0..100 {
            let waited = journal.append(text("waited")).expect("appended");
            assert_eq!(journal.wait(&waited), Err(JournalError::Io));
            assert_eq!(journal.flush(), Err(JournalError::Io));
            assert!(model.files().len() <= most, "{refused:?}: {:?}", model.files().keys());
            journal.read(first).expect("what counts is read");
            for segment in journal.segments() {
                journal.lines_of(segment.id, &mut |line| assert_eq!(line.number, 1)).expect("read");
            }
            let (_, shown, _) = opened(model.after_power_loss(&mut Chooser::seeded(round)).disk(), SMALL);
            assert!(shown[0].1.contains("first"), "{refused:?}: {shown:?}");
        }
        model.recover();
        let next = put(&journal, "next");
        let lazy = journal.wait(&lazy).expect("it was tried again");
        for place in [first, lazy, next] {
            journal.read(place).expect("read");
        }
        let names: Vec<String> = journal.state().segments.iter().map(Known::name).collect();
        assert!(model.files().into_keys().eq(names), "{refused:?}: what is there is known");
        let shown = |model: &Model| opened(model.disk(), SMALL).1;
        let wanted = shown(&model.after_kill());
        assert!(wanted.iter().map(|(number, _)| *number).eq([1, 2, 103]), "{refused:?}: {wanted:?}");
        for seed in 0..50 {
            assert_eq!(shown(&model.after_power_loss(&mut Chooser::seeded(seed))), wanted, "{refused:?}");
        }
        // They go as any other does.
        for segment in journal.segments().iter().filter(|segment| !segment.open) {
            journal.remove_oldest(segment.id).expect("removed");
        }
        let wanted: Vec<_> = wanted.into_iter().filter(|(number, _)| *number > 1).collect();
        for seed in 0..50 {
            assert_eq!(shown(&model.after_power_loss(&mut Chooser::seeded(seed))), wanted, "{refused:?}");
        }
    }
}
