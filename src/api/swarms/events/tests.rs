use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    swarm::events::{Draft, Level, Name, testing},
    sys::poll::Wake,
    wire::clock::ManualClock,
};

fn hub() -> Arc<Hub> {
    Arc::new(Hub::new(ManualClock::at(1_000_000)))
}

fn draft(text: &str) -> Draft {
    Draft::new(Name::TaskSent, text).swarm("s").agent("a")
}

fn follower(hub: &Arc<Hub>, filter: Filter, begin: Option<Begin>) -> Follower {
    let follow = hub.follow(Arc::new(Wake::new().expect("a descriptor")));
    Follower::new(Arc::clone(hub), follow, filter, begin)
}

/// All that comes now, each frame by its number, a gap by what it counts, as a text.
fn given(follower: &mut Follower) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let mut out = Frames::default();
        let next = follower.next(&mut out, 0);
        found.extend(out.text().split("\n\n").filter(|frame| !frame.is_empty()).map(|frame| {
            let mut lines = frame.lines();
            match (lines.next(), lines.next(), lines.next()) {
                (Some(id), Some("event: event"), Some(_)) => id.replace("id: ", ""),
                (Some("event: gap"), Some(data), None) => data.replace("data: ", ""),
                other => panic!("{other:?}"),
            }
        }));
        if out.text().is_empty() && next == Next::Woken {
            return found;
        }
    }
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn who_follows_is_given_what_comes_and_what_came_after_a_number() {
    let hub = hub();
    (0..200).for_each(|_| _ = hub.publish(draft("x")));
    let mut now = follower(&hub, Filter::default(), None);
    let mut after = follower(&hub, Filter::default(), Some(Begin::After(50)));
    let mut minutes = follower(&hub, Filter { minutes: Some(1), ..Filter::default() }, Some(Begin::Minutes));
    assert!(given(&mut now).is_empty());
    assert_eq!(given(&mut after), numbers(51..=200));
    // Published before they have looked: it is in the pages, and in the stream.
    hub.publish(draft("x"));
    assert_eq!(given(&mut minutes), numbers(1..=201));
    for follower in [&mut now, &mut after] {
        assert_eq!(given(follower), ["201"]);
    }
    hub.publish(draft("x"));
    for follower in [&mut now, &mut after, &mut minutes] {
        assert_eq!((given(follower), given(follower)), (vec!["202".to_owned()], Vec::new()));
    }
}

#[test]
fn a_number_that_was_never_given_out_is_behind_all_that_there_is() {
    let hub = hub();
    hub.publish(draft("x"));
    let mut follower = follower(&hub, Filter::default(), Some(Begin::After(u64::MAX)));
    assert!(given(&mut follower).is_empty());
    hub.publish(draft("x"));
    assert_eq!(given(&mut follower), ["2"]);
}

#[test]
fn a_filter_holds_for_what_came_and_for_what_comes() {
    let hub = hub();
    let publish = |level| _ = hub.publish(draft("x").level(level));
    [Level::Error, Level::Info, Level::Warning].into_iter().for_each(publish);
    let filter = Filter { level: vec![Level::Warning, Level::Error], ..Filter::default() };
    let mut follower = follower(&hub, filter, Some(Begin::After(0)));
    assert_eq!(given(&mut follower), ["1", "3"]);
    [Level::Info, Level::Error, Level::Debug].into_iter().for_each(publish);
    assert_eq!(given(&mut follower), ["5"]);
}

/// Of the ring, that is: this hub has no disk.
#[test]
fn what_is_kept_no_more_is_told_as_a_gap_and_never_given_twice() {
    let hub = hub();
    let mut slow = follower(&hub, Filter::default(), None);
    let kept = limits::SWARM_EVENTS as u64;
    (0..kept + 10).for_each(|_| _ = hub.publish(draft("x")));
    let mut late = follower(&hub, Filter::default(), Some(Begin::After(4)));
    let mut minutes = follower(&hub, Filter { minutes: Some(1), ..Filter::default() }, Some(Begin::Minutes));
    let all = numbers(11..=kept + 10);
    let with_gap = |missed: u64| [vec![json!({ "missed": missed }).to_string()], all.clone()].concat();
    assert_eq!(given(&mut slow), with_gap(10));
    assert_eq!(given(&mut late), with_gap(6));
    assert_eq!(given(&mut minutes), all, "what was before those minutes was not asked for");
}

