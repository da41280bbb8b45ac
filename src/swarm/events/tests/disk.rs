//! Events on a disk: written without being asked for, read back, bounded, forgotten.

use std::time::Instant;

use super::*;
use crate::store::{
    Disk,
    disk::testing::{Fault, Model},
    journal,
};

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Small segments, so that a test has several.
pub(super) fn small() -> Settings {
    let journal = journal::Settings { segment_bytes: 2_000, ..Settings::default().journal };
    Settings { journal, ..Settings::default() }
}

pub(super) fn open(disk: Box<dyn Disk>, settings: Settings) -> Arc<Hub> {
    Hub::open(disk, settings, ManualClock::at(1_000_000_000)).expect("events").0
}

/// What waits is written by this thread.
pub(super) fn write(hub: &Hub) {
    let round = Hub::take(&mut hub.ring());
    hub.work(hub.disk.as_ref().expect("a disk"), round);
}

/// It ends in order.
pub(super) fn end(hub: &Hub) {
    hub.ring().behind.stopping = true;
    write(hub);
}

pub(super) fn task(text: &str) -> Draft {
    Draft::new(Name::TaskSent, text).swarm("s").agent("a")
}

/// So many events, `0` to `count - 1` by their metadata, written.
pub(super) fn filled(model: &Model, settings: Settings, count: usize) -> Arc<Hub> {
    let hub = open(model.disk(), settings);
    for n in 0..count {
        hub.publish(task("x").with("n", n));
    }
    write(&hub);
    hub
}

fn texts(events: &[Arc<Event>]) -> Vec<String> {
    events.iter().map(|event| event.json().to_owned()).collect()
}

pub(super) fn segments(model: &Model) -> usize {
    model.files().keys().filter(|name| name.ends_with(".seg")).count()
}

pub(super) fn on_disk(model: &Model) -> String {
    model.files().values().map(|content| String::from_utf8_lossy(content).into_owned()).collect()
}

