use super::*;
use crate::{
    bus::mail::{
        record,
        types::{Ack, Kind, Manner, Priority},
    },
    limits,
    store::{
        disk::testing::Model,
        journal::{Journal, Settings},
    },
    wire::id::AgentId,
};

/// Any place: the table never looks at what is there.
fn place() -> Place {
    let (journal, _) = Journal::open(Model::new().disk(), Settings::default(), &mut |_| ()).expect("opens");
    let ticket = journal.append(|_, out| out.extend_from_slice(b"\"x\":1")).expect("room");
    journal.wait(&ticket).expect("a disk in memory")
}

struct Rig {
    table: Table,
    place: Place,
    next: u64,
    now: u64,
}

impl Rig {
    fn new(bounds: Bounds) -> Self {
        Self { table: Table::new(bounds), place: place(), next: 0, now: 1_000_000 }
    }

    fn send(&mut self, caller: &str, to: &str, id: &str, text: &str) -> Result<u64, MailError> {
        self.send_as(caller, to, id, text, Priority::Normal, limits::TTL_MOST_MS)
    }

    fn send_as(
        &mut self,
        caller: &str,
        to: &str,
        id: &str,
        text: &str,
        priority: Priority,
        ttl_ms: u64,
    ) -> Result<u64, MailError> {
        let to = AgentId::parse(to).expect("a valid id");
        let new = NewMessage {
            id,
            caller,
            from: caller,
            to: &to,
            kind: Kind::Send,
            text,
            priority,
            ttl_ms,
            correlation_id: None,
            in_reply_to: None,
            claim: false,
            hold: false,
            via: None,
            redelivered: false,
        };
        let digest = record::digest(text);
        match self.table.check(&new, digest) {
            Check::New => {}
            Check::Same(number, _) => return Ok(number),
            Check::Underway => panic!("nothing is underway"),
            Check::Refused(error) => return Err(error),
        }
        self.next += 1;
        self.table.reserve(self.next, &new, digest, self.now, 0);
        self.table.admit(self.next, self.place);
        Ok(self.next)
    }

    fn take(&mut self, to: &str, manner: Manner, limit: usize) -> Vec<u64> {
        let chosen = self.table.choose(to, manner, (limit, usize::MAX), 1, self.now);
        let numbers: Vec<u64> = chosen.iter().map(|chosen| chosen.number).collect();
        self.table.handed(&numbers);
        numbers
    }

    fn over(&mut self, number: u64, state: State, dead: bool) {
        self.table.end(number, state, None, dead, self.now);
    }

    fn sweep(&mut self) {
        while !self.table.sweep(self.now, 100) {}
    }
}

const ALL: Manner = Manner::UntilAcked { after: None };

#[test]
fn a_full_mailbox_refuses_and_loses_nothing() {
    let mut rig = Rig::new(Bounds::default());
    for n in 0..limits::MAILBOX {
        assert!(rig.send("owner", "a", &n.to_string(), "x").is_ok());
    }
    let full = MailError::Full(Full::Mailbox(limits::MAILBOX));
    assert_eq!(rig.send("owner", "a", "more", "x"), Err(full));
    assert_eq!(rig.table.waiting("a"), limits::MAILBOX);
    assert_eq!(rig.send("owner", "a", "0", "x"), Ok(1), "one that was accepted is still told");
    assert!(rig.send("owner", "b", "1", "x").is_ok(), "another's mailbox is not full");
    assert_eq!(rig.take("a", Manner::Final, 1), [1], "the oldest is still there");
    rig.over(1, State::Delivered, false);
    assert!(rig.send("owner", "a", "more", "x").is_ok(), "there is room again");
}

