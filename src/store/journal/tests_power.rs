//! A journal against a disk that fails and a machine that loses power, at every operation in turn.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::store::disk::testing::{Chooser, Fault};

const SETTINGS: Settings =
    Settings { segment_bytes: 100, line_bytes: 80, unwritten_bytes: 2048, wait: Duration::from_secs(10) };

/// What the journal's owner does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// appends a line and waits for it
    Put,
    /// appends one that nobody waits for
    Lazy,
    /// three lines in one commit, the last two waited for
    Three,
    Flush,
    /// removes the oldest segment
    Remove,
}

use Step::{Flush, Lazy, Put, Remove, Three};

/// Everything at once: rolls to new segments, lazy lines, shared commits, removals.
const BUSY: &[Step] = &[
    Put, Three, Put, Lazy, Put, Three, Flush, Put, Remove, Lazy, Put, Put, Three, Remove, Remove, Put, Lazy,
    Flush,
];

/// What the owner was told, over all lives of the journal.
#[derive(Debug, Clone, Default)]
struct Witness {
    /// every line ever appended, acknowledged or not
    appended: BTreeMap<u64, String>,
    /// those that count: waited for, flushed or shown
    counts: BTreeMap<u64, Option<Place>>,
    /// those that were refused for lack of room
    refused: BTreeSet<u64>,
    /// lazy ones, until a flush or a wait
    lazy: BTreeSet<u64>,
    /// lines of segments whose removal was begun
    leaving: BTreeSet<u64>,
    /// lines of segments that are removed
    gone: BTreeSet<u64>,
    text: u32,
}

impl Witness {
    /// The next process opens the journal; what it shows is held against what is known.
    fn open(&mut self, model: &Model) -> Result<Option<Journal>, String> {
        let mut shown = Vec::new();
        let result = Journal::open(model.disk(), SETTINGS, &mut |line| {
            shown.push((line.number, String::from_utf8_lossy(line.json).into_owned(), line.place));
        });
        for (at, (number, json, _)) in shown.iter().enumerate() {
            if self.appended.get(number) != Some(json) {
                return Err(format!("shown but never appended: {json}"));
            }
            if at > 0 && shown[at - 1].0 >= *number {
                return Err(format!("{number} comes after {}", shown[at - 1].0));
            }
            if self.gone.contains(number) {
                return Err(format!("{number} is back, though its segment was removed"));
            }
        }
        // Nothing was promised by an open that failed.
        let Ok((journal, opened)) = result else { return Ok(None) };
        if opened.lines != shown.len() as u64 {
            return Err("the report counts other lines than were shown".into());
        }
        for number in self.counts.keys() {
            let lost = !shown.iter().any(|(shown, ..)| shown == number);
            if lost && !self.leaving.contains(number) {
                return Err(format!("{number} is lost"));
            }
        }
        self.lazy.clear();
        let places: BTreeMap<u64, Place> =
            shown.into_iter().map(|(number, _, place)| (number, place)).collect();
        self.gone.extend(self.counts.keys().filter(|number| !places.contains_key(number)));
        self.counts = places.into_iter().map(|(number, place)| (number, Some(place))).collect();
        Ok(Some(journal))
    }

    fn append(&mut self, journal: &Journal) -> Result<Option<Ticket>, String> {
        self.text += 1;
        let word = format!("line {}", self.text);
        let Ok(ticket) = journal.append(text(&word)) else { return Ok(None) };
        let number = ticket.number();
        let json = format!("{{\"n\":{number},\"t\":\"{word}\"}}");
        if self.counts.contains_key(&number) || self.gone.contains(&number) {
            return Err(format!("{number} was given out again"));
        }
        self.appended.insert(number, json);
        Ok(Some(ticket))
    }

    fn wait(&mut self, journal: &Journal, ticket: &Ticket) {
        match journal.wait(ticket) {
            Ok(place) => {
                self.counts.insert(ticket.number(), Some(place));
                self.lazy_until(ticket.number());
            }
            Err(JournalError::NoSpace) => drop(self.refused.insert(ticket.number())),
            Err(_) => {}
        }
    }

