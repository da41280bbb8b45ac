//! WebSocket connections after the gate's upgrade (RFC 6455).
//!
//! [`upgrade`] decides from a head whether a connection changes its protocol; [`connection`] runs
//! it on the gate's thread, one turn at a time; what is said on it is a [`Session`]'s: AgentMux's,
//! the Phoenix channel's, or the echo of `examples/ws_echo.rs`. Frames are taken apart by tungstenite behind a scanner of
//! our own ([`decode`]), and put together here ([`outbox`]); who may call was decided before.

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

pub mod agentmux;
pub mod connection;
mod decode;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod instance;
mod machine;
mod outbox;
pub mod phoenix;
mod scan;
mod session;
mod sockets;
#[cfg(any(test, fuzzing))]
mod testing;
#[cfg(test)]
mod tests;
pub mod upgrade;

pub use agentmux::AgentMux;
pub use connection::run;
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use instance::{Instance, Parcel};
pub use machine::Settings;
pub use phoenix::Phoenix;
pub use session::{Out, Session};
pub use sockets::{Seat, Sockets};
