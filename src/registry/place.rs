//! Where an entry stands: `<name>.json`, or `<name in lower case>/<channel>.json` (spec agentmux I.1).
//!
//! Both are read. Which one is written is known by the directory's own name: AgentMux's newer one ends in
//! `reactive`. File names are made from parsed ids only, so no name leads out of the directory.

use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

use super::types::Listing;
use crate::wire::{address::HomeId, id::AgentId};

/// The end of an entry's name.
const END: &str = ".json";
/// The last part of the path of a directory with a folder for each name.
const NESTED: &str = "reactive";

/// How a directory is laid out where we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// a file for each name
    Flat,
    /// a folder for each name, a file for each instance
    Nested,
}

impl Layout {
    /// By the directory's name.
    pub fn of(directory: &Path) -> Self {
        if directory.file_name() == Some(OsStr::new(NESTED)) { Self::Nested } else { Self::Flat }
    }

    /// Where our own entry of an agent stands.
    pub fn own(self, agent: &AgentId, home: &HomeId) -> Place {
        match self {
            Self::Flat => Place { folder: None, name: format!("{agent}{END}") },
            Self::Nested => Place { folder: Some(folder(agent)), name: format!("{}{END}", channel(home)) },
        }
    }
}

/// One entry's place below the directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// `None`: in the directory itself
    pub folder: Option<String>,
    /// of the file
    pub name: String,
}

impl Place {
    /// In the directory itself.
    pub fn flat(stem: &str) -> Self {
        Self { folder: None, name: format!("{stem}{END}") }
    }

    /// What a path below the directory names, where that can be an entry.
    pub fn of(path: &Path) -> Option<Self> {
        let mut parts = path.components().map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let (first, second) = (parts.next()??, parts.next());
        let place = match second {
            None => Self { folder: None, name: first.to_owned() },
            Some(name) => Self { folder: Some(first.to_owned()), name: name?.to_owned() },
        };
        (parts.next().is_none() && place.stem().is_some()).then_some(place)
    }

    /// The path below the directory.
    pub fn path(&self) -> PathBuf {
        self.folder.iter().chain([&self.name]).collect()
    }

    /// The file's name without its end; `None` where it is not an entry's.
    pub fn stem(&self) -> Option<&str> {
        self.name.strip_suffix(END).filter(|stem| !stem.is_empty() && !stem.starts_with('.'))
    }

    /// Whether an entry about `agent` may stand here.
    pub fn fits(&self, agent: &AgentId) -> bool {
        match &self.folder {
            Some(name) => *name == folder(agent),
            None => self.stem().is_some_and(|stem| stem == agent.as_str() || stem == folder(agent)),
        }
    }
}

impl Listing {
    /// The files of the agents of this instance, whose home this is.
    pub fn own_files(&self, home: &HomeId) -> Vec<PathBuf> {
        let Some(directory) = &self.directory else { return Vec::new() };
        let layout = Layout::of(directory);
        self.own.iter().map(|agent| directory.join(layout.own(agent, home).path())).collect()
    }
}

/// The folder of an agent's name.
pub(super) fn folder(agent: &AgentId) -> String {
    agent.as_str().to_ascii_lowercase()
}

/// What AgentMux calls a channel: for us, which home it is.
pub(super) fn channel(home: &HomeId) -> String {
    format!("loopgate-{home}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_file_of_the_directory_or_of_a_folder_in_it() {
        let id = |text| AgentId::parse(text).expect("an id");
        let home = HomeId::parse("0123456789ab").expect("a home");
        let flat = Layout::of(Path::new("/d/agents")).own(&id("A-1"), &home);
        let nested = Layout::of(Path::new("/d/agents/reactive/")).own(&id("A-1"), &home);
        assert_eq!(flat.path(), Path::new("A-1.json"));
        assert_eq!(nested.path(), Path::new("a-1/loopgate-0123456789ab.json"));
        for place in [flat, nested] {
            assert!(place.fits(&id("A-1")) && !place.fits(&id("A-2")));
            assert_eq!(Place::of(&place.path()), Some(place));
        }
        assert!(Place::flat("a").fits(&id("A")) && !Place::flat("A").fits(&id("a")));
        for bad in [
            "",
            "..",
            "../a.json",
            "a/../b.json",
            "/a.json",
            "a/b/c.json",
            "a",
            ".json",
            ".a.json",
            "a/.b.json",
        ] {
            assert_eq!(Place::of(Path::new(bad)), None, "{bad}");
        }
    }
}