    fn lazy_until(&mut self, number: u64) {
        for lazy in std::mem::take(&mut self.lazy) {
            if lazy <= number {
                self.counts.insert(lazy, None);
            } else {
                self.lazy.insert(lazy);
            }
        }
    }

    fn work(&mut self, journal: &Journal, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            match step {
                Put => {
                    if let Some(ticket) = self.append(journal)? {
                        self.wait(journal, &ticket);
                    }
                }
                Three => {
                    let tickets = [self.append(journal)?, self.append(journal)?, self.append(journal)?];
                    if let [Some(lazy), Some(one), Some(two)] = tickets {
                        self.lazy.insert(lazy.number());
                        self.wait(journal, &one);
                        self.wait(journal, &two);
                    }
                }
                Lazy => {
                    let ticket = self.append(journal)?;
                    self.lazy.extend(ticket.map(|ticket| ticket.number()));
                }
                Flush => {
                    if journal.flush().is_ok() {
                        self.lazy_until(u64::MAX);
                    }
                }
                Remove => self.remove(journal),
            }
            self.read_all(journal)?;
        }
        Ok(())
    }

    fn remove(&mut self, journal: &Journal) {
        let Some(oldest) = journal.segments().first().copied() else { return };
        let mut lines = Vec::new();
        if oldest.open || journal.lines_of(oldest.id, &mut |line| lines.push(line.number)).is_err() {
            return;
        }
        self.leaving.extend(&lines);
        if journal.remove_oldest(oldest.id).is_ok() {
            self.gone.extend(&lines);
            self.counts.retain(|number, _| !lines.contains(number));
        }
    }

    /// Every line that counts can be read, as long as the disk answers.
    fn read_all(&self, journal: &Journal) -> Result<(), String> {
        for (number, place) in self.counts.iter().filter(|(number, _)| !self.leaving.contains(number)) {
            let Some(place) = place else { continue };
            match journal.read(*place) {
                Ok(json) if json == self.appended[number].as_bytes() => {}
                Ok(json) => return Err(format!("{number} reads {}", String::from_utf8_lossy(&json))),
                Err(JournalError::Io) => {}
                Err(error) => return Err(format!("{number} cannot be read: {error}")),
            }
        }
        Ok(())
    }
}

/// How much of what chance may do is tried.
#[derive(Clone, Copy)]
enum Chances {
    Every,
    Seeds(u64),
}

impl Chances {
    fn each(self, mut run: impl FnMut(&mut Chooser) -> Result<(), String>) -> Result<(), String> {
        let mut result = Ok(());
        match self {
            Self::Every => Chooser::every(|chooser| {
                if result.is_ok() {
                    result = run(chooser);
                }
            }),
            Self::Seeds(seeds) => (0..seeds).try_for_each(|seed| run(&mut Chooser::seeded(seed)))?,
        }
        result
    }
}

/// After what happened: the next process opens, works, and loses power; the one after it opens.
fn afterwards(model: &Model, witness: &Witness, chances: Chances) -> Result<(), String> {
    let mut witness = witness.clone();
    let journal = witness.open(model)?.ok_or("a disk without faults does not open")?;
    let after = |witness: &Witness| {
        chances.each(|chooser| {
            let mut witness = witness.clone();
            let journal = witness.open(&model.after_power_loss(chooser))?;
            journal.map(drop).ok_or_else(|| "it does not open after a loss of power".to_owned())
        })
    };
    // what was shown is there to stay, before and after the next line
    after(&witness)?;
    let before = witness.counts.len();
    witness.work(&journal, &[Put])?;
    if witness.counts.len() != before + 1 {
        return Err("a disk without faults takes no line".into());
    }
    after(&witness)
}

/// Lives that are each killed after some operation, and then power is lost: nothing that counts is
/// lost and nothing comes back, whatever survives. Every crash point of the last life is tried.
fn crashes(lives: &[&[Step]], left_out: Option<SyncPoint>, chances: Chances) -> Result<usize, String> {
    let mut witness = Witness::default();
    let model = Model::new();
    if let Some(point) = left_out {
        model.leave_out(point);
    }
    crashes_from(&model, &mut witness, lives, chances)
}

