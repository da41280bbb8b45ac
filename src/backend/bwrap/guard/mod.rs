//! The guard of a workspace: what the host would run out of it stays as it was, whatever an agent does there.
//!
//! Each protected thing is bound read-only over itself; what is not there gets a placeholder first ([`walk`] finds
//! both). Every guard holds a lock on the directory that it guards, shared with those of other instances, and
//! placeholders are taken away only by whoever can have that lock alone, if they are as they were made. That they are
//! made is written down before, so that the next start removes what a killed instance left.

mod list;
mod record;
mod walk;

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    fs::{File, TryLockError},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::binds::Bind;
use crate::{
    agent::StartError,
    store::{Foreign, Home, LentError},
};
use walk::{Step, Walk};

/// How often the lock of a directory is tried while another instance removes its placeholders there.
const TRIES: usize = 50;
/// And how long apart.
const PAUSE: Duration = Duration::from_millis(10);

/// All guards of an instance.
pub struct Guards {
    /// where it is written down what is made
    home: Option<Arc<Home>>,
    /// Held over the files it is about: what two agents want of one workspace is done one after the other.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// by device and number
    places: BTreeMap<(u64, u64), Place>,
    /// what could not be removed yet
    left: Vec<Left>,
}

/// A directory that is guarded.
struct Place {
    top: Foreign,
    /// held shared while there are guards
    lock: File,
    /// another instance had guards there when ours began: a placeholder that is found may be its
    shared: bool,
    guards: usize,
    left: Left,
}

/// Placeholders in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    workspace: PathBuf,
    inode: u64,
    /// in the order in which they were made
    made: Vec<String>,
}

/// The guard of one directory for one agent; with the last one its placeholders go.
pub struct Guard {
    guards: Arc<Guards>,
    place: (u64, u64),
    /// what is to be bound over the directory, in this order
    pub binds: Vec<Bind>,
}

impl Guards {
    #[cfg(test)]
    /// None yet, and nothing is written down: what is left of an instance that is killed stays.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { home: None, state: Mutex::default() })
    }

    /// Those of the instance in this home. What an earlier one has left is removed. Only under the home's lock.
    pub fn open(home: Arc<Home>) -> Arc<Self> {
        let left = record::read(&home);
        // What cannot be read is not written over either.
        let guards = Self { home: left.is_some().then_some(home), state: Mutex::default() };
        let mut state = guards.lock();
        state.left = left.unwrap_or_default();
        state.sweep();
        guards.write_down(&state);
        drop(state);
        Arc::new(guards)
    }

    /// Protects a directory that was looked at.
    pub fn protect(self: &Arc<Self>, directory: &Bind) -> Result<Guard, StartError> {
        let top = Foreign::open(&directory.source).map_err(|error| refused("", error))?;
        let found = top.entry().map_err(|error| refused("", error))?;
        let place = (found.device, found.inode);
        if place != (directory.device, directory.inode) {
            return Err(refused("", LentError::Missing));
        }
        let mut state = self.lock();
        let known = match state.places.entry(place) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(slot) => {
                let (lock, shared) = held(&top)?;
                let left = Left { workspace: directory.source.clone(), inode: found.inode, made: Vec::new() };
                slot.insert(Place { top, lock, shared, guards: 0, left })
            }
        };
        known.guards = known.guards.saturating_add(1);
        let mut guard = Guard { guards: Arc::clone(self), place, binds: Vec::new() };
        let steps = Walk::over(known, &directory.source);
        if let Ok(steps) = &steps {
            let new = steps.iter().filter_map(|step| step.made(known)).map(str::to_owned).collect::<Vec<_>>();
            if !new.is_empty() {
                known.left.made.extend(new);
                self.write_down(&state);
            }
        }
        let bind = |step: Step| step.bind(directory);
        let binds = steps.and_then(|steps| steps.into_iter().map(bind).collect());
        // Before the guard may be dropped, which locks.
        drop(state);
        guard.binds = binds?;
        Ok(guard)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self, state: &State) {
        if let Some(home) = &self.home {
            let now = state.places.values().map(|place| &place.left);
            record::write(home, &now.chain(&state.left).cloned().collect::<Vec<_>>());
        }
    }
}

impl State {
    /// Removes what could not be removed before; what still cannot be is kept in mind.
    fn sweep(&mut self) {
        self.left.retain(|left| {
            let top = match Foreign::open(&left.workspace) {
                Ok(top) => top,
                Err(error) => return error != LentError::Missing,
            };
            // Another directory by now: nothing of ours is in it.
            if !top.entry().is_ok_and(|entry| entry.inode == left.inode) {
                return false;
            }
            !top.to_lock().is_ok_and(|lock| left.remove(&top, &lock))
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.guards.lock();
        let Some(place) = state.places.get_mut(&self.place) else { return };
        place.guards = place.guards.saturating_sub(1);
        if place.guards > 0 {
            return;
        }
        let Some(Place { top, lock, left, .. }) = state.places.remove(&self.place) else { return };
        if !left.remove(&top, &lock) {
            // Another instance works there.
            state.left.push(left);
        }
        drop(lock);
        state.sweep();
        self.guards.write_down(&state);
    }
}

impl Left {
    /// Takes them away, each if it is as it was made; whether nobody else works there.
    fn remove(&self, top: &Foreign, lock: &File) -> bool {
        if lock.try_lock().is_err() {
            return false;
        }
        // What was put below another one first.
        for relative in self.made.iter().rev() {
            let Some(thing) = list::placeholder(relative) else { continue };
            let (above, name) = relative.rsplit_once('/').unwrap_or(("", relative));
            if let Ok(above) = walk::below(top, above) {
                let _ = above.as_ref().unwrap_or(top).take(name, thing);
            }
        }
        true
    }
}

/// The shared lock of a directory, and whether another instance has it too.
fn held(top: &Foreign) -> Result<(File, bool), StartError> {
    let lock = top.to_lock().map_err(|error| refused("", error))?;
    let shared = lock.try_lock().is_err();
    for _ in 0..TRIES {
        match lock.try_lock_shared() {
            Ok(()) => return Ok((lock, shared)),
            // Whoever has it alone is removing: an agent there could only share it.
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(refused("", error.into())),
        }
    }
    Err(refused("", LentError::Io(std::io::ErrorKind::WouldBlock)))
}

/// Why a workspace cannot be protected. `name` is one of the list, or leads to one.
fn refused(name: &str, why: LentError) -> StartError {
    let what = if name.is_empty() { "the workspace".to_owned() } else { format!("{name} in the workspace") };
    let reason = format!("{what} is protected in a sandbox, and cannot be: {why}");
    StartError::Sandbox { code: "workspace_guard", reason: reason.into() }
}

#[cfg(test)]
mod tests;
