use super::*;
use crate::wire::secret::Secret;

fn key(byte: u8) -> ChainKey {
    ChainKey::new(Secret::new(vec![byte; 32]))
}

/// One step of reading.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Segment(&'static str),
    Line(Vec<u8>),
    Bad,
    Torn,
}

/// A log of these entries' fields, numbered from `first` on, with a new segment where a name stands.
struct Log {
    steps: Vec<Step>,
    next: u64,
    prev: String,
    /// hash of each line, by number
    hashes: Vec<(u64, String)>,
}

impl Log {
    fn from(first: u64, prev: &str) -> Self {
        Self { steps: Vec::new(), next: first, prev: prev.to_owned(), hashes: Vec::new() }
    }

    fn segment(mut self, name: &'static str) -> Self {
        self.steps.push(Step::Segment(name));
        self
    }

    fn entry(mut self, fields: &str) -> Self {
        let mut json = format!("{{\"n\":{},", self.next).into_bytes();
        let fields = format!("\"timestamp\":{},{fields}", 1_000 + self.next);
        key(1).seal(self.next, &self.prev, &fields, &mut json);
        json.push(b'}');
        self.prev = key(1).link(&json);
        self.hashes.push((self.next, self.prev.clone()));
        self.next += 1;
        self.steps.push(Step::Line(json));
        self
    }

    fn entries(self, count: usize) -> Self {
        (0..count).fold(self, |log, _| log.entry("\"kind\":\"message\",\"to\":\"a\""))
    }
}

fn read(steps: &[Step], noted: Option<&str>) -> Report {
    let noted = noted.map(|noted| Noted::parse(noted).expect("well formed"));
    let mut verifier = Verifier::new(key(1), noted);
    for step in steps {
        match step {
            Step::Segment(name) => verifier.segment(name),
            Step::Line(json) => verifier.line(json),
            Step::Bad => verifier.bad("its sum does not check"),
            Step::Torn => verifier.torn(),
        }
    }
    verifier.finish()
}

fn broken(steps: &[Step]) -> (String, u64, String) {
    let broken = read(steps, None).broken.expect("it is broken");
    (broken.segment, broken.line, broken.why)
}

/// Six entries: steps 1, 2, 3 in `one`, 5, 6, 7 in `two`.
fn six() -> Vec<Step> {
    Log::from(1, START).segment("one").entries(3).segment("two").entries(3).steps
}

#[test]
fn a_whole_log_is_sound_and_its_head_is_told() {
    let log = Log::from(1, START).segment("one").entries(3).segment("two").entries(2);
    let report = read(&log.steps, None);
    assert_eq!(report.broken, None);
    assert_eq!((report.entries, report.first, report.last), (5, Some((1, 1_001)), Some((5, 1_005))));
    assert_eq!(report.head.as_ref(), Some(&log.prev));
    assert_eq!(read(&[], None), Report::default());
    assert_eq!(read(&[Step::Segment("one")], None), Report::default());
}

#[test]
fn a_change_of_any_byte_is_named_where_it_stands() {
    let steps = six();
    for (at, segment, line) in [(1, "one", 1), (3, "one", 3), (5, "two", 1), (7, "two", 3)] {
        let Step::Line(json) = &steps[at] else { panic!("a line") };
        for byte in 0..json.len() {
            let mut changed = json.clone();
            changed[byte] = changed[byte].wrapping_add(1);
            let mut steps = steps.clone();
            steps[at] = Step::Line(changed);
            let (found, number, _) = broken(&steps);
            assert_eq!((found.as_str(), number), (segment, line), "byte {byte}");
        }
        let mut steps = steps.clone();
        steps[at] = Step::Bad;
        let (found, number, why) = broken(&steps);
        assert_eq!((found.as_str(), number, why.as_str()), (segment, line, "its sum does not check"));
    }
}

