//! What holds when the power goes or the disk fails, after every operation in turn: no accepted message
//! is lost, none is delivered twice unmarked, an acknowledgement that was answered holds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    store::disk::testing::{Chooser, Fault},
    wire::address::HomeId,
};

/// What senders and readers were told.
#[derive(Default, Clone)]
struct Witness {
    /// accepted, and that was answered
    accepted: BTreeSet<String>,
    /// a reader had them
    had: BTreeSet<String>,
    /// its reader's acknowledgement, or deletion, was answered
    over: BTreeSet<String>,
    /// was being taken out, and nobody was told how that went
    unknown: BTreeSet<String>,
    /// some of the times that a message came
    came: BTreeMap<String, usize>,
}

const BULK: usize = 1_200;

/// What became of a message that another instance was to have.
#[derive(Debug, Clone, Copy)]
enum Left {
    Not,
    Perhaps,
    Taken,
}

impl Witness {
    fn send(&mut self, rig: &Rig, id: &str, ttl_ms: u64) {
        let text = format!("{id}{}", "x".repeat(BULK));
        let new = NewMessage { ttl_ms, ..rig.new_message(id, &text) };
        match rig.mail.accept(new) {
            Ok(accepted) => {
                assert!(!accepted.duplicate || !self.accepted.insert(id.to_owned()) || self.came.is_empty());
                self.accepted.insert(id.to_owned());
            }
            Err(MailError::Journal(_)) => {}
            Err(error) => panic!("{id}: {error:?}"),
        }
    }

    fn take(&mut self, rig: &Rig, manner: Manner, limit: usize, sent: bool) {
        let Ok(handed) = rig.mail.take(&rig.to, manner, limit, 1 << 20) else { return };
        for message in &handed.messages {
            assert!(!self.over.contains(&message.id), "{} was over", message.id);
            let had = !self.had.insert(message.id.clone());
            assert!(message.redelivered || !had, "{} came again unmarked", message.id);
            assert!(message.text.starts_with(&message.id), "{}", message.text);
            *self.came.entry(message.id.clone()).or_default() += 1;
        }
        if sent {
            if manner == Manner::Final {
                // It is noted lazily: it may come again, marked.
                self.unknown.extend(handed.messages.iter().map(|message| message.id.clone()));
            }
            handed.sent();
        }
    }

    /// Accepts a message to hand it to another instance, and says what became of it.
    fn hand_over(&mut self, rig: &Rig, id: &str, left: Left) {
        let text = format!("{id}{}", "x".repeat(BULK));
        let new = NewMessage { claim: true, hold: true, ..rig.new_message(id, &text) };
        let Ok(accepted) = rig.mail.accept(new) else { return };
        self.accepted.insert(id.to_owned());
        self.leave(accepted.handed, left);
    }

    /// Tries again what is held.
    fn try_again(&mut self, rig: &Rig, left: Left) {
        for held in rig.mail.first_held(&rig.to, 10) {
            if let Ok(handed) = rig.mail.claim(held.number) {
                self.leave(handed, left);
            }
        }
    }

    fn leave(&mut self, handed: Option<Handed>, left: Left) {
        let Some(handed) = handed else { return };
        let message = &handed.messages[0];
        let had = self.had.contains(&message.id);
        assert!(message.redelivered || !had, "{} left again unmarked", message.id);
        match left {
            Left::Not => handed.unsent(),
            Left::Perhaps => {
                self.had.insert(message.id.clone());
                drop(handed);
            }
            Left::Taken => {
                self.had.insert(message.id.clone());
                // It is noted lazily: it may leave again, marked.
                self.unknown.insert(message.id.clone());
                handed.forwarded(&HomeId::of([1; 6]));
            }
        }
    }

    fn remove(&mut self, ids: &[&str], remove: impl FnOnce() -> Result<usize, MailError>) {
        let ids = ids.iter().map(|id| (*id).to_owned());
        match remove() {
            Ok(0) => {}
            Ok(_) => self.over.extend(ids),
            Err(_) => self.unknown.extend(ids),
        }
    }

    /// A life of a mailbox: sends and sends again, both kinds of reading, an acknowledgement, a
    /// deletion, a failure, an expiry, redelivery, compaction.
    fn live(&mut self, rig: &Rig) {
        let day = limits::ENDED_MESSAGE_MS;
        for id in ["1", "2", "3", "4", "5", "6"] {
            self.send(rig, id, 2 * day);
        }
        self.send(rig, "1", 2 * day);
        self.send(rig, "short", 5_000);
        for (id, left) in [("h1", Left::Not), ("h2", Left::Perhaps), ("h3", Left::Taken), ("h4", Left::Not)] {
            self.hand_over(rig, id, left);
        }
        for left in [Left::Not, Left::Perhaps, Left::Not] {
            self.try_again(rig, left);
        }
        self.take(rig, Manner::Final, 1, true);
        self.take(rig, Manner::Final, 1, false);
        self.take(rig, Manner::UntilAcked { after: None }, 3, true);
        self.remove(&["2"], || rig.mail.ack(&rig.to, Ack::Ids(&["2"])));
        self.remove(&["5"], || rig.mail.delete(&rig.to, &["5"]));
        rig.mail.maintain();
        if let Some(info) = rig.mail.find("6").first() {
            rig.mail.fail(info.number, "a test");
        }
        rig.clock.advance(5_000);
        rig.mail.maintain();
        let _ = rig.mail.redeliver("6", None);
        for round in 0..6 {
            for id in 0..4 {
                let id = format!("r{round}-{id}");
                self.send(rig, &id, 2 * day);
            }
            self.hand_over(rig, &format!("h{round}-"), Left::Not);
            self.try_again(rig, if round % 2 == 0 { Left::Not } else { Left::Taken });
            self.take(rig, Manner::Final, 6, true);
            for _ in 0..8 {
                rig.mail.maintain();
            }
        }
        self.take(rig, Manner::UntilAcked { after: None }, 2, true);
        self.send(rig, "last", 2 * day);
    }

