//! What an agent may do in the directory of its logs: nothing outside is read, written or removed, nothing hangs, and
//! what is no record is passed over.

use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;
use crate::store::testing::{Silent, in_own_mounts, is_root};

/// An agent with a record on the disk, and a file elsewhere that must stay as it is.
fn rig() -> (Rig, PathBuf) {
    let rig = Rig::new();
    rig.agent("a").said(Role::User, "first");
    rig.settle();
    let elsewhere = rig.home.around().join("elsewhere");
    fs::write(&elsewhere, fs::read(rig.file("a")).unwrap()).unwrap();
    (rig, elsewhere)
}

/// What is logged now is kept, or it is not; nobody waits, and `elsewhere` is as it was.
#[track_caller]
fn goes_on(rig: &mut Rig, elsewhere: &PathBuf, is_kept: bool) {
    let before = fs::read(elsewhere).unwrap();
    let log = rig.swarm().agent(&name("a"));
    log.said(Role::User, "second");
    rig.settle();
    assert!(log.held()[0].iter().any(|record| &*record.content == "second"), "in memory it is");
    rig.again();
    assert_eq!(rig.texts("a").contains(&"second".to_owned()), is_kept);
    assert!(!rig.texts("a").contains(&"outside".to_owned()));
    assert_eq!(fs::read(elsewhere).unwrap(), before, "nothing was written there");
}

#[test]
fn a_link_in_the_place_of_a_log_leads_nowhere() {
    let (mut rig, elsewhere) = rig();
    let text = fs::read_to_string(&elsewhere).unwrap().replace("first", "outside");
    fs::write(&elsewhere, text).unwrap();
    fs::remove_file(rig.file("a")).unwrap();
    symlink(&elsewhere, rig.file("a")).unwrap();
    symlink(&elsewhere, rig.directory("a").join("log.1.jsonl")).unwrap();
    goes_on(&mut rig, &elsewhere, true);
    assert_eq!(rig.texts("a"), ["second"]);
    fs::remove_file(rig.file("a")).unwrap();
    fs::hard_link(&elsewhere, rig.file("a")).unwrap();
    goes_on(&mut rig, &elsewhere, true);
    assert_eq!(rig.texts("a"), ["second"]);
}

#[test]
fn a_link_in_the_place_of_the_directory_leads_nowhere() {
    let (mut rig, elsewhere) = rig();
    let outside = rig.home.around().join("outside");
    fs::create_dir(&outside).unwrap();
    let text = fs::read_to_string(&elsewhere).unwrap().replace("first", "outside");
    fs::write(outside.join("log.jsonl"), &text).unwrap();
    fs::remove_dir_all(rig.directory("a")).unwrap();
    symlink(&outside, rig.directory("a")).unwrap();
    goes_on(&mut rig, &elsewhere, false);
    assert_eq!(fs::read_to_string(outside.join("log.jsonl")).unwrap(), text);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    fs::remove_file(rig.directory("a")).unwrap();
    goes_on(&mut rig, &elsewhere, false);
}

#[test]
fn what_would_wait_or_act_is_not_opened_and_makes_room() {
    let (mut rig, elsewhere) = rig();
    fs::remove_file(rig.file("a")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(rig.file("a")).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(rig.texts("a").contains(&"first".to_owned()), "from memory: nobody waits for a writer");
        goes_on(&mut rig, &elsewhere, true);
        fs::remove_file(rig.file("a")).unwrap();
    } else {
        println!("skipped: mkfifo missing");
    }
    let _socket = UnixListener::bind(rig.file("a")).unwrap();
    goes_on(&mut rig, &elsewhere, true);
    fs::remove_file(rig.file("a")).unwrap();
    fs::create_dir(rig.file("a")).unwrap();
    goes_on(&mut rig, &elsewhere, true);
    fs::remove_file(rig.file("a")).unwrap();
    // One that is not empty stays: it is not ours to remove.
    fs::create_dir_all(rig.file("a").join("full")).unwrap();
    goes_on(&mut rig, &elsewhere, false);
    assert!(rig.file("a").join("full").exists());
    fs::remove_dir_all(rig.file("a")).unwrap();
    if is_root() {
        fs::write(rig.file("a"), fs::read_to_string(&elsewhere).unwrap().replace("first", "outside"))
            .unwrap();
        std::os::unix::fs::chown(rig.file("a"), Some(12_345), None).unwrap();
        goes_on(&mut rig, &elsewhere, true);
    }
}

