//! What opening the newest segment alone shows, where a new segment begins, and how far one is read.

use super::*;
use crate::store::{FileError, disk::testing::Fault};

const LINE: &str = "0123456789012345678901234567890123456789";

/// What opening showed of the newest segment.
fn newest(model: &Model) -> (Journal, Vec<u64>, Opened) {
    let mut shown = Vec::new();
    let opened = Journal::open_newest(model.disk(), SMALL, &mut |line| shown.push(line.number));
    let (journal, opened) = opened.expect("it opens");
    (journal, shown, opened)
}

fn numbers(journal: &Journal, id: u32) -> Vec<u64> {
    let mut numbers = Vec::new();
    journal.lines_of(id, &mut |line| numbers.push(line.number)).expect("read");
    numbers
}

/// A journal of several segments of a few lines each.
fn several() -> (Model, Vec<Segment>) {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), SMALL);
    for _ in 0..14 {
        put(&journal, LINE);
    }
    let segments = journal.segments();
    assert!(segments.len() > 3);
    (model, segments)
}

#[test]
fn opening_the_newest_shows_its_lines_alone_and_the_numbers_go_on() {
    let (model, segments) = several();
    let last = segments[segments.len() - 1];
    let (journal, shown, found) = newest(&model.after_kill());
    assert!(shown.iter().copied().eq(last.first..=14));
    assert_eq!(found, Opened { lines: shown.len() as u64, ..Opened::default() });
    assert_eq!(journal.segments(), segments, "the others are known, and what of them counts");
    for (segment, next) in segments.iter().zip(&segments[1..]) {
        assert!(numbers(&journal, segment.id).into_iter().eq(segment.first..next.first));
    }
    assert_eq!(journal.append(text("next")).expect("appended").number(), 15);
}

#[test]
fn opening_the_newest_cuts_its_torn_end_and_passes_over_what_is_bad_in_the_others() {
    let (model, segments) = several();
    let mut files = model.files();
    let (name, whole) = files.pop_last().expect("a segment");
    model.put(&name, &whole[..whole.len() - 1]);
    let (first, mut bytes) = files.pop_first().expect("a segment");
    bytes[12] ^= 1;
    model.put(&first, &bytes);
    let (journal, shown, found) = newest(&model);
    let last = segments[segments.len() - 1];
    assert!(shown.iter().copied().eq(last.first..14), "{shown:?}");
    assert!(found.torn.is_some_and(|torn| torn.segment == last.id) && found.bad_in_all == 0, "{found:?}");
    assert!(journal.next_number() > 15, "none that may have been there is given out again");
    assert!(numbers(&journal, segments[0].id).into_iter().eq(2..segments[1].first));
    // A segment that cannot be read is no empty one.
    model.fail(model.operations() + 1, Fault::Io, true);
    let read = journal.lines_of(segments[1].id, &mut |_| {});
    assert_eq!(read, Err(JournalError::Io));
    assert!(Journal::open_newest(model.disk(), SMALL, &mut |_| {}).is_err());
    model.recover();
    assert!(numbers(&journal, segments[1].id).into_iter().eq(segments[1].first..segments[2].first));
}

#[test]
fn a_segment_is_read_until_enough_was_seen_and_no_segment_is_none() {
    let (model, segments) = several();
    let (journal, ..) = newest(&model);
    let mut seen = Vec::new();
    let two = &mut |line: Line<'_>| {
        seen.push(line.number);
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(journal.lines_until(segments[1].id, two), Ok(()));
    assert_eq!(seen, [segments[1].first, segments[1].first + 1]);
    journal.remove_oldest(segments[0].id).expect("removed");
    for id in [segments[0].id, 0, segments.len() as u32 + 9] {
        assert_eq!(journal.lines_of(id, &mut |_| panic!("nothing is there")), Err(JournalError::Gone));
    }
}

#[test]
fn after_a_rotation_lines_begin_a_segment_and_those_that_waited_stand_before_it() {
    let model = Model::new();
    let (journal, ..) = opened(model.disk(), Settings::default());
    let one = put(&journal, "one");
    let lazy = journal.append(text("lazy")).expect("appended");
    assert_eq!(journal.rotate(), Ok(()));
    assert!(!journal.has_unflushed());
    assert_eq!(journal.segments().len(), 1, "none is begun for nothing");
    assert_eq!(journal.rotate(), Ok(()), "twice is once");
    let two = put(&journal, "two");
    assert_eq!((one.segment, journal.wait(&lazy).expect("written").segment, two.segment), (1, 1, 2));
    assert_eq!(journal.segments().iter().map(|segment| segment.first).collect::<Vec<_>>(), [1, 3]);
    // What the disk does not take stays where it is, and so does the segment.
    let _lazy = journal.append(text("three")).expect("appended");
    model.fail(model.operations() + 1, Fault::NoSpace, true);
    assert_eq!(journal.rotate(), Err(JournalError::NoSpace));
    model.recover();
    assert_eq!(put(&journal, "four").segment, 2);
    let (_, shown, _) = opened(model.after_kill().disk(), Settings::default());
    assert_eq!(shown.len(), 5);
}

type Then = Option<Box<dyn FnOnce() + Send>>;

/// Something happens right after a file was opened, once.
struct Opens(Model, Arc<Mutex<Then>>);

impl Disk for Opens {
    fn list(&self, most: usize) -> std::io::Result<Vec<String>> {
        self.0.list(most)
    }
    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        self.0.create(name)
    }
    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        let file = self.0.open(name);
        let then = self.1.lock().expect("a lock").take();
        then.into_iter().for_each(|then| then());
        file
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self, point: SyncPoint) -> std::io::Result<()> {
        self.0.sync_dir(point)
    }
}

#[test]
fn a_segment_that_is_removed_while_it_is_opened_for_reading_is_not_held() {
    let (model, segments) = several();
    let then = Arc::default();
    let journal = Arc::new(opened(Box::new(Opens(model, Arc::clone(&then))), SMALL).0);
    let oldest = segments[0].id;
    let remover = Arc::clone(&journal);
    let remove = move || remover.remove_oldest(oldest).expect("removed");
    *then.lock().expect("a lock") = Some(Box::new(remove));
    assert!(numbers(&journal, oldest).into_iter().eq(1..segments[1].first), "what was opened is read");
    assert!(journal.reader().is_none());
    // The same where it was opened before.
    assert!(!numbers(&journal, segments[1].id).is_empty() && journal.reader().is_some());
    journal.remove_oldest(segments[1].id).expect("removed");
    assert!(journal.reader().is_none());
}
