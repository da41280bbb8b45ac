use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::store::disk::testing::{Chooser, Fault, Model};

fn open(model: &Model) -> Overlay {
    Overlay::on(model.disk()).expect("an overlay").0
}

fn texts(overlay: &Overlay) -> Vec<String> {
    overlay.read().iter().map(|(_, change)| change.to_string()).collect()
}

#[test]
fn changes_are_read_in_order_by_their_numbers_in_every_life() {
    let model = Model::new();
    let overlay = open(&model);
    assert_eq!(overlay.read(), []);
    let changes =
        [json!({"op": "add_agent", "payload": {"name": "~x", "n": 1}}), json!([1, null]), json!("text")];
    for (number, change) in (1..).zip(&changes) {
        assert_eq!(overlay.append(change).expect("kept"), number);
    }
    let wanted: Vec<(u64, Value)> = (1..).zip(changes).collect();
    assert_eq!(overlay.read(), wanted);
    drop(overlay);
    let overlay = open(&model.after_kill());
    assert_eq!(overlay.read(), wanted);
    assert_eq!(overlay.append(&json!(4)).expect("kept"), 4);
}

#[test]
fn a_clearing_forgets_all_changes_for_good() {
    let model = Model::new();
    let overlay = open(&model);
    overlay.append(&json!(1)).expect("kept");
    overlay.rewrite(&[]).expect("cleared");
    assert_eq!(overlay.read(), []);
    assert_eq!(overlay.append(&json!(2)).expect("kept"), 1, "numbers begin again");
    overlay.rewrite(&[json!(3), json!(4)]).expect("replaced");
    assert_eq!(overlay.append(&json!(5)).expect("kept"), 3);
    drop(overlay);
    assert_eq!(texts(&open(&model.after_kill())), ["3", "4", "5"]);
}

#[test]
fn an_overlay_is_bounded_in_changes_and_bytes() {
    let overlay = open(&Model::new());
    let large = json!("x".repeat(limits::OVERLAY_LINE));
    assert!(matches!(overlay.append(&large), Err(ShelfError::TooLarge)));
    let large = json!("x".repeat(limits::OVERLAY_BYTES / 6));
    for _ in 0..5 {
        overlay.append(&large).expect("kept");
    }
    assert!(matches!(overlay.append(&large), Err(ShelfError::OverlayFull)));
    assert!(matches!(overlay.rewrite(&vec![large; 7]), Err(ShelfError::OverlayFull)));
    assert_eq!(overlay.read().len(), 5, "what was kept stays");
    overlay.rewrite(&vec![json!(1); limits::OVERLAY_CHANGES]).expect("replaced");
    assert!(matches!(overlay.append(&json!(2)), Err(ShelfError::OverlayFull)));
    overlay.rewrite(&[]).expect("cleared");
    overlay.append(&json!(3)).expect("there is room again");
}

#[test]
fn what_was_replaced_does_not_stay_on_the_disk_for_ever() {
    let model = Model::new();
    let overlay = open(&model);
    let large = json!("x".repeat(SEGMENT as usize / 3));
    for _ in 0..20 {
        overlay.append(&large).expect("kept");
        overlay.rewrite(&[json!("small")]).expect("replaced");
    }
    let bytes: usize = model.files().values().map(Vec::len).sum();
    assert!(bytes as u64 <= 2 * SEGMENT, "{bytes} bytes are left");
    drop(overlay);
    assert_eq!(texts(&open(&model.after_kill())), ["\"small\""]);
}

#[test]
fn changes_over_several_files_are_all_there_in_every_life() {
    let model = Model::new();
    let overlay = open(&model);
    let large = |number: u32| json!(format!("{number}{}", "x".repeat(SEGMENT as usize / 2)));
    let changes: Vec<Value> = (0..4).map(large).collect();
    overlay.rewrite(&changes).expect("replaced");
    for number in 4..8 {
        overlay.append(&large(number)).expect("kept");
    }
    let wanted: Vec<String> = (0..8).map(|number| large(number).to_string()).collect();
    for _ in 0..2 {
        assert_eq!(texts(&open(&model.after_kill())), wanted);
    }
    overlay.append(&json!("last")).expect("kept");
    assert_eq!(texts(&open(&model.after_kill())).len(), 9);
}

