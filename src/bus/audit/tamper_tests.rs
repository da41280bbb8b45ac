//! Every way to change the files that needs no key: each is named where it stands.

use super::{
    disk_tests::run,
    look::look,
    verify::{Broken, Noted, Report},
};
use crate::store::disk::testing::Model;

/// A log of three segments and more.
fn log() -> Model {
    let model = Model::new();
    run(&model, 12);
    assert!(segments(&model).len() >= 3);
    assert_eq!(report(&model).broken, None);
    model
}

fn segments(model: &Model) -> Vec<(String, Vec<u8>)> {
    model.files().into_iter().filter(|(name, _)| name.ends_with(".seg")).collect()
}

fn report(model: &Model) -> Report {
    look(&*model.disk(), None).expect("it can be read")
}

/// What is found when this file has another content.
fn with(model: &Model, name: &str, content: &[u8]) -> Option<Broken> {
    let changed = model.after_kill();
    changed.put(name, content);
    report(&changed).broken
}

fn lines(content: &[u8]) -> Vec<Vec<u8>> {
    content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_changed_byte_is_named_with_its_segment_and_line() {
    let model = log();
    let all = segments(&model);
    for (place, (name, content)) in all.iter().enumerate() {
        let newest = place + 1 == all.len();
        // each byte of the first two lines, and every seventh of the others
        let two = lines(content).iter().take(2).map(Vec::len).sum::<usize>();
        for at in (0..two).chain((two..content.len()).step_by(7)) {
            let mut changed = content.clone();
            changed[at] ^= 1;
            let line = content[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let broken = with(&model, name, &changed);
            if newest && at + 1 == content.len() {
                assert_eq!(broken, None, "the newline of the very last line: it is torn");
                continue;
            }
            let broken = broken.unwrap_or_else(|| panic!("byte {at} of {name}"));
            // the last line of a segment without its newline is a tail that was cut off; what is
            // missing is missed where the next one begins
            let named = (broken.segment.as_str(), broken.line);
            let next = all.get(place + 1).map(|(name, _)| (name.as_str(), 1));
            assert!(
                named == (name, line) || (at + 1 == content.len() && Some(named) == next),
                "{at}: {broken:?}"
            );
        }
    }
}

#[test]
fn lines_taken_out_doubled_or_swapped_are_named() {
    let model = log();
    let all = segments(&model);
    let newest = all.len() - 1;
    for (place, (name, content)) in all.iter().enumerate() {
        let lines = lines(content);
        for at in 0..lines.len() {
            let mut out = lines.clone();
            out.remove(at);
            let broken = with(&model, name, &out.concat());
            if place == newest && at + 1 == lines.len() {
                assert_eq!(broken, None, "the newest of all: only a note elsewhere gives it away");
            } else {
                assert!(
                    broken.is_some_and(|broken| broken.line == at as u64 + 1 || broken.line == 1),
                    "{name} {at}"
                );
            }
            let mut twice = lines.clone();
            twice.insert(at, lines[at].clone());
            let broken = with(&model, name, &twice.concat());
            // behind the last line of an older segment it is what a failed sync may leave: nobody reads it
            if place == newest || at + 1 < lines.len() {
                assert_eq!(broken.map(|broken| broken.line), Some(at as u64 + 2), "{name} {at}");
            }
            for other in at + 1..lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(at, other);
                assert!(with(&model, name, &swapped.concat()).is_some(), "{name} {at} {other}");
            }
        }
    }
}

#[test]
fn lines_put_in_are_named() {
    let model = log();
    let (name, content) = segments(&model).remove(0);
    let foreign = {
        let other = Model::new();
        run(&other, 3);
        lines(&segments(&other).remove(0).1)
    };
    let lines = lines(&content);
    for at in 1..lines.len() {
        for junk in [&b"\n"[..], b"nonsense\n", &foreign[2], &lines[0]] {
            let mut longer = lines.clone();
            longer.insert(at, junk.to_vec());
            let broken = with(&model, &name, &longer.concat()).map(|broken| broken.line);
            let same = junk == lines[at].as_slice();
            assert!(same || broken == Some(at as u64 + 1), "{at} {broken:?}");
        }
    }
}

#[test]
fn a_file_cut_short_is_missed_where_the_log_goes_on() {
    let model = log();
    let all = segments(&model);
    let (name, content) = &all[0];
    for length in (0..content.len()).step_by(11) {
        let broken = with(&model, name, &content[..length]);
        assert!(broken.is_some_and(|broken| broken.line >= 1 && !broken.why.is_empty()), "{length}");
    }
    let (name, content) = all.last().expect("a segment");
    let whole = report(&model);
    let (number, head) = (whole.last.expect("entries").0, whole.head.expect("a head"));
    for length in 0..content.len() {
        assert_eq!(with(&model, name, &content[..length]), None, "the newest: sound by itself");
        let changed = model.after_kill();
        changed.put(name, &content[..length]);
        let noted = Noted { number, hash: head.clone() };
        let broken = look(&*changed.disk(), Some(&noted)).expect("it can be read").broken;
        assert!(broken.is_some_and(|broken| broken.why.contains("was there when it was noted")), "{length}");
    }
}

#[test]
fn a_segment_taken_away_or_given_another_place_is_named() {
    let model = log();
    let all = segments(&model);
    for (place, (name, _)) in all.iter().enumerate() {
        let changed = model.after_kill();
        changed.disk().remove(name).expect("removed");
        let broken = report(&changed).broken;
        if place + 1 == all.len() {
            assert_eq!(broken, None, "the newest: only a note elsewhere gives it away");
        } else {
            let broken = broken.expect("it is missed");
            assert_eq!((broken.segment.as_str(), broken.line), (all[place + 1].0.as_str(), 1));
        }
    }
    // contents exchanged under the names
    let changed = model.after_kill();
    changed.put(&all[0].0, &all[1].1);
    changed.put(&all[1].0, &all[0].1);
    assert!(report(&changed).broken.is_some());
    // a name that claims other numbers
    let changed = model.after_kill();
    let (id, base) = all[1].0.split_once('-').expect("two parts");
    let base = u64::from_str_radix(base.trim_end_matches(".seg"), 16).expect("a number");
    changed.disk().remove(&all[1].0).expect("removed");
    changed.put(&format!("{id}-{:016x}.seg", base - 1), &all[1].1);
    assert!(report(&changed).broken.is_some());
}
