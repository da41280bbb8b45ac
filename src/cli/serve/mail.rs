//! The mailbox of an instance: opened before anybody is let in, kept by one thread, and brought to
//! disk at the end.
//!
//! One that cannot be opened as it is refuses the start: what was accepted is in it. What opening cut or
//! skipped is said in the log.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    bus::mail::{Loaded, Mail},
    cli::{Exit, Failure},
    store::{Home, disk::RealDisk, journal::Settings},
    wire::clock::Clock,
};

/// The directory of its journal, below the home.
const DIRECTORY: &str = "mail";

/// Stack of the thread that keeps it.
const STACK: usize = 256 * 1024;

/// Opens the mailbox of the home, and says what was not as it was left.
pub(super) fn open(home: &Home, clock: &Arc<dyn Clock>) -> Result<Arc<Mail>, Failure> {
    let path = home.path().join(DIRECTORY);
    let failure = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::CannotCreate, format!("the mailbox {} cannot be opened: {why}", path.display()))
            .next("put right what it says; or move the directory away, and with it the messages that wait")
    };
    let disk = RealDisk::open(home, DIRECTORY).map_err(|error| failure(&error))?;
    let opened = Mail::open(Box::new(disk), Settings::default(), Arc::clone(clock));
    let (mail, loaded) = opened.map_err(|error| failure(&error))?;
    tell(&loaded);
    Ok(Arc::new(mail))
}

fn tell(loaded: &Loaded) {
    let journal = &loaded.journal;
    if let Some(torn) = journal.torn {
        log::warn!(
            "mail: {} bytes at the end of segment {} were no whole line and are cut off: nobody was told that \
             they were kept",
            torn.bytes,
            torn.segment
        );
    }
    for bad in &journal.bad {
        log::warn!("mail: skipped a line of segment {} at byte {}: {}", bad.segment, bad.offset, bad.why);
    }
    for number in &loaded.unknown {
        log::warn!("mail: skipped line {number}: it is no record of a mailbox");
    }
    let all = journal.bad_in_all.saturating_add(loaded.unknown_in_all);
    if all > 0 {
        log::warn!("mail: {all} lines were skipped");
    }
    for name in &journal.foreign {
        log::warn!("mail: {name} is no segment of the journal and is left alone");
    }
}

/// The thread that keeps a mailbox.
pub(super) struct Keeper {
    mail: Arc<Mail>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts it; `drain` is called after each round, and says when to be called again at the latest.
    pub fn start(mail: Arc<Mail>, drain: impl Fn() -> Duration + Send + 'static) -> io::Result<Self> {
        let kept = Arc::clone(&mail);
        let thread = thread::Builder::new().name("mail".to_owned()).stack_size(STACK).spawn(move || {
            loop {
                let next = kept.maintain();
                if !kept.pause(next.min(drain())) {
                    return;
                }
            }
        })?;
        Ok(Self { mail, thread })
    }

    /// Ends it, with all that waits for messages.
    pub fn end(self) {
        self.mail.end();
        // It is between two steps, or in one that is bounded.
        let _ = self.thread.join();
    }
}
