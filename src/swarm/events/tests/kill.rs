//! A process that publishes is killed at any moment, again and again: the next one finds what was told long enough
//! before, and no number comes twice.

use std::time::Instant;

use super::{disk::soon, *};
use crate::{
    store::{
        RealDisk,
        home::Home,
        testing::{TempHome, killed_after},
    },
    sys::clock::SystemClock,
};

const HOME: &str = "LOOPGATE_TEST_EVENTS";
const KILLS: u64 = 15;
/// How long an event may be on its way, beside one sync.
const WINDOW: Duration = Duration::from_millis(100);

fn open(home: &Home) -> Arc<Hub> {
    let disk = RealDisk::open(home, DIRECTORY).expect("a directory");
    Hub::open(Box::new(disk), Settings::default(), Arc::new(SystemClock)).expect("events").0
}

/// The process to be killed, where the variable says so: it says which numbers it has given out, and which of them
/// were told long enough ago.
#[test]
fn child_that_publishes_until_it_is_killed() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let hub = open(&Home::open(home.as_ref()).expect("a home"));
    hub.start().expect("a thread");
    println!("\nbegins {}", hub.last() + 1);
    let mut followed = follow(&hub);
    for round in 0_u64.. {
        let told = Instant::now();
        hub.publish(Draft::new(Name::TaskSent, "x").swarm("s").with("round", round));
        let last = followed.next(9).entries.last().and_then(|entry| entry.event().map(|event| event.id));
        println!("\ngiven {}", last.expect("an event"));
        if round % 4 == 3 {
            // On a disk that is slower than that it is not on it yet: one that syncs is waited for.
            while told.elapsed() < WINDOW || hub.ring().behind.since.is_some() {
                std::thread::yield_now();
            }
            println!("\nkept {}", last.expect("an event"));
        }
    }
}

#[test]
fn killed_at_any_moment_nothing_older_than_the_window_is_lost_and_no_number_comes_twice() {
    let temp = TempHome::new();
    let (mut given, mut kept) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        let child = "swarm::events::tests::kill::child_that_publishes_until_it_is_killed";
        let number = |word: &str| word.parse::<u64>().expect("a number");
        killed_after(child, (HOME, &temp.path()), kill * 7 % 23 + 1, |line| {
            if let Some(word) = line.strip_prefix("begins ") {
                assert!(given.last().is_none_or(|last| *last < number(word)), "{word} after {given:?}");
            } else if let Some(word) = line.strip_prefix("given ") {
                given.push(number(word));
            } else if let Some(word) = line.strip_prefix("kept ") {
                kept.push(number(word));
            } else {
                return false;
            }
            true
        });
    }
    assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
    let hub = open(&temp.home());
    assert!(given.last().is_some_and(|last| *last <= hub.last()));
    let found = shown(&newest(&hub, &Filter::default(), usize::MAX));
    for id in &kept {
        let before = given.iter().filter(|given| *given <= id);
        // Those of this life, which lie less than a gap below.
        let mut of_this_life = before.filter(|given| id - *given < limits::EVENTS_GAP / 2);
        assert!(of_this_life.all(|given| found.contains(given)), "{id} of {kept:?} in {found:?}");
    }
    assert!(kept.len() as u64 >= KILLS / 2, "{kept:?}");
    hub.start().expect("a thread");
    hub.stop(soon());
    assert_eq!(open(&temp.home()).last(), hub.last(), "it ended in order");
}
