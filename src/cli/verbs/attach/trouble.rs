//! What may go wrong while `attach` talks to the instance: what ends it, and what only breaks off.
//!
//! A connection that is gone may be made anew, a bounded number of times; everything else ends `attach`
//! with an exit code and a next step of its own.

use crate::{
    cli::outcome::{Exit, Failure},
    client::ClientError,
};

/// What may go wrong while talking.
pub enum Trouble {
    /// the connection is gone, and may be made anew
    Connection(ClientError),
    /// the instance closed it in order, because the key that opened it was changed
    KeyRotated,
    /// attach ends with this
    Failure(Failure),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Connection(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// No connection stays.
pub fn too_often() -> Failure {
    Failure::new(Exit::TryLater, "the connection to the instance breaks off again and again")
        .next("try again; `loopgate status` shows whether the instance answers")
}
