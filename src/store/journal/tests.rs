use std::thread;

use super::*;
use crate::store::disk::testing::Model;

const SMALL: Settings =
    Settings { segment_bytes: 256, line_bytes: 128, unwritten_bytes: 1024, wait: Duration::from_secs(10) };

/// A journal, and what opening it showed.
fn opened(disk: Box<dyn Disk>, settings: Settings) -> (Journal, Vec<(u64, String)>, Opened) {
    let mut shown = Vec::new();
    let (journal, opened) = Journal::open(disk, settings, &mut |line| {
        shown.push((line.number, String::from_utf8(line.json.to_vec()).expect("UTF-8")));
    })
    .expect("it opens");
    (journal, shown, opened)
}

fn text(text: &str) -> impl FnOnce(u64, &mut Vec<u8>) {
    let field = format!("\"t\":\"{text}\"");
    move |_, out| out.extend_from_slice(field.as_bytes())
}

fn put(journal: &Journal, what: &str) -> Place {
    let ticket = journal.append(text(what)).expect("appended");
    journal.wait(&ticket).expect("written")
}

#[test]
fn what_was_waited_for_is_shown_again_and_read() {
    let model = Model::new();
    let (journal, shown, found) = opened(model.disk(), Settings::default());
    assert!(shown.is_empty() && found == Opened::default());
    let first = put(&journal, "one");
    let second = put(&journal, "two");
    assert_eq!(journal.read(first).expect("read"), br#"{"n":1,"t":"one"}"#);
    assert_eq!(journal.read(second).expect("read"), br#"{"n":2,"t":"two"}"#);
    drop(journal);
    let (journal, shown, found) = opened(model.disk(), Settings::default());
    assert_eq!(shown, [(1, r#"{"n":1,"t":"one"}"#.into()), (2, r#"{"n":2,"t":"two"}"#.into())]);
    assert_eq!(found, Opened { lines: 2, ..Opened::default() });
    assert_eq!(journal.append(text("three")).expect("appended").number(), 3);
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    let places: Vec<Place> =
        (0..40).map(|_| put(&journal, "0123456789012345678901234567890123456789")).collect();
    let segments = journal.segments();
    assert!(segments.len() > 10);
    assert!(segments.iter().all(|segment| segment.bytes <= SMALL.segment_bytes && segment.bytes > 0));
    assert_eq!(segments.iter().filter(|segment| segment.open).count(), 1);
    for place in &places {
        journal.read(*place).expect("read");
    }
    let (_, shown, found) = opened(model.after_kill().disk(), SMALL);
    assert!(shown.iter().map(|(number, _)| *number).eq(1..=40));
    assert_eq!(found, Opened { lines: 40, ..Opened::default() });
    assert_eq!(Settings::default().segment_bytes, limits::JOURNAL_SEGMENT as u64);
}

#[test]
fn a_line_over_its_limit_is_refused_and_never_read_whole() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    let longest = "x".repeat(128 - "00000000 {\"n\":1,\"t\":\"\"}\n".len());
    put(&journal, &longest);
    assert_eq!(journal.append(text(&format!("{longest}x"))).err(), Some(JournalError::TooLong));
    put(&journal, "after");

    // one that stands there all the same, in the middle
    let (name, mut bytes) = model.files().pop_first().expect("a segment");
    let (good, after) = (128, bytes.split_off(128));
    bytes.extend_from_slice(&vec![b'y'; 3_000_000]);
    bytes.push(b'\n');
    bytes.extend_from_slice(&after);
    let model = Model::new();
    model.put(&name, &bytes);
    let (_, shown, found) = opened(model.disk(), SMALL);
    assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found.bad, [Bad { segment: 1, offset: good, why: "too long" }]);
}

#[test]
fn lines_that_wait_for_the_disk_are_bounded() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    let mut lines = 0;
    while let Ok(ticket) = journal.append(text("lazy")) {
        lines += 1;
        assert_eq!(ticket.number(), lines);
    }
    assert!(lines > 30);
    assert_eq!(journal.append(text("lazy")).err(), Some(JournalError::Busy));
    assert!(journal.has_unflushed());
    journal.flush().expect("written");
    assert!(!journal.has_unflushed());
    assert_eq!(journal.append(text("lazy")).expect("room again").number(), lines + 1);
    assert_eq!(Settings::default().unwritten_bytes, limits::JOURNAL_UNWRITTEN);
}

#[test]
fn a_directory_of_too_many_files_is_refused() {
    let model = Model::new();
    for at in 0..limits::JOURNAL_FILES {
        model.put(&format!("{at}"), b"");
    }
    let (_, _, found) = opened(model.disk(), SMALL);
    assert_eq!(found.foreign.len(), limits::JOURNAL_BAD_SHOWN);
    model.put("one more", b"");
    let refused = Journal::open(model.disk(), SMALL, &mut |_| {}).err();
    assert!(matches!(refused, Some(JournalError::Refused(_))), "{refused:?}");
}

#[test]
fn bad_lines_are_reported_in_a_bounded_list() {
    let model = Model::new();
    let mut bytes = b"what is this\n".repeat(100);
    bytes.extend(line::write(7, text("good")).expect("a line"));
    model.put("00000001-0000000000000001.seg", &bytes);
    let (_, shown, found) = opened(model.disk(), SMALL);
    assert_eq!(shown.len(), 1);
    assert_eq!((found.bad.len(), found.bad_in_all), (limits::JOURNAL_BAD_SHOWN, 100));
    assert_eq!(found.torn, None);
}

#[test]
fn a_torn_tail_is_cut_and_reported_and_its_numbers_are_not_given_out_again() {
    let whole = Model::new();
    let (journal, ..) = opened(whole.disk(), Settings::default());
    let places = ["one", "two", "three"].map(|word| put(&journal, word));
    let (name, bytes) = whole.files().pop_first().expect("a segment");
    let good = places[2].offset as usize;
    // cut anywhere in the last line, or that line spoiled by the disk after somebody was told of it
    let spoiled = (good..bytes.len()).map(|at| {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 0x10;
        spoiled
    });
    for torn in (good + 1..bytes.len()).map(|len| bytes[..len].to_vec()).chain(spoiled) {
        let model = Model::new();
        model.put(&name, &torn);
        let (journal, shown, found) = opened(model.disk(), Settings::default());
        assert_eq!(shown.len(), 2);
        let cut = Torn { segment: 1, offset: good as u64, bytes: (torn.len() - good) as u64 };
        assert_eq!(found, Opened { lines: 2, torn: Some(cut), ..Opened::default() });
        drop(journal);
        // nor after a second start
        let (journal, shown, found) = opened(model.after_kill().disk(), Settings::default());
        assert_eq!((shown.len(), found), (2, Opened { lines: 2, ..Opened::default() }));
        let ticket = journal.append(text("four")).expect("appended");
        assert!(ticket.number() > 3, "{}", ticket.number());
        journal.wait(&ticket).expect("written");
    }
}

#[test]
fn a_bad_line_elsewhere_is_reported_and_passed_over() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), Settings::default());
    let places = ["one", "two", "three"].map(|word| put(&journal, word));
    let (name, mut bytes) = model.files().pop_first().expect("a segment");
    let offset = places[1].offset;
    bytes[offset as usize + 12] ^= 1;
    let model = Model::new();
    model.put(&name, &bytes);
    let (journal, shown, found) = opened(model.disk(), Settings::default());
    assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
    let bad = Bad { segment: 1, offset: offset.into(), why: "its sum does not check" };
    assert_eq!(found, Opened { lines: 2, bad: vec![bad], bad_in_all: 1, ..Opened::default() });
    assert_eq!(journal.read(places[1]), Err(JournalError::Gone));
    assert_eq!(put(&journal, "four").segment, 1, "the segment goes on");
}

