//! What one isolated agent may ask of its endpoint, and how much.

use crate::{egress::endpoint::Route, limits, wire::head::Method};

/// What may be asked. Everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// methods and paths
    pub allowed: Vec<Route>,
    /// names of fields that pass beside the usual ones, in lower case
    pub headers: Vec<String>,
    /// requests in a minute
    pub requests_per_minute: u32,
    /// bytes of bodies in a day of UTC, both ways; `None`: as many as it likes
    pub bytes_per_day: Option<u64>,
    /// requests at once
    pub concurrent: usize,
}

impl Rules {
    /// These calls, as often as the limits allow where nothing else is said.
    pub fn new(allowed: Vec<Route>) -> Self {
        Self {
            allowed,
            headers: Vec::new(),
            requests_per_minute: limits::EGRESS_REQUESTS_PER_MINUTE,
            bytes_per_day: None,
            concurrent: limits::EGRESS_CONCURRENT,
        }
    }

    /// Whether this may be asked; `path` as it was sent.
    pub fn admit(&self, method: Method, path: &str) -> bool {
        self.allowed.iter().any(|route| route.admits(method.as_str(), path))
    }
}
