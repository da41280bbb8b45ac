//! Why a document, an operation or a configuration is refused (spec genswarms I).
//!
//! The codes are the specification's, word for word, so that a test and a log line of either system mean the
//! same; what is our own (bounds, names that cannot be directories) stands at the end. What was sent is
//! shown cut and never opened: an object in a wrong place may hold a secret.

use std::fmt;

use super::shown::Shown;

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// a ref is no object
    RefNotAMap,
    /// a ref has no `ref`, or a blank one
    MissingRef,
    /// `ref` has no scheme, or nothing after it
    InvalidRefString,
    /// a ref to content does not say whether it is data or code
    MissingKind,
    /// `kind` is neither `data` nor `code`
    InvalidKind(Shown),
    /// a ref of this scheme names no host
    MissingHost(&'static str),
    /// `image` is no text, or an empty one
    InvalidImage(Shown),
    /// `opts` is no object
    InvalidOpts(Shown),
    /// `attested` is neither true nor false
    InvalidAttested(Shown),
    /// a ref to content has no digest
    MissingDigest,
    /// not `algorithm:hex`
    InvalidDigest(Shown),
    /// a ref to something that is no content has a digest
    UnexpectedDigest,
    /// a state is not resolved, because of this ref
    UnresolvedRef {
        /// the ref's text
        text: Shown,
        /// what is wrong with it
        reason: Box<Error>,
    },

    /// a state is no object
    StateNotAMap,
    /// `v` is not 1
    UnsupportedVersion(Shown),
    /// `kind` is that of another document
    WrongKind(Shown),
    /// a required field is not there, or blank
    Missing(&'static str),
    /// `phase` is neither `desired` nor `observed`
    InvalidPhase(Shown),
    /// a field has another type than it must have
    Invalid(&'static str),
    /// an agent is no object
    InvalidAgent,
    /// an object of the swarm is no JSON object
    InvalidObject,
    /// a node lacks this slot
    MissingSlot(&'static str),
    /// a model is neither a service nor a policy
    InvalidModelSlot(Shown),
    /// what stands in a slot is of another sort than it must be
    SlotTypeMismatch {
        /// the slot
        slot: &'static str,
        /// what it must hold
        wanted: &'static str,
    },
    /// `topology` is no list
    InvalidTopology,
    /// an edge is not a list of two names
    InvalidEdge(Shown),
    /// two nodes have this name
    DuplicateName(Shown),
    /// no node has this name
    UnknownEdgeEndpoint(Shown),

    /// an overlay is no object
    OverlayNotAMap,
    /// `apply` is neither `incremental` nor `transactional`
    InvalidApplyMode(Shown),
    /// an overlay has no list of events
    MissingEvents,
    /// an event is no object
    InvalidEvent,
    /// `seq` is not a whole number from 0
    InvalidSeq(Shown),
    /// `seq` does not come after the one before
    NonMonotonicSeq {
        /// of this event
        seq: u64,
        /// of the event before
        previous: u64,
    },
    /// there is no such operation
    UnknownOp(Shown),
    /// a payload is no object, or an object in it is none
    InvalidPayload,
    /// a payload lacks this field
    MissingField(&'static str),
    /// a payload has no `edges`
    MissingEdges,
    /// `edges` is not a list of lists of two names
    InvalidEdges,
    /// a count is not a whole number from 0
    InvalidCount {
        /// the field
        field: &'static str,
        /// what stands there
        value: Shown,
    },
    /// no slot, or none of this node
    InvalidBumpField(Shown),
    /// a digest of a bump is not `algorithm:hex`
    InvalidBumpDigest {
        /// the field
        field: &'static str,
        /// what stands there
        value: Shown,
    },
    /// a policy is none of its words
    InvalidPolicy {
        /// the field
        field: &'static str,
        /// what stands there
        value: Shown,
    },

    /// the name is taken
    AgentExists(Shown),
    /// the name is taken
    ObjectExists(Shown),
    /// no agent has this name
    AgentNotFound(Shown),
    /// no object has this name
    ObjectNotFound(Shown),
    /// no node has this name
    TargetNotFound(Shown),
    /// the digest is another one than the bump expects
    BumpDigestMismatch {
        /// what the bump says
        expected: Shown,
        /// what is there
        got: Shown,
    },
    /// no agent belongs to this group
    ScaleBaseNotFound(Shown),

    /// the swarm would have more nodes than it may
    AgentCapExceeded {
        /// agents and objects afterwards
        count: u64,
        /// the most there may be
        cap: u64,
    },
    /// keys with which a program leaves its place, sorted
    ForbiddenConfigKeys(Vec<String>),

    /// an object without handler and without program
    ObjectWithoutHandler,
    /// there is no such backend
    UnsupportedBackend(Shown),
    /// no agent belongs to this group of the running swarm
    NoTemplate(Shown),

    /// a name of the running swarm that is no node's name
    InvalidName(Shown),
    /// more of something than a document may hold
    TooMany {
        /// of what
        what: &'static str,
        /// how many there may be
        most: usize,
    },
    /// a name or ref that is too long
    TooLong(&'static str),
    /// an object with too many levels
    TooDeep(&'static str),
}

impl Error {
    /// Stable code: the specification's name of the error.
    pub fn code(&self) -> &'static str {
        self.parts().0
    }

    /// The code, and what it is about.
    fn parts(&self) -> (&'static str, String) {
        let shown = Shown::to_string;
        let (code, detail) = match self {
            Error::RefNotAMap => ("ref_not_a_map", String::new()),
            Error::MissingRef => ("missing_ref", String::new()),
            Error::InvalidRefString => ("invalid_ref_string", String::new()),
            Error::MissingKind => ("missing_kind", String::new()),
            Error::InvalidKind(value) => ("invalid_kind", shown(value)),
            Error::MissingHost(scheme) => ("missing_host", (*scheme).to_owned()),
            Error::InvalidImage(value) => ("invalid_image", shown(value)),
            Error::InvalidOpts(value) => ("invalid_opts", shown(value)),
            Error::InvalidAttested(value) => ("invalid_attested", shown(value)),
            Error::MissingDigest => ("missing_digest", String::new()),
            Error::InvalidDigest(value) => ("invalid_digest", shown(value)),
            Error::UnexpectedDigest => ("unexpected_digest", String::new()),
            Error::UnresolvedRef { text, reason } => ("unresolved_ref", format!("{text}, {reason}")),
            Error::StateNotAMap => ("state_not_a_map", String::new()),
            Error::UnsupportedVersion(value) => ("unsupported_version", shown(value)),
            Error::WrongKind(value) => ("wrong_kind", shown(value)),
            Error::Missing(field) => ("missing", (*field).to_owned()),
            Error::InvalidPhase(value) => ("invalid_phase", shown(value)),
            Error::Invalid(field) => ("invalid", (*field).to_owned()),
            Error::InvalidAgent => ("invalid_agent", String::new()),
            Error::InvalidObject => ("invalid_object", String::new()),
            Error::MissingSlot(slot) => ("missing_slot", (*slot).to_owned()),
            Error::InvalidModelSlot(value) => ("invalid_model_slot", shown(value)),
            Error::SlotTypeMismatch { slot, wanted } => {
                ("slot_type_mismatch", format!("{slot} must be {wanted}"))
            }
            Error::InvalidTopology => ("invalid_topology", String::new()),
            Error::InvalidEdge(value) => ("invalid_edge", shown(value)),
            Error::DuplicateName(name) => ("duplicate_name", shown(name)),
            Error::UnknownEdgeEndpoint(name) => ("unknown_edge_endpoint", shown(name)),
            Error::OverlayNotAMap => ("overlay_not_a_map", String::new()),
            Error::InvalidApplyMode(value) => ("invalid_apply_mode", shown(value)),
            Error::MissingEvents => ("missing_events", String::new()),
            Error::InvalidEvent => ("invalid_event", String::new()),
            Error::InvalidSeq(value) => ("invalid_seq", shown(value)),
            Error::NonMonotonicSeq { seq, previous } => {
                ("non_monotonic_seq", format!("{seq} after {previous}"))
            }
            Error::UnknownOp(value) => ("unknown_op", shown(value)),
            Error::InvalidPayload => ("invalid_payload", String::new()),
            Error::MissingField(field) => ("missing_field", (*field).to_owned()),
            Error::MissingEdges => ("missing_edges", String::new()),
            Error::InvalidEdges => ("invalid_edges", String::new()),
            Error::InvalidCount { field, value } => ("invalid_count", format!("{field}, {value}")),
            Error::InvalidBumpField(value) => ("invalid_bump_field", shown(value)),
            Error::InvalidBumpDigest { field, value } => ("invalid_digest", format!("{field}, {value}")),
            Error::InvalidPolicy { field, value } => ("invalid_policy", format!("{field}, {value}")),
            Error::AgentExists(name) => ("agent_exists", shown(name)),
            Error::ObjectExists(name) => ("object_exists", shown(name)),
            Error::AgentNotFound(name) => ("agent_not_found", shown(name)),
            Error::ObjectNotFound(name) => ("object_not_found", shown(name)),
            Error::TargetNotFound(name) => ("target_not_found", shown(name)),
            Error::BumpDigestMismatch { expected, got } => {
                ("bump_digest_mismatch", format!("expected {expected}, got {got}"))
            }
            Error::ScaleBaseNotFound(name) => ("scale_base_not_found", shown(name)),
            Error::AgentCapExceeded { count, cap } => {
                ("agent_cap_exceeded", format!("{count} agents and objects, at most {cap}"))
            }
            Error::ForbiddenConfigKeys(keys) => ("forbidden_config_keys", keys.join(", ")),
            Error::ObjectWithoutHandler => ("object_without_handler", String::new()),
            Error::UnsupportedBackend(value) => ("unsupported_backend", shown(value)),
            Error::NoTemplate(name) => ("no_template", shown(name)),
            Error::InvalidName(name) => ("invalid_name", shown(name)),
            Error::TooMany { what, most } => ("too_many", format!("{what}, at most {most}")),
            Error::TooLong(what) => ("too_long", (*what).to_owned()),
            Error::TooDeep(what) => ("too_deep", (*what).to_owned()),
        };
        (code, detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (code, detail) if detail.is_empty() => f.write_str(code),
            (code, detail) => write!(f, "{code}: {detail}"),
        }
    }
}

impl std::error::Error for Error {}

/// The event at which an overlay stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// its number
    pub seq: u64,
    /// what is wrong with it
    pub reason: Error,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.seq, self.reason)
    }
}

impl std::error::Error for Stopped {}
