//! The events against a disk that fails and a machine that loses power, at every operation in turn.

use std::collections::BTreeMap;

use super::{
    disk::{end, small, write},
    *,
};
use crate::store::{
    disk::testing::{Chooser, Fault, Model},
    journal,
};

/// What is known of all lives of the events.
#[derive(Default, Clone)]
struct Witness {
    /// every event that was ever told of
    told: BTreeMap<u64, String>,
    /// those that were said to be on the disk
    kept: Vec<u64>,
    /// up to this number a cleaning was asked for, and whether it was answered well
    clears: Vec<(u64, bool)>,
    /// the largest number that was given out
    given: u64,
}

fn settings() -> Settings {
    let journal = journal::Settings { segment_bytes: 900, ..small().journal };
    Settings { journal, ..small() }
}

impl Witness {
    /// One life: events in several segments, a cleaning in between where `cleans`, and an end in order.
    fn live(&mut self, model: &Model, cleans: bool) {
        let clock = ManualClock::at(1_000_000_000);
        let Ok((hub, _)) = Hub::open(model.disk(), settings(), clock) else { return };
        assert!(hub.last() >= self.given, "a number would be given out twice");
        let first = hub.last();
        for round in 0..6 {
            for n in 0..3 {
                let id = hub.publish(Draft::new(Name::TaskSent, "x").with("round", round).with("n", n));
                self.given = self.given.max(id);
                self.told.insert(id, hub.recent(&Filter::default(), 1).events[0].json().to_owned());
            }
            let before = hub.last();
            if cleans && round == 3 {
                self.clears.push((before, false));
                if hub.clear().is_ok() {
                    self.clears.last_mut().unwrap().1 = true;
                }
            } else {
                write(&hub);
            }
            // What tells that the disk works again is an event too.
            self.given = self.given.max(hub.last());
            for event in hub.recent(&Filter::default(), 9).events.iter().filter(|event| event.id > before) {
                self.told.insert(event.id, event.json().to_owned());
            }
            let health = hub.health().unwrap();
            if health.failing.is_none() && health.lost == 0 {
                self.kept.extend(self.told.keys().filter(|id| **id > first && **id <= before));
            }
        }
        end(&hub);
        self.given = self.given.max(hub.last());
    }

    /// The next life finds what it may find, and nothing else.
    fn check(&mut self, model: &Model) {
        let clock = ManualClock::at(1_000_000_000);
        let (hub, _) = Hub::open(model.disk(), settings(), clock).expect("a disk that works");
        assert!(hub.last() >= self.given, "{} after {}", hub.last(), self.given);
        self.given = hub.last();
        let found = newest(&hub, &Filter::default(), usize::MAX);
        let ids = shown(&found);
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
        for event in &found {
            assert_eq!(self.told.get(&event.id).map(String::as_str), Some(event.json()));
        }
        let mut lowest = 0;
        for (floor, done) in &self.clears {
            let old = ids.iter().filter(|id| **id <= *floor).count();
            assert!(!done || old == 0, "{old} are back");
            if *done || old == 0 {
                lowest = lowest.max(*floor);
            }
        }
        for id in self.kept.iter().filter(|id| **id > lowest) {
            assert!(ids.contains(id), "{id} is lost: {ids:?}, cleaned {:?}", self.clears);
        }
        let mut later = since(&hub, 0, usize::MAX).events;
        later.reverse();
        assert_eq!(shown(&later), ids, "both ways lead through the same");
        end(&hub);
    }
}

/// Whatever fails, however often: nothing that was said to be kept is lost, nothing that was forgotten comes back, and
/// no number is given out twice.
#[test]
fn whatever_the_disk_does_numbers_rise_and_what_was_kept_stays() {
    let whole = Model::new();
    Witness::default().live(&whole, true);
    for nth in 1..=whole.operations() {
        for fault in Fault::ALL {
            for stays in [false, true] {
                let (model, mut witness) = (Model::new(), Witness::default());
                model.fail(nth, fault, stays);
                witness.live(&model, true);
                model.recover();
                witness.check(&model);
                witness.live(&model, false);
                witness.check(&model.after_kill());
            }
        }
    }
}

#[test]
fn a_kill_or_a_loss_of_power_at_any_moment_keeps_what_was_kept_and_forgets_all_or_nothing() {
    let whole = Model::new();
    let mut first = Witness::default();
    first.live(&whole, false);
    let before = whole.operations();
    first.clone().live(&whole.after_kill(), true);
    for nth in 1..=before + 60 {
        let (model, mut witness) = (Model::new(), Witness::default());
        witness.live(&model, false);
        let model = model.after_kill();
        model.crash_after(nth);
        witness.live(&model, true);
        witness.clone().check(&model.after_kill());
        for seed in 0..4 {
            let left = model.after_power_loss(&mut Chooser::seeded(seed * 1_000 + nth as u64));
            let mut witness = witness.clone();
            witness.check(&left);
            witness.live(&left, false);
            witness.check(&left.after_kill());
        }
    }
}