/// The names at every home can be made up, so they count for nothing; the owner elsewhere is not ours.
#[test]
fn callers_of_other_instances_share_whatever_they_are_called() {
    let far = |n: usize| match n % 3 {
        0 => format!("agent a{n}@{n:012x}"),
        1 => format!("owner@{n:012x}"),
        _ => format!("api@{n:012x}"),
    };
    let bounds = Bounds { ended: 10, dead: 10, ..Bounds::default() };
    let mut rig = Rig::new(bounds);
    for n in 0..limits::MAILBOX_FAR {
        assert!(rig.send(&far(n), "a", "1", "x").is_ok(), "{n}");
    }
    let full = MailError::Full(Full::SenderMessages(limits::MAILBOX_FAR));
    for n in 0..3 {
        assert_eq!(rig.send(&far(n), "a", "more", "x"), Err(full.clone()));
        assert!(rig.send(&far(n), "b", "1", "x").is_ok(), "another mailbox has room");
    }
    assert!(rig.send("agent x", "a", "1", "x").is_ok() && rig.send("owner", "a", "1", "x").is_ok());
    rig.over(1, State::Delivered, false);
    assert!(rig.send(&far(9), "a", "more", "x").is_ok() && rig.send(&far(9), "a", "2", "x").is_err());

    let one = entry::cost("1", 1);
    let mut rig = Rig::new(Bounds { bytes_far: 2 * one, ..bounds });
    assert!(rig.send(&far(0), "a", "1", "x").is_ok() && rig.send(&far(1), "b", "1", "x").is_ok());
    assert_eq!(rig.send(&far(2), "c", "1", "x"), Err(Full::SenderBytes(2 * one).into()));
    assert!(rig.send("agent x", "c", "1", "x").is_ok());
    rig.over(1, State::Delivered, false);
    assert!(rig.send(&far(2), "c", "1", "x").is_ok(), "what is over takes no room");

    // The owner at another home is not the owner here: the last places are not his.
    let mut rig = Rig::new(Bounds { mailbox: 3, mailbox_agents: 2, ..bounds });
    assert!(rig.send(&far(1), "a", "1", "x").is_ok() && rig.send(&far(4), "a", "1", "x").is_ok());
    assert_eq!(rig.send(&far(7), "a", "1", "x"), Err(Full::Mailbox(2).into()));
    assert!(rig.send("owner", "a", "1", "x").is_ok());

    // Nor do made-up names push out what is remembered of those who have one.
    for dead in [false, true] {
        let mut rig = Rig::new(bounds);
        let own: Vec<u64> =
            (0..5).map(|n| rig.send("agent x", "a", &n.to_string(), "x").expect("room")).collect();
        let made: Vec<u64> = (0..20).map(|n| rig.send(&far(n), "a", "1", "x").expect("room")).collect();
        let state = if dead { State::Failed } else { State::Delivered };
        own.iter().chain(&made).for_each(|number| rig.over(*number, state, dead));
        rig.sweep();
        let phase = if dead { Phase::Dead } else { Phase::Ended };
        let kept = |number: &u64| rig.table.entry(*number).is_some_and(|entry| entry.phase == phase);
        assert_eq!((own.iter().filter(|n| kept(n)).count(), made.iter().filter(|n| kept(n)).count()), (5, 5));
    }
}

#[test]
fn mailboxes_are_bounded() {
    let mut rig = Rig::new(Bounds::default());
    for n in 0..limits::MAILBOXES {
        assert!(rig.send("owner", &format!("a{n}"), "1", "x").is_ok());
    }
    assert_eq!(rig.send("owner", "more", "1", "x"), Err(Full::Mailboxes(limits::MAILBOXES).into()));
    assert!(rig.send("owner", "a0", "2", "x").is_ok());
}

#[test]
fn undelivered_bytes_are_bounded() {
    assert_eq!(Bounds::default().bytes, limits::MAIL_BYTES);
    let bytes = 2 * entry::cost("1", 0) + 8;
    let mut rig = Rig::new(Bounds { bytes, ..Bounds::default() });
    assert!(rig.send("owner", "a", "1", "12345678").is_ok());
    assert_eq!(rig.send("owner", "b", "2", "1"), Err(Full::Bytes(bytes).into()));
    assert!(rig.send("owner", "b", "2", "").is_ok());
    assert_eq!(
        rig.send("owner", "c", "3", ""),
        Err(Full::Bytes(bytes).into()),
        "an empty one takes room too"
    );
    assert_eq!(rig.table.waiting_in_all(), (2, bytes));
}

