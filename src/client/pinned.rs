//! The way to one address and no other, with a look at who listens there.
//!
//! Every name resolves to the one address, and each new connection is checked before a credential is
//! sent over it: the listener is the socket that the key file names, or at least not another user's.

use std::{
    fmt, io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{ConnectionDetails, Connector, NextTimeout, TcpConnector},
    },
};

use crate::store::{KeyFileError, keyfile};

/// What must be true of the listener before a credential is sent to it.
#[derive(Debug, Clone, Copy)]
enum Proof {
    /// it is the socket that the instance wrote into its key file
    Instance { pid: u32, inode: Option<u64> },
    /// it is not known to be another user's
    SameUser,
}

/// Resolver and connector in one: every name is this address, and every new connection is checked.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    at: SocketAddr,
    proof: Proof,
}

impl Pinned {
    pub(super) fn instance(at: SocketAddr, pid: u32, inode: Option<u64>) -> Self {
        Self { at, proof: Proof::Instance { pid, inode } }
    }

    pub(super) fn same_user(at: SocketAddr) -> Self {
        Self { at, proof: Proof::SameUser }
    }

    /// A connection without HTTP on it yet, whose other end is proven.
    pub(super) fn tcp(&self, within: Duration) -> Result<TcpStream, ConnectError> {
        if !self.at.ip().is_loopback() {
            self.look()?;
        }
        let connection = TcpStream::connect_timeout(&self.at, within).map_err(ConnectError::Io)?;
        // As in `connect` below: connected first, looked at then.
        self.look()?;
        Ok(connection)
    }

    /// Asks the kernel who listens there now.
    pub(super) fn prove(&self) -> Result<(), Error> {
        self.look().map_err(|error| Error::Other(Box::new(Unproven(error))))
    }

    fn look(&self) -> Result<(), KeyFileError> {
        match self.proof {
            Proof::Instance { pid, inode } => keyfile::listener_is(self.at, pid, inode).map(|_| ()),
            Proof::SameUser => match keyfile::listener_is_ours(self.at) {
                Ok(()) => Ok(()),
                // inside a sandbox the kernel may not tell; on loopback nobody else's machine answers
                Err(KeyFileError::Unknown(_)) if self.at.ip().is_loopback() => Ok(()),
                Err(error) => Err(error),
            },
        }
    }
}

/// Why there is no connection.
pub(super) enum ConnectError {
    Unproven(KeyFileError),
    Io(io::Error),
}

impl From<KeyFileError> for ConnectError {
    fn from(error: KeyFileError) -> Self {
        Self::Unproven(error)
    }
}

/// The listener is not who it should be.
#[derive(Debug)]
pub(super) struct Unproven(pub(super) KeyFileError);

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unproven {}

impl Resolver for Pinned {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let named: Option<SocketAddr> = uri.authority().and_then(|name| name.as_str().parse().ok());
        if named != Some(self.at) {
            return Err(Error::HostNotFound);
        }
        let mut addresses = self.empty();
        addresses.push(self.at);
        Ok(addresses)
    }
}

impl Connector for Pinned {
    type Out = <TcpConnector as Connector>::Out;

    /// Connects, and only then looks: had the listener changed hands in between, the connection
    /// would lead to the old one, which the look would no longer find.
    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        if !self.at.ip().is_loopback() {
            // Not a packet leaves the machine for an address that is not its own.
            self.prove()?;
        }
        let connection = TcpConnector::default().connect(details, chained)?;
        self.prove()?;
        Ok(connection)
    }
}
