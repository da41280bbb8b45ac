//! The one way out of an isolated agent: which endpoint it may be, and what carries bytes there.
//!
//! An agent that reads what strangers wrote must reach its model and nothing else, and must not hold the key.
//! Here it is decided which endpoint that is and which addresses it may have; here are both sides of the way:
//! the shim within the sandbox and the forwarder in the instance. How the sandbox itself is built is a
//! backend's business.

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

pub mod address;
pub mod endpoint;
pub mod forwarder;
pub mod policy;
pub mod probe;
pub mod shim;
pub mod way;
