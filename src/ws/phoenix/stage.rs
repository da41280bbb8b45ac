//! What a session asks of the swarms, so that tests can put others in their place.

use std::sync::Arc;

use serde_json::Value;

use crate::swarm::events::Hub;

/// The swarms, as one caller sees them.
pub trait Stage: Send + Sync {
    /// Whether there is a swarm of this name, running or kept.
    fn joins(&self, swarm: &str) -> bool;

    /// How it is (spec genswarms D.5), or why that cannot be said.
    fn status(&self, swarm: &str) -> Result<Value, &'static str>;

    /// Gives an agent a task; the error is a word that clients know.
    fn task(&self, swarm: &str, agent: &str, task: &Value) -> Result<(), &'static str>;

    /// Where all that happens is told.
    fn hub(&self) -> &Arc<Hub>;
}