#[test]
fn an_event_is_on_the_disk_soon_without_anybody_asking() {
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    hub.start().expect("a thread");
    hub.publish(task("a task"));
    let end = soon();
    while !on_disk(&model).contains("a task") {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
    hub.stop(soon());
    let commits = model.log().iter().filter(|what| *what == "sync Commit").count();
    assert_eq!(commits, 3, "the beginning, the events, the end");
    const { assert!(limits::EVENTS_GATHER_MS < 100, "design section 7") };
    assert_eq!(hub.publish(task("late")), 1, "nothing is told after the end");
    assert_eq!(newest(&hub, &Filter::default(), 9).len(), 1);
}

#[test]
fn a_restart_keeps_all_questions_and_their_answers() {
    let model = Model::new();
    let hub = filled(&model, small(), 50);
    hub.publish(Draft::new(Name::AgentError, "y").swarm("s").agent("b"));
    let all = texts(&newest(&hub, &Filter::default(), usize::MAX));
    end(&hub);
    assert!(segments(&model) > 4);
    let hub = open(model.disk(), small());
    assert_eq!(hub.last(), 51);
    assert_eq!(hub.publish(task("new")), 52, "numbers go on without a gap after an end in order");
    let found = newest(&hub, &Filter::default(), usize::MAX);
    assert_eq!(texts(&found)[1..], all);
    assert_eq!(shown(&newest(&hub, &Filter::default(), 3)), [52, 51, 50]);
    let errors = Filter { level: vec![Level::Error], ..Filter::default() };
    assert_eq!(shown(&newest(&hub, &errors, 9)), [51]);
    let agent = Filter { agent: Some("b".to_owned()), swarm: Some("s".to_owned()), ..Filter::default() };
    assert_eq!(shown(&newest(&hub, &agent, 9)), [51]);
    let nobody = Filter { agent: Some("c\"".to_owned()), ..Filter::default() };
    assert!(newest(&hub, &nobody, 9).is_empty());
    let page = since(&hub, 45, 4);
    assert_eq!((shown(&page.events), page.next, page.missed), (vec![46, 47, 48, 49], 49, 0));
    let page = since(&hub, 49, 9);
    assert_eq!((shown(&page.events), page.next, page.missed), (vec![50, 51, 52], 52, 0));
    let page = since(&hub, 0, 2);
    assert_eq!((shown(&page.events), page.next), (vec![1, 2], 2));
    let page = hub.page(&Query { filter: errors, since: Some(3), most: 1 }).unwrap();
    assert_eq!((shown(&page.events), page.next, page.missed), (vec![51], 51, 0));
    let recent = Filter { minutes: Some(1), ..Filter::default() };
    assert_eq!(newest(&hub, &recent, usize::MAX).len(), 52, "the clock stands still");
}

/// `minutes`, at this time: how many events that finds, and in how many reads.
fn asked(model: &Model, hub: &Hub, minutes: u64) -> (usize, usize) {
    let reads = || model.log().iter().filter(|what| *what == "read").count();
    let before = reads();
    let found = newest(hub, &Filter { minutes: Some(minutes), ..Filter::default() }, 100).len();
    (found, reads() - before)
}

#[test]
fn the_newest_on_the_disk_are_as_many_as_there_is_room_for_and_no_more() {
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    for n in 0..60_usize {
        hub.publish(task(&"x".repeat(n * 7 % 11 * 40)));
    }
    write(&hub);
    let all: Vec<usize> =
        newest(&hub, &Filter::default(), 99).iter().map(|event| event.json().len()).collect();
    let filter = Filter::default();
    let disk = hub.disk.as_ref().expect("a disk");
    let reader = read::Reader::new(disk, &filter, hub.unix_ms(), Duration::ZERO).expect("free");
    for room in (0..all.iter().sum()).step_by(97) {
        let found = reader.newest(u64::MAX, usize::MAX, room).expect("read").len();
        let fit = (1..=all.len()).take_while(|count| all[..*count].iter().sum::<usize>() <= room).count();
        // Or one.
        assert_eq!(found, if room == 0 { 0 } else { fit.max(1) }, "{room} bytes");
    }
}

#[test]
fn what_is_too_old_is_looked_for_on_the_disk_once() {
    let model = Model::new();
    drop(filled(&model, small(), 60));
    let clock = ManualClock::at(1_000_000_000 + 3 * 60_000);
    let (hub, _) = Hub::open(model.disk(), small(), clock).expect("events");
    let ((all, reads), (none, fewer)) = (asked(&model, &hub, 3), asked(&model, &hub, 2));
    assert_eq!((all, none), (60, 0));
    assert!(fewer < reads / 2, "{fewer} of {reads}");
    assert_eq!(asked(&model, &hub, 3).0, 60, "what is too old for one question is not for another");
    // The segment that is written to is known not to be, and what is gone is held no longer.
    hub.publish(task("new"));
    write(&hub);
    assert_eq!(asked(&model, &hub, 2).0, 1);
    let known = || hub.disk.as_ref().expect("a disk").marks().latest_known();
    assert_eq!(known(), segments(&model) - 1);
    assert_eq!(hub.clear(), Ok(()));
    for _ in 0..30 {
        hub.publish(task("newer"));
    }
    write(&hub);
    assert_eq!(hub.page(&Query { most: 99, ..Query::default() }).expect("read").events.len(), 30);
    let hub = open(model.disk(), small());
    assert_eq!(asked(&model, &hub, 9).0, 30);
}

#[test]
fn a_clock_that_was_set_back_hides_no_event_of_the_last_minutes() {
    const HOUR: u64 = 3_600_000;
    let model = Model::new();
    let at = |unix_ms: u64, count: usize| {
        let (hub, _) = Hub::open(model.disk(), small(), ManualClock::at(unix_ms)).expect("events");
        for _ in 0..count {
            hub.publish(task("x"));
        }
        end(&hub);
    };
    // Right, an hour behind for some segments, and right again.
    at(10 * HOUR, 20);
    at(9 * HOUR, 60);
    at(10 * HOUR + 120_000, 5);
    let (hub, _) = Hub::open(model.disk(), small(), ManualClock::at(10 * HOUR + 180_000)).expect("events");
    for _ in 0..2 {
        assert_eq!(asked(&model, &hub, 10).0, 25);
        assert_eq!(asked(&model, &hub, 2).0, 5);
        assert_eq!(asked(&model, &hub, 120).0, 85);
    }
}

#[test]
fn numbers_are_never_given_out_twice_and_leave_a_gap_after_a_kill() {
    let model = Model::new();
    let hub = filled(&model, small(), 3);
    hub.publish(task("not written"));
    let model = model.after_kill();
    let hub = open(model.disk(), small());
    assert_eq!(hub.publish(task("x")), 3 + limits::EVENTS_GAP + 1);
    // Again, and nothing of this life was written but that it began.
    let model = model.after_kill();
    let hub = open(model.disk(), small());
    assert_eq!(hub.publish(task("x")), 3 + 2 * limits::EVENTS_GAP + 1);
    end(&hub);
    let hub = open(model.disk(), small());
    assert_eq!(hub.publish(task("x")), 3 + 2 * limits::EVENTS_GAP + 2);
    end(&hub);
    // An end that is torn is none.
    let (name, content) = model.files().into_iter().next_back().expect("a segment");
    model.put(&name, &content[..content.len() - 3]);
    let hub = open(model.disk(), small());
    assert_eq!(hub.last(), 3 + 3 * limits::EVENTS_GAP + 2);
    let page = since(&hub, 3, 9);
    assert_eq!((page.events.len(), page.missed), (2, 0), "what was never given out nobody missed");
}

#[test]
fn what_never_reached_the_disk_is_counted_as_missed() {
    let model = Model::new();
    let hub = open(model.disk(), Settings { waiting: 1_000, ..small() });
    for n in 0..20 {
        hub.publish(task("x").with("n", n));
    }
    write(&hub);
    let lost = hub.health().expect("a disk").lost;
    assert!((10..20).contains(&lost), "{lost}");
    let told = newest(&hub, &Filter::default(), 1);
    assert_eq!(told[0].draft.event_type, Name::EventLogRecovered);
    assert_eq!((told[0].draft.metadata["lost"].as_u64(), told[0].draft.level), (Some(lost), Level::Warning));
    end(&hub);
    let hub = open(model.disk(), small());
    let page = since(&hub, 0, 100);
    assert_eq!((page.events.len() as u64, page.missed, page.next), (21 - lost, lost, 21));
}

#[test]
fn the_events_on_disk_are_bounded_in_number_and_bytes_and_the_oldest_go() {
    for settings in [Settings { lines: 60, ..small() }, Settings { bytes: 12_000, ..small() }] {
        let model = Model::new();
        let hub = open(model.disk(), settings);
        for n in 0..40 {
            for _ in 0..10 {
                hub.publish(task("x").with("n", n));
            }
            write(&hub);
            let lines = on_disk(&model).lines().count() as u64;
            let bytes: usize = model.files().values().map(Vec::len).sum();
            assert!(lines <= settings.lines && bytes as u64 <= settings.bytes, "{lines} {bytes}");
        }
        drop(hub);
        let hub = open(model.disk(), settings);
        let kept = shown(&newest(&hub, &Filter::default(), usize::MAX));
        assert!(kept.len() > 20 && kept.len() <= 60, "{}", kept.len());
        assert!(kept.iter().copied().eq((401 - kept.len() as u64..=400).rev()), "{kept:?}");
        let page = since(&hub, 0, 1);
        assert_eq!((shown(&page.events), page.missed), (vec![kept[kept.len() - 1]], 400 - kept.len() as u64));
    }
    let defaults = Settings::default();
    assert_eq!((defaults.lines, defaults.bytes), (100_000, 64 << 20), "design section 6");
}

#[test]
fn a_start_reads_no_more_than_the_newest_segment_of_events() {
    let model = Model::new();
    let hub = filled(&model, small(), 300);
    end(&hub);
    assert!(segments(&model) > 20);
    let model = model.after_kill();
    let hub = open(model.disk(), small());
    assert_eq!(hub.last(), 300);
    let reads = model.log().iter().filter(|what| *what == "read").count();
    assert!(reads <= 3, "{reads}");
    assert_eq!(Settings::default().journal.segment_bytes, limits::EVENTS_SEGMENT as u64);
}

#[test]
fn the_largest_event_is_read_back_from_the_disk() {
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    let nasty = "\u{1}".repeat(limits::SWARM_EVENT_TEXT);
    let mut draft = Draft::new(Name::Stdout, &nasty).swarm(&nasty).agent(&nasty);
    for n in 0..20 {
        draft = draft.with(&format!("{n}{nasty}"), nasty.as_str()).with(&format!("f{n}"), 0.1);
    }
    hub.publish(draft);
    let before = texts(&newest(&hub, &Filter::default(), 1));
    assert!(before[0].len() > 60_000 && before[0].len() < limits::EVENTS_LINE - 100, "{}", before[0].len());
    end(&hub);
    let hub = open(model.disk(), Settings::default());
    assert_eq!(texts(&newest(&hub, &Filter::default(), 1)), before);
}

#[test]
fn pages_of_events_are_bounded_and_lead_through_all_of_them() {
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    let big = vec!["x".repeat(1_000); 7];
    for _ in 0..1_500 {
        hub.publish(task("x").with("big", big.clone()));
        write(&hub);
    }
    let bytes = |events: &[Arc<Event>]| events.iter().map(|event| event.json().len()).sum::<usize>();
    let through = |hub: &Hub| {
        let (mut seen, mut at) = (Vec::new(), 0);
        loop {
            let page = since(hub, at, usize::MAX);
            assert!(bytes(&page.events) <= limits::EVENTS_PAGE_BYTES + 8_000 && page.missed == 0);
            if page.events.is_empty() {
                return seen;
            }
            at = page.next;
            seen.extend(shown(&page.events));
        }
    };
    let first = newest(&hub, &Filter::default(), usize::MAX);
    assert!(bytes(&first) <= limits::EVENTS_PAGE_BYTES + 8_000);
    // From memory and from the disk, and from the disk alone.
    assert!(hub.kept().0 > 500);
    assert!(through(&hub).into_iter().eq(1..=1_500));
    end(&hub);
    let hub = open(model.disk(), Settings::default());
    assert!(through(&hub).into_iter().eq(1..=1_500));
    assert_eq!(shown(&newest(&hub, &Filter::default(), usize::MAX)), shown(&first));
}

#[test]
fn the_disk_is_read_by_one_at_a_time_and_the_others_wait_for_their_turn() {
    let model = Model::new();
    drop(filled(&model, small(), 5));
    let hub = open(model.disk(), Settings { patience: Duration::ZERO, ..small() });
    let all = Query { filter: Filter::default(), since: None, most: 9 };
    let turn = testing::hold(&hub);
    assert_eq!(hub.page(&all).err(), Some(Unread::Busy));
    assert_eq!(hub.page(&Query { since: Some(0), ..all.clone() }).err(), Some(Unread::Busy));
    let recent =
        |hub: &Hub| (hub.recent(&Filter::default(), 9).events.len(), hub.recent(&Filter::default(), 9).whole);
    assert_eq!(recent(&hub), (0, false), "what is in memory");
    hub.publish(task("x"));
    assert_eq!(recent(&hub), (1, false));
    let page = hub.page(&Query { most: 1, ..all.clone() }).expect("it is in memory");
    assert_eq!(page.events.len(), 1);
    drop(turn);
    assert_eq!(recent(&hub), (6, true));
    for _ in 0..2 {
        assert_eq!(hub.page(&all).expect("free").events.len(), 6);
    }
    model.fail(model.operations() + 1, Fault::Io, true);
    assert_eq!(hub.page(&all).err(), Some(Unread::Disk));
    model.recover();
    assert_eq!(hub.page(&all).expect("free again").events.len(), 6);
    // He waits as long as he may, and that is long here.
    drop(hub);
    let hub = open(model.disk(), Settings { patience: Duration::from_secs(60), ..small() });
    let desk = &hub.disk.as_ref().expect("a disk").desk;
    let turn = testing::hold(&hub);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| hub.page(&all).map(|page| page.events.len()));
        let end = soon();
        while desk.waiting() == 0 {
            assert!(Instant::now() < end, "waited in vain");
            std::thread::yield_now();
        }
        drop(turn);
        assert_eq!(reader.join().expect("no panic"), Ok(5));
    });
    assert_eq!(Settings::default().patience, Duration::from_millis(limits::EVENTS_PATIENCE_MS));
}

