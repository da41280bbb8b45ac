//! The Phoenix channel of a swarm (spec genswarms D): what dashboards of genswarms join and listen to.
//!
//! [`message`] reads what a client sends, [`answer`] writes what it gets, both without I/O; a [`Phoenix`]
//! session holds the topics of one connection and follows the stream of the hub for them. What is pushed
//! is taken from that stream while there is room and never queued here: whoever is slow is told of a gap.

mod answer;
mod asked;
#[cfg(any(test, fuzzing))]
mod fuzz;
pub mod message;
mod session;
mod stage;
#[cfg(any(test, fuzzing))]
mod testing;
#[cfg(test)]
mod tests;
mod topic;

#[cfg(any(test, fuzzing))]
pub use fuzz::{fuzz_v1, fuzz_v2};
pub use message::Version;
pub use session::Phoenix;
pub use stage::Stage;

/// The events that a client may send on a topic that it has joined.
pub const ASKED: [&str; 6] = [
    "send_task",
    "get_status",
    "subscribe_logs",
    "unsubscribe_logs",
    "subscribe_events",
    "unsubscribe_events",
];

/// The events that are pushed: the first ones to all who have joined, `log_entry` and `event` to who has
/// subscribed to them, `gap` to who was too slow.
pub const PUSHED: [&str; 12] = [
    "agent_output",
    "agent_status",
    "message_routed",
    "message_broadcast",
    "swarm_started",
    "swarm_stopped",
    "agent_added",
    "agent_removed",
    "topology_changed",
    "log_entry",
    "event",
    "gap",
];