/// What he does not take stays where it is: the hub forgets it, and nobody else keeps it.
#[test]
fn who_is_slow_holds_a_place_and_no_more_than_his_queue() {
    const EACH: usize = 9_000;
    let hub = hub();
    let mut slow = follower(&hub, Filter::default(), None);
    let big = vec!["x".repeat(1_000); 7];
    (0..60).for_each(|_| _ = hub.publish(draft("x").with("big", big.clone())));
    let all = Query { filter: Filter::default(), since: Some(0), most: 100 };
    let events = hub.page(&all).expect("memory").events;
    let held: usize = events.iter().map(|event| event.json().len()).sum();
    assert!(held > 5 * limits::STREAM_QUEUE && events[0].json().len() < EACH);
    let kept: Vec<_> = events.iter().map(Arc::downgrade).collect();
    drop(events);
    let bytes = |follower: &Follower| follower.page.iter().map(|event| event.json().len()).sum::<usize>();
    let mut late = follower(&hub, Filter::default(), Some(Begin::After(0)));
    late.catch_up(limits::STREAM_QUEUE).expect("memory");
    assert!(bytes(&late) <= limits::STREAM_QUEUE + EACH);
    let mut fresh = follower(&hub, Filter::default(), Some(Begin::After(0)));
    for follower in [&mut slow, &mut late, &mut fresh] {
        let mut out = Frames::default();
        assert_eq!(follower.next(&mut out, 0), Next::Woken);
        assert!(out.text().len() <= limits::STREAM_QUEUE && out.room() < EACH, "as much as has room");
        assert!(bytes(follower) <= 2 * EACH);
    }
    let given = |follower: &mut Follower| given(follower).len();
    drop(fresh);
    hub.clear().expect("memory");
    let of_page = late.page.len();
    assert_eq!(kept.iter().filter(|event| event.strong_count() > 0).count(), of_page);
    assert_eq!((given(&mut slow), given(&mut late)), (1, of_page + 1), "the rest is a gap");
}

/// The ring turns over while the pages are read: they begin again from where they came to, on the disk.
#[test]
fn a_stream_that_outruns_the_pages_is_caught_up_with() {
    let hub = testing::on_disk((0..10).map(|_| draft("x")));
    hub.start().expect("a thread");
    let mut follower = follower(&hub, Filter::default(), Some(Begin::After(0)));
    follower.catch_up(limits::STREAM_QUEUE).expect("the disk");
    let last = limits::SWARM_EVENTS as u64 + 500;
    (10..last).for_each(|_| _ = hub.publish(draft("x")));
    assert_eq!(given(&mut follower), numbers(1..=last));
    hub.stop(Instant::now() + Duration::from_secs(60));
}

#[test]
fn a_follower_comes_back_to_a_disk_that_is_busy_and_ends_at_one_that_cannot_be_read() {
    let (hub, breaks) = testing::on_disk_that_breaks((0..200).map(|_| draft("x")));
    let mut waits = follower(&hub, Filter::default(), Some(Begin::After(0)));
    let mut broken = follower(&hub, Filter::default(), Some(Begin::After(0)));
    let held = testing::hold(&hub);
    assert_eq!(waits.catch_up(limits::STREAM_QUEUE), Err(Unread::Busy));
    assert_eq!(waits.next(&mut Frames::default(), 7), Next::At(7 + AGAIN_MS));
    drop(held);
    assert_eq!(given(&mut waits), numbers(1..=200));
    breaks();
    assert_eq!(broken.next(&mut Frames::default(), 7), Next::End("events_unreadable"));
}

#[test]
fn a_follower_reads_one_page_of_the_disk_before_his_socket_has_its_look() {
    let hub = testing::on_disk((0..10).map(|_| draft("x")));
    let nobody = Filter { swarm: Some("nobody".to_owned()), ..Filter::default() };
    let mut follower = follower(&hub, nobody, Some(Begin::After(0)));
    // What he asks for goes on behind the first page.
    follower.up_to += 1;
    assert_eq!(follower.next(&mut Frames::default(), 7), Next::At(7));
    assert_eq!((follower.done, follower.up_to), (10, 11));
    assert_eq!(follower.next(&mut Frames::default(), 8), Next::Woken);
}

/// Says that it is over, also where a test fails: its threads end then.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two threads publish; he comes back a hundred times with the last number that he was given.
#[test]
fn who_comes_back_a_hundred_times_is_given_each_event_once_and_in_order() {
    let hub = hub();
    let (over, taken) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen: Vec<String> = Vec::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // Never so far ahead that something is dropped before he takes it.
                    match hub.last() < taken.load(Ordering::Relaxed) + 5_000 {
                        true => _ = hub.publish(draft("x")),
                        false => thread::yield_now(),
                    }
                }
            });
        }
        let _over = Over(&over);
        for time in 0..100 {
            let begin = seen.last().map_or(0, |last| last.parse().expect("a number"));
            let mut follower = follower(&hub, Filter::default(), Some(Begin::After(begin)));
            let before = seen.len();
            while seen.len() < before + time % 7 + 1 {
                let mut out = Frames::default();
                follower.next(&mut out, 0);
                let text = out.text();
                seen.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned));
                taken.store(seen.len() as u64, Ordering::Relaxed);
                assert!(!text.contains("event: gap"), "{text}");
            }
        }
    });
    assert_eq!(seen, numbers(1..=seen.len() as u64));
}
