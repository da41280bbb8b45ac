//! Look-ups: who has an agent, and all that is there with what is wrong.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{
    Registry,
    check::{self, Kernel, NotRead, Read},
    place::{self, Place},
    trouble,
    types::{Found, Listing, Peer, PeerAgent, PeerInstance, Speaks, Trouble},
};
use crate::{
    limits,
    store::{HomeError, common::CommonDirectory},
    wire::{address::Address, address::HomeId, id::AgentId},
};

/// Most homes that a name is said to be at.
const HOMES: usize = 8;

impl Registry {
    /// As `Elsewhere` says.
    pub(super) fn look_for(&self, to: &Address) -> Found {
        if !self.shared || to.home.as_ref() == Some(&self.us.home) {
            return Found::Nobody(None);
        }
        let directory = match CommonDirectory::open(&self.directory) {
            Ok(directory) => directory,
            Err(error) => return Found::Nobody(Some(trouble::directory_code(&error))),
        };
        let mut kernel = Kernel::new(&self.us);
        // By home the freshest one: a home whose instance was just replaced is one home.
        let mut found: BTreeMap<HomeId, (u64, Peer)> = BTreeMap::new();
        let (places, mut wrong) = places(&directory, &to.name);
        for place in places {
            let mut below = None;
            let read = match check::folder(&directory, &place, &mut below) {
                Ok(Some(folder)) => check::read(folder, &place),
                Ok(None) => continue,
                Err(error) => {
                    wrong = Some(trouble::directory_code(&error));
                    continue;
                }
            };
            let entry = match read {
                Ok(Read { entry, .. }) => entry,
                Err(NotRead::Missing) => continue,
                Err(NotRead::NoEntry(_, why) | NotRead::Refused(why)) => {
                    wrong = Some(why.code());
                    continue;
                }
            };
            let home = check::home(&entry, &place);
            let fits = place.folder.is_some() || entry.agent == to.name;
            if !fits || self.us.is_home(&entry) || to.home.as_ref().is_some_and(|wanted| *wanted != home) {
                continue;
            }
            match kernel.look(&entry) {
                Ok(inode) => {
                    let fresh = entry.updated_at;
                    if found.get(&home).is_none_or(|(other, _)| *other < fresh) {
                        found.insert(home, (fresh, check::peer(entry, &place, inode)));
                    }
                }
                Err(why) => {
                    wrong = Some(why.code());
                    if why.is_dead() {
                        self.note_gone(place.path());
                    }
                }
            }
        }
        if found.len() > 1 {
            return Found::Several(found.into_keys().take(HOMES).collect());
        }
        match found.into_values().next() {
            Some((_, peer)) => Found::One(Box::new(peer)),
            None => Found::Nobody(wrong),
        }
    }

    /// The same peer, read and checked again: its key may be another one by now.
    pub(super) fn look_again(&self, peer: &Peer) -> Option<Peer> {
        let to = Address { name: peer.agent.clone(), home: Some(peer.home.clone()) };
        match self.look_for(&to) {
            Found::One(again) => Some(*again),
            Found::Nobody(_) | Found::Several(_) => None,
        }
    }

    /// As `Elsewhere` says.
    pub(super) fn list(&self) -> Listing {
        let mut listing = Listing {
            directory: Some(self.directory.clone()),
            shared: self.shared,
            own: self.own_names(),
            ..Listing::default()
        };
        let directory = match CommonDirectory::open(&self.directory) {
            Ok(directory) => directory,
            Err(error) => {
                listing.troubles.push(trouble::directory(&error, &self.directory, Path::new("")));
                return listing;
            }
        };
        listing.mode = Some(directory.mode());
        if directory.mode() & 0o077 != 0 {
            listing.troubles.push(trouble::open_directory(directory.mode(), &self.directory));
        }
        if self.shared {
            self.list_others(&directory, &mut listing);
        }
        // What stands in the place of a file of ours is told of that file.
        for trouble in self.own_troubles() {
            if listing.troubles.iter().all(|other| other.file != trouble.file) {
                listing.troubles.push(trouble);
            }
        }
        listing
    }

