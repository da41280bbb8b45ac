//! The REST surface of the swarms, end to end behind the gate: the cases of spec genswarms M.1 to M.7 by their
//! numbers, with the differences of design section 5.

mod admission;
mod configs;
mod skills;

use super::*;

/// An instance with these tokens for the API and for configurations.
fn with_tokens(api: Option<&'static str>, config: Option<&'static str>) -> Instance {
    Made { tokens: [api, config], ..Made::with_api_token(None) }.instance()
}

/// A peer on another machine.
fn remote(instance: &Instance) -> Conn {
    instance.app.open(SocketAddr::from(([203, 0, 113, 7], 50_000)), address(4000))
}

const API_TOKEN: &str = "api-token-of-the-tests";
const CONFIG_TOKEN: &str = "config-token-of-the-tests";
