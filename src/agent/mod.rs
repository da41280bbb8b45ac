//! An agent's life: started under a keeper, in a terminal of its own, until nothing of it is left.
//!
//! One thread forks and reaps ("spawner"); one keeper process per agent holds the agent's tree and
//! ends it, whoever of the instance, the keeper and the agent dies first; one thread per agent
//! (`term-<name>`, `pipe-<name>`) moves the bytes of its terminal or of its pipes, so that two deliveries
//! never interleave. What
//! may be typed, and by whom, is decided elsewhere.

#![forbid(unsafe_code)]

pub mod cage;
mod confinement;
mod environment;
mod handle;
pub mod inbox;
pub mod keeper;
mod latency;
mod launch;
mod life;
mod member;
mod order;
pub mod outbox;
mod paste;
pub mod protocol;
mod queue;
mod redact;
mod registry;
mod ring;
mod spawner;
mod terminal;
mod token;
mod tree;
mod types;
mod watch;

pub use confinement::Confinement;
pub use handle::Agent;
pub use latency::{Latency, Lengths, Took};
pub use launch::Settings;
pub use member::{Full, Lines, Member, MemberSpec, Place, Sink, Stream};
pub use redact::{may_hold_token, redacted, without_begun};
pub use registry::Agents;
pub use types::{
    BeyondEnd, Controller, Delivery, Exit, InputError, Later, Offer, Output, Pace, Record, ResizeError,
    StartError, StartSpec, State, StopError, Submit,
};
pub use watch::{Watch, Watchers};

pub use crate::wire::node::Holder;
