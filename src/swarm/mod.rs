//! Swarms: named sets of agents and objects, and the directed edges along which they may send.
//!
//! A configuration is read strictly, translated into the pure documents of the IR and let through one gate
//! before anything of it runs, whatever asked for it: a start, a new agent, a scale, a change of the
//! topology, a replay after a restart. Who may ask was decided before (admit/).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod config;
// Questions to objects, and the envelope that answers them.
pub mod ask;
// What happened, for who reads it.
mod desk;
pub mod events;
pub mod fault;
// What was said, as far as it is kept.
pub mod history;
pub mod ir;
pub mod kept;
// One running swarm.
pub mod live;
// What agents said and printed, kept and followed.
pub mod logs;
pub mod manager;
// The nodes that are no agents.
pub mod objects;
// A change of an object's configuration, and whether it may be.
pub mod patch;
// Who may send to whom.
pub mod router;
pub mod skills;
// One agent's states and turns.
pub mod turn;
pub mod view;

pub use fault::{Fault, TaskFault};
pub use manager::Swarms;
