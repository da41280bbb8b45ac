//! The mailbox as its users see it, on a disk in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{
    store::{disk::testing::Model, journal::Settings},
    wire::clock::ManualClock,
};

mod attacks;
mod compaction;
mod life;
mod model;
mod power;
mod slow;
mod threads;

fn name(text: &str) -> AgentId {
    AgentId::parse(text).expect("a valid id")
}

/// A mailbox whose disk stays when it is dropped.
struct Rig {
    disk: Model,
    settings: Settings,
    bounds: table::Bounds,
    clock: Arc<ManualClock>,
    mail: Arc<Mail>,
    to: AgentId,
}

impl Rig {
    fn new() -> Self {
        Self::with(Settings::default(), table::Bounds::default())
    }

    fn with(settings: Settings, bounds: table::Bounds) -> Self {
        let (disk, clock) = (Model::new(), ManualClock::at(1_000_000));
        let mail = Mail::open_with(disk.disk(), settings, bounds, Arc::clone(&clock) as _).expect("opens").0;
        Self { disk, settings, bounds, clock, mail: Arc::new(mail), to: name("a") }
    }

    /// As after the process was killed.
    fn again(mut self) -> Self {
        self.disk = self.disk.after_kill();
        let opened =
            Mail::open_with(self.disk.disk(), self.settings, self.bounds, Arc::clone(&self.clock) as _);
        let (mail, loaded) = opened.expect("opens");
        assert_eq!((loaded.unknown_in_all, loaded.journal.bad_in_all), (0, 0), "{loaded:?}");
        self.mail = Arc::new(mail);
        self
    }

    fn new_message<'a>(&'a self, id: &'a str, text: &'a str) -> NewMessage<'a> {
        NewMessage {
            id,
            caller: "owner",
            from: "me",
            to: &self.to,
            kind: Kind::Send,
            text,
            priority: Priority::Normal,
            ttl_ms: 60_000,
            correlation_id: None,
            in_reply_to: None,
            claim: false,
            hold: false,
            via: None,
            redelivered: false,
        }
    }

    fn send(&self, id: &str) -> u64 {
        self.mail.accept(self.new_message(id, "words")).expect("room").number
    }

    fn take(&self, manner: Manner) -> Handed {
        self.mail.take(&self.to, manner, 100, 1 << 20).expect("a disk in memory")
    }

    /// Reads with a cursor; what came, as id, position and mark.
    fn read(&self, after: Option<u64>) -> Vec<(String, Option<u64>, bool)> {
        let handed = self.take(Manner::UntilAcked { after });
        let messages = handed.messages.iter().map(|m| (m.id.clone(), m.position, m.redelivered)).collect();
        handed.sent();
        messages
    }

    /// Reads destructively; what came, as id and mark.
    fn drain(&self) -> Vec<(String, bool)> {
        let handed = self.take(Manner::Final);
        let messages = handed.messages.iter().map(|m| (m.id.clone(), m.redelivered)).collect();
        handed.sent();
        messages
    }

    fn state(&self, id: &str) -> Option<State> {
        self.mail.find(id).first().map(|info| info.state)
    }
}

fn plain(ids: &[&str]) -> Vec<(String, bool)> {
    ids.iter().map(|id| ((*id).to_owned(), false)).collect()
}

#[test]
fn a_messages_texts_are_bounded() {
    let rig = Rig::new();
    let long = "x".repeat(limits::MESSAGE_TEXT + 1);
    let id = "i".repeat(limits::MESSAGE_ID + 1);
    let good = rig.new_message("i", "x");
    for (new, field) in [
        (NewMessage { text: &long, ..good }, "text"),
        (NewMessage { id: &id, ..good }, "id"),
        (NewMessage { id: "", ..good }, "id"),
        (NewMessage { from: &long, ..good }, "from"),
        (NewMessage { caller: &long, ..good }, "caller"),
        (NewMessage { correlation_id: Some(&id), ..good }, "correlation_id"),
        (NewMessage { in_reply_to: Some(&id), ..good }, "in_reply_to"),
    ] {
        let refused = rig.mail.accept(new).map(|accepted| accepted.number);
        assert!(matches!(refused, Err(MailError::Field(name, _)) if name == field), "{field}: {refused:?}");
    }
    assert!(rig.mail.accept(NewMessage { text: &long[1..], id: &id[1..], ..good }).is_ok());
    assert_eq!(rig.mail.waiting_in_all().0, 1);
}

#[test]
fn a_time_to_live_is_kept_within_its_bounds() {
    let rig = Rig::new();
    for (id, asked, given) in
        [("0", 0, limits::TTL_LEAST_MS), ("1", 5_000, 5_000), ("2", u64::MAX, limits::TTL_MOST_MS)]
    {
        let new = NewMessage { ttl_ms: asked, ..rig.new_message(id, "x") };
        rig.mail.accept(new).expect("room");
        assert_eq!(rig.mail.find(id)[0].expires_at, 1_000_000 + given);
    }
}

#[test]
fn messages_found_by_their_id_are_bounded() {
    let rig = Rig::new();
    for n in 0..2 * limits::FOUND {
        let to = name(&format!("a{n}"));
        rig.mail.accept(NewMessage { to: &to, ..rig.new_message("same", "x") }).expect("room");
    }
    assert_eq!(rig.mail.find("same").len(), limits::FOUND);
}
