//! The credential of a client, and the owner's after a rotation.
//!
//! A 401 may mean that the keys were changed a moment ago. Then the key file is read once more, with
//! all of its checks, and only another key of the very same instance is used. Nothing that was refused
//! was done, so that whatever was asked may be asked again.

use std::sync::{Arc, PoisonError, RwLock};

use ureq::http::HeaderValue;

use super::ClientError;
use crate::{
    store::{Home, KeyFile, keyfile},
    wire::secret::Secret,
};

/// What a client shows to be let in.
enum Credential {
    /// `X-AuthKey`
    OwnerKey(Secret),
    /// `Authorization: Bearer`
    AgentToken(Secret),
    /// the same with the operator's token; nothing where he has none
    ApiToken(Option<Secret>),
}

/// A credential as it is now. `number` tells it from earlier ones.
pub(super) struct Shown {
    credential: Credential,
    pub(super) number: u64,
}

/// Where the owner's key is read again.
struct Source {
    home: Home,
    /// whose key it must be
    instance: String,
    pid: u32,
    inode: Option<u64>,
}

/// A client's credential, which may change.
pub(super) struct Key {
    now: RwLock<Arc<Shown>>,
    source: Option<Source>,
}

impl Key {
    /// An agent's token: there is never another one.
    pub(super) fn of_agent(token: Secret) -> Self {
        Self::new(Credential::AgentToken(token), None)
    }

    /// The operator's on the swarm surface: what his shell has, if it has one.
    pub(super) fn of_operator(token: Option<Secret>) -> Self {
        Self::new(Credential::ApiToken(token), None)
    }

    /// The owner's, read again from `home` where that is given.
    pub(super) fn of_owner(file: KeyFile, home: Option<Home>) -> Self {
        let KeyFile { auth_key, instance, pid, listener_inode: inode, .. } = file;
        Self::new(Credential::OwnerKey(auth_key), home.map(|home| Source { home, instance, pid, inode }))
    }

    fn new(credential: Credential, source: Option<Source>) -> Self {
        Self { now: RwLock::new(Arc::new(Shown { credential, number: 0 })), source }
    }

    /// What to show now.
    pub(super) fn now(&self) -> Arc<Shown> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is another credential than `used`, read meanwhile or now.
    pub(super) fn renewed(&self, used: &Shown) -> bool {
        let Some(source) = &self.source else { return false };
        if self.now().number != used.number {
            return true;
        }
        let Ok(file) = keyfile::read(&source.home) else { return false };
        let same =
            file.instance == source.instance && file.pid == source.pid && file.listener_inode == source.inode;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        match &now.credential {
            // Another thread was here first.
            _ if now.number != used.number => true,
            Credential::OwnerKey(key) if same && !key.matches(file.auth_key.expose()) => {
                let number = now.number.saturating_add(1);
                *now = Arc::new(Shown { credential: Credential::OwnerKey(file.auth_key), number });
                true
            }
            Credential::OwnerKey(_) | Credential::AgentToken(_) | Credential::ApiToken(_) => false,
        }
    }
}

impl Shown {
    /// The header that carries it, if there is anything to carry.
    pub(super) fn header(&self) -> Result<Option<(&'static str, HeaderValue)>, ClientError> {
        let (name, value) = match &self.credential {
            Credential::ApiToken(None) => return Ok(None),
            Credential::OwnerKey(key) => ("x-authkey", HeaderValue::from_bytes(key.expose())),
            Credential::AgentToken(token) | Credential::ApiToken(Some(token)) => {
                let value = Secret::new([b"Bearer ", token.expose()].concat());
                ("authorization", HeaderValue::from_bytes(value.expose()))
            }
        };
        let mut value = value.map_err(|_| ClientError::Credential)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

#[cfg(test)]
mod tests;
