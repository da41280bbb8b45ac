//! How a program is put into something: what a backend builds around it, and what lets it run.
//!
//! The keeper starts what the cage has built instead of the program itself, with descriptors that it inherits,
//! without a controlling terminal, and where we are root with what it may reach staged and as another user.
//! It has started then, and the program has not: [`Built::enter`] returns only once the program runs. What that
//! gives back is held until nothing of the tree is left. What is built is for a backend to know; nothing here
//! opens, trusts or looks into it.

use std::{any::Any, fmt, os::fd::OwnedFd, time::Instant};

pub use super::launch::not_started as not_run;
use super::types::StartError;
pub use crate::sys::stage::{Staged, User};

/// Builds what a program is put into, once for each start of it.
pub trait Cage: Send + Sync {
    /// Whether the program can reach the instance: only then is it given a token, and told where that is.
    fn reaches_instance(&self) -> bool;

    /// Builds one. It has to wait for nothing: whoever starts the program waits.
    fn build(&self, inside: Inside<'_>) -> Result<Built, StartError>;

    /// What it is, to be shown, once a program is in.
    fn boundary(&self) -> Option<Boundary> {
        None
    }
}

/// What keeps a program from the machine, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// the backend's name
    pub backend: &'static str,
    /// "open" or "isolated"
    pub network: &'static str,
    /// each layer by its name, beside the namespaces
    pub layers: Vec<String>,
    /// options whose limits this machine cannot keep
    pub limits_not_kept: Vec<&'static str>,
}

impl fmt::Debug for dyn Cage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cage")
    }
}

/// What is to run inside.
pub struct Inside<'a> {
    /// the program and its arguments
    pub command: &'a [String],
    /// `NAME=value`, of each name one; they may hold the token
    pub env: Vec<Vec<u8>>,
    /// its standard streams are a terminal, which is nobody's controlling terminal yet
    pub terminal: bool,
    /// its soft limit of descriptors
    pub descriptors: u64,
}

/// What the program is in, once it is let in.
pub type Held = Box<dyn Any + Send>;

/// What was built.
pub struct Built {
    /// what the keeper starts, and its arguments
    pub command: Vec<Vec<u8>>,
    /// descriptors that it inherits, under the numbers that they have here
    pub descriptors: Vec<OwnedFd>,
    /// whom it is started as, by an instance of root; what that user is to reach
    pub user: Option<(User, Vec<Staged>)>,
    /// Lets the program run, and returns when it does; by this moment it has to. What it gives back is dropped
    /// when nothing of the tree is left, before anybody who waits for the end goes on.
    pub enter: Box<dyn FnOnce(Instant) -> Result<Held, StartError> + Send>,
}
