//! Many callers at once: their answers are those of some order, one after the other.

use std::collections::BTreeMap;

use super::*;
use crate::bus::testing::Random;

/// Adds and removes of one name alternate, whoever asked: so the numbers of those that were done say what is there.
#[test]
fn m6_eight_callers_at_once_are_answered_as_if_one_came_after_the_other() {
    const NAMES: [&str; 4] = ["p", "q", "r", "t"];
    let rig = Rig::capped(8);
    rig.create(&small()).expect("it is created");
    let (swarms, names) = (&rig.swarms, &NAMES);
    let answers: Vec<(i64, BTreeMap<&str, i64>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=8)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = Random(seed * 104_729);
                    let (mut edges, mut there) = (0, BTreeMap::new());
                    for _ in 0..30 {
                        let name = random.one_of(names);
                        let spec = json!({"name": name, "backend": "mock"});
                        match random.below(4) {
                            0 | 1 if swarms.add_agent("s", &spec).is_ok() => {
                                *there.entry(name).or_default() += 1
                            }
                            2 if swarms.remove_agent("s", name).is_ok() => {
                                *there.entry(name).or_default() -= 1
                            }
                            3 => {
                                let edge = pairs(&[random.one_of(&[("beta", "alpha"), ("count", "alpha")])]);
                                let (add, remove): (&[_], &[_]) =
                                    if random.below(2) == 0 { (&edge, &[]) } else { (&[], &edge) };
                                let (new, gone) =
                                    swarms.change_topology("s", add, remove).expect("known ends");
                                edges += new as i64 - gone as i64;
                            }
                            _ => {}
                        }
                        let nodes = swarms.status("s").expect("it runs");
                        assert!(nodes.agents.len() + nodes.objects.len() <= 8);
                    }
                    (edges, there)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let agents = rig.agents();
    for name in NAMES {
        let sum: i64 = answers.iter().filter_map(|(_, there)| there.get(name)).sum();
        assert_eq!(sum, i64::from(agents.iter().any(|agent| agent == name)), "{name}");
    }
    let more: i64 = answers.iter().map(|(edges, _)| edges).sum();
    assert_eq!(rig.edges().len() as i64, 2 + more);
    let before = (agents, rig.edges());
    let rig = rig.reopen();
    rig.swarms.start("s").expect("it starts");
    assert_eq!((rig.agents(), rig.edges()), before, "what is kept is what was answered");
}

/// Starts and ends of one swarm from many callers: it is always whole.
#[test]
fn m6_a_swarm_that_many_start_and_stop_is_one_or_none() {
    let rig = Rig::with(&small());
    std::thread::scope(|scope| {
        for seed in 1..=8 {
            let rig = &rig;
            scope.spawn(move || {
                let mut random = Random(seed * 15_485_863);
                for _ in 0..15 {
                    // Each may be refused, because another was faster: that is no matter here.
                    let _ = match random.below(6) {
                        0 => rig.swarms.stop("s", false),
                        1 => rig.swarms.stop("s", true),
                        2 => rig.swarms.restart("s", random.below(2) == 0),
                        3 => rig.swarms.start("s").map(drop),
                        4 => rig.create(&small()),
                        _ => rig.swarms.clean(None, false).map(drop),
                    };
                    let rows = rig.swarms.list();
                    assert!(rows.len() <= 1, "{rows:?}");
                }
            });
        }
    });
    match rig.swarms.start("s") {
        Ok(_) | Err(Fault::AlreadyExists) => {}
        Err(Fault::SwarmNotFound) => rig.create(&small()).expect("its name is free"),
        Err(fault) => panic!("{fault}"),
    }
    assert_eq!(rig.agents(), ["alpha", "beta"]);
    assert_eq!(rig.swarms.table.find("s").expect("it is kept").places(), 3);
}