#[test]
fn an_agent_fills_no_more_of_a_mailbox_than_its_share() {
    let mut rig = Rig::new(Bounds::default());
    for n in 0..limits::MAILBOX_AGENT {
        assert!(rig.send("agent x", "a", &n.to_string(), "x").is_ok());
    }
    let full = MailError::Full(Full::SenderMessages(250));
    assert_eq!(rig.send("agent x", "a", "more", "x"), Err(full.clone()));
    assert_eq!(full.answer().1, "sender_share_full");
    assert!(rig.send("agent x", "b", "more", "x").is_ok(), "the share is of one mailbox");
    assert!(rig.send("agent y", "a", "more", "x").is_ok() && rig.send("api", "a", "more", "x").is_ok());
    rig.over(1, State::Read, false);
    assert!(rig.send("agent x", "a", "more", "x").is_ok(), "there is room again");
}

#[test]
fn the_last_places_of_a_mailbox_are_the_owners() {
    let mut rig = Rig::new(Bounds::default());
    for n in 0..limits::MAILBOX - limits::MAILBOX_OWNER {
        assert!(rig.send(&format!("agent x{}", n % 9), "a", &n.to_string(), "x").is_ok());
    }
    assert_eq!(rig.send("agent z", "a", "more", "x"), Err(Full::Mailbox(900).into()));
    for n in 0..limits::MAILBOX_OWNER {
        assert!(rig.send("owner", "a", &n.to_string(), "x").is_ok());
    }
    assert_eq!(rig.send("owner", "a", "more", "x"), Err(Full::Mailbox(1_000).into()));
}

#[test]
fn the_last_mailboxes_are_the_owners() {
    let bounds = Bounds { mailboxes: 5, mailboxes_agents: 3, ..Bounds::default() };
    assert_eq!(Bounds::default().mailboxes_agents, limits::MAILBOXES - limits::MAILBOXES_OWNER);
    let mut rig = Rig::new(bounds);
    for to in ["a", "b", "c"] {
        assert!(rig.send("agent x", to, "1", "x").is_ok());
    }
    assert_eq!(rig.send("agent x", "d", "1", "x"), Err(Full::Mailboxes(3).into()));
    assert!(rig.send("agent x", "a", "2", "x").is_ok(), "one that is open already takes more");
    assert!(rig.send("owner", "d", "1", "x").is_ok() && rig.send("api", "e", "1", "x").is_ok());
    assert_eq!(rig.send("owner", "f", "1", "x"), Err(Full::Mailboxes(5).into()));
}

#[test]
fn an_agent_fills_no_more_bytes_than_its_share() {
    assert_eq!(Bounds::default().bytes_agent, limits::MAIL_BYTES_AGENT);
    let share = 2 * entry::cost("1", 0) + 4;
    let mut rig = Rig::new(Bounds { bytes_agent: share, ..Bounds::default() });
    assert!(rig.send("agent x", "a", "1", "1234").is_ok());
    assert_eq!(rig.send("agent x", "b", "2", "1"), Err(Full::SenderBytes(share).into()));
    assert!(rig.send("agent x", "b", "2", "").is_ok() && rig.send("agent y", "b", "2", "1234").is_ok());
    rig.over(1, State::Expired, true);
    assert!(rig.send("agent x", "b", "3", "1234").is_ok(), "what is over takes no room");
}

#[test]
fn the_last_bytes_are_the_owners() {
    assert_eq!(Bounds::default().bytes_agents, limits::MAIL_BYTES - limits::MAIL_BYTES_OWNER);
    let one = entry::cost("1", 0);
    let mut rig = Rig::new(Bounds { bytes: 3 * one, bytes_agents: 2 * one, ..Bounds::default() });
    assert!(rig.send("owner", "a", "1", "").is_ok() && rig.send("agent x", "a", "2", "").is_ok());
    assert_eq!(rig.send("agent y", "a", "3", ""), Err(Full::Bytes(2 * one).into()));
    assert!(rig.send("owner", "a", "3", "").is_ok());
    assert_eq!(rig.send("owner", "a", "4", ""), Err(Full::Bytes(3 * one).into()));
}

#[test]
fn the_more_urgent_comes_first_and_then_the_older() {
    let mut rig = Rig::new(Bounds::default());
    for (id, priority) in ["n1", "h1", "u1", "n2", "h2", "u2"].into_iter().zip([
        Priority::Normal,
        Priority::High,
        Priority::Urgent,
        Priority::Normal,
        Priority::High,
        Priority::Urgent,
    ]) {
        rig.send_as("owner", "a", id, "x", priority, 10_000).expect("room");
    }
    assert_eq!(rig.take("a", ALL, 2), [3, 6]);
    assert_eq!(rig.take("a", Manner::Final, 9), [2, 5, 1, 4], "what another holds is not handed out twice");
    rig.table.release(&[2, 5, 1, 4, 3, 6], 1);
    assert_eq!(rig.take("a", Manner::Final, 9), [3, 6, 2, 5, 1, 4], "whether a cursor had them or not");
}