#[test]
fn a_file_that_cannot_be_moved_away_costs_the_older_half() {
    let (mut rig, elsewhere) = rig();
    fs::create_dir_all(rig.directory("a").join("log.1.jsonl/full")).unwrap();
    fs::write(rig.file("a"), vec![b'\n'; limits::LOG_FILE]).unwrap();
    goes_on(&mut rig, &elsewhere, true);
    assert!(rig.directory("a").join("log.1.jsonl/full").exists());
}

#[test]
fn a_log_that_is_cut_or_removed_goes_on() {
    let (mut rig, elsewhere) = rig();
    fs::write(rig.file("a"), "").unwrap();
    goes_on(&mut rig, &elsewhere, true);
    fs::remove_file(rig.file("a")).unwrap();
    goes_on(&mut rig, &elsewhere, true);
}

#[test]
fn what_an_agent_fills_its_log_with_is_passed_over_and_bounded() {
    let (mut rig, elsewhere) = rig();
    let record = fs::read_to_string(&elsewhere).unwrap();
    // A line without an end, lines that are nearly records, and a whole one in the middle of them.
    let mut junk = vec![b'{'; 9 * 1024 * 1024];
    junk.extend_from_slice(b"\n{\"n\":1}\n\n\0\n");
    junk.extend_from_slice("[".repeat(100_000).as_bytes());
    junk.push(b'\n');
    junk.extend_from_slice(record.as_bytes());
    junk.extend_from_slice(record.replace("\"content\"", "\"contents\"").as_bytes());
    junk.extend_from_slice("{\"n\":".repeat(50_000).as_bytes());
    fs::write(rig.file("a"), &junk).unwrap();
    rig.killed();
    assert_eq!(rig.texts("a"), ["first"]);
    goes_on(&mut rig, &elsewhere, true);
    assert_eq!(rig.texts("a"), ["first", "second"]);
    assert!(fs::metadata(rig.file("a")).unwrap().len() <= limits::LOG_FILE as u64);
    // Twenty gigabytes that are not there: it is read from its end, and no further than it may.
    fs::File::options().write(true).open(rig.file("a")).unwrap().set_len(20 << 30).unwrap();
    rig.killed();
    assert!(rig.texts("a").len() <= 1);
    goes_on(&mut rig, &elsewhere, true);
}

