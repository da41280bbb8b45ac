//! What an entry says of a call that changed a swarm: who, what, and which node of it; never a text,
//! never a configuration.

use serde_json::{Map, Value, json};

use super::{of, optional, text};

/// One call that changed a swarm, or what waits in it.
#[derive(Debug, Clone)]
pub struct Swarm {
    /// what was done, and a stable code where it was refused
    pub happened: SwarmHappened,
    /// who the caller was admitted as
    pub caller: String,
    /// the swarm; empty where the call was about all of them, or named none
    pub swarm: String,
    /// the agent, the object or the skill that it was about
    pub node: Option<String>,
    /// bytes of a task or a message
    pub message_length: Option<usize>,
    /// why it was not done; stable
    pub refused: Option<&'static str>,
}

/// What a call was to do to a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmHappened {
    /// run a new one
    Create,
    /// run a kept one again
    Start,
    /// end it
    Stop,
    /// end it and remove all that is kept of it
    Purge,
    /// end it and start it again
    Restart,
    /// stop its processes and its messages for a while
    Pause,
    /// let them go on
    Resume,
    /// forget swarms that do not run
    Clean,
    /// add an agent
    AddAgent,
    /// remove an agent
    RemoveAgent,
    /// end an agent and start it again
    RestartAgent,
    /// have so many copies of an agent
    Scale,
    /// give an agent a task
    Task,
    /// send a message from a node to another
    Message,
    /// send a message from a node to all its neighbours
    Broadcast,
    /// ask an object
    Ask,
    /// add or remove edges
    Topology,
    /// add an object
    AddObject,
    /// remove an object
    RemoveObject,
    /// change an object's configuration
    PatchObject,
    /// drop what was changed while it ran
    ClearOverlay,
    /// write a skill of an agent
    PutSkill,
}

impl SwarmHappened {
    /// As entries say it.
    pub fn as_str(self) -> &'static str {
        match self {
            SwarmHappened::Create => "create",
            SwarmHappened::Start => "start",
            SwarmHappened::Stop => "stop",
            SwarmHappened::Purge => "purge",
            SwarmHappened::Restart => "restart",
            SwarmHappened::Pause => "pause",
            SwarmHappened::Resume => "resume",
            SwarmHappened::Clean => "clean",
            SwarmHappened::AddAgent => "add_agent",
            SwarmHappened::RemoveAgent => "remove_agent",
            SwarmHappened::RestartAgent => "restart_agent",
            SwarmHappened::Scale => "scale",
            SwarmHappened::Task => "task",
            SwarmHappened::Message => "message",
            SwarmHappened::Broadcast => "broadcast",
            SwarmHappened::Ask => "ask",
            SwarmHappened::Topology => "topology",
            SwarmHappened::AddObject => "add_object",
            SwarmHappened::RemoveObject => "remove_object",
            SwarmHappened::PatchObject => "patch_object",
            SwarmHappened::ClearOverlay => "clear_overlay",
            SwarmHappened::PutSkill => "put_skill",
        }
    }
}

impl Swarm {
    pub(super) fn fields(&self, now: u64) -> Map<String, Value> {
        of([
            ("timestamp", json!(now)),
            ("happened", json!(self.happened.as_str())),
            ("caller", text(&self.caller)),
            ("swarm", text(&self.swarm)),
            ("node", optional(self.node.as_deref())),
            ("message_length", json!(self.message_length)),
            ("refused", json!(self.refused)),
        ])
    }
}
