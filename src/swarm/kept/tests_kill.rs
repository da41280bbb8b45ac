//! A process that keeps a swarm is killed at any moment, again and again: the next one finds the last seed that
//! was acknowledged or the one after it, as a whole, and every change that was acknowledged.

use serde_json::json;

use super::*;
use crate::store::testing::{TempHome, killed_after};

const HOME: &str = "LOOPGATE_TEST_SHELF";
const KILLS: u64 = 40;

fn lab() -> NodeName {
    NodeName::parse("lab").expect("a name")
}

/// Long enough to be written in more than one step.
fn seed(number: u64) -> Value {
    json!({"number": number, "text": "x".repeat(100_000), "again": number})
}

/// The process to be killed, where the variable says so: it writes what it has acknowledged.
#[test]
fn child_that_keeps_a_swarm_until_it_is_killed() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let home = Home::open(home.as_ref()).expect("a home");
    let (shelf, kept, troubles) = Shelf::open(&home).expect("a shelf");
    assert_eq!(troubles, [""; 0]);
    let mut number = kept.first().map_or(0, |swarm| swarm.seed["number"].as_u64().expect("a number"));
    for round in 0.. {
        number += 1;
        shelf.put_seed(&lab(), &seed(number)).expect("kept");
        println!("\nacknowledged seed {number}");
        for _ in 0..3 {
            let changes = shelf.append(&lab(), &json!(number)).expect("kept");
            println!("\nacknowledged change {changes}");
        }
        if round % 4 == 3 {
            println!("\nclears");
            shelf.clear(&lab()).expect("cleared");
            println!("\nacknowledged change 0");
        }
    }
}

#[test]
fn killed_at_any_moment_a_shelf_has_what_it_acknowledged() {
    let temp = TempHome::new();
    let (mut seeds, mut changes) = (0, 0);
    for kill in 0..KILLS {
        let child = "swarm::kept::tests_kill::child_that_keeps_a_swarm_until_it_is_killed";
        let mut clears = false;
        killed_after(child, (HOME, &temp.path()), kill * 7 % 23 + 1, |line| {
            if let Some(number) = line.strip_prefix("acknowledged seed ") {
                seeds = number.parse().expect("a number");
            } else if let Some(number) = line.strip_prefix("acknowledged change ") {
                changes = number.parse().expect("a number");
                clears = false;
            } else {
                clears |= line == "clears";
                return false;
            }
            true
        });
        let (shelf, kept, troubles) = Shelf::open(&temp.home()).expect("a shelf");
        assert_eq!(troubles, [""; 0]);
        let found = kept[0].seed["number"].as_u64().expect("a number");
        assert_eq!(kept[0].seed, seed(found), "as a whole");
        assert!(found == seeds || found == seeds + 1, "{found} after {seeds}");
        let read = shelf.read(&lab()).expect("read").len() as u64;
        let next = if clears { 0 } else { changes + 1 };
        assert!(read == changes || read == next, "{read} after {changes}");
        (seeds, changes) = (found, read);
    }
    assert!(seeds >= KILLS / 4);
}
