//! Admission: who may call, decided from the head and facts about the peer (design section 5).
//!
//! One entry point for every surface, for plain requests and upgrades alike. Pure: reads no
//! socket, no clock, no file. A [`Caller`] can only come from here, and every handler takes one,
//! so a route that forgets to ask cannot be written.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod caller;
mod cors;
mod credential;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod keyring;
mod penalties;
mod policy;
mod refusal;
mod steps;
mod surface;
mod world;

pub use caller::{Caller, Who};
pub use cors::{CorsHeaders, Preflight};
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use keyring::{Keyring, Keys, NotBegun, Rotation};
pub use penalties::Penalties;
pub use policy::{Cors, PeerAddr, Policy, PolicyError, check_open};
pub use refusal::{Reason, Refusal};
pub use steps::{Admission, Verdict, admit};
pub use surface::Surface;
pub use world::{PeerFacts, Standing, TreeFact, World};

#[cfg(test)]
use crate::limits;
#[cfg(test)]
mod tests;
