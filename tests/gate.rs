//! The gate over raw sockets, with a small service behind it.
//!
//! Time is a clock that the tests move; what they wait for, they ask for again and again.

#[path = "gate/requests.rs"]
mod requests;
#[path = "gate/rig.rs"]
mod rig;
