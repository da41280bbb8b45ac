//! The REST surface of the swarms, end to end behind the gate: the cases of spec genswarms M.1 to M.7 by their
//! numbers, with the differences of design section 5.

mod admission;
mod skills;

use super::*;

/// An instance with these tokens for the API and for configurations, and no other credential of the swarms.
fn with_tokens(api: Option<&str>, config: Option<&str>) -> Instance {
    let key_file = KeyFileHook { write: Box::new(|_| Ok(())), from_host: false };
    Instance::with_tokens([api, config], address(4000), Arc::new(Nowhere::default()), key_file)
}

/// A peer on another machine.
fn remote(instance: &Instance) -> Conn {
    instance.app.open(SocketAddr::from(([203, 0, 113, 7], 50_000)), address(4000))
}

const API_TOKEN: &str = "api-token-of-the-tests";
const CONFIG_TOKEN: &str = "config-token-of-the-tests";
