//! An agent's directories while it runs: letters out of its outbox, copies of messages into its inbox.
//!
//! Each has a lock of its own, held over its files: two looks into one outbox would disorder its letters, and
//! nobody else waits for either. Whether an outbox has changed is told by its directory's time, so that a
//! hundred agents that write nothing cost a hundred questions and no more.

use std::{
    ffi::OsStr,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::lock;
use crate::{
    agent::{
        inbox::Inbox,
        outbox::{self, Letter, Outbox},
    },
    limits,
    store::Lent,
    swarm::kept::AgentDirs,
    wire::clock::Clock,
};

/// A directory that has not changed for so long is not looked into again: times are coarse, and a letter that
/// was found unfinished gets its second look.
const SETTLED: Duration = Duration::from_millis(1_000 + 2 * limits::OUTBOX_UNFINISHED_MS);

/// One agent's directories.
pub(super) struct Place {
    /// the agent's own directory
    root: Arc<Lent>,
    outbox: Mutex<Post>,
    inbox: Mutex<Inbox>,
    /// it is another agent's now, or another run's
    closed: AtomicBool,
}

/// An outbox, and when it was last worth a look.
struct Post {
    outbox: Outbox,
    /// more waits there
    more: bool,
    /// the directory's time at the last look, if it was an old one even then
    settled: Option<SystemTime>,
}

/// The letters of one look. While it is there, nobody else looks: what it holds is handed on in order.
pub(super) struct Taken<'a> {
    pub letters: Vec<Letter>,
    pub more: bool,
    _post: MutexGuard<'a, Post>,
}

impl Place {
    /// The outbox and the inbox in these directories.
    pub fn open(dirs: &AgentDirs, clock: &Arc<dyn Clock>) -> Self {
        let outbox = Outbox::open(Arc::clone(dirs.root()), Arc::clone(clock));
        let inbox = Inbox::open(Arc::clone(dirs.root()), Arc::clone(clock));
        Self {
            root: Arc::clone(dirs.root()),
            outbox: Mutex::new(Post { outbox, more: false, settled: None }),
            inbox: Mutex::new(inbox),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes some letters, if the outbox has changed and nobody else is at it.
    pub fn look(&self) -> Option<Taken<'_>> {
        match self.outbox.try_lock() {
            Ok(post) => self.look_in(post),
            Err(TryLockError::Poisoned(poisoned)) => self.look_in(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes some letters, if the outbox has changed; waits for who is at it, for what comes next comes after
    /// his letters.
    pub fn wait_and_look(&self) -> Option<Taken<'_>> {
        self.look_in(lock(&self.outbox))
    }

    fn look_in<'a>(&'a self, mut post: MutexGuard<'a, Post>) -> Option<Taken<'a>> {
        if self.is_closed() {
            return None;
        }
        // Read before the look: what comes during it changes the time again. Where it has none, the look tells why.
        let changed = self.root.changed(OsStr::new(outbox::NAME)).ok();
        if !post.more && changed.is_some() && changed == post.settled {
            return None;
        }
        let old = |at: &SystemTime| SystemTime::now().duration_since(*at).is_ok_and(|age| age > SETTLED);
        post.settled = changed.filter(old);
        Some(take(post))
    }

    /// Takes some letters, whatever the directory's time says.
    pub fn take(&self) -> Option<Taken<'_>> {
        let post = lock(&self.outbox);
        if self.is_closed() { None } else { Some(take(post)) }
    }

    /// The directories are about to be another run's, or another agent's: nothing more is read or written here. Waits
    /// for who is at it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(lock(&self.outbox));
        drop(lock(&self.inbox));
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn inbox(&self) -> Option<MutexGuard<'_, Inbox>> {
        let inbox = lock(&self.inbox);
        if self.is_closed() { None } else { Some(inbox) }
    }

    /// The copy of a message.
    pub fn deliver(&self, from: &str, content: &str) {
        // Refused by the disk or made impossible by the agent: the message itself reaches it.
        let _ = self.inbox().map(|mut inbox| inbox.deliver(from, content));
    }

    /// The answer to an ask.
    pub fn reply(&self, id: &str, envelope: &Value) {
        let _ = self.inbox().map(|mut inbox| inbox.reply(id, envelope));
    }

    /// Removes answers that nobody fetched.
    pub fn prune(&self) {
        if let Some(mut inbox) = self.inbox() {
            inbox.prune();
        }
    }
}

fn take(mut post: MutexGuard<'_, Post>) -> Taken<'_> {
    let taken = post.outbox.take();
    post.more = taken.more;
    Taken { letters: taken.letters, more: taken.more, _post: post }
}
