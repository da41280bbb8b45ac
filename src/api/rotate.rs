//! `POST /api/v1/rotate-key`: a new owner key and a new peer key without a restart.
//!
//! The order is the point. The new keys open beside the old ones before anybody can read them; then the
//! key file is written, then the registry's files; only then the old keys stop. Whoever reads a file at
//! any moment finds a key that opens, and where the key file cannot be written nothing has changed. No
//! key stands in an answer, in the log or in the audit: the new owner key is in the key file alone.

use std::time::Duration;

use serde_json::json;

use super::{
    App,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::{Caller, Keys, NotBegun},
    bus::audit::Rotation,
    limits,
    store::private::FileError,
    wire::{json::Fields, secret::Secret},
};

/// How long the registry's files may take. They follow later where they take longer.
const REGISTRY: Duration = Duration::from_secs(1);

/// Who may call is the route table's business: the owner alone.
const BY: &str = "owner";

/// Writes the key file with this owner key, whole or not at all.
pub type WriteKeyFile = dyn Fn(&Secret) -> std::result::Result<(), FileError> + Send + Sync;

/// What a rotation asks of the key file.
pub struct KeyFileHook {
    /// writes it
    pub write: Box<WriteKeyFile>,
    /// the first owner key came from whoever started the instance, who learns of no other one
    pub from_host: bool,
}

/// `POST /api/v1/rotate-key`.
pub(super) fn rotate(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let body = request.json()?;
    let keep = Fields::of(&body)?.flag("keep_connections", false)?;
    let fresh = || app.fresh_id().map(|id| Secret::new(id.into_bytes()));
    let (owner, peer) = (fresh()?, fresh()?);
    let (for_file, for_registry) = (copy(&owner), copy(&peer));
    let begun = app.policy.keys.begin(Keys { owner, peer }, caller.generation());
    let mut rotation = begun.map_err(|reason| match reason {
        NotBegun::Underway => Fault::new(409, "rotation_underway", "another rotation is underway; try again"),
        NotBegun::Retired => App::key_changed(),
    })?;
    if let Err(error) = (app.key_file.write)(&for_file) {
        drop(rotation);
        log::warn!("the keys stay as they are, because the key file cannot be written: {error}");
        app.bus.audit.rotation(Rotation { by: BY.to_owned(), generation: None, closing: 0 });
        return Err(Fault::new(500, "key_file", "the key file cannot be written: the old keys stay"));
    }
    rotation.known();
    drop(for_file);
    let followed = app.bus.elsewhere.rekey(for_registry, REGISTRY);
    let generation = rotation.finish();
    let closing = match keep {
        true => 0,
        false => {
            let at = app.clock.monotonic_ms().saturating_add(limits::KEY_GRACE_MS);
            app.sockets.retire(generation, at)
        }
    };
    log::info!("the keys were rotated: generation {generation}");
    app.bus.audit.rotation(Rotation { by: BY.to_owned(), generation: Some(generation), closing });
    ok(&json!({
        "rotated": true,
        "generation": generation,
        "connections": if keep { "kept" } else { "closing in 10 s" },
        "closing": closing,
        "registry": match (followed, app.bus.elsewhere.is_on()) {
            (false, _) => "pending",
            (true, true) => "done",
            (true, false) => "off",
        },
        "from_host": app.key_file.from_host,
    }))
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose().to_vec())
}