#[test]
fn what_is_taken_out_put_in_or_swapped_is_named() {
    for (at, segment, line, missing) in
        [(1, "one", 1, "1 to 1"), (2, "one", 2, "2 to 2"), (3, "two", 1, "3 to 3"), (6, "two", 2, "5 to 5")]
    {
        let mut steps = six();
        steps.remove(at);
        let (found, number, why) = broken(&steps);
        assert_eq!((found.as_str(), number), (segment, line), "{at}: {why}");
        assert!(why.contains(&format!("entries {missing} are missing")), "{why}");
    }
    for (first, second, line) in [(1, 2, 1), (2, 3, 2), (5, 7, 1)] {
        let mut steps = six();
        steps.swap(first, second);
        assert_eq!(broken(&steps).1, line, "{first} and {second}");
    }
    for at in [2, 3, 4, 6, 7] {
        let mut steps = six();
        steps.insert(at, steps[1].clone());
        let (_, _, why) = broken(&steps);
        assert!(why.contains("entry 1 stands where"), "{at}: {why}");
    }
    // an entry of another log with the same key, in the place of one of this
    let other = Log::from(1, START).segment("one").entry("\"kind\":\"agent\"").entries(5).steps;
    for at in [1, 2, 3] {
        let mut steps = six();
        steps[at] = other[at].clone();
        assert_eq!(broken(&steps).1, at as u64 + u64::from(at == 1), "{at}");
    }
}

#[test]
fn what_is_no_line_is_forgiven_only_behind_the_last_line_of_a_segment_that_goes_on_without_a_gap() {
    let mut steps = six();
    steps.insert(4, Step::Bad);
    steps.insert(5, Step::Torn);
    let report = read(&steps, None);
    assert_eq!((report.broken, report.torn), (None, false), "a sync failed there, say");
    steps.remove(6 + 1);
    assert_eq!(broken(&steps).1, 4, "with a gap it is what was lost: the first line of it is named");
    for at in [1, 2, 3, 5, 7] {
        let mut steps = six();
        steps.insert(at, Step::Bad);
        let (_, line, why) = broken(&steps);
        assert_eq!((line, why.as_str()), (if at > 4 { at - 4 } else { at } as u64, "its sum does not check"));
    }
    let steps = [six(), vec![Step::Bad]].concat();
    assert_eq!(broken(&steps).1, 4, "a whole line at the very end that does not check");
}

#[test]
fn a_torn_last_line_is_told_and_is_no_break() {
    let report = read(&[six(), vec![Step::Torn]].concat(), None);
    assert_eq!((report.broken, report.torn, report.entries), (None, true, 6));
}

#[test]
fn a_log_may_begin_behind_what_an_entry_says_was_dropped_and_nowhere_else() {
    let whole = Log::from(1, START).segment("one").entries(3);
    let (through, hash) = whole.hashes[2].clone();
    let dropped = format!("\"kind\":\"dropped\",\"through\":{through},\"hash\":\"{hash}\"");
    let whole = whole.segment("two").entries(2).entry(&dropped).segment("three").entries(2);
    let from = |at: usize| read(&whole.steps[at..], None);
    assert_eq!(from(0).broken, None, "the segment may still be there");
    let kept = from(4);
    assert_eq!((kept.broken, kept.first.map(|first| first.0), kept.dropped_through), (None, Some(4), 3));
    for at in [5, 6] {
        let mut steps = whole.steps.clone();
        steps.drain(..at + 1);
        steps.insert(0, Step::Segment("two"));
        let broken = read(&steps, None).broken.expect("it begins somewhere else");
        assert_eq!((broken.segment.as_str(), broken.line), ("two", 1));
        assert!(broken.why.contains("no entry says that they were dropped"), "{}", broken.why);
    }
    assert!(from(8).broken.is_some(), "and without the entry that says so");
    let forged = format!("\"kind\":\"dropped\",\"through\":{through},\"hash\":\"{START}\"");
    let other = Log::from(4, &hash).segment("two").entry(&forged).entries(1);
    assert!(read(&other.steps, None).broken.is_some(), "the hash counts");
}

