//! What is kept in memory of one message: everything but its words.
//!
//! Small, for there may be millions: times are counted from its own beginning, names are numbers, and the
//! words are a place in the journal.

use super::super::{
    names::Name,
    types::{Kind, NewMessage, Priority, State},
};
use crate::store::journal::Place;

/// Of a moment that has not come.
pub(in super::super) const NEVER: u32 = u32::MAX;

/// What a message takes of the bounds beside its texts, so that many small ones are bounded too.
const OVERHEAD: usize = 200;

/// What a line about a message's standing has more than the one that it was accepted with.
const STANDING: u64 = 320;

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Phase {
    /// on its way to disk; nobody sees it
    Reserved,
    /// in its mailbox
    Waiting,
    /// failed or expired, kept with its words
    Dead,
    /// over, remembered without its words
    Ended,
}

/// One message. Times are ms after `sent_at`, [`NEVER`] where they have not come.
#[derive(Debug, Clone)]
pub(in super::super) struct Entry {
    pub id: Box<str>,
    pub to: Name,
    pub caller: Name,
    pub reason: Option<Name>,
    /// the home of the instance that it is for; `None`: of any
    pub via: Option<Name>,
    /// `None`: on its way to disk
    pub place: Option<Place>,
    pub sent_at: u64,
    /// where it stands for cursors; 0: nowhere
    pub position: u64,
    /// of the text, to know it again
    pub digest: u64,
    /// from the moment it was accepted or redelivered
    pub ttl: u32,
    /// when it was redelivered, else 0
    pub renewed: u32,
    pub taken: u32,
    pub delivered: u32,
    pub ended: u32,
    /// of the text
    pub size: u32,
    /// who has it on its way to a reader; 0: nobody
    pub holder: u32,
    pub kind: Kind,
    pub priority: Priority,
    pub state: State,
    pub phase: Phase,
    /// it was handed out before, and that is on disk
    pub handed: bool,
    /// a change that takes it away from here is on its way to disk
    pub leaving: bool,
    /// its line holds no words any more
    pub slim: bool,
    /// it may be handed to another instance
    pub hold: bool,
}

impl Entry {
    /// Of a new message.
    pub fn new(
        new: &NewMessage<'_>,
        [to, caller]: [Name; 2],
        via: Option<Name>,
        digest: u64,
        sent_at: u64,
        holder: u32,
    ) -> Self {
        Self {
            id: new.id.into(),
            to,
            caller,
            reason: None,
            via,
            place: None,
            sent_at,
            position: 0,
            digest,
            ttl: u32::try_from(new.ttl_ms).unwrap_or(u32::MAX),
            renewed: 0,
            taken: if holder == 0 { NEVER } else { 0 },
            delivered: NEVER,
            ended: NEVER,
            size: u32::try_from(new.text.len()).unwrap_or(u32::MAX),
            holder,
            kind: new.kind,
            priority: new.priority,
            state: if holder == 0 { State::Accepted } else { State::Delivering },
            phase: Phase::Reserved,
            handed: holder != 0 || new.redelivered,
            leaving: false,
            slim: false,
            hold: new.hold,
        }
    }

    /// What it takes of the bounds.
    pub fn cost(&self) -> usize {
        cost(&self.id, self.size as usize)
    }

    /// What it takes to write it again: never less than that, or the journal would be compacted
    /// without end.
    pub fn weight(&self) -> u64 {
        let Some(length) = self.place.map(|place| u64::from(place.length())) else { return 0 };
        match self.phase {
            Phase::Ended if !self.slim => length.saturating_sub(self.size.into()) + STANDING,
            Phase::Reserved | Phase::Waiting | Phase::Dead | Phase::Ended => length,
        }
    }

    /// Unix ms.
    pub fn expires_at(&self) -> u64 {
        self.sent_at.saturating_add(self.renewed.into()).saturating_add(self.ttl.into())
    }

    /// Whether its time to wait is over.
    pub fn is_due(&self, now: u64) -> bool {
        self.expires_at() <= now
    }

    /// Unix ms; of one that is over.
    pub fn ended_at(&self) -> u64 {
        self.sent_at.saturating_add(self.ended.into())
    }

    /// How long after it was sent `now` is.
    pub fn after(&self, now: u64) -> u32 {
        u32::try_from(now.saturating_sub(self.sent_at)).unwrap_or(NEVER - 1).min(NEVER - 1)
    }

    /// Where it stands for cursors.
    pub fn position(&self) -> Option<u64> {
        (self.position != 0).then_some(self.position)
    }

    /// Its place among those that nobody had yet: the more urgent first, then the older.
    pub fn order(&self, number: u64) -> u64 {
        self.priority.rank() << 62 | number
    }

    /// Whether something may be done with it: it waits, and nobody else does something with it.
    pub fn is_free(&self) -> bool {
        self.phase == Phase::Waiting && self.holder == 0 && !self.leaving
    }

    /// The same for a reader of its name here: what names another home is not his.
    pub fn is_for_here(&self) -> bool {
        self.is_free() && self.via.is_none()
    }

    /// Whether it is kept for another instance: nobody here has it, and no cursor had it.
    pub fn is_held(&self) -> bool {
        self.hold && self.phase == Phase::Waiting && self.position == 0
    }

    /// The states it went through, oldest first.
    pub fn history(&self) -> Vec<(State, u64)> {
        let end = (self.state, self.ended);
        let ends = !matches!(self.state, State::Accepted | State::Delivering | State::Delivered);
        let steps =
            [(State::Accepted, 0), (State::Delivering, self.taken), (State::Delivered, self.delivered)];
        steps
            .into_iter()
            .chain(ends.then_some(end))
            .filter(|(_, after)| *after != NEVER)
            .map(|(state, after)| (state, self.sent_at.saturating_add(after.into())))
            .collect()
    }
}

/// The number behind [`Entry::order`].
pub(super) fn number_of(order: u64) -> u64 {
    order & (u64::MAX >> 2)
}

/// What a message takes of the bounds.
pub(super) fn cost(id: &str, text: usize) -> usize {
    OVERHEAD + id.len() + text
}

/// Whether a caller has a share only, as agents have: all but the owner and the operator of this instance.
pub(super) fn has_share(caller: &str) -> bool {
    !matches!(caller, "owner" | "api")
}

/// Whether a caller is of another instance. Names and homes can be made up there, so all of them have a
/// share together.
pub(super) fn is_far(caller: &str) -> bool {
    caller == "peer" || caller.contains('@')
}
