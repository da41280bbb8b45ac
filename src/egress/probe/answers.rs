//! Several attempts as one probe.
//!
//! In the sandbox one that got through is enough to fail; in the control arm all of them must get through, or
//! the probe has not shown that each of them works.

use std::{fmt, io};

use super::{Arm, Outcome, World};

/// The attempts of one probe.
pub(super) struct Answers<'a> {
    world: &'a World,
    reached: Vec<String>,
    blocked: Vec<String>,
}

impl<'a> Answers<'a> {
    pub fn new(world: &'a World) -> Self {
        Self { world, reached: Vec::new(), blocked: Vec::new() }
    }

    /// Notes one attempt.
    pub fn note(&mut self, what: impl fmt::Display, answer: Result<(), String>) {
        match answer {
            Ok(()) => self.reached.push(what.to_string()),
            Err(why) => self.blocked.push(format!("{what}: {why}")),
        }
    }

    /// What they come to.
    pub fn outcome(self) -> Outcome {
        let through = match self.world.arm {
            Arm::Sandbox => !self.reached.is_empty(),
            Arm::Control => self.blocked.is_empty() && !self.reached.is_empty(),
        };
        if through {
            Outcome::Reached(self.reached.join(", "))
        } else if self.blocked.is_empty() {
            Outcome::Cannot("there is nothing to be tried".to_owned())
        } else {
            Outcome::Blocked(self.blocked.join(", "))
        }
    }
}

/// An error of the system as its name, which stays the same in every language.
pub(super) fn name_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM".to_owned(),
        Some(libc::EACCES) => "EACCES".to_owned(),
        Some(libc::ENETUNREACH) => "ENETUNREACH".to_owned(),
        Some(libc::EHOSTUNREACH) => "EHOSTUNREACH".to_owned(),
        Some(libc::ECONNREFUSED) => "ECONNREFUSED".to_owned(),
        Some(libc::EADDRNOTAVAIL) => "EADDRNOTAVAIL".to_owned(),
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT".to_owned(),
        Some(libc::EPROTONOSUPPORT) => "EPROTONOSUPPORT".to_owned(),
        Some(libc::ESOCKTNOSUPPORT) => "ESOCKTNOSUPPORT".to_owned(),
        Some(libc::ENOSYS) => "ENOSYS".to_owned(),
        Some(libc::ENOENT) => "ENOENT".to_owned(),
        Some(libc::ESRCH) => "ESRCH".to_owned(),
        Some(libc::EINVAL) => "EINVAL".to_owned(),
        Some(libc::ENOSPC) => "ENOSPC".to_owned(),
        Some(number) => format!("errno {number}"),
        None => error.kind().to_string(),
    }
}