    /// What the next readers find, and all senders that send again.
    fn check(&mut self, rig: &Rig, what: &str) {
        // What is due is over; then both wait again.
        rig.mail.maintain();
        let _ = rig.mail.redeliver("short", None);
        let _ = rig.mail.redeliver("6", None);
        for id in &self.accepted {
            let info = rig.mail.find(id);
            assert_eq!(info.len(), 1, "{what}: {id} is lost");
            let waits = matches!(info[0].state, State::Accepted | State::Delivered | State::Delivering);
            let may_be_over = self.over.contains(id) || self.unknown.contains(id);
            assert!(waits || may_be_over, "{what}: {id}: {info:?}");
            if !id.len().is_multiple_of(2) && id != "1" {
                continue;
            }
            let text = format!("{id}{}", "x".repeat(BULK));
            let again = rig.mail.accept(rig.new_message(id, &text)).expect("a disk in memory");
            assert!(again.duplicate, "{what}: {id} is not known any more");
        }
        let (waiting, bytes) = rig.mail.waiting_in_all();
        assert_eq!(waiting, rig.mail.waiting(&rig.to), "{what}: nothing is on its way to disk");
        assert!(waiting == 0 || bytes / waiting > BULK, "{what}");
        self.came.clear();
        self.take(rig, Manner::Final, usize::MAX, true);
        assert_eq!(rig.mail.waiting_in_all(), (0, 0), "{what}: all of it came");
        assert!(self.came.values().all(|times| *times == 1), "{what}");
        for id in self.accepted.difference(&self.over) {
            assert!(self.unknown.contains(id) || self.came.contains_key(id), "{what}: {id} did not come");
        }
    }
}

fn small() -> Rig {
    let settings = Settings { segment_bytes: 1_700, ..Settings::default() };
    Rig::with(settings, table::Bounds::default())
}

fn operations() -> usize {
    let rig = small();
    let mut witness = Witness::default();
    witness.live(&rig);
    let removed = rig.disk.log().iter().filter(|line| line.contains("remove")).count();
    assert!(removed > 2, "the scenario compacts: {:#?}", rig.disk.log());
    witness.check(&rig, "undisturbed");
    rig.disk.operations()
}

#[test]
fn no_message_is_lost_or_delivered_twice_unmarked_when_power_goes_after_any_operation() {
    for nth in 0..=operations() {
        let rig = small();
        let mut witness = Witness::default();
        rig.disk.crash_after(nth);
        witness.live(&rig);
        let found = rig.disk.clone();
        for seed in 0..3 {
            let disk = match seed {
                0 => found.after_kill(),
                _ => found.after_power_loss(&mut Chooser::seeded(nth as u64 * 100 + seed)),
            };
            let clock = Arc::clone(&rig.clock);
            let opened = Mail::open_with(disk.disk(), rig.settings, rig.bounds, Arc::clone(&clock) as _);
            let (mail, loaded) = opened.expect("opens");
            assert_eq!(loaded.unknown_in_all, 0, "{nth} {seed}: {loaded:?}");
            let rig = Rig {
                disk,
                settings: rig.settings,
                bounds: rig.bounds,
                clock,
                mail: Arc::new(mail),
                to: name("a"),
            };
            witness.clone().check(&rig, &format!("after {nth}, {seed}"));
        }
    }
}

#[test]
fn no_message_is_lost_or_half_there_when_any_operation_fails() {
    let operations = operations();
    for (at, fault) in Fault::ALL.into_iter().enumerate() {
        // Two of the four at each operation: the other two are next.
        for nth in (1..=operations).filter(|nth| (nth + at) % 2 == 0) {
            for stays in [false, true].into_iter().take(1 + usize::from(nth % 8 < 2)) {
                let what = format!("{fault:?} at {nth}, stays: {stays}");
                let rig = small();
                let mut witness = Witness::default();
                rig.disk.fail(nth, fault, stays);
                witness.live(&rig);
                rig.disk.recover();
                if nth / 2 % 2 == 0 {
                    witness.check(&rig, &what);
                } else {
                    witness.check(&rig.again_whatever_is_there(), &what);
                }
            }
        }
    }
}

impl Rig {
    /// As after the process was killed, where the disk had failed before.
    fn again_whatever_is_there(mut self) -> Self {
        self.disk = self.disk.after_kill();
        let opened =
            Mail::open_with(self.disk.disk(), self.settings, self.bounds, Arc::clone(&self.clock) as _);
        self.mail = Arc::new(opened.expect("opens").0);
        self
    }
}
