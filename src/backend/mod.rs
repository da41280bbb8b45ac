//! Where an agent runs: what each backend makes of an agent of a swarm before `agent` starts it.
//!
//! Here are `local`, a process of this user without any boundary, and `mock`, which has no process and
//! answers from a script. Every other name is refused with a word that says so: nothing falls back to a
//! weaker backend (spec genswarms L.1.5).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod form;
pub mod options;
pub mod script;
mod values;
