//! The durable mailbox: messages that wait, on disk, until somebody has them or their time is over.
//!
//! A message is visible to a reader only after its own line is synced; that it is being handed out
//! is synced before its first byte reaches anybody; an acknowledgement is synced before it is
//! answered. That it was handed over is written lazily: lost, the message comes again, marked
//! (design sections 7 and 8).
//!
//! [`table`] decides, and does no I/O; [`record`] and [`read`] are the lines; here both meet the
//! journal. No lock is held over I/O: a line is appended in memory under the table's lock, so that
//! lines and table change in one order, and its sync is waited for outside of it.

mod compact;
mod error;
mod fast;
mod handed;
mod held;
mod kept;
mod maintain;
mod names;
mod open;
mod read;
mod readers;
mod record;
mod table;
mod take;
mod types;
mod view;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use error::{Answer, Full, MailError};
pub use handed::Handed;
pub use held::Held;
pub use open::Loaded;
pub(super) use table::NOT_FORWARDED;
pub use types::{Ack, Info, Kind, Manner, Message, NewMessage, Page, Priority, State};

use self::{
    compact::Compaction,
    readers::Readers,
    record::Record,
    table::{Check, Table},
};
use crate::{
    limits,
    store::journal::{Journal, JournalError, Ticket},
    wire::{clock::Clock, id::AgentId},
};

/// What the sender of an accepted message is told.
#[derive(Debug)]
pub struct Accepted {
    /// of the message, rising
    pub number: u64,
    /// where it is on its way
    pub state: State,
    /// it had been accepted before, under this id; then it was not again
    pub duplicate: bool,
    /// it, held for its typing, where it was claimed and is no duplicate
    pub handed: Option<Handed>,
}

/// A message that is being accepted.
enum Begun<'a> {
    /// it was before
    Known(Accepted),
    /// its line waits for the disk
    Appended(NewMessage<'a>, Appended),
}

/// A line that waits for the disk.
struct Appended {
    ticket: Ticket,
    /// 0: nobody
    holder: u32,
    /// unix ms
    now: u64,
}

/// All mailboxes of an instance.
pub struct Mail {
    shared: Arc<Shared>,
}

/// What a [`Mail`] and what it handed out share.
struct Shared {
    journal: Journal,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// something that was on its way to disk is there, or is not going to be
    settled: Condvar,
    /// there is something to maintain, or the instance ends
    work: Condvar,
}

struct Inner {
    table: Table,
    readers: Readers,
    last_holder: u32,
    compaction: Compaction,
    /// lines were appended that nobody waits for
    lazy: bool,
    ending: bool,
}

impl Mail {
    /// Accepts a message: it is on disk when this returns. One that was accepted before under its id is
    /// told by its state.
    pub fn accept(&self, new: NewMessage<'_>) -> Result<Accepted, MailError> {
        match self.begin(new)? {
            Begun::Known(accepted) => Ok(accepted),
            Begun::Appended(new, appended) => self.finish(&new, appended, Instant::now()),
        }
    }