#[test]
fn a_cursor_gives_positions_and_what_it_had_again_until_it_is_acknowledged() {
    let mut rig = Rig::new(Bounds::default());
    for id in ["1", "2", "3", "4"] {
        rig.send("owner", "a", id, "x").expect("room");
    }
    let position = |rig: &Rig, number| rig.table.entry(number).and_then(Entry::position);
    assert_eq!(rig.take("a", ALL, 2), [1, 2]);
    rig.table.delivered(&[1, 2], 1, 1);
    assert_eq!((position(&rig, 1), position(&rig, 2), position(&rig, 3)), (Some(1), Some(2), None));
    assert_eq!(rig.take("a", Manner::UntilAcked { after: Some(2) }, 1), [3], "only what stands above");
    rig.table.delivered(&[3], 1, 1);
    assert_eq!(rig.take("a", ALL, 9), [1, 2, 3, 4], "without a position all of it comes again");
    rig.table.delivered(&[1, 2, 3, 4], 1, 1);
    assert_eq!(rig.table.acked("a", &Ack::Through(2).into()), Ok(vec![1, 2]));
    assert_eq!(rig.table.acked("a", &Ack::Through(2).into()), Ok(Vec::new()), "they are on their way out");
    rig.over(1, State::Read, false);
    rig.over(2, State::Read, false);
    assert_eq!(rig.table.acked("a", &Ack::Ids(&["4", "unknown"]).into()), Ok(vec![4]));
    rig.over(4, State::Read, false);
    assert_eq!(rig.take("a", ALL, 9), [3]);
    rig.send("owner", "a", "5", "x").expect("room");
    assert_eq!(
        rig.table.acked("a", &Ack::Through(u64::MAX).into()),
        Ok(vec![3]),
        "what nobody had is not acknowledged"
    );
    rig.over(3, State::Read, false);
    assert_eq!(rig.take("a", ALL, 9), [5]);
    assert_eq!(position(&rig, 5), Some(5), "a position is given out once");
}

#[test]
fn a_cursor_gets_nothing_beyond_what_another_reader_holds() {
    let mut rig = Rig::new(Bounds::default());
    for id in ["1", "2", "3"] {
        rig.send("owner", "a", id, "x").expect("room");
    }
    assert_eq!(rig.take("a", ALL, 1), [1]);
    let beyond = Manner::UntilAcked { after: Some(0) };
    assert!(!rig.table.has_any("a", beyond, rig.now) && rig.take("a", beyond, 9).is_empty());
    rig.table.release(&[1], 1);
    assert!(rig.table.has_any("a", beyond, rig.now));
    assert_eq!(rig.take("a", beyond, 9), [1, 2, 3]);
}

#[test]
fn what_could_not_be_written_was_never_handed_out() {
    let mut rig = Rig::new(Bounds::default());
    rig.send("owner", "a", "1", "x").expect("room");
    let chosen = rig.table.choose("a", ALL, (9, 9), 7, 2);
    rig.table.undo(&chosen, 7);
    let entry = rig.table.entry(1).expect("there");
    assert_eq!((entry.position(), entry.state, entry.handed), (None, State::Accepted, false));
    assert_eq!(entry.history(), [(State::Accepted, 1_000_000)]);
    assert_eq!(rig.take("a", Manner::Final, 9), [1]);
}

#[test]
fn dead_letters_are_bounded_in_number_and_bytes() {
    let (one, bounds) = (entry::cost("1", 10), Bounds::default());
    assert_eq!((bounds.dead, bounds.dead_bytes), (limits::DEAD_LETTERS, limits::DEAD_LETTER_BYTES));
    for bounds in [Bounds { dead: 3, ..bounds }, Bounds { dead_bytes: 3 * one + 1, ..bounds }] {
        let mut rig = Rig::new(bounds);
        let owners = rig.send("owner", "a", "1", "0123456789").expect("room");
        rig.over(owners, State::Expired, true);
        for id in ["1", "2", "3", "4", "5"] {
            rig.now += 1;
            let number = rig.send("agent x", "a", id, "0123456789").expect("room");
            rig.over(number, State::Expired, true);
            rig.sweep();
        }
        assert_eq!(rig.table.dead(0, 9, 999).0, [1, 5, 6], "the greediest loses his oldest, and only he");
        assert_eq!(rig.table.entry(2).map(|entry| entry.phase), Some(Phase::Ended), "it is remembered");
    }
}