#[test]
fn numbers_and_texts_that_an_agent_makes_up_stay_within_its_own_log() {
    let year = 366 * 24 * 3_600 * 1_000_000;
    let (first, elsewhere) = rig();
    let record = fs::read_to_string(&elsewhere).unwrap();
    drop(first);
    let n = record.split([':', ',']).nth(1).unwrap();
    let seq = |seq: u64| record.replace("\"seq\":1,", &format!("\"seq\":{seq},"));
    for forged in [
        record.replace(n, &u64::MAX.to_string()),
        record.replace(n, "9007199254740991"),
        record.replace(n, &(TODAY * 1_000 + year / 2).to_string()),
        record.replace(n, "0"),
        seq(u64::MAX).replace("session-1", &format!("session-{}", u64::MAX)),
        seq(u64::from(u32::MAX)),
        seq(1) + &seq(1 << 40),
        record.replace("first", "esc \\u001b]0;t\\u0007 API_KEY=sk-1"),
    ] {
        let (mut rig, _) = self::rig();
        let since = rig.page(&["a"], Kinds::ALL, None, 9).next;
        // Last in the file, and behind what is there.
        let put = |rig: &Rig| {
            let text = fs::read_to_string(rig.file("a")).unwrap();
            fs::write(rig.file("a"), format!("{text}{forged}")).unwrap();
        };
        put(&rig);
        rig.killed();
        let log = rig.agent("a");
        log.begin();
        log.said(Role::User, "second");
        rig.agent("b").said(Role::User, "other");
        let page = rig.page(&["a", "b"], Kinds::ALL, None, 100);
        let last = *numbers(&page.rows).last().unwrap();
        assert!(last < TODAY * 1_000 + year, "nobody's numbers are pushed away");
        assert!(
            texts(&page).ends_with(&["second".to_owned(), "other".to_owned()]),
            "{forged}: {:?}",
            texts(&page)
        );
        let all = texts(&page).concat();
        assert!(!all.contains('\u{1b}') && !all.contains("sk-1"), "{all}");
        // While it runs, too; with records that are on the disk alone.
        put(&rig);
        for at in 0..2 * limits::LOG_MEMORY / 1_024 {
            log.said(Role::User, &format!("{at:>1024}"));
            if at % 16 == 0 {
                rig.settle();
            }
        }
        for since in [0, 1, since] {
            let missed = rig.page(&["a", "b"], Kinds::ALL, Some(since), usize::MAX).missed;
            assert!(missed <= 100_000, "{forged}: {missed} would be of no use to who reads them all");
        }
        rig.again();
        assert_eq!(rig.texts("b"), ["other"]);
        assert_eq!(rig.page(&["b"], Kinds::ALL, Some(0), 9).missed, 0);
    }
}

#[test]
fn junk_at_the_end_of_a_log_hides_nothing_that_lies_before_it() {
    let (mut rig, _) = rig();
    let text = fs::read(rig.file("a")).unwrap();
    for junk in [vec![b'x'; 512 * 1024], b"{\"n\":1}\n".repeat(64 * 1024)] {
        fs::write(rig.file("a"), [&text[..], &junk].concat()).unwrap();
        rig.killed();
        assert_eq!(rig.texts("a"), ["first"], "of an agent that was not started since: {}", junk.len());
        rig.agent("a").said(Role::User, "second");
        assert_eq!(rig.texts("a"), ["first", "second"]);
        assert_eq!(texts(&rig.page(&["a"], Kinds::ALL, Some(0), 9)), ["first", "second"]);
    }
}

#[test]
fn a_file_system_that_answers_nothing_holds_up_no_log_no_reader_and_no_purge() {
    if !in_own_mounts(
        module_path!(),
        "a_file_system_that_answers_nothing_holds_up_no_log_no_reader_and_no_purge",
    ) {
        return;
    }
    let told = "the lines of this log are not kept for now; of its directory or file: another file system is mounted \
                over it";
    for over in ["a/logs/log.jsonl", "a/logs", "a", ""] {
        let (mut rig, _) = rig();
        let log = rig.agent("a");
        rig.agent("b").said(Role::User, "other");
        rig.settle();
        let silent = Silent::over(&rig.home.path().join("swarms/s/agents").join(over));
        for text in ["second", "third"] {
            log.said(Role::User, text);
            rig.settle();
        }
        // What tells of it is the first that is refused behind it.
        rig.settle();
        let mut texts = rig.texts("a");
        texts.sort();
        assert_eq!(texts, ["first", "second", told, "third"], "{over}: told once, and in memory all of it");
        if !over.is_empty() {
            rig.agent("b").said(Role::User, "goes on");
            rig.settle();
            assert!(fs::read_to_string(rig.file("b")).unwrap().contains("goes on"));
        }
        rig.again();
        assert!(!rig.texts("a").contains(&"second".to_owned()), "{over}");
        assert!(rig.shelf.purge(&name("s")).is_err(), "{over}: it cannot be gone");
        assert!(!rig.home.path().join("swarms/s").exists(), "{over}: its name is free");
        drop(silent);
    }
}
