//! One swarm on the shelf: its seed and state as files, its overlay as a journal.

use serde_json::{Value, json};

use super::{AGENTS, KeptSwarm, ShelfError, overlay::Overlay};
use crate::{
    limits,
    store::{FileError, Home, HomeError, RealDisk, private},
    wire::{json, node::NodeName},
};

const SEED: &str = "seed.json";
const STATE: &str = "state.json";
const OVERLAY: &str = "overlay";
/// The form of the state's file.
const VERSION: u64 = 1;
/// A state's file.
const STATE_BYTES: usize = 4 * 1024;
/// What is taken for the status where none was written down.
const STOPPED: &str = "stopped";

/// An open swarm.
pub(super) struct Shelved {
    pub directory: Home,
    pub overlay: Overlay,
}

/// A swarm that was found on the shelf, and what is to be told of it.
pub(super) struct Found {
    pub shelved: Shelved,
    pub swarm: KeptSwarm,
    pub notes: Vec<String>,
}

impl Shelved {
    /// Reads what is there; the error says what is wrong with it. `None` is one whose making was never
    /// finished, so that nobody was told of it.
    pub fn open(above: &Home, name: &NodeName) -> Result<Option<Found>, String> {
        let directory = above.existing_directory(name.as_str()).map_err(|error| error.to_string())?;
        private::sweep(&directory).map_err(|error| error.to_string())?;
        let seed = match private::read_at_most(&directory, SEED.as_ref(), limits::SWARM_SEED) {
            Err(FileError::Missing) => return unfinished(&directory).map(|()| None),
            Err(error) => return Err(format!("its {SEED}: {error}")),
            Ok((bytes, _)) => json::parse(&bytes).map_err(|_| format!("its {SEED} is not JSON"))?,
        };
        let mut notes = Vec::new();
        let (status, autostart) = match state(&directory) {
            Ok(state) => state,
            Err(why) => {
                notes.push(format!("its {STATE} is not read, so it counts as stopped: {why}"));
                (STOPPED.to_owned(), false)
            }
        };
        let (overlay, opened) =
            Overlay::open(&directory, OVERLAY).map_err(|error| format!("its overlay: {error}"))?;
        notes.extend(opened);
        let swarm = KeptSwarm { name: name.clone(), seed, status, autostart };
        Ok(Some(Found { shelved: Self { directory, overlay }, swarm, notes }))
    }

    /// Makes one. The seed comes last: with it there is a swarm.
    pub fn create(above: &Home, name: &NodeName, seed: &[u8]) -> Result<Self, ShelfError> {
        let directory = above.directory(name.as_str())?;
        let (overlay, _) = Overlay::open(&directory, OVERLAY)?;
        let made = Self { directory, overlay };
        made.put_state(STOPPED, false)?;
        made.put_seed(seed)?;
        Ok(made)
    }

    pub fn put_seed(&self, seed: &[u8]) -> Result<(), ShelfError> {
        Ok(private::write_durable(&self.directory, SEED, seed)?)
    }

    pub fn put_state(&self, status: &str, autostart: bool) -> Result<(), ShelfError> {
        let state = json!({"version": VERSION, "status": status, "autostart": autostart}).to_string();
        Ok(private::write_durable(&self.directory, STATE, state.as_bytes())?)
    }
}

/// A directory without a seed. Where an agent was ever there, or a change was kept, somebody has lost it.
fn unfinished(directory: &Home) -> Result<(), String> {
    let lost = || format!("its {SEED} is missing");
    if directory.has(AGENTS) {
        return Err(lost());
    }
    if directory.has(OVERLAY) {
        let (overlay, _) = Overlay::open(directory, OVERLAY).map_err(|error| error.to_string())?;
        if !overlay.read().is_empty() {
            return Err(lost());
        }
    }
    Ok(())
}

fn state(directory: &Home) -> Result<(String, bool), String> {
    let bytes = match private::read_at_most(directory, STATE.as_ref(), STATE_BYTES) {
        Err(FileError::Missing) => return Ok((STOPPED.to_owned(), false)),
        other => other.map_err(|error| error.to_string())?.0,
    };
    let value = json::parse(&bytes).map_err(|error| error.to_string())?;
    let read = |fields: json::Fields<'_>| {
        fields.whole("version", VERSION..=VERSION)?;
        Ok((fields.text("status")?.to_owned(), fields.flag("autostart", false)?))
    };
    json::Fields::of(&value).and_then(read).map_err(|error: json::Error| error.to_string())
}

/// The text of a seed, if it is one that is read again.
pub(super) fn seed_bytes(seed: &Value) -> Result<Vec<u8>, ShelfError> {
    let bytes = seed.to_string().into_bytes();
    let fits = bytes.len() <= limits::SWARM_SEED && json::parse(&bytes).is_ok();
    if fits { Ok(bytes) } else { Err(ShelfError::TooLarge) }
}

impl Overlay {
    fn open(directory: &Home, name: &str) -> Result<(Self, Option<String>), ShelfError> {
        let disk = RealDisk::open(directory, name).map_err(|error: HomeError| ShelfError::from(error))?;
        Self::on(Box::new(disk))
    }
}