#[test]
fn a_dead_letter_is_kept_for_a_week() {
    let mut rig = Rig::new(Bounds::default());
    let number = rig.send("owner", "a", "1", "x").expect("room");
    rig.over(number, State::Failed, true);
    rig.now += limits::DEAD_LETTER_MS - 1;
    rig.sweep();
    assert_eq!(rig.table.dead(0, 9, 9).0, [1]);
    rig.now += 1;
    rig.sweep();
    assert_eq!(rig.table.dead(0, 9, 9).0, [] as [u64; 0]);
}

#[test]
fn ended_messages_are_remembered_in_a_bounded_number() {
    assert_eq!(Bounds::default().ended, limits::ENDED_MESSAGES);
    let mut rig = Rig::new(Bounds { ended: 3, ..Bounds::default() });
    let first = rig.send("owner", "a", "kept", "x").expect("room");
    rig.over(first, State::Read, false);
    for n in 0..100 {
        rig.now += 1;
        let number = rig.send("agent x", &format!("b{n}"), "1", "x").expect("room");
        rig.over(number, State::Read, false);
        rig.sweep();
    }
    assert_eq!(rig.send("owner", "a", "kept", "x"), Ok(first), "nobody's flood makes another forgotten");
    assert_eq!((rig.table.entries.len(), rig.table.keys.len()), (3, 3));
    assert_eq!((rig.table.names.len(), rig.table.boxes.len()), (2 + 1 + 2, 0), "no name stays behind");
}

#[test]
fn an_ended_message_is_remembered_for_a_day() {
    let mut rig = Rig::new(Bounds::default());
    let day = limits::ENDED_MESSAGE_MS;
    for (id, ttl, kept) in [("short", 1_000, day), ("long", 3 * day, 3 * day)] {
        let number = rig.send_as("owner", "a", id, "x", Priority::Normal, ttl).expect("room");
        rig.over(number, State::Delivered, false);
        rig.now += kept - 1;
        rig.sweep();
        assert_eq!(rig.send("owner", "a", id, "x"), Ok(number));
        assert_eq!(rig.send("owner", "a", id, "y"), Err(MailError::IdReused));
        rig.now += 1;
        rig.sweep();
        assert_ne!(rig.send("owner", "a", id, "y"), Ok(number));
    }
}

#[test]
fn positions_of_a_forgotten_mailbox_are_not_given_out_again() {
    let mut rig = Rig::new(Bounds { mailboxes: 2, ..Bounds::default() });
    for (to, expected) in [("a", 1), ("b", 1), ("c", 1), ("d", 2), ("a", 2)] {
        let number = rig.send("owner", to, &rig.next.to_string(), "x").expect("room");
        assert_eq!(rig.take(to, ALL, 1), [number]);
        let position = rig.table.entry(number).and_then(Entry::position);
        assert_eq!(position, Some(expected), "{to}");
        rig.now += 1;
        rig.over(number, State::Read, false);
    }
    assert_eq!(rig.table.boxes.len(), 2);
}

#[test]
fn a_page_is_bounded_in_number_and_bytes() {
    let mut rig = Rig::new(Bounds::default());
    for id in ["1", "2", "3", "4"] {
        rig.send("owner", "a", id, "0123456789").expect("room");
    }
    assert_eq!(rig.table.look("a", 0, 2, 999), (vec![1, 2], true));
    assert_eq!(rig.table.look("a", 2, 2, 999), (vec![3, 4], false));
    assert_eq!(rig.table.look("a", 0, 9, 29), (vec![1, 2], true));
    assert_eq!(rig.table.look("a", 0, 9, 0), (vec![1], true), "at least one");
    for number in 1..=4 {
        rig.over(number, State::Failed, true);
    }
    assert_eq!(rig.table.dead(1, 2, 999), (vec![2, 3], true));
    assert_eq!(rig.table.dead(0, 9, 10), (vec![1], true));
}
