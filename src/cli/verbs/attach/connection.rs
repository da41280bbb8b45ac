//! The connection of `attach`: made, made anew behind whatever broke off, and after a change of the keys.
//!
//! What breaks off says little: whether the instance is still there is asked for in its place, a bounded
//! number of times. A close for a changed key is an orderly one, and costs neither output nor keys.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Session, talk, trouble::too_often};
use crate::{
    cli::{
        outcome::Failure,
        verbs::{client_failure, refusal},
    },
    client::{Answer, ClientError, Opened},
};

/// How often in a row a connection that breaks off is made anew.
const ATTEMPTS: usize = 5;
/// How often an instance whose answer broke off is asked whether it is still there.
const ASKED_AGAIN: usize = 20;
/// And how long that is apart.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl Session {
    /// Makes it, and asks for the program's end.
    pub(super) fn connect(&mut self) -> Result<(), Failure> {
        let mut socket = match self.client.socket("/ws") {
            Ok(Opened::Socket(socket)) => socket,
            Ok(Opened::Refused(answer)) => return Err(refusal(&answer)),
            Err(error) => return Err(self.asked_again(error).err().unwrap_or_else(too_often)),
        };
        // The end before the output: what was shown last is then never waited for in vain.
        let asked = socket.send(talk::subscribe_status(&self.block));
        self.socket = Some(socket);
        self.key = self.client.key_number();
        self.listening = false;
        self.heard = Instant::now();
        match asked {
            Ok(()) => self.resize(),
            Err(error) => self.lost(error),
        }
    }

    /// The connection is gone: asks whether the instance is, and goes on where it is not. Keys that
    /// were not answered may have been typed, and are not sent twice.
    pub(super) fn lost(&mut self, error: ClientError) -> Result<(), Failure> {
        self.socket = None;
        if self.done {
            return Ok(());
        }
        self.asked_again(error)?;
        self.attempts += 1;
        if self.attempts > ATTEMPTS {
            return Err(too_often());
        }
        let cut_off = self.keys.cut_off();
        self.ring_where(cut_off);
        self.connect()
    }

    /// The key was changed, and the connection closed in order: goes on with the new key from where it
    /// was. Only a close that comes without another key counts as one that broke off.
    pub(super) fn key_rotated(&mut self) -> Result<(), Failure> {
        self.socket = None;
        if self.done {
            return Ok(());
        }
        self.attempts = if self.client.renew() == self.key { self.attempts + 1 } else { 0 };
        if self.attempts > ATTEMPTS {
            return Err(too_often());
        }
        self.keys.not_looked_at();
        self.connect()
    }

    /// An answer that broke off says less than asking again does: mostly, the instance has ended. Its
    /// listener may be gone a moment after its connections, so one question is not enough.
    pub(super) fn asked_again(&self, error: ClientError) -> Result<Answer, Failure> {
        let mut last = error;
        for _ in 0..ASKED_AGAIN {
            match &last {
                ClientError::Broken(_) | ClientError::TimedOut(_) => {}
                ClientError::NotRunning(_)
                | ClientError::Unproven(_)
                | ClientError::TooLarge
                | ClientError::FrameTooLarge
                | ClientError::Silent(_)
                | ClientError::Address
                | ClientError::Credential
                | ClientError::Request
                | ClientError::BodyTooLarge(_) => break,
            }
            match self.whom.look(&self.client) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
            thread::park_timeout(ASKED_AGAIN_AFTER);
        }
        Err(client_failure(&last))
    }
}
