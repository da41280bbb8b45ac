//! Whom a search through a tree finds, where it may not look into everybody at once; and how often one may be made.

use std::{cell::Cell, collections::BTreeSet};

use super::super::{Holder, Holds, Scans, search};
use crate::limits;

/// While agents are started there always is one that is not known for a keeper yet, and the owner calls all the same.
#[test]
fn who_may_not_be_looked_into_is_looked_at_again() {
    let tree = BTreeSet::from([3, 5, 7]);
    let asked = Cell::new(0);
    let again = |after: u32, then: Holds| {
        let seen = Cell::new(0);
        move |pid| {
            seen.set(seen.get() + u32::from(pid == 5));
            if pid != 5 || seen.get() > after { then } else { Holds::Unreadable }
        }
    };
    // A keeper that is known a moment later.
    let keepers = || {
        asked.set(asked.get() + 1);
        if asked.get() > 2 { vec![5] } else { Vec::new() }
    };
    let unreadable = |pid| if pid == 5 { Holds::Unreadable } else { Holds::No };
    assert_eq!((search(&tree, unreadable, &keepers), asked.get()), (None, 3));
    // A program that takes its keeper's place.
    assert_eq!(search(&tree, again(2, Holds::No), &Vec::new), None);
    assert_eq!(search(&tree, again(2, Holds::Gone), &Vec::new), None);
    // What it holds counts then, and what stays closed may hold everything.
    let holder = |pid| if pid == 5 { again(0, Holds::Yes)(pid) } else { Holds::No };
    assert_eq!(search(&tree, holder, &Vec::new), Some(Holder::Inside(5)));
    assert_eq!(search(&tree, unreadable, &Vec::new), Some(Holder::Unknown));
}

#[test]
fn peer_scans_are_counted_over_any_second() {
    let most = limits::PEER_SCANS_PER_SECOND;
    let mut scans = Scans::default();
    assert_eq!((0..200).filter(|n| scans.take(1_000 + n, most)).count(), most as usize);
    assert!(!scans.take(1_999, most));
    assert!(scans.take(2_000, most));
    assert!(!scans.take(2_000, most));
    // Agents' calls take half of them.
    let mut scans = Scans::default();
    assert_eq!((0..most).filter(|_| scans.take(0, most / 2)).count(), most as usize / 2);
    assert!(scans.take(0, most));
}
