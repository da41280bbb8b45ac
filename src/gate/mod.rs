//! The gate: accepts connections, bounds them, reads requests, writes answers.
//!
//! Knows HTTP/1.1 and sockets, and neither routes nor keys: a [`Service`] decides from the head
//! alone whether a request may go on, and only then is a body read. At most one answer goes out
//! per request, and a request never begins inside another's body.

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

mod accept;
pub mod body;
mod budget;
mod connection;
mod encode;
pub mod response;
mod server;
mod service;
mod settings;
mod slot;
mod table;

pub use response::Response;
pub use server::Gate;
pub use service::{Decision, Peer, Reply, Service, Stream, Told, Upgrade, Upgraded};
pub use settings::{Counters, Settings};
