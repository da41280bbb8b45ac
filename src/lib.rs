//! loopgate: a loopback-first, fail-closed control server for AI agents.
//!
//! The folders follow the way of a request and the borders of trust (design section 4). An arrow
//! never points back: a folder uses only the ones named above it here, as far as its own module
//! comment says so.

#![deny(unsafe_code)]

#[macro_use]
mod limit;
pub mod limits;

#[cfg(test)]
mod fuzz_corpus;

// Who may call: a `Caller` or a `Refusal`.
pub mod admit;
// An agent's life: spawner, keeper, terminal, output ring.
pub mod agent;
// The route table and the handlers.
pub mod api;
// Where an agent of a swarm runs.
pub mod backend;
// Delivery: sanitiser, rate limits, inject, audit.
pub mod bus;
// The command line.
pub mod cli;
// The one HTTP client.
pub mod client;
// The one way out of an isolated agent.
pub mod egress;
// What is declared open against what is observed open.
pub mod exposure;
// The accept loop, the connection table and the way of one request.
pub mod gate;
// Other instances of the same user: their files, and letters to them.
pub mod registry;
// Private files, the home directory and its lock.
pub mod store;
// Swarms: configuration, IR, router, objects, their life.
pub mod swarm;
// The only `unsafe` code: ptys, poll, socket facts, process control.
#[allow(unsafe_code)]
pub mod sys;
// Pure parsers and types used on more than one side.
pub mod wire;
// WebSocket connections.
pub mod ws;
