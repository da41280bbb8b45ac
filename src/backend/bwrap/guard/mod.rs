//! The guard of a workspace: what the host would run out of it stays as it was, whatever an agent does there.
//!
//! Each protected thing is bound read-only over itself; what is not there gets a placeholder first. A directory that
//! holds one is bound onto itself, because what is mounted cannot be renamed, and what lies below it could be.
//! Placeholders are counted over all agents that work in one place, and removed by the last, if they are as they
//! were made. That they are made is written down before, so that the next start removes what a killed instance left.

mod list;
mod record;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::binds::Bind;
use crate::{
    agent::StartError,
    store::{
        Foreign, Home, LentError,
        foreign::{Entry, Kind, Thing},
    },
};
use list::{CLOSED, GIT, HEAD, HOOKS, INFO, SETTINGS};

/// All guards of an instance.
pub struct Guards {
    /// where it is written down what is made
    home: Option<Arc<Home>>,
    /// Held over the files it is about: what two agents want of one workspace is done one after the other.
    made: Mutex<BTreeMap<Made, usize>>,
}

/// A placeholder of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    workspace: PathBuf,
    relative: String,
}

/// The guard of one agent's workspace; dropped, its placeholders go.
pub struct Guard {
    guards: Arc<Guards>,
    uses: Vec<Made>,
    /// what is to be bound over the workspace, in this order
    pub binds: Vec<Bind>,
}

impl Guards {
    #[cfg(test)]
    /// None yet, and nothing is written down: what is left of an instance that is killed stays.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { home: None, made: Mutex::default() })
    }

    /// Those of the instance in this home. What an earlier one has left is removed. Only under the home's lock.
    pub fn open(home: Arc<Home>) -> Arc<Self> {
        for made in record::read(&home) {
            made.remove();
        }
        record::write(&home, [].into_iter());
        Arc::new(Self { home: Some(home), made: Mutex::default() })
    }

    /// Protects a workspace, given where it really is and where it is inside.
    pub fn protect(self: &Arc<Self>, workspace: &Path, inside: &str) -> Result<Guard, StartError> {
        let guard = Guard { guards: Arc::clone(self), uses: Vec::new(), binds: Vec::new() };
        let made = self.lock();
        let mut work = Work { workspace, inside, made, guard };
        let done = work.all();
        let Work { made, guard, .. } = work;
        // Before the guard may be dropped, which locks.
        drop(made);
        done.map(|()| guard)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Made, usize>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down<'a>(&self, made: impl Iterator<Item = &'a Made>) {
        if let Some(home) = &self.home {
            record::write(home, made);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let guards = Arc::clone(&self.guards);
        let mut made = guards.lock();
        let mut removed = false;
        // What was put below another one first.
        for used in self.uses.iter().rev() {
            let Some(count) = made.get_mut(used) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                made.remove(used);
                used.remove();
                removed = true;
            }
        }
        if removed {
            guards.write_down(made.keys());
        }
    }
}

impl Made {
    /// Takes it away, if it is as it was made; where that cannot be, it stays.
    fn remove(&self) {
        let Some(content) = list::placeholder(&self.relative) else { return };
        let (above, name) = self.relative.rsplit_once('/').unwrap_or(("", &self.relative));
        let Ok(mut directory) = Foreign::open(&self.workspace) else { return };
        for part in above.split('/').filter(|part| !part.is_empty()) {
            match directory.below(part) {
                Ok(below) => directory = below,
                Err(_) => return,
            }
        }
        let _ = directory.take(name, content.map_or(Thing::Directory, Thing::File));
    }
}

/// A workspace being protected.
struct Work<'a> {
    workspace: &'a Path,
    inside: &'a str,
    made: MutexGuard<'a, BTreeMap<Made, usize>>,
    guard: Guard,
}

