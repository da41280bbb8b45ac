//! What ends an instance (design section 3, spec agentmux A.6): a signal, the end of stdin, the
//! death of the process that started it. Waits without polling, and writes to no stream: whoever
//! read our stderr may be the one who is gone.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::process::parent_id},
};

use crate::sys::{
    poll::{Entry, poll},
    process::PidFd,
    signal::SignalFd,
};

/// Why the instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// one of the signals that end it
    Signal,
    /// stdin reached its end
    StdinClosed,
    /// the process that started us is gone
    ParentGone,
}

/// What to watch besides signals.
pub struct Watch {
    stdin: bool,
    parent: Option<PidFd>,
}

impl Watch {
    /// Watches stdin, the process that is our parent now, or both. `Err(NotFound)` where the
    /// parent is gone already. A parent that is process 1 does not end before us, and is not watched.
    pub fn new(stdin: bool, parent: bool) -> io::Result<Self> {
        let pid = parent_id();
        if !parent || pid <= 1 {
            return Ok(Self { stdin, parent: None });
        }
        let handle = PidFd::open(pid)?;
        // Had the number changed hands between the two calls, we would have another parent now.
        if parent_id() != pid {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { stdin, parent: Some(handle) })
    }

    /// Returns when there is a reason to end.
    pub fn wait(&self, signals: &SignalFd) -> io::Result<Ending> {
        let stdin = io::stdin();
        loop {
            let mut watched = vec![Entry::new(signals.as_fd(), true, false)];
            let mut reasons = vec![Ending::Signal];
            if self.stdin {
                watched.push(Entry::new(stdin.as_fd(), true, false));
                reasons.push(Ending::StdinClosed);
            }
            if let Some(parent) = &self.parent {
                watched.push(Entry::new(parent.as_fd(), true, false));
                reasons.push(Ending::ParentGone);
            }
            poll(&mut watched, None)?;
            let ready = watched.iter().zip(&reasons).filter(|(entry, _)| entry.readable());
            for (_, reason) in ready {
                // What a host writes to us means nothing; that it stops does.
                if *reason != Ending::StdinClosed || stdin.lock().read(&mut [0; 4096]).unwrap_or(0) == 0 {
                    return Ok(*reason);
                }
            }
        }
    }
}
