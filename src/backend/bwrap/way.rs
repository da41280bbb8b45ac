//! The one way out of an isolated sandbox: which endpoint it leads to, and what stands at our end of it.
//!
//! Whether the endpoint may be at all is decided by the operator's policy before anything is built. Its addresses are
//! looked up before anything is built too, so that a sandbox whose way leads nowhere is none.

use std::{net::TcpListener, sync::Arc};

use super::{
    books::{Books, Standing},
    sandbox::Asked,
};
use crate::{
    agent::StartError,
    egress::{
        forwarder::{Account, Forwarder, Rules},
        policy::{Admitted, Policy},
        shim, way,
    },
};

/// Where it leads.
#[derive(Clone)]
pub(super) struct Way {
    admitted: Admitted,
    policy: Policy,
    asked: Asked,
    rules: Rules,
    account: Arc<Account>,
    books: Arc<Books>,
    /// the agent's
    name: String,
}

/// Our end of it, looked up.
pub(super) type End = Box<dyn FnOnce(TcpListener) -> Result<Open, StartError> + Send>;

/// A way that stands; in this order taken down, so that all is counted when it is told.
pub(super) struct Open {
    _forwarder: Forwarder,
    _standing: Standing,
}

impl Way {
    /// The way that is asked for, if it may be.
    pub fn admit(policy: &Policy, asked: &Asked, books: &Arc<Books>, name: &str) -> Result<Self, StartError> {
        let admitted = policy.admit(asked.endpoint.as_deref());
        let admitted = admitted.map_err(|error| refused(error.code(), error.to_string()))?;
        let rules = way::rules(admitted.endpoint(), asked.egress.as_ref())
            .ok_or_else(|| refused("invalid_egress", "egress is malformed".to_owned()))?;
        let account = books.open(name, admitted.endpoint());
        Ok(Self {
            admitted,
            policy: policy.clone(),
            asked: asked.clone(),
            rules,
            account,
            books: Arc::clone(books),
            name: name.to_owned(),
        })
    }

    /// What the program is told of it.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.admitted.endpoint().variables(shim::PORT, &self.asked.names)
    }

    /// What went through it so far.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Looks the endpoint up; what is given has somebody accept on the listener that came out of the sandbox, until
    /// what that gives is dropped. Nothing is dialled yet.
    pub fn look_up(&self) -> Result<End, StartError> {
        let key = self.policy.key_for(self.asked.endpoint.as_deref(), self.asked.api_key.as_deref());
        let upstream = way::open(&self.policy, self.admitted.clone(), key);
        let upstream = upstream.map_err(|error| refused(error.code(), error.to_string()))?;
        let Self { rules, account, books, name, .. } = self.clone();
        // Of a thread's name the kernel keeps the beginning.
        let thread: String = name.chars().take(32).collect();
        Ok(Box::new(move |listener| {
            let forwarder =
                Forwarder::start(listener, Arc::clone(&upstream), rules, Arc::clone(&account), &thread);
            let forwarder = forwarder.map_err(|_| StartError::Failed("threads"))?;
            let standing = books.stands(&name, &account, &upstream);
            Ok(Open { _forwarder: forwarder, _standing: standing })
        }))
    }
}

fn refused(code: &'static str, reason: String) -> StartError {
    StartError::Sandbox { code, reason: reason.into() }
}