fn crashes_from(
    model: &Model,
    witness: &mut Witness,
    lives: &[&[Step]],
    chances: Chances,
) -> Result<usize, String> {
    let Some((steps, later)) = lives.split_first() else { return Ok(0) };
    let mut tried = 0;
    for crash in 0.. {
        let (model, mut witness) = (model.after_kill(), witness.clone());
        model.crash_after(crash);
        if let Some(journal) = witness.open(&model)? {
            witness.work(&journal, steps)?;
        }
        let over = model.operations() <= crash;
        let at = || format!("after operation {crash} of {:?}", model.log().last_chunk::<3>());
        tried += 1;
        if later.is_empty() {
            afterwards(&model.after_kill(), &witness, chances).map_err(|why| format!("{why}, {}", at()))?;
            chances
                .each(|chooser| afterwards(&model.after_power_loss(chooser), &witness, chances))
                .map_err(|why| format!("{why}, {}", at()))?;
        } else {
            tried += crashes_from(&model.after_kill(), &mut witness, later, chances)?;
        }
        if over {
            break;
        }
    }
    Ok(tried)
}

#[test]
fn a_loss_of_power_after_any_operation_loses_nothing_that_counts() {
    let tried = crashes(&[BUSY], None, Chances::Seeds(12)).expect("nothing is lost");
    assert!(tried > 60, "{tried} crashes");
}

#[test]
fn in_small_scenarios_whatever_survives_a_loss_of_power_nothing_that_counts_is_lost() {
    for steps in [&[Put, Put][..], &[Three], &[Lazy, Put], &[Three, Put, Remove], &[Lazy, Lazy, Flush]] {
        crashes(&[steps], None, Chances::Every).unwrap_or_else(|why| panic!("{steps:?}: {why}"));
    }
}

#[test]
fn two_crashes_in_a_row_lose_nothing_that_counts() {
    let tried =
        crashes(&[&[Three, Put], &[Put, Remove, Three]], None, Chances::Seeds(4)).expect("nothing is lost");
    assert!(tried > 200, "{tried} crashes");
}

#[test]
fn a_failure_of_any_operation_loses_nothing_that_counts() {
    let whole = Model::new();
    let mut witness = Witness::default();
    let journal = witness.open(&whole).expect("nothing is wrong").expect("it opens");
    witness.work(&journal, BUSY).expect("nothing is lost");
    for nth in 1..=whole.operations() {
        for fault in Fault::ALL {
            for stays in [false, true] {
                failure(nth, fault, stays).unwrap_or_else(|why| {
                    panic!(
                        "{why}, with {fault:?} at operation {nth}, {:?}, staying: {stays}",
                        whole.log()[nth - 1]
                    );
                });
            }
        }
    }
}

fn failure(nth: usize, fault: Fault, stays: bool) -> Result<(), String> {
    let model = Model::new();
    model.fail(nth, fault, stays);
    let mut witness = Witness::default();
    let Some(journal) = witness.open(&model)? else {
        model.recover();
        return afterwards(&model.after_kill(), &witness, Chances::Seeds(2));
    };
    witness.work(&journal, BUSY)?;
    model.recover();
    // whatever happened, the same process goes on once the disk does
    let before = witness.counts.len();
    witness.work(&journal, &[Put])?;
    if witness.counts.len() <= before {
        return Err("it does not go on".into());
    }
    let killed = model.after_kill();
    for (number, text) in witness.appended.iter().filter(|(number, _)| witness.refused.contains(number)) {
        if killed.files().values().any(|file| String::from_utf8_lossy(file).contains(text.as_str())) {
            return Err(format!("{number} was refused and is there"));
        }
    }
    afterwards(&killed, &witness, Chances::Seeds(2))?;
    Chances::Seeds(8)
        .each(|chooser| afterwards(&model.after_power_loss(chooser), &witness, Chances::Seeds(2)))
}