#[test]
fn a_line_has_exactly_one_spelling() {
    let good = line::write(12, text("x")).expect("a line");
    let good = good.strip_suffix(b"\n").expect("a newline");
    assert_eq!(line::parse(good), Ok((12, &br#"{"n":12,"t":"x"}"#[..])));
    assert_eq!(line::write(1, |_, _| {}).expect("a line").len() as u64, line::SHORTEST);
    assert_eq!(line::write(1, |_, out| out.push(b'\n')), None);
    let with_sum = |json: &str| format!("{:08x} {json}", crate::wire::crc32::sum(json.as_bytes()));
    let upper = String::from_utf8(good.to_vec()).expect("UTF-8").replace(char::is_lowercase, "A");
    for bad in [
        upper,
        String::new(),
        "00000000".into(),
        with_sum(""),
        with_sum("{}"),
        with_sum(r#"{"n":012}"#),
        with_sum(r#"{"n":0}"#),
        with_sum(r#"{"n":}"#),
        with_sum(r#"{"n":-1}"#),
        with_sum(r#"{"n":1e3}"#),
        with_sum(r#"{"n":1"#),
        with_sum(r#" {"n":1}"#),
        with_sum(r#"{"n":9007199254740992}"#),
        with_sum(r#"{"n":99999999999999999999999}"#),
    ] {
        assert!(line::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert_eq!(
        line::parse(with_sum(r#"{"n":9007199254740991}"#).as_bytes()).map(|(n, _)| n),
        Ok(line::LARGEST)
    );
}

#[test]
fn many_writers_lose_and_mix_nothing() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    let journal = &journal;
    let mut written: Vec<(u64, Place, String)> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                scope.spawn(move || {
                    let write = |at| {
                        let word = format!("{writer} {at}");
                        let ticket = journal.append(text(&word)).expect("appended");
                        (ticket.number(), journal.wait(&ticket).expect("written"), word)
                    };
                    (0..50).map(write).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect()
    });
    written.sort();
    let json = |number, word| format!("{{\"n\":{number},\"t\":\"{word}\"}}");
    for (number, place, word) in &written {
        assert_eq!(journal.read(*place).expect("read"), json(*number, word).into_bytes());
    }
    let (_, shown, _) = opened(model.after_kill().disk(), SMALL);
    assert_eq!(
        shown,
        written.iter().map(|(number, _, word)| (*number, json(*number, word))).collect::<Vec<_>>()
    );
}

#[test]
fn a_full_disk_is_told_to_those_who_wait_and_nothing_else_is_lost() {
    use crate::store::disk::testing::Fault;
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), Settings::default());
    let kept = put(&journal, "kept");
    let lazy = journal.append(text("lazy")).expect("appended");
    model.fail(model.operations() + 1, Fault::Short, true);
    for _ in 0..3 {
        let ticket = journal.append(text("refused")).expect("appended");
        assert_eq!(journal.wait(&ticket), Err(JournalError::NoSpace));
        assert_eq!(journal.wait(&ticket), Err(JournalError::NoSpace), "and it stays so");
    }
    assert_eq!(journal.flush(), Err(JournalError::NoSpace));
    assert_eq!(journal.read(kept).expect("read"), br#"{"n":1,"t":"kept"}"#);
    model.recover();
    let place = journal.wait(&lazy).expect("it was kept");
    assert_eq!(journal.read(place).expect("read"), br#"{"n":2,"t":"lazy"}"#);
    put(&journal, "after");
    let (_, shown, _) = opened(model.after_kill().disk(), Settings::default());
    assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 6]);
}

#[test]
fn a_failed_sync_closes_its_segment_and_the_lines_go_elsewhere_before_they_count() {
    use crate::store::disk::testing::Fault;
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), Settings::default());
    let kept = put(&journal, "kept");
    // append, sync
    model.fail(model.operations() + 2, Fault::Io, false);
    let moved = put(&journal, "moved");
    assert_eq!((kept.segment, moved.segment), (1, 2));
    assert_eq!(put(&journal, "after").segment, 2, "the first one is closed for good");
    assert_eq!(journal.read(moved).expect("read"), br#"{"n":2,"t":"moved"}"#);
    let (_, shown, found) = opened(model.after_kill().disk(), Settings::default());
    assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(found.lines, 3);
}

#[test]
fn lines_that_nobody_waits_for_do_not_hold_up_who_waits_behind_them() {
    use crate::store::disk::testing::Fault;
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    for _ in 0..12 {
        let _ = journal.append(text("more than one segment of lazy lines")).map(|ticket| ticket.number());
    }
    let ticket = journal.append(text("waited for")).expect("appended");
    model.fail(model.operations() + 1, Fault::Io, true);
    assert_eq!(journal.wait(&ticket), Err(JournalError::Io));
    model.recover();
    journal.flush().expect("written");
    assert_eq!(opened(model.after_kill().disk(), SMALL).1.len(), 12);
}

#[test]
fn only_the_oldest_segment_is_removed_and_never_the_newest() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    let places: Vec<Place> =
        (0..20).map(|_| put(&journal, "0123456789012345678901234567890123456789")).collect();
    let ids: Vec<u32> = journal.segments().iter().map(|segment| segment.id).collect();
    assert_eq!(journal.remove_oldest(ids[1]), Err(JournalError::Gone));
    let mut lines = 0;
    journal.lines_of(ids[0], &mut |_| lines += 1).expect("read");
    assert!(lines > 0);
    for id in &ids[..ids.len() - 1] {
        journal.remove_oldest(*id).expect("removed");
    }
    assert_eq!(journal.remove_oldest(ids[ids.len() - 1]), Err(JournalError::Gone));
    assert_eq!(journal.read(places[0]), Err(JournalError::Gone));
    // the numbers go on, whatever is left
    let (journal, ..) = opened(model.after_kill().disk(), SMALL);
    assert_eq!(journal.append(text("next")).expect("appended").number(), 21);
}

#[test]
fn segments_that_contradict_each_other_are_refused_and_other_files_left_alone() {
    let one = "00000001-0000000000000005.seg";
    for two in ["00000001-0000000000000006.seg", "00000002-0000000000000004.seg"] {
        let model = Model::new();
        model.put(one, b"");
        model.put(two, b"");
        let refused = Journal::open(model.disk(), SMALL, &mut |_| {}).err();
        assert!(matches!(refused, Some(JournalError::Refused(_))), "{two}: {refused:?}");
    }
    let model = Model::new();
    model.put(one, b"");
    let others = ["README", "00000002-0000000000000006.SEG", "2-6.seg", "0000000A-0000000000000006.seg"];
    for name in others.iter().chain(&["00000003-0000000000000000.seg", "00000003-ffffffffffffffff.seg"]) {
        model.put(name, b"not ours\n");
    }
    let (journal, shown, found) = opened(model.disk(), SMALL);
    assert!(shown.is_empty() && found.foreign.len() == 6);
    put(&journal, "x");
    assert_eq!(model.files()["README"], b"not ours\n");
    assert_eq!(journal.append(text("next")).expect("appended").number(), 6, "a name's base counts");
}

#[test]
fn a_number_that_leaves_none_for_others_is_refused() {
    let model = Model::new();
    model.put("00000001-0000000000000001.seg", &line::write(line::LARGEST, text("last")).expect("a line"));
    let refused = Journal::open(model.disk(), SMALL, &mut |_| {}).err();
    assert!(matches!(refused, Some(JournalError::Refused(_))), "{refused:?}");
}

#[path = "tests_disk.rs"]
mod disk;
#[path = "tests_newest.rs"]
mod newest;
#[path = "tests_power.rs"]
mod power;
