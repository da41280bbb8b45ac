//! The names of events (spec genswarms J.4), and what follows from a name: its category, its level.

use super::{Category, Level};

macro_rules! names {
    ($( $name:ident = $text:literal in $category:ident, $meaning:literal; )*) => {
        /// What an event is called.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Name { $( #[doc = $meaning] $name, )* }

        impl Name {
            /// All of them.
            pub const ALL: &[Name] = &[$( Name::$name, )*];

            /// The word that clients know.
            pub fn as_str(self) -> &'static str {
                match self { $( Name::$name => $text, )* }
            }

            /// What an event of this name is about.
            pub fn category(self) -> Category {
                match self { $( Name::$name => Category::$category, )* }
            }
        }
    };
}

names! {
    SwarmStarted = "swarm_started" in Swarm, "a swarm runs";
    SwarmStopped = "swarm_stopped" in Swarm, "a swarm was stopped";
    SwarmPaused = "swarm_paused" in Swarm, "a swarm is held still";
    SwarmResumed = "swarm_resumed" in Swarm, "a swarm goes on";
    SwarmError = "swarm_error" in Swarm, "a swarm that starts by itself did not, or not all that one had could be removed";
    TopologyChanged = "topology_changed" in Swarm, "edges came or went";
    IrValidationFailed = "ir_validation_failed" in Swarm, "the gate let a change not pass";
    OverlayFailed = "overlay_setup_failed" in Swarm, "a kept change could not be made again";
    AgentStarted = "agent_started" in Agent, "an agent's program runs";
    AgentStopped = "agent_stopped" in Agent, "an agent's program has ended, or was ended";
    AgentRestarting = "agent_restarting" in Agent, "an agent's program failed and is started again";
    AgentError = "agent_error" in Agent, "an agent cannot be used";
    AgentAdded = "agent_added" in Agent, "an agent is new in its swarm";
    AgentRemoved = "agent_removed" in Agent, "an agent left its swarm";
    TaskSent = "task_sent" in Agent, "a task was accepted for an agent";
    MessageDelivered = "message_delivered" in Agent, "a message was said to an agent";
    MessageNotTyped = "message_not_typed" in Routing, "a message is in an inbox alone: its sender is more confined than the terminal";
    MessageDropped = "message_dropped" in Routing, "a message will not be delivered";
    InboxFull = "inbox_full" in Agent, "an agent has as much waiting as it may";
    InboxDropped = "inbox_dropped" in Agent, "what waited for an agent that has ended";
    Stdout = "stdout" in Agent, "an agent's turn is over";
    TurnTimeout = "turn_timeout" in Agent, "a turn took longer than it may";
    AutoDelivered = "auto_delivered" in Agent, "a turn's text went to `reply_to`";
    AutoDeliverSkipped = "auto_deliver_skipped" in Agent, "a turn's text did not need to go to `reply_to`";
    AutoDeliverFailed = "auto_deliver_failed" in Agent, "a turn's text could not go to `reply_to`";
    NoFinalText = "no_final_text" in Agent, "a turn had no text for `reply_to`";
    InvalidLine = "invalid_line" in Agent, "an agent said what nobody understands";
    ApiKeyInvalid = "api_key_invalid" in System, "an agent's output reads as if its model refused its key";
    ApiKeyMissing = "api_key_missing" in System, "an agent's output reads as if it had no key for its model";
    RateLimit = "rate_limit" in System, "an agent's output reads as if its model was asked too often";
    QuotaExceeded = "quota_exceeded" in System, "an agent's output reads as if nothing was left to spend";
    ObjectStarted = "object_started" in Object, "an object takes messages";
    ObjectStopped = "object_stopped" in Object, "an object was stopped";
    ObjectError = "object_error" in Object, "an object cannot be used";
    ObjectAdded = "object_added" in Object, "an object is new in its swarm";
    ObjectRemoved = "object_removed" in Object, "an object left its swarm";
    ObjectConfigUpdated = "object_config_updated" in Object, "an object's configuration was changed";
    HandlerCrashed = "handler_crashed" in Object, "the program of an object failed";
    MessageRouted = "message_routed" in Routing, "a message goes along an edge";
    MessageBroadcast = "message_broadcast" in Routing, "a message goes along all edges of its sender";
    InvalidRoute = "invalid_route" in Routing, "a message was refused: there is no edge";
    TargetNotFound = "target_not_found" in Routing, "a message was refused: nobody has that name";
    HopLimit = "hop_limit" in Routing, "a message went from object to object too often";
    EventLogRecovered = "event_log_recovered" in System, "the disk takes events again; some may not be on it";
    EndpointNotAllowed = "endpoint_not_allowed" in Backend, "an isolated agent was to be led to an endpoint that is not allowed";
    EgressRefused = "egress_refused" in Backend, "an isolated agent asked for what its way out does not carry";
    EgressSummary = "egress_summary" in Backend, "an isolated agent has ended; what went through its way out";
    BackendFailed = "backend_start_failed" in Backend, "what an agent runs in did not start";
}

impl Name {
    /// The name of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == word)
    }

    /// How much an event of this name matters, unless told otherwise.
    pub fn level(self) -> Level {
        let text = self.as_str();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["error", "failed"]) {
            Level::Error
        } else if has(&["invalid", "not_found", "full"]) {
            Level::Warning
        } else {
            Level::Info
        }
    }
}