#[test]
fn a_failure_of_any_operation_of_a_later_start_loses_nothing_that_counts() {
    let (mut torn, mut failed) = (0, 0);
    for crash in 8.. {
        let (first, mut witness) = (Model::new(), Witness::default());
        first.crash_after(crash);
        if let Some(journal) = witness.open(&first).expect("nothing is lost") {
            witness.work(&journal, &[Put, Three, Put]).expect("nothing is lost");
        }
        for seed in 0..6 {
            let left = first.after_power_loss(&mut Chooser::seeded(seed));
            let whole = left.after_kill();
            let found = Journal::open(whole.disk(), SETTINGS, &mut |_| {}).expect("it opens").1;
            torn += usize::from(found.torn.is_some());
            for nth in 1..=whole.operations() + 3 {
                for fault in Fault::ALL {
                    let (model, mut witness) = (left.after_kill(), witness.clone());
                    model.fail(nth, fault, false);
                    let opened = witness.open(&model).and_then(|journal| match journal {
                        Some(journal) => witness.work(&journal, &[Put]),
                        None => {
                            failed += 1;
                            Ok(())
                        }
                    });
                    let chances = Chances::Seeds(2);
                    model.recover();
                    opened
                        .and_then(|()| afterwards(&model.after_kill(), &witness, chances))
                        .and_then(|()| {
                            chances.each(|by| afterwards(&model.after_power_loss(by), &witness, chances))
                        })
                        .unwrap_or_else(|why| panic!("{why}, {fault:?} at {nth}, {:?}", model.log()));
                }
            }
        }
        if first.operations() <= crash {
            break;
        }
    }
    assert!(torn > 5 && failed > 100, "{torn} torn tails, {failed} failed starts");
}

/// The scenario holds, and does not when this one sync is left out.
fn is_needed(point: SyncPoint, lives: &[&[Step]], wanted: &str) {
    crashes(lives, None, Chances::Every).expect("with every sync nothing is lost");
    let why =
        crashes(lives, Some(point), Chances::Every).expect_err("without this sync nothing is lost either");
    assert!(why.contains(wanted), "{why}");
}

#[test]
fn without_the_sync_of_a_commit_an_acknowledged_line_is_lost() {
    is_needed(SyncPoint::Commit, &[&[Put]], "is lost");
}

#[test]
fn without_the_sync_of_a_new_segments_name_an_acknowledged_line_is_lost() {
    is_needed(SyncPoint::NewSegment, &[&[Put]], "is lost");
}

#[test]
fn without_the_sync_at_open_a_line_that_was_shown_is_lost() {
    is_needed(SyncPoint::Opened, &[&[Put], &[]], "is lost");
}

#[test]
fn without_the_sync_of_the_directory_at_open_a_segment_that_was_seen_is_lost() {
    is_needed(SyncPoint::OpenedDirectory, &[&[Put], &[]], "is lost");
}

#[test]
fn without_the_sync_of_the_directory_a_removed_segment_comes_back() {
    is_needed(SyncPoint::Removed, &[&[Three, Put, Put, Put, Remove]], "is back");
}

#[test]
fn without_the_sync_before_a_newer_segment_a_line_that_was_shown_is_lost() {
    // The first process ends while it writes: one whole line and half of another, and no sync.
    let line = [line::write(1, text("whole")).expect("a line"), b"0000".to_vec()].concat();
    let left = Model::new();
    let file = left.disk().create("00000001-0000000000000001.seg").expect("made");
    left.disk().sync_dir(SyncPoint::NewSegment).expect("synced");
    file.append(&line).expect("written");
    let shown = |model: &Model| {
        let mut count = 0;
        Journal::open(model.disk(), SETTINGS, &mut |_| count += 1).map(|_| count)
    };
    let mut tried = 0;
    for crash in 0.. {
        // the second one ends anywhere in its start, the third shows what it finds, and power is lost
        let second = left.after_kill();
        second.crash_after(crash);
        let _ = shown(&second);
        let third = second.after_kill();
        let there = shown(&third).expect("it opens");
        Chooser::every(|chooser| {
            let lasts = shown(&third.after_power_loss(chooser)).expect("it opens");
            assert!(lasts >= there, "{lasts} of {there} after operation {crash} of {:?}", second.log());
            tried += 1;
        });
        if second.operations() <= crash {
            break;
        }
    }
    assert!(tried > 10, "{tried}");
}
