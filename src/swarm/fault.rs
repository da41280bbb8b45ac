//! Why a call about a swarm is refused: the status, a code that stays, and the sentence.
//!
//! Where clients of genswarms match on a text (spec genswarms B.1, H.2), it is that text, to the letter.
//! No fault carries a path, a word of the system or a secret: what goes in comes from the call itself, or is
//! a word of ours.

use std::fmt;

use super::{config::ConfigError, kept::ShelfError, patch::PatchError, skills::SkillError};
use crate::{limits, wire::node::NodeName};

/// Why a call about a swarm is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// there is no swarm of that name
    SwarmNotFound,
    /// the same, where genswarms answers a change with the word and 400
    NoSuchSwarm,
    /// there is no agent of that name in the swarm
    AgentNotFound,
    /// there is no object of that name in the swarm
    ObjectNotFound,
    /// a swarm of that name runs, or is being started
    AlreadyExists,
    /// the swarm is kept, and does not run
    NotRunning,
    /// the swarm runs, or is being started
    Runs,
    /// another call about the swarm takes longer than this one waits
    Busy,
    /// the instance ends
    Stopping,
    /// as many swarms are kept as may be
    TooManySwarms {
        /// as many
        most: usize,
    },
    /// as many nodes run in the instance as may
    TooManyNodes {
        /// as many
        most: usize,
    },
    /// one more node than a swarm may have
    AgentLimit {
        /// as many as it may have
        most: usize,
    },
    /// a scale to more nodes than a swarm may have
    ScaleLimit {
        /// as many as it may have
        most: usize,
    },
    /// `count` is not a whole number from 0
    BadCount,
    /// a field of the call is not there, or is not what it must be
    Wrong {
        /// the sentence
        sentence: String,
    },
    /// a name that the swarm has already
    NameTaken {
        /// the code: `agent_exists` or `object_exists`
        code: &'static str,
        /// the name
        name: String,
    },
    /// the document of a swarm, an agent or an object is wrong
    Config {
        /// its code (spec genswarms H.2)
        code: &'static str,
        /// the text that clients know
        error: String,
    },
    /// what would come of the change is no swarm that may run
    Refused {
        /// the reason, to be read by people
        reason: String,
    },
    /// a backend that is not built in
    BackendNotBuilt {
        /// what is said of it
        reason: String,
    },
    /// what was changed while it ran no longer fits the configuration
    OverlayDoesNotFit {
        /// the swarm
        swarm: NodeName,
        /// the operation's number
        seq: u64,
        /// why it does not fit
        reason: String,
    },
    /// nothing of the configuration can be copied for a scale
    NoTemplate {
        /// the name to be scaled
        base: String,
    },
    /// an edge, the sender or the target of which is not in the swarm
    UnknownEndpoint {
        /// its name
        name: String,
    },
    /// the sender of a message is no node of the swarm
    UnknownSender {
        /// its name
        name: String,
    },
    /// the target of a message is no node of the swarm
    UnknownTarget {
        /// its name
        name: String,
    },
    /// there is no edge along which the message could go
    RouteDenied {
        /// from
        from: String,
        /// to
        to: String,
    },
    /// the agent takes no task now
    Task(TaskFault),
    /// a message is over its limit
    TooLarge {
        /// of so many bytes
        most: usize,
    },
    /// the change of an object's configuration is refused
    Patch {
        /// the status: 400 or 422
        status: u16,
        /// the code (spec genswarms J.3)
        code: &'static str,
        /// the sentence
        sentence: String,
    },
    /// a skill's name that is none
    BadSkillName,
    /// a skill's name without the end that it needs to be shown
    BadSkillEnd,
    /// an agent has as many skills as are shown
    SkillsFull,
    /// a skill that is not there, or cannot be read
    SkillNotFound,
    /// an isolated agent asks for an endpoint that it may not be led to
    Endpoint {
        /// the code
        code: &'static str,
        /// its name
        name: NodeName,
        /// why not
        reason: String,
    },
    /// an agent or object could not be started
    NotStarted {
        /// its name
        name: String,
        /// why, in words of ours
        reason: String,
    },
    /// not all processes were gone in time
    StillThere,
    /// the change is one of what was dropped with the overlay, and would not come again at the next start
    OverlayCleared,
    /// as many changes are kept as may be
    OverlayFull,
    /// what is to be kept is larger than may be
    TooLargeToKeep,
    /// what is kept of the swarm cannot be read
    Unreadable,
    /// the disk takes nothing; nothing was changed
    NotKept {
        /// because it is full
        full: bool,
    },
    /// nobody knows whether the disk took it; nothing was changed of what runs
    DiskSlow,
    /// the disk took nothing, and what was changed could not be changed back: it holds until the swarm stops
    HoldsUntilStop,
}