/// What is counted is what is kept: neither is refused too early, nor more kept than may be.
#[test]
fn the_bytes_of_an_overlay_are_those_of_what_counts() {
    let model = Model::new();
    let check = |overlay: &Overlay| {
        let bytes: usize = overlay.read().iter().map(|(_, change)| change.to_string().len()).sum();
        assert_eq!(overlay.state().bytes, bytes);
    };
    let overlay = open(&model);
    for text in ["one", "three", "four"] {
        overlay.append(&json!(text)).expect("kept");
        check(&overlay);
    }
    overlay.rewrite(&[json!("five"), json!("six")]).expect("replaced");
    check(&overlay);
    overlay.append(&json!("seven")).expect("kept");
    check(&overlay);
    let overlay = open(&model.after_kill());
    check(&overlay);
    overlay.rewrite(&[]).expect("cleared");
    check(&overlay);
}

#[test]
fn a_line_that_is_no_change_is_told_and_passed_over() {
    let model = Model::new();
    let overlay = open(&model);
    overlay.append(&json!(1)).expect("kept");
    let strange = overlay.journal.append(|_, line| line.extend_from_slice(b"\"x\":1")).expect("appended");
    overlay.journal.wait(&strange).expect("written");
    overlay.append(&json!(2)).expect("kept");
    drop(overlay);
    let (overlay, note) = Overlay::on(model.after_kill().disk()).expect("an overlay");
    assert!(note.is_some_and(|note| note.starts_with("1 lines")));
    assert_eq!(texts(&overlay), ["1", "2"]);
}

/// What may be found on the disk: each is a state that somebody may have been told of.
#[derive(Clone, Default)]
struct Witness {
    may_be: BTreeSet<Vec<String>>,
    next: u64,
}

impl Witness {
    fn open(&mut self, model: &Model) -> Option<Overlay> {
        // Nothing is promised by an open that fails.
        let overlay = Overlay::on(model.disk()).ok()?.0;
        let found = texts(&overlay);
        assert!(
            self.may_be.contains(&found) || self.may_be.is_empty() && found.is_empty(),
            "{found:?} of {:?}",
            self.may_be
        );
        self.may_be = BTreeSet::from([found]);
        Some(overlay)
    }

    fn work(&mut self, overlay: &Overlay) {
        for step in 0..6 {
            let now = texts(overlay);
            self.next += 1;
            let change = json!(self.next);
            let (then, done) = if step == 3 {
                // Several lines, of which a part may reach the disk alone.
                let changes = [change, json!("and"), json!("more")];
                (changes.iter().map(Value::to_string).collect(), overlay.rewrite(&changes).is_ok())
            } else {
                ([now.clone(), vec![change.to_string()]].concat(), overlay.append(&change).is_ok())
            };
            if done {
                self.may_be = BTreeSet::from([then]);
            } else {
                assert_eq!(texts(overlay), now, "what failed does not count");
                // It may still be there at the next start, until something else is kept.
                self.may_be.extend([now, then]);
            }
        }
    }
}

/// Every operation of the disk fails once, in every way; then the power goes.
#[test]
fn no_change_that_was_acknowledged_is_lost_whatever_the_disk_does() {
    let operations = {
        let model = Model::new();
        let mut witness = Witness::default();
        witness.work(&open(&model));
        model.operations()
    };
    for nth in 1..=operations {
        for fault in Fault::ALL {
            for stays in [false, true] {
                for seed in 0..4 {
                    let model = Model::new();
                    let mut witness = Witness::default();
                    model.fail(nth, fault, stays);
                    if let Some(overlay) = witness.open(&model) {
                        witness.work(&overlay);
                        if stays && seed % 2 == 0 {
                            model.recover();
                            witness.work(&overlay);
                        }
                    }
                    let model = model.after_power_loss(&mut Chooser::seeded(seed + 1));
                    let overlay = witness.open(&model).expect("the disk is well again");
                    witness.work(&overlay);
                }
            }
        }
    }
}

/// The process ends after each operation, with the power and without; then it goes on.
#[test]
fn a_process_that_ends_anywhere_leaves_what_it_acknowledged() {
    let model = Model::new();
    Witness::default().work(&open(&model));
    for last in 0..=model.operations() {
        for seed in 0..10 {
            let model = Model::new();
            let mut witness = Witness::default();
            model.crash_after(last);
            if let Some(overlay) = witness.open(&model) {
                witness.work(&overlay);
            }
            let next = if seed == 0 {
                model.after_kill()
            } else {
                model.after_power_loss(&mut Chooser::seeded(seed))
            };
            let overlay = witness.open(&next).expect("the disk is well");
            witness.work(&overlay);
            drop(overlay);
            witness.open(&next.after_kill()).expect("the disk is well");
        }
    }
}