#[test]
fn a_break_behind_a_right_beginning_is_named_and_not_the_beginning() {
    let whole = Log::from(1, START).segment("one").entries(3);
    let dropped = format!("\"kind\":\"dropped\",\"through\":3,\"hash\":\"{}\"", whole.prev);
    let mut steps = whole.segment("two").entries(3).entry(&dropped).entries(1).steps.split_off(4);
    steps.remove(2);
    let (_, line, why) = broken(&steps);
    assert_eq!((line, why.as_str()), (2, "entries 5 to 5 are missing before it"));
}

#[test]
fn cutting_off_the_newest_entries_is_seen_against_a_noted_head() {
    let log = Log::from(1, START).segment("one").entries(6);
    let note = |number: u64| {
        let (_, hash) = &log.hashes[number as usize - 1];
        format!("{number}:{hash}")
    };
    for number in 1..=6 {
        assert_eq!(read(&log.steps, Some(&note(number))).broken, None);
    }
    let cut = &log.steps[..5];
    assert_eq!(read(cut, None).broken, None, "by itself it is sound");
    let broken = read(cut, Some(&note(5))).broken.expect("it is seen");
    assert!(broken.line == 4 && broken.why.contains("entry 5 was there"), "{broken:?}");
    // cut, and gone on from there by the instance
    let on = Log::from(1, START).segment("one").entries(4).entry("\"kind\":\"agent\"").entries(3);
    assert_eq!(read(&on.steps, None).broken, None);
    let broken = read(&on.steps, Some(&note(5))).broken.expect("it is seen");
    assert!(broken.line == 5 && broken.why.contains("goes on differently"), "{broken:?}");
    for bad in ["", "5", "5:", ":00", "x:00", "+5:00", &note(5)[..40], &format!("{}0", note(5))] {
        assert_eq!(Noted::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_noted_entry_that_was_dropped_meanwhile_is_no_break() {
    let dropped = format!("\"kind\":\"dropped\",\"through\":3,\"hash\":\"{START}\"");
    let log = Log::from(4, START).segment("two").entries(1).entry(&dropped);
    let report = read(&log.steps, Some(&format!("2:{START}")));
    assert_eq!((report.broken, report.noted_is_dropped), (None, true));
}

#[test]
fn gaps_that_the_log_itself_tells_of_are_counted() {
    let log = Log::from(1, START)
        .segment("one")
        .entry("\"kind\":\"instance\",\"happened\":\"started\"")
        .entry("\"kind\":\"message\",\"lost_before\":7")
        .entry("\"kind\":\"refused\",\"unwritten_before\":40,\"lost_before\":1")
        .entry("\"kind\":\"instance\",\"happened\":\"started\",\"after\":\"kill\"")
        .entry("\"kind\":\"instance\",\"happened\":\"started\",\"after\":\"stop\"");
    let report = read(&log.steps, None);
    assert_eq!(report.broken, None);
    assert_eq!((report.lost, report.unwritten, report.killed_in_all), (8, 40, 1));
    assert_eq!(report.killed, [1_004]);
    let many = (0..40).fold(Log::from(1, START).segment("one"), |log, _| {
        log.entry("\"kind\":\"instance\",\"after\":\"kill\"")
    });
    let report = read(&many.steps, None);
    assert_eq!((report.killed.len(), report.killed_in_all, report.killed.last()), (TIMES, 40, Some(&1_040)));
}

#[test]
fn another_key_finds_nothing_sound() {
    let mut verifier = Verifier::new(key(2), None);
    for step in six() {
        match step {
            Step::Segment(name) => verifier.segment(name),
            Step::Line(json) => verifier.line(&json),
            Step::Bad | Step::Torn => {}
        }
    }
    assert!(verifier.is_decided());
    assert_eq!(verifier.finish().broken.map(|broken| broken.line), Some(1));
}