/// Why an agent takes no task (spec genswarms B.1, E.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskFault {
    /// its program could not be started
    Error,
    /// its program has ended, or its swarm does not run
    Stopped,
    /// its program is being started
    Initializing,
    /// as many tasks wait as may
    InboxFull,
    /// it is an object
    NotAnAgent,
}

impl TaskFault {
    /// The word that clients know.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "agent_error",
            Self::Stopped => "agent_stopped",
            Self::Initializing => "agent_initializing",
            Self::InboxFull => "inbox_full",
            Self::NotAnAgent => "not_an_agent",
        }
    }
}

impl Fault {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::SwarmNotFound
            | Self::AgentNotFound
            | Self::ObjectNotFound
            | Self::UnknownSender { .. }
            | Self::UnknownTarget { .. }
            | Self::SkillNotFound => 404,
            Self::NoSuchSwarm
            | Self::AlreadyExists
            | Self::AgentLimit { .. }
            | Self::ScaleLimit { .. }
            | Self::BadCount
            | Self::Wrong { .. }
            | Self::NameTaken { .. }
            | Self::Config { .. }
            | Self::Refused { .. }
            | Self::BackendNotBuilt { .. }
            | Self::OverlayDoesNotFit { .. }
            | Self::NoTemplate { .. }
            | Self::UnknownEndpoint { .. }
            | Self::Task(_)
            | Self::BadSkillName
            | Self::BadSkillEnd
            | Self::Endpoint { .. }
            | Self::NotStarted { .. } => 400,
            Self::RouteDenied { .. } => 403,
            Self::NotRunning
            | Self::Runs
            | Self::Busy
            | Self::TooManySwarms { .. }
            | Self::TooManyNodes { .. }
            | Self::OverlayCleared
            | Self::OverlayFull
            | Self::SkillsFull
            | Self::Unreadable => 409,
            Self::TooLarge { .. } | Self::TooLargeToKeep => 413,
            Self::Patch { status, .. } => *status,
            Self::StillThere | Self::NotKept { full: false } | Self::HoldsUntilStop => 500,
            Self::Stopping | Self::DiskSlow => 503,
            Self::NotKept { full: true } => 507,
        }
    }

    /// The code of the answer, which stays what it is.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SwarmNotFound | Self::NoSuchSwarm => "swarm_not_found",
            Self::AgentNotFound => "agent_not_found",
            Self::ObjectNotFound => "object_not_found",
            Self::AlreadyExists => "already_exists",
            Self::NotRunning => "swarm_not_running",
            Self::Runs => "swarm_running",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::TooManySwarms { .. } => "swarm_limit",
            Self::TooManyNodes { .. } => "instance_limit",
            Self::AgentLimit { .. } => "agent_limit",
            Self::ScaleLimit { .. } => "scale_limit",
            Self::BadCount => "bad_count",
            Self::Wrong { .. } => "wrong_field",
            Self::NameTaken { code, .. }
            | Self::Config { code, .. }
            | Self::Patch { code, .. }
            | Self::Endpoint { code, .. } => code,
            Self::Refused { .. } => "ir_validation_failed",
            Self::BackendNotBuilt { .. } => "backend_not_built",
            Self::OverlayDoesNotFit { .. } => "overlay_does_not_fit",
            Self::NoTemplate { .. } => "no_template",
            Self::UnknownEndpoint { .. } => "unknown_endpoint",
            Self::UnknownSender { .. } => "unknown_sender",
            Self::UnknownTarget { .. } => "target_not_found",
            Self::RouteDenied { .. } => "route_denied",
            Self::Task(fault) => fault.word(),
            Self::TooLarge { .. } => "too_large",
            Self::OverlayCleared => "overlay_cleared",
            Self::OverlayFull => "overlay_full",
            Self::TooLargeToKeep => "too_large_to_keep",
            Self::Unreadable => "unreadable",
            Self::BadSkillName | Self::BadSkillEnd => "invalid_skill_name",
            Self::SkillsFull => "skills_full",
            Self::SkillNotFound => "skill_not_found",
            Self::NotStarted { .. } => "not_started",
            Self::StillThere => "still_there",
            Self::NotKept { full: true } => "disk_full",
            Self::NotKept { full: false } => "disk_failed",
            Self::DiskSlow => "disk_slow",
            Self::HoldsUntilStop => "not_kept",
        }
    }

    /// What a failure of the shelf is to the caller, where nothing was changed.
    pub fn of_shelf(error: ShelfError) -> Self {
        match error {
            ShelfError::Full => Self::TooManySwarms { most: limits::SWARMS_KEPT },
            ShelfError::Aside | ShelfError::Mounted => Self::Unreadable,
            ShelfError::Unknown => Self::SwarmNotFound,
            ShelfError::TooLarge => Self::TooLargeToKeep,
            ShelfError::OverlayFull => Self::OverlayFull,
            ShelfError::NoSpace => Self::NotKept { full: true },
            ShelfError::Slow => Self::DiskSlow,
            ShelfError::Left | ShelfError::Io(_) => Self::NotKept { full: false },
        }
    }

    /// Why an object's configuration may not be changed so.
    pub fn of_patch(error: PatchError) -> Self {
        Self::Patch { status: error.status(), code: error.code(), sentence: error.to_string() }
    }

    /// Why a skill is not shown or written.
    pub fn of_skill(error: SkillError) -> Self {
        match error {
            SkillError::BadName | SkillError::BadPath => Self::BadSkillName,
            SkillError::BadEnd => Self::BadSkillEnd,
            SkillError::TooMany => Self::SkillsFull,
            SkillError::Missing => Self::SkillNotFound,
            SkillError::TooLarge | SkillError::Twice(_) => Self::TooLargeToKeep,
            SkillError::Full => Self::NotKept { full: true },
            SkillError::Unreadable => Self::NotKept { full: false },
        }
    }

    /// What is wrong with the document of a swarm, an agent or an object.
    pub fn of_config(error: ConfigError) -> Self {
        Self::Config { code: error.code(), error: error.answer() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwarmNotFound => f.write_str("Swarm not found"),
            Self::NoSuchSwarm | Self::AlreadyExists => f.write_str(self.code()),
            Self::AgentNotFound => f.write_str("Agent not found"),
            Self::ObjectNotFound => f.write_str("Object not found"),
            Self::NotRunning => f.write_str("the swarm does not run: start it first"),
            Self::Runs => f.write_str("the swarm runs"),
            Self::Busy => f.write_str("another call about this swarm is not finished: try again later"),
            Self::Stopping => f.write_str("the instance ends"),
            Self::TooManySwarms { most } => {
                write!(f, "{most} swarms are kept, which is the most: clean or purge one first")
            }
            Self::TooManyNodes { most } => {
                write!(f, "{most} agents and objects may run in all, and this would be more")
            }
            Self::AgentLimit { most } => write!(f, "Agent limit reached (max {most})"),
            Self::ScaleLimit { most } => write!(f, "Scale limit exceeded (max {most})"),
            Self::BadCount => f.write_str("Missing or invalid 'count'"),
            Self::Wrong { sentence } | Self::Patch { sentence, .. } => f.write_str(sentence),
            Self::Endpoint { name, reason, .. } => write!(f, "{name}: {reason}"),
            Self::NameTaken { name, .. } => write!(f, "the swarm has a node with the name {name} already"),
            Self::Config { error, .. } => f.write_str(error),
            Self::Refused { reason } | Self::BackendNotBuilt { reason } => f.write_str(reason),
            Self::OverlayDoesNotFit { swarm, seq, reason } => write!(
                f,
                "change {seq} of the overlay does not fit the configuration: {reason}; `loopgate overlay {swarm} \
                 --clear` drops all changes"
            ),
            Self::NoTemplate { base } => write!(f, "no agent {base} or {base}_N that could be copied"),
            Self::UnknownEndpoint { name } => {
                write!(f, "{name}, an end of an edge, is no agent or object of the swarm")
            }
            Self::UnknownSender { name } => {
                write!(f, "{name}, the sender, is no agent or object of the swarm")
            }
            Self::UnknownTarget { name } => {
                write!(f, "{name}, the target, is no agent or object of the swarm")
            }
            Self::RouteDenied { from, to } => write!(f, "no edge {from} -> {to}"),
            Self::Task(fault) => f.write_str(fault.word()),
            Self::TooLarge { most } => write!(f, "a message may have {most} bytes"),
            Self::BadSkillName => f.write_str("Invalid skill name"),
            Self::BadSkillEnd => f.write_str("Invalid skill name: it must end in .md"),
            Self::SkillsFull => write!(
                f,
                "an agent has at most {} skills and {} bytes of them, and this would be more",
                limits::AGENT_SKILLS,
                limits::AGENT_SKILLS_BYTES
            ),
            Self::SkillNotFound => f.write_str("Skill not found"),
            Self::NotStarted { name, reason } => write!(f, "{name} could not be started: {reason}"),
            Self::StillThere => f.write_str("not all processes were gone in time"),
            Self::OverlayCleared => f.write_str(
                "the change is one of what was dropped with the overlay: restart the swarm first",
            ),
            Self::OverlayFull => f.write_str("as many changes are kept as may be: clear the overlay first"),
            Self::TooLargeToKeep => f.write_str("what is to be kept is larger than may be"),
            Self::Unreadable => f.write_str("what is kept under this name cannot be read: purge it first"),
            Self::NotKept { full: true } => f.write_str("the disk is full: it was not done"),
            Self::NotKept { full: false } => f.write_str("the disk failed: it was not done"),
            Self::DiskSlow => f.write_str(
                "the disk has not answered in time: the change was not made, and may none the less be there at the \
                 next start",
            ),
            Self::HoldsUntilStop => f.write_str(
                "the change holds, but could not be written down and could not be undone: it is gone when the swarm \
                 stops",
            ),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that clients of genswarms match on (spec genswarms B.0, B.1).
    #[test]
    fn m6_faults_say_what_clients_of_genswarms_know() {
        for (fault, status, code, text) in [
            (Fault::SwarmNotFound, 404, "swarm_not_found", "Swarm not found"),
            (Fault::NoSuchSwarm, 400, "swarm_not_found", "swarm_not_found"),
            (Fault::AgentNotFound, 404, "agent_not_found", "Agent not found"),
            (Fault::ObjectNotFound, 404, "object_not_found", "Object not found"),
            (Fault::AlreadyExists, 400, "already_exists", "already_exists"),
            (Fault::AgentLimit { most: 100 }, 400, "agent_limit", "Agent limit reached (max 100)"),
            (Fault::ScaleLimit { most: 100 }, 400, "scale_limit", "Scale limit exceeded (max 100)"),
            (Fault::BadCount, 400, "bad_count", "Missing or invalid 'count'"),
            (Fault::BadSkillName, 400, "invalid_skill_name", "Invalid skill name"),
            (Fault::Task(TaskFault::InboxFull), 400, "inbox_full", "inbox_full"),
            (Fault::Task(TaskFault::NotAnAgent), 400, "not_an_agent", "not_an_agent"),
        ] {
            assert_eq!((fault.status(), fault.code(), fault.to_string().as_str()), (status, code, text));
        }
        let denied = Fault::RouteDenied { from: "a".into(), to: "b".into() };
        assert_eq!((denied.status(), denied.to_string().as_str()), (403, "no edge a -> b"));
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let full = Fault::of_shelf(ShelfError::NoSpace);
        assert_eq!((full.status(), full.code()), (507, "disk_full"));
        let broken = Fault::of_shelf(ShelfError::Io(std::io::Error::other("/a/path")));
        assert_eq!((broken.status(), broken.code()), (500, "disk_failed"));
        assert!(!broken.to_string().contains('/'));
        let full = Fault::of_skill(SkillError::Full);
        assert_eq!((full.status(), full.code()), (507, "disk_full"));
        let broken = Fault::of_skill(SkillError::Unreadable);
        assert_eq!((broken.status(), broken.code()), (500, "disk_failed"));
    }
}
