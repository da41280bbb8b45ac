//! The gate over raw sockets, with a small service behind it.
//!
//! Time is a clock that the tests move; what they wait for, they ask for again and again.

#[path = "gate/bounds.rs"]
mod bounds;
#[path = "gate/crowds.rs"]
mod crowds;
#[path = "gate/deadlines.rs"]
mod deadlines;
#[path = "gate/descriptors.rs"]
mod descriptors;
#[path = "gate/requests.rs"]
mod requests;
#[path = "gate/rig.rs"]
mod rig;
#[path = "gate/streams.rs"]
mod streams;
#[path = "gate/strict.rs"]
mod strict;
#[path = "gate/told.rs"]
mod told;
