//! From an endpoint that was admitted to the way there.
//!
//! Looks its addresses up by the policy's rule, now and whenever dialling fails, and takes the operator's
//! authorities. What stands here runs in the start call of an agent: every failure keeps the agent from
//! starting.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    endpoint::{Endpoint, Route, Scheme},
    forwarder::{Rules, may_be_added},
    policy::{AddressError, Admitted, Policy},
};
pub use crate::client::upstream::Upstream;
use crate::{
    client::upstream::{Authorities, Patience, Target, UpstreamError},
    limits,
    wire::secret::Secret,
};

/// Why there is no way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayError {
    /// its name leads to no address that may be dialled
    Address(AddressError),
    /// TLS, the authorities or the key are not as they must be
    Client(UpstreamError),
}

impl WayError {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(error) => error.code(),
            Self::Client(_) => "endpoint_unusable",
        }
    }
}

impl fmt::Display for WayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WayError {}

/// The way to `admitted`, with the key that is added there. Waits for the look-up of its name.
pub fn open(policy: &Policy, admitted: Admitted, key: Option<Secret>) -> Result<Arc<Upstream>, WayError> {
    let within = Duration::from_millis(limits::LOOKUP_MS);
    let addresses = admitted.resolve(within).map_err(WayError::Address)?;
    let endpoint = admitted.endpoint();
    let target = Target {
        https: endpoint.scheme() == Scheme::Https,
        host: endpoint.host().to_string(),
        port: endpoint.port(),
    };
    let authorities = match policy.authorities() {
        Some(pem) => Authorities::Given(pem.to_vec()),
        None => Authorities::Known,
    };
    let again = Box::new(move || admitted.resolve(within).ok());
    Upstream::new(target, addresses, again, &authorities, key, Patience::default())
        .map(Arc::new)
        .map_err(WayError::Client)
}

/// What an agent may ask of `endpoint`, by the `egress` of its config; `None` where that is not sound.
pub fn rules(endpoint: &Endpoint, config: Option<&Value>) -> Option<Rules> {
    let mut rules = Rules::new(endpoint.routes().allowed);
    let Some(config) = config else { return Some(rules) };
    for (name, value) in config.as_object()? {
        match name.as_str() {
            "allow" => {
                let read = |one: &Value| Route::parse(one.as_str()?).ok();
                rules.allowed = value.as_array()?.iter().map(read).collect::<Option<_>>()?;
            }
            "headers" => {
                let read = |one: &Value| one.as_str().filter(|name| may_be_added(name)).map(str::to_owned);
                rules.headers = value.as_array()?.iter().map(read).collect::<Option<_>>()?;
            }
            "requests_per_minute" => rules.requests_per_minute = u32::try_from(value.as_u64()?).ok()?,
            "bytes_per_day" => rules.bytes_per_day = Some(value.as_u64()?),
            // More than there may be connections is no bound.
            "concurrent" => rules.concurrent = usize::try_from(value.as_u64()?).ok()?,
            _ => return None,
        }
    }
    Some(rules)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_allow_list_is_read_strictly() {
        let endpoint = Endpoint::parse("https://api.example/v1").expect("an endpoint");
        let usual = rules(&endpoint, None).expect("rules");
        assert_eq!(usual.allowed, endpoint.routes().allowed);
        assert_eq!(rules(&endpoint, Some(&json!({}))), Some(usual));
        let own = json!({
            "allow": ["POST /v1/embeddings", "GET /v1/models/*"], "requests_per_minute": 5,
            "bytes_per_day": 1_000, "concurrent": 2, "headers": ["x-mine"],
        });
        let own = rules(&endpoint, Some(&own)).expect("rules");
        assert_eq!((own.requests_per_minute, own.bytes_per_day, own.concurrent), (5, Some(1_000), 2));
        assert_eq!(own.headers, ["x-mine"]);
        let may = |method, path| own.admit(method, path);
        assert!(may(crate::wire::head::Method::Post, "/v1/embeddings"));
        assert!(!may(crate::wire::head::Method::Post, "/v1/messages"));
        for bad in [
            json!([]),
            json!({"allow": "POST /v1"}),
            json!({"allow": ["PUT /v1/a"]}),
            json!({"allow": [1]}),
            json!({"allow": ["POST /v1/../a"]}),
            json!({"requests_per_minute": -1}),
            json!({"requests_per_minute": 1_u64 << 40}),
            json!({"bytes_per_day": "1"}),
            json!({"concurrent": 1.5}),
            json!({"headers": "x-mine"}),
            json!({"headers": ["x_mine"]}),
            json!({"headers": ["authorization"]}),
            json!({"tunnel": true}),
        ] {
            assert_eq!(rules(&endpoint, Some(&bad)), None, "{bad}");
        }
    }
}
