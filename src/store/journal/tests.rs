use std::{sync::mpsc, thread};

use super::*;
use crate::store::disk::{RealDisk, testing::Model};
use crate::store::testing::TempHome;

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

/// A directory whose syncs wait to be let go.
struct Held(Box<dyn Disk>, Arc<Mutex<mpsc::Receiver<()>>>);

struct HeldFile(Box<dyn DiskFile>, Arc<Mutex<mpsc::Receiver<()>>>);

impl Disk for Held {
    fn list(&self, most: usize) -> io::Result<Vec<String>> {
        self.0.list(most)
    }
    fn create(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(HeldFile(self.0.create(name)?, Arc::clone(&self.1))))
    }
    fn open(&self, name: &str) -> Result<Box<dyn DiskFile>, FileError> {
        Ok(Box::new(HeldFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&self, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(point)
    }
}

impl DiskFile for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        self.1.lock().expect("a lock").recv().expect("let go");
        self.0.sync(point)
    }
}

#[test]
fn a_writer_behind_a_disk_that_does_not_answer_is_told_at_the_deadline() {
    let model = Model::new();
    let (go, held) = mpsc::channel();
    let disk = Held(model.disk(), Arc::new(Mutex::new(held)));
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
