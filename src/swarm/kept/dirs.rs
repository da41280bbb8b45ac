//! The directories of a swarm's agents: made for them, and lent to them.
//!
//! The workspace, skills and logs of an agent stay when it ends; outbox and inbox begin empty, so that nothing
//! that an earlier run left there is taken for a letter of this one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{AGENTS, Shelf, ShelfError};
use crate::{
    agent::{inbox, outbox},
    store::{Borrower, Home, HomeError, Lent, LentError},
    wire::node::NodeName,
};

/// One agent's directories.
#[derive(Debug, Clone)]
pub struct AgentDirs {
    root: Arc<Lent>,
    path: PathBuf,
}

impl AgentDirs {
    /// Its own directory, in which the others are.
    pub fn root(&self) -> &Arc<Lent> {
        &self.root
    }

    /// The same by name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it works, if nothing else is said, to make something in there.
    pub fn lent_workspace(&self) -> Result<Lent, LentError> {
        self.root.below(WORKSPACE)
    }

    /// The same by name.
    pub fn workspace(&self) -> PathBuf {
        self.path.join(WORKSPACE)
    }

    /// Where it puts its letters: `OUTBOX_DIR`.
    pub fn outbox(&self) -> PathBuf {
        self.path.join(outbox::NAME)
    }

    /// Where it finds what was delivered.
    pub fn inbox(&self) -> PathBuf {
        self.path.join(inbox::NAME)
    }

    /// Where it finds the answers to its asks: `ASK_REPLY_DIR`.
    pub fn replies(&self) -> PathBuf {
        self.inbox().join(inbox::REPLIES)
    }

    /// Its skills.
    pub fn skills(&self) -> PathBuf {
        self.path.join(SKILLS)
    }

    /// Its logs.
    pub fn logs(&self) -> PathBuf {
        self.path.join(LOGS)
    }
}

const WORKSPACE: &str = "workspace";
/// The directory of an agent's skills, in its own.
pub const SKILLS: &str = "skills";
const LOGS: &str = "logs";

impl Shelf {
    /// The directories of an agent that starts now: those that are missing are made, outbox and inbox anew.
    pub fn agent_dirs(&self, swarm: &NodeName, agent: &NodeName) -> Result<AgentDirs, ShelfError> {
        self.made_dirs(swarm, agent, false)
    }

    /// The same for one in a sandbox: they are handed over to the user of the agents, where there is one beside us.
    pub fn lent_agent_dirs(&self, swarm: &NodeName, agent: &NodeName) -> Result<AgentDirs, ShelfError> {
        self.made_dirs(swarm, agent, true)
    }

    fn made_dirs(&self, swarm: &NodeName, agent: &NodeName, lends: bool) -> Result<AgentDirs, ShelfError> {
        let agents = self.agents(swarm)?;
        let root = Lent::create_in(&agents, agent.as_str())?;
        // What an agent prints is nobody's but ours.
        root.create_below(LOGS)?;
        let root = root.lent_to(self.agent_user.map(|user| Borrower { user, gets: lends }));
        for kept in [WORKSPACE, SKILLS] {
            root.create_below(kept)?;
        }
        root.fresh_below(outbox::NAME)?;
        root.fresh_below(inbox::NAME)?.create_below(inbox::REPLIES)?;
        Ok(dirs(&agents, agent, root))
    }

    /// The directories of an agent that was started before, as they are.
    pub fn existing_agent_dirs(&self, swarm: &NodeName, agent: &NodeName) -> Result<AgentDirs, ShelfError> {
        let agents = self.shelved(swarm)?.directory.same_mount_directory(AGENTS)?;
        let to = self.agent_user.map(|user| Borrower { user, gets: false });
        let root = Lent::open_in(&agents, agent.as_str())?.lent_to(to);
        Ok(dirs(&agents, agent, root))
    }

    /// Makes the directories of an agent without a process: it has skills and a log, and nothing else.
    pub fn make_agent_logs(&self, swarm: &NodeName, agent: &NodeName) -> Result<(), ShelfError> {
        let root = Lent::create_in(&self.agents(swarm)?, agent.as_str())?;
        root.create_below(SKILLS)?;
        root.create_below(LOGS)?;
        Ok(())
    }

    /// The directory of an agent's logs, as it is.
    pub fn agent_logs(&self, swarm: &NodeName, agent: &NodeName) -> Result<Lent, LentError> {
        let shelved = self.shelved(swarm).map_err(|_| LentError::Missing)?;
        let agents = shelved.directory.same_mount_directory(AGENTS).map_err(|error| match error {
            HomeError::Io(_, error) => error.into(),
            HomeError::Missing(_) | HomeError::Unknown => LentError::Missing,
            HomeError::Symlink(_) => LentError::Symlink,
            HomeError::NotDirectory(_) => LentError::NotRegular,
            HomeError::Owner(..) | HomeError::Mode(..) => LentError::Owner,
        })?;
        Lent::open_in(&agents, agent.as_str())?.below(LOGS)
    }

    /// The directory of all agents of a swarm, made where it is missing.
    fn agents(&self, swarm: &NodeName) -> Result<Home, ShelfError> {
        let shelved = self.shelved(swarm)?;
        match shelved.directory.same_mount_directory(AGENTS) {
            Err(HomeError::Missing(_)) => Ok(shelved.directory.directory(AGENTS)?),
            other => Ok(other?),
        }
    }

    /// Removes what one agent of a swarm has; none of it is fine.
    pub fn wipe_agent(&self, swarm: &NodeName, agent: &NodeName) -> Result<(), ShelfError> {
        match self.shelved(swarm)?.directory.same_mount_directory(AGENTS) {
            Err(HomeError::Missing(_)) => return Ok(()),
            other => self.bury(&other?, agent.as_str())?,
        }
        self.sweep()
    }

    /// Removes what the agents of a swarm have. Its seed, state and overlay stay.
    pub fn wipe_agents(&self, swarm: &NodeName) -> Result<(), ShelfError> {
        self.bury(&self.shelved(swarm)?.directory, AGENTS)?;
        self.sweep()
    }
}

fn dirs(agents: &Home, agent: &NodeName, root: Lent) -> AgentDirs {
    AgentDirs { root: Arc::new(root), path: agents.path().join(agent.as_str()) }
}