impl Work<'_> {
    fn all(&mut self) -> Result<(), StartError> {
        let top = Foreign::open(self.workspace).map_err(|error| refused("", error))?;
        for name in CLOSED {
            self.close(&top, "", name, Thing::Directory)?;
        }
        match self.look(&top, "", GIT)?.filter(|_| !self.is_ours(GIT)) {
            Some(Entry { kind: Kind::Directory, .. }) => self.git_directory(&top)?,
            // Of a work tree of another repository: a file that says where that is.
            Some(_) => self.close(&top, "", GIT, Thing::Directory)?,
            // Git takes an empty directory for none, and looks whether the workspace itself is one.
            None => {
                self.close(&top, "", GIT, Thing::Directory)?;
                let is_bare = self.look(&top, "", HEAD)?.is_some_and(|entry| entry.kind == Kind::File);
                self.close(&top, "", HEAD, Thing::Directory)?;
                if is_bare {
                    self.settings(&top, "")?;
                }
            }
        }
        Ok(())
    }

    fn git_directory(&mut self, top: &Foreign) -> Result<(), StartError> {
        self.hold(top, "", GIT)?;
        let git = top.below(GIT).map_err(|error| refused(GIT, error))?;
        self.settings(&git, ".git/")
    }

    /// What git is told by a git directory.
    fn settings(&mut self, git: &Foreign, at: &str) -> Result<(), StartError> {
        self.close(git, at, HOOKS, Thing::Directory)?;
        for (name, without) in SETTINGS {
            self.close(git, at, name, Thing::File(without))?;
        }
        let (info, attributes) = INFO;
        match self.look(git, at, info)?.filter(|_| !self.is_ours(&format!("{at}{info}"))) {
            None => self.close(git, at, info, Thing::Directory),
            Some(_) => {
                self.hold(git, at, info)?;
                let below = git.below(info).map_err(|error| refused(info, error))?;
                self.close(&below, &format!("{at}{info}/"), attributes, Thing::File(b""))
            }
        }
    }

    /// Whether it is a placeholder: it is not to be taken for what it stands in for.
    fn is_ours(&self, relative: &str) -> bool {
        self.made.contains_key(&self.placeholder(relative))
    }

    fn placeholder(&self, relative: &str) -> Made {
        Made { workspace: self.workspace.to_owned(), relative: relative.to_owned() }
    }

    /// What stands there; nothing that cannot be bound over itself.
    fn look(&self, above: &Foreign, at: &str, name: &str) -> Result<Option<Entry>, StartError> {
        let found = above.look(name).map_err(|error| refused(name, error))?;
        match found.map(|entry| entry.kind) {
            Some(Kind::Link) => Err(refused(&format!("{at}{name}"), LentError::Symlink)),
            Some(Kind::Other) => Err(refused(&format!("{at}{name}"), LentError::NotRegular)),
            Some(Kind::Directory | Kind::File) | None => Ok(found),
        }
    }

    /// Binds a directory onto itself, to be written to.
    fn hold(&mut self, above: &Foreign, at: &str, name: &str) -> Result<(), StartError> {
        match self.look(above, at, name)? {
            Some(entry) if entry.kind == Kind::Directory => {
                self.bind(&format!("{at}{name}"), true, entry);
                Ok(())
            }
            Some(_) | None => Err(refused(&format!("{at}{name}"), LentError::NotRegular)),
        }
    }

    /// Binds it read-only, putting a placeholder there where it is missing.
    fn close(&mut self, above: &Foreign, at: &str, name: &str, without: Thing<'_>) -> Result<(), StartError> {
        let relative = format!("{at}{name}");
        let made = self.placeholder(&relative);
        let found = self.look(above, at, name)?;
        if let (Some(_), Some(count)) = (&found, self.made.get_mut(&made)) {
            // Another agent's guard has put it there.
            *count = count.saturating_add(1);
            self.guard.uses.push(made);
        } else if found.is_none() {
            self.made.insert(made.clone(), 1);
            self.guard.guards.write_down(self.made.keys());
            self.guard.uses.push(made);
            above.put(name, without).map_err(|error| refused(&relative, error))?;
        }
        let entry = self.look(above, at, name)?.ok_or_else(|| refused(&relative, LentError::Missing))?;
        self.bind(&relative, false, entry);
        Ok(())
    }

    fn bind(&mut self, relative: &str, writable: bool, entry: Entry) {
        let source = self.workspace.join(relative);
        let at = format!("{}/{relative}", self.inside);
        self.guard.binds.push(Bind::seen(source, at, writable, entry));
    }
}

/// Why a workspace cannot be protected. `name` is one of the list.
fn refused(name: &str, why: LentError) -> StartError {
    let what = if name.is_empty() { "the workspace".to_owned() } else { format!("{name} in the workspace") };
    let reason = format!("{what} is protected in a sandbox, and cannot be: {why}");
    StartError::Sandbox { code: "workspace_guard", reason: reason.into() }
}

#[cfg(test)]
mod tests;
