//! The fuzz entries of the journal: one line, and a directory of segments.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use super::{Journal, JournalError, Place, Settings, line};
use crate::{store::disk::testing::Model, wire::crc32};

const SETTINGS: Settings =
    Settings { segment_bytes: 256, line_bytes: 128, unwritten_bytes: 1024, wait: Duration::from_secs(10) };

/// What is read as a line is what would be written for it, a line with any one bit changed is none,
/// and any fields without a newline come back with their number.
pub fn fuzz_line(bytes: &[u8]) {
    if let Ok((number, json)) = line::parse(bytes) {
        assert!((1..=line::LARGEST).contains(&number));
        let head = format!("{{\"n\":{number}");
        let rest = json.strip_prefix(head.as_bytes()).unwrap().strip_suffix(b"}").unwrap();
        if rest != b"," && !rest.contains(&b'\n') {
            let fields = rest.strip_prefix(b",").unwrap_or_default();
            let again = line::write(number, |_, out| out.extend_from_slice(fields)).unwrap();
            assert_eq!(again.strip_suffix(b"\n").unwrap(), bytes);
        }
        for bit in 0..bytes.len().min(64) * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(line::parse(&changed).is_err());
        }
    }
    let Some((number, fields)) = bytes.split_first_chunk::<8>() else { return };
    let number = (u64::from_le_bytes(*number) & line::LARGEST).max(1);
    match line::write(number, |_, out| out.extend_from_slice(fields)) {
        None => assert!(fields.contains(&b'\n')),
        Some(written) => {
            let (text, _) = written.split_at(written.len() - 1);
            assert!(written.ends_with(b"\n") && !text.contains(&b'\n'));
            assert_eq!(line::parse(text).unwrap().0, number);
        }
    }
}

/// Whatever stands in the segments: what opening shows are lines that check, in order and from where
/// it says; the second opening shows the same and finds nothing torn; and a line appended afterwards
/// has a number of its own and comes after all of them.
///
/// A line `=<base>` begins the next segment, and one that begins with `!` gets its sum from here,
/// which no fuzzer would find.
pub fn fuzz_segment(bytes: &[u8]) {
    let model = Model::new();
    let mut content = Vec::new();
    let (mut id, mut base) = (1_u32, 1_u64);
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        match text {
            [b'=', rest @ ..] => {
                model.put(&format!("{id:08x}-{base:016x}.seg"), &std::mem::take(&mut content));
                let digits = std::str::from_utf8(rest).unwrap_or_default();
                (id, base) = (id + 1, digits.trim_end().parse().unwrap_or(base));
            }
            [b'!', json @ ..] => {
                let sum = crc32::sum(json.strip_suffix(b"\n").unwrap_or(json));
                content.extend_from_slice(format!("{sum:08x} ").as_bytes());
                content.extend_from_slice(json);
            }
            other => content.extend_from_slice(other),
        }
    }
    model.put(&format!("{id:08x}-{base:016x}.seg"), &content);

    let before = model.files();
    let Some((journal, shown)) = open(&model) else { return };
    for (number, json, place) in &shown {
        let wanted = format!("{:08x}-", place.segment);
        let (_, file) = before.iter().find(|(name, _)| name.starts_with(&wanted)).unwrap();
        let text = &file[place.offset as usize..place.end() as usize];
        assert_eq!(text, [format!("{:08x} ", crc32::sum(json)).as_bytes(), json, b"\n"].concat());
        assert!(json.starts_with(format!("{{\"n\":{number}").as_bytes()));
        assert_eq!(journal.read(*place).as_ref(), Ok(json));
    }
    assert!(shown.is_sorted_by(|one, two| one.0 < two.0));

    let (_, again) = open(&model.after_kill()).unwrap();
    assert_eq!(shown, again);
    let ticket = match journal.append(|_, out| out.extend_from_slice(b"\"t\":\"new\"")) {
        // the numbers are used up
        Err(JournalError::Busy) => return,
        ticket => ticket.unwrap(),
    };
    let place = journal.wait(&ticket).unwrap();
    let (_, mut again) = open(&model.after_kill()).unwrap();
    let new = again.pop().unwrap();
    assert_eq!((new.0, new.2), (ticket.number(), place));
    assert_eq!(shown, again);
}

/// What opening shows: number, JSON text and place of each line.
type Shown = Vec<(u64, Vec<u8>, Place)>;

fn open(model: &Model) -> Option<(Journal, Shown)> {
    let mut shown = Shown::new();
    let result = Journal::open(model.disk(), SETTINGS, &mut |line| {
        shown.push((line.number, line.json.to_vec(), line.place));
    });
    match result {
        Ok((journal, opened)) => {
            assert_eq!(opened.lines, shown.len() as u64);
            assert!(opened.bad.len() as u64 <= opened.bad_in_all);
            Some((journal, shown))
        }
        Err(JournalError::Refused(_)) => None,
        Err(error) => panic!("{error}"),
    }
}
