//! What swarms need of an instance: the shelf in its home, the skills, and the directory of configurations.
//!
//! A directory that was named and cannot be used refuses the start: callers would be told that their files
//! are not there. The one that the instance was started in is used where it can be.

use std::{net::SocketAddr, path::Path, sync::Arc};

use super::settings::{ConfigDir, SwarmSettings};
use crate::{
    agent::Agents,
    cli::{Exit, Failure},
    egress::policy::Policy,
    exposure::Declared,
    store::{BaseError, Beneath, Home},
    swarm::{
        Swarms,
        events::Hub,
        kept,
        manager::{self, Parts},
        skills::{self, Skills},
    },
    wire::clock::Clock,
};

/// What was opened.
pub(super) struct Opened {
    /// all swarms
    pub swarms: Arc<Swarms>,
    /// the repository in the home
    pub skills: Skills,
    /// below which callers may name files; `None`: they may name none
    pub config_dir: Option<Beneath>,
}

/// Opens what the home keeps of swarms, and says what could not be read.
pub(super) fn open(
    home: &Arc<Home>,
    agents: &Arc<Agents>,
    clock: &Arc<dyn Clock>,
    events: Arc<Hub>,
    at: SocketAddr,
    settings: &SwarmSettings,
    endpoints: Policy,
) -> Result<Opened, Failure> {
    let config_dir = settings.config_dir.as_ref().map_or(Ok(None), below)?;
    let parts = Parts {
        home: Arc::clone(home),
        agents: Arc::clone(agents),
        clock: Arc::clone(clock),
        events,
        policy: endpoints,
        settings: manager::Settings { cap: settings.cap, url: format!("http://{at}") },
    };
    let (swarms, troubles) = Swarms::open(parts)
        .map_err(|error| super::broken("the swarms in the home cannot be read", &error))?;
    for trouble in troubles {
        log::warn!("{trouble}");
    }
    Ok(Opened { swarms, skills: Skills::at(home.path().join(skills::DIRECTORY)), config_dir })
}

fn below(directory: &ConfigDir) -> Result<Option<Beneath>, Failure> {
    match (Beneath::open(&directory.path), &directory.variable) {
        (Ok(base), _) => Ok(Some(base)),
        (Err(BaseError::Root), None) => Ok(None),
        (Err(error), None) => {
            log::warn!(
                "callers can name no configuration: the directory of the start cannot be used: {error}"
            );
            Ok(None)
        }
        (Err(error), Some(variable)) => {
            let what = format!("{variable} names a directory that cannot be used: {error}");
            Err(Failure::new(Exit::BadConfig, what).next("name the directory that holds the configurations"))
        }
    }
}

/// Where the instance reads and writes for swarms.
pub(super) fn declare(declared: Declared, home: &Path, settings: &SwarmSettings) -> Declared {
    let declared = declared
        .with_place(&home.join(kept::DIRECTORY), "swarms: configurations, changes, their agents' directories")
        .with_place(&home.join(skills::DIRECTORY), "skills for agents");
    match &settings.config_dir {
        Some(directory) => declared.with_place(&directory.path, "configurations that callers may name"),
        None => declared,
    }
}