    /// As [`Mail::accept`], some messages with one sync: one copy each for many mailboxes. No two may
    /// have the same caller, target and id.
    pub fn accept_all(&self, all: &[NewMessage<'_>]) -> Vec<Result<Accepted, MailError>> {
        let begun: Vec<_> = all.iter().map(|new| self.begin(*new)).collect();
        let since = Instant::now();
        let finish = |begun| match begun {
            Begun::Known(accepted) => Ok(accepted),
            Begun::Appended(new, appended) => self.finish(&new, appended, since),
        };
        begun.into_iter().map(|begun| begun.and_then(finish)).collect()
    }

    /// Appends a message's line, in memory.
    fn begin<'a>(&self, new: NewMessage<'a>) -> Result<Begun<'a>, MailError> {
        let new = checked(new)?;
        let digest = record::digest(new.text);
        let now = self.shared.clock.unix_ms();
        let since = Instant::now();
        let mut inner = self.shared.lock();
        loop {
            match inner.table.check(&new, digest) {
                Check::New => break,
                Check::Refused(error) => return Err(error),
                Check::Same(number, state) => {
                    return Ok(Begun::Known(Accepted { number, state, duplicate: true, handed: None }));
                }
                // What becomes of it is what this sender has to be told as well.
                Check::Underway => {
                    let left = UNDERWAY.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Err(JournalError::Slow.into());
                    }
                    let waited = self.shared.settled.wait_timeout(inner, left);
                    inner = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        let holder = if new.claim { inner.holder() } else { 0 };
        let ticket = self.shared.journal.append(|_, out| record::put(out, &new, now, digest))?;
        inner.table.reserve(ticket.number(), &new, digest, now, holder);
        Ok(Begun::Appended(new, Appended { ticket, holder, now }))
    }

    /// Waits for its line to be on disk, and lets it be seen.
    fn finish(
        &self,
        new: &NewMessage<'_>,
        appended: Appended,
        since: Instant,
    ) -> Result<Accepted, MailError> {
        let Appended { ticket, holder, now } = appended;
        let number = ticket.number();
        let result = self.shared.journal.wait_since(&ticket, since);
        let mut inner = self.shared.lock();
        match &result {
            Ok(place) => {
                inner.table.admit(number, *place);
                if holder == 0 {
                    inner.readers.tell(new.to);
                }
            }
            Err(_) => {
                inner.table.abandon(number, now);
                // The line may be on disk all the same, or get there late.
                self.shared.append_lazily(&mut inner, &Record::Void { of: vec![number] });
            }
        }
        drop(inner);
        self.shared.settled.notify_all();
        result?;
        let state = if new.claim { State::Delivering } else { State::Accepted };
        let handed =
            new.claim.then(|| Handed::new(&self.shared, vec![view::of_new(new, number, now)], holder, true));
        Ok(Accepted { number, state, duplicate: false, handed })
    }

    /// How many messages wait for one agent.
    pub fn waiting(&self, to: &AgentId) -> usize {
        self.shared.lock().table.waiting(to.as_str())
    }

    /// How many messages wait in all, and how many bytes they take of [`limits::MAIL_BYTES`].
    pub fn waiting_in_all(&self) -> (usize, usize) {
        self.shared.lock().table.waiting_in_all()
    }

    /// The mailboxes that hold messages, by name, with how many.
    pub fn mailboxes(&self) -> Vec<(AgentId, usize)> {
        let inner = self.shared.lock();
        let mut all: Vec<(AgentId, usize)> = inner
            .table
            .mailboxes()
            .into_iter()
            .filter_map(|(name, count)| Some((AgentId::parse(name).ok()?, count)))
            .collect();
        drop(inner);
        all.sort();
        all
    }
}

impl Shared {
    /// A panic of another thread leaves nothing half written: lines are appended whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line that nobody waits for; whether the journal took it. Where it did not, the next
    /// start does not know of the change, and the message comes again, marked.
    fn append_lazily(&self, inner: &mut Inner, record: &Record<'_>) -> bool {
        let taken = self.journal.append(|_, out| record::change(out, record)).is_ok();
        if taken && !inner.lazy {
            inner.lazy = true;
            self.work.notify_all();
        }
        taken
    }
}

impl Inner {
    /// A new holder's number; never 0, which stands for nobody.
    fn holder(&mut self) -> u32 {
        self.last_holder = self.last_holder.checked_add(1).unwrap_or(1);
        self.last_holder
    }
}

/// The message with its time to live within the bounds, unless a text of it is out of them.
fn checked(new: NewMessage<'_>) -> Result<NewMessage<'_>, MailError> {
    let id = |text: &str| (1..=limits::MESSAGE_ID).contains(&text.len());
    for (field, fits, most) in [
        ("id", id(new.id), limits::MESSAGE_ID),
        ("correlation_id", new.correlation_id.is_none_or(id), limits::MESSAGE_ID),
        ("in_reply_to", new.in_reply_to.is_none_or(id), limits::MESSAGE_ID),
        ("caller", new.caller.len() <= limits::MESSAGE_FROM, limits::MESSAGE_FROM),
        ("from", new.from.len() <= limits::MESSAGE_FROM, limits::MESSAGE_FROM),
        ("text", new.text.len() <= limits::MESSAGE_TEXT, limits::MESSAGE_TEXT),
    ] {
        if !fits {
            return Err(MailError::Field(field, most));
        }
    }
    Ok(NewMessage { ttl_ms: new.ttl_ms.clamp(limits::TTL_LEAST_MS, limits::TTL_MOST_MS), ..new })
}

/// How long one waits for what becomes of the same message in another request: longer than the journal
/// itself takes to give up.
const UNDERWAY: Duration = Duration::from_millis(2 * limits::JOURNAL_WAIT_MS);

#[cfg(test)]
mod tests;