/// Eight thousand events of about a KiB, in pages of 64: what is read is a part of what would be read if each page
/// began with its segment.
#[test]
fn what_is_asked_for_in_pages_is_read_from_the_disk_about_once() {
    const EVENTS: usize = 8_000;
    let model = Model::new();
    let hub = open(model.disk(), Settings::default());
    let text = "x".repeat(900);
    for _ in 0..EVENTS / 1_000 {
        (0..1_000).for_each(|_| _ = hub.publish(task("x").with("text", text.as_str())));
        write(&hub);
    }
    end(&hub);
    let hub = open(model.disk(), Settings::default());
    let reads = || model.log().iter().filter(|what| *what == "read").count();
    for (pages, most, begin) in
        [(EVENTS / 64, 64, 0), (EVENTS / 64 / 2, 64, EVENTS as u64 / 2), (8, 1_000, 0)]
    {
        let (before, mut at, mut seen) = (reads(), begin, Vec::new());
        loop {
            let page = since(&hub, at, most);
            if page.events.is_empty() {
                break;
            }
            (at, seen) = (page.next, [seen, shown(&page.events)].concat());
        }
        assert!(seen.into_iter().eq(begin + 1..=EVENTS as u64));
        // A read is of 256 KiB; beside its own bytes a page has less than 64 KiB before them.
        let bytes = most.div_ceil(200);
        let most = (pages + 1) * (bytes + 1) + segments(&model);
        assert!(reads() - before <= most, "{} reads for {pages} pages", reads() - before);
    }
}
