//! The registry of an instance: opened before anybody is let in, kept by a thread of its own, and empty of
//! our files at the end.
//!
//! A directory that cannot be trusted ends the start: an instance that others do not find, or that would
//! believe anybody's files, is not what was asked for.

use std::{fmt::Display, io, sync::Arc};

use super::settings::RegistryAt;
use crate::{
    api::App,
    cli::{Exit, Failure},
    registry::{Registry, Settings, Writer},
    store::{
        FileError, Home, HomeError,
        identity::{self, IdentityError},
    },
    wire::address::HomeId,
};

/// The id by which other instances know the home.
pub(super) fn identity(home: &Home) -> Result<HomeId, Failure> {
    identity::open(home).map_err(|error| {
        let exit = match &error {
            IdentityError::Malformed => Exit::BadData,
            IdentityError::File(FileError::Missing | FileError::Io(_)) => Exit::CannotCreate,
            IdentityError::File(
                FileError::Symlink
                | FileError::NotRegular
                | FileError::Owner(_)
                | FileError::Mode(_)
                | FileError::TooLarge,
            ) => Exit::NotPermitted,
        };
        Failure::new(exit, format!("{}: {error}", home.path().display())).next(error.next())
    })
}

/// Starts the thread that keeps our files. It looks at the whole directory first, which the ready line does not
/// wait for.
pub(super) fn start(registry: &Arc<Registry>, app: &Arc<App>) -> io::Result<Writer> {
    let app = Arc::clone(app);
    registry.start(move || app.registered_here())
}

/// The registry in the directory that `settings` name.
pub(super) fn open(settings: Settings, at: &RegistryAt) -> Result<Arc<Registry>, Failure> {
    // only the last part of the path is made
    let above = |path: &dyn Display| format!("make the directory that {path} is to be in, or name another");
    Registry::open(settings).map_err(|error| {
        let path = at.directory.display();
        let (exit, next) = match &error {
            HomeError::Unknown | HomeError::Missing(_) => (Exit::CannotCreate, above(&path)),
            HomeError::Io(_, error) if error.kind() == io::ErrorKind::NotFound => {
                (Exit::CannotCreate, above(&path))
            }
            HomeError::Mode(..) => {
                (Exit::NotPermitted, format!("chmod 700 {path}, if nobody else could have written there"))
            }
            HomeError::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (Exit::NotPermitted, format!("name a directory that you may write to instead of {path}"))
            }
            HomeError::Io(..) => (Exit::CannotCreate, format!("look at {path}")),
            HomeError::Symlink(_) | HomeError::NotDirectory(_) | HomeError::Owner(..) => {
                (Exit::NotPermitted, format!("name a directory of your own instead of {path}, and no link"))
            }
        };
        let set = if at.shared { " (LOOPGATE_REGISTRY, or AGENTMUX_DATA_HOME)" } else { "" };
        Failure::new(exit, format!("the registry{set} cannot be used: {error}")).next(next)
    })
}
