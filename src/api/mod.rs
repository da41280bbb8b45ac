//! The routes as data, and the handlers of each surface.
//!
//! [`App`] is the program behind the gate: it lets admission decide, charges wrong credentials,
//! looks the route up and calls its handler with the proof of admission. Nothing here reads a
//! socket or a file.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod agentmux;
mod agents;
mod app;
mod boundary;
mod bus;
mod channel;
mod controller;
mod egress;
mod elsewhere;
mod file;
mod fleet;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod inject;
mod letters;
mod messages;
mod own;
mod own_swarm;
mod peer;
mod request;
mod rotate;
mod service;
mod service_rpc;
mod socket;
mod status;
mod stream;
mod swarms;
pub mod table;
#[cfg(test)]
mod tests;
mod top;
mod waiting;

pub use app::{App, AppParts, Peers};
pub use fleet::Fleet;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use peer::PeerProbe;
pub use rotate::KeyFileHook;
pub use service::{Conn, Ticket};
#[cfg(any(test, fuzzing))]
pub use swarms::query::fuzz as fuzz_event_query;

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