    fn list_others(&self, directory: &CommonDirectory, listing: &mut Listing) {
        let mut kernel = Kernel::new(&self.us);
        let mut instances: BTreeMap<(String, u32), PeerInstance> = BTreeMap::new();
        listing.more = walk(directory, &self.directory, &mut |step| {
            let (place, why, agent) = match step {
                Step::Directory(trouble) => {
                    listing.troubles.push(trouble);
                    return;
                }
                Step::File(place, Ok(Read { entry, .. })) => {
                    if self.us.is_home(&entry) {
                        return;
                    }
                    match kernel.look(&entry) {
                        Ok(_) => {
                            let agent = PeerAgent {
                                name: entry.agent.clone(),
                                block_id: entry.block_id.clone(),
                                updated_at: entry.updated_at,
                            };
                            let key = (entry.at.to_string(), entry.pid);
                            let instance = instances.entry(key).or_insert_with(|| PeerInstance {
                                home: check::home(&entry, &place),
                                at: entry.at,
                                pid: entry.pid,
                                speaks: if entry.own.is_some() { Speaks::Loopgate } else { Speaks::AgentMux },
                                instance: entry.own.map(|own| own.instance),
                                channel: entry.channel,
                                agents: Vec::new(),
                            });
                            instance.agents.push(agent);
                            return;
                        }
                        Err(why) => {
                            if why.is_dead() {
                                self.note_gone(place.path());
                            }
                            (place, why, Some(entry.agent.as_str().to_owned()))
                        }
                    }
                }
                Step::File(_, Err(NotRead::Missing)) => return,
                Step::File(place, Err(NotRead::NoEntry(_, why) | NotRead::Refused(why))) => {
                    let agent = place.folder.as_deref().or(place.stem()).map(str::to_owned);
                    (place, why, agent)
                }
            };
            listing.troubles.push(why.tell(&self.directory, &place.path(), agent));
        });
        listing.more |= listing.troubles.len() > limits::REGISTRY_TROUBLES;
        listing.troubles.sort_by(|one, other| one.file.cmp(&other.file));
        listing.troubles.truncate(limits::REGISTRY_TROUBLES);
        listing.instances = instances.into_values().collect();
        for instance in &mut listing.instances {
            instance.agents.sort_by(|one, other| one.name.cmp(&other.name));
            instance.agents.dedup_by(|one, other| one.name == other.name);
        }
    }
}

/// Where an agent's entries can stand, and the code of what is wrong with its folder.
fn places(directory: &CommonDirectory, agent: &AgentId) -> (Vec<Place>, Option<&'static str>) {
    let folder = place::folder(agent);
    let mut places = vec![Place::flat(agent.as_str())];
    if folder != agent.as_str() {
        places.push(Place::flat(&folder));
    }
    let refused = match directory.below(OsStr::new(&folder)) {
        Ok(below) => {
            places.extend(files_in(&below, Some(&folder), limits::REGISTRY_CHANNELS).0);
            None
        }
        // A file of that name is nobody's business.
        Err(HomeError::Missing(_) | HomeError::NotDirectory(_)) => None,
        Err(error) => Some(trouble::directory_code(&error)),
    };
    (places, refused)
}

/// The entries in one directory, and whether there are more.
fn files_in(directory: &CommonDirectory, folder: Option<&str>, most: usize) -> (Vec<Place>, bool) {
    let Ok((mut names, more)) = directory.names(most) else { return (Vec::new(), false) };
    names.sort();
    let places = names.iter().filter_map(|name| {
        let path: PathBuf = folder.map(OsStr::new).into_iter().chain([name.as_os_str()]).collect();
        Place::of(&path)
    });
    (places.collect(), more)
}

/// What [`walk`] meets.
pub(super) enum Step {
    /// an entry, or what is in the place of one
    File(Place, Result<Read, NotRead>),
    /// a folder that is not looked into
    Directory(Trouble),
}

/// Every entry there is, as far as [`limits::REGISTRY_FILES`] go; whether there are more.
pub(super) fn walk(directory: &CommonDirectory, path: &Path, on: &mut dyn FnMut(Step)) -> bool {
    let (names, mut more) = match directory.names(limits::REGISTRY_FILES) {
        Ok(found) => found,
        Err(error) => {
            let error = HomeError::Io(path.to_owned(), error);
            on(Step::Directory(trouble::directory(&error, path, Path::new(""))));
            return false;
        }
    };
    let mut left = limits::REGISTRY_FILES;
    for name in names {
        left = left.saturating_sub(1);
        let Some(text) = name.to_str() else { continue };
        match Place::of(Path::new(text)) {
            Some(place) => {
                let read = check::read(directory, &place);
                on(Step::File(place, read));
            }
            // A folder is one by the name of an agent; whatever else is here is nobody's business.
            None if AgentId::parse(text).is_ok() && directory.is_directory(&name) => {
                let below = match directory.below(&name) {
                    Ok(below) => below,
                    Err(HomeError::Missing(_)) => continue,
                    Err(error) => {
                        on(Step::Directory(trouble::directory(&error, path, Path::new(&name))));
                        continue;
                    }
                };
                let (places, further) = files_in(&below, Some(text), left.min(limits::REGISTRY_CHANNELS));
                more |= further;
                left = left.saturating_sub(places.len());
                for place in places {
                    let read = check::read(&below, &place);
                    on(Step::File(place, read));
                }
            }
            None => {}
        }
    }
    more
}
