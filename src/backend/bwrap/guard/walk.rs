//! The walk through a workspace that finds what is to be closed there. It changes nothing.
//!
//! A directory that holds something closed is bound onto itself, because what is mounted cannot be renamed, and what
//! lies below it could be. Git directories are looked for where git does at the top: `.git`, where a file of that name
//! leads, the workspace itself, and those of submodules and work trees in each of them.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use super::{
    Bind, Place,
    list::{
        CLOSED, COMMONDIR, DIRECTORIES, GIT, GITDIR, HEAD, INFO, MODULES, SETTINGS, WORKTREES, placeholder,
    },
    refused,
};
use crate::{
    agent::StartError,
    store::{
        Foreign, LentError,
        foreign::{Entry, Kind, Thing},
    },
};

/// Git directories of one workspace, and names in a directory of them.
const MOST: usize = 64;
/// How deep the name of a submodule may be.
const DEPTH: usize = 8;
/// The most that a file which leads to a git directory holds.
const POINTER: usize = 8 * 1024;

/// What is bound over itself.
pub(super) struct Step {
    /// the directory that it is in
    above: Option<Rc<Foreign>>,
    relative: String,
    /// what is put there where it is missing; nothing of what stays open to be written to
    without: Option<Thing<'static>>,
    found: Option<Entry>,
    /// it is not the owner's, but a placeholder
    ours: bool,
}

impl Step {
    /// What is to be written down as made by us, or by another instance for both.
    pub(super) fn made(&self, place: &Place) -> Option<&str> {
        let new = self.without.is_some() && (self.found.is_none() || self.ours);
        (new && !place.left.made.contains(&self.relative)).then_some(&self.relative)
    }

    /// Puts what is missing, and says how it is bound.
    pub(super) fn bind(self, directory: &Bind) -> Result<Bind, StartError> {
        let name = self.relative.rsplit('/').next().unwrap_or_default();
        let entry = match (self.found, self.without, &self.above) {
            (Some(entry), ..) => entry,
            (None, Some(thing), Some(above)) => {
                above.put(name, thing).map_err(|error| refused(&self.relative, error))?
            }
            (None, ..) => return Err(refused(&self.relative, LentError::Missing)),
        };
        let at = format!("{}/{}", directory.at, self.relative);
        Ok(Bind::seen(directory.source.join(&self.relative), at, self.without.is_none(), entry))
    }
}

/// The directory of this path below one; `None` where it is that one.
pub(super) fn below(top: &Foreign, path: &str) -> Result<Option<Foreign>, LentError> {
    let mut found: Option<Foreign> = None;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        found = Some(found.as_ref().unwrap_or(top).below(part)?);
    }
    Ok(found)
}

/// A walk on its way.
pub(super) struct Walk<'a> {
    place: &'a Place,
    workspace: &'a Path,
    steps: Vec<Step>,
    /// directories that are bound onto themselves
    held: BTreeSet<String>,
    /// git directories that were seen
    seen: BTreeSet<String>,
    /// and those that are still to be
    next: Vec<String>,
}

impl<'a> Walk<'a> {
    /// All that is to be done there, in this order.
    pub(super) fn over(place: &'a Place, workspace: &'a Path) -> Result<Vec<Step>, StartError> {
        let (held, seen) = (BTreeSet::new(), BTreeSet::new());
        let mut walk = Self { place, workspace, steps: Vec::new(), held, seen, next: Vec::new() };
        walk.top()?;
        while let Some(at) = walk.next.pop() {
            if walk.seen.insert(at.clone()) {
                if walk.seen.len() > MOST {
                    return Err(refused(&at, LentError::TooLarge));
                }
                walk.git_directory(&at)?;
            }
        }
        Ok(walk.steps)
    }

    fn top(&mut self) -> Result<(), StartError> {
        let top = self.open("")?;
        for name in CLOSED {
            self.close(&top, "", name, Thing::Directory)?;
        }
        let found = self.look(&top, "", GIT)?;
        match found.filter(|_| !self.is_ours(&top, "", GIT, Thing::Directory)) {
            Some(Entry { kind: Kind::Directory, .. }) => self.next.push(GIT.to_owned()),
            // Of a work tree of another repository: a file that says where that is.
            Some(_) => {
                self.close(&top, "", GIT, Thing::Directory)?;
                self.follow(&top, "", GIT, GITDIR)?;
            }
            // Git takes an empty directory for none, and looks whether the workspace itself is one.
            None => {
                self.close(&top, "", GIT, Thing::Directory)?;
                let is_bare = self.look(&top, "", HEAD)?.is_some_and(|entry| entry.kind == Kind::File);
                self.close(&top, "", HEAD, Thing::Directory)?;
                if is_bare {
                    self.next.push(String::new());
                }
            }
        }
        Ok(())
    }

    /// What git is told by a git directory, and the others that belong to it.
    fn git_directory(&mut self, path: &str) -> Result<(), StartError> {
        let mut at = String::new();
        let mut git = self.open("")?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            self.hold(&git, &at, part)?;
            at = format!("{at}{part}/");
            git = self.open(&at)?;
        }
        for name in DIRECTORIES {
            self.close(&git, &at, name, Thing::Directory)?;
        }
        for (name, without) in SETTINGS {
            self.close(&git, &at, name, Thing::File(without))?;
        }
        let (info, attributes) = INFO;
        let found = self.look(&git, &at, info)?;
        match found.filter(|_| !self.is_ours(&git, &at, info, Thing::Directory)) {
            None => self.close(&git, &at, info, Thing::Directory)?,
            Some(_) => {
                self.hold(&git, &at, info)?;
                let at = format!("{at}{info}/");
                let below = self.open(&at)?;
                self.close(&below, &at, attributes, Thing::File(b""))?;
            }
        }
        if self.look(&git, &at, COMMONDIR)?.is_some() {
            self.follow(&git, &at, COMMONDIR, "")?;
        }
        self.children(&git, &at, MODULES, DEPTH)?;
        self.children(&git, &at, WORKTREES, 1)
    }

    /// The git directories in this directory, which may be missing: of submodules some way down, of work trees each.
    fn children(&mut self, above: &Foreign, at: &str, name: &str, depth: usize) -> Result<(), StartError> {
        if self.look(above, at, name)?.is_none_or(|entry| entry.kind != Kind::Directory) {
            return Ok(());
        }
        let at = format!("{at}{name}/");
        let directory = self.open(&at)?;
        for child in directory.names(MOST).map_err(|error| refused(&at, error))? {
            match self.look(&directory, &at, &child)?.map(|entry| entry.kind) {
                Some(Kind::Directory) => {}
                Some(Kind::File | Kind::Link | Kind::Other) | None => continue,
            }
            let path = format!("{at}{child}");
            let git = self.open(&path)?;
            let is_git = self.look(&git, &format!("{path}/"), HEAD)?.is_some();
            if is_git || name == WORKTREES {
                self.next.push(path);
            } else if let Some(depth) = depth.checked_sub(1) {
                self.children(&directory, &at, &child, depth)?;
            } else {
                return Err(refused(&path, LentError::TooLarge));
            }
        }
        Ok(())
    }

    /// Where a file leads that names another git directory: that is guarded too where it lies in the workspace.
    fn follow(&mut self, above: &Foreign, at: &str, name: &str, begins: &str) -> Result<(), StartError> {
        let relative = format!("{at}{name}");
        let bytes = above.read(name, POINTER).map_err(|error| refused(&relative, error))?;
        let text = String::from_utf8(bytes).ok();
        // What git does not understand leads nowhere.
        let Some(text) = text.as_deref().and_then(|text| text.strip_prefix(begins)) else { return Ok(()) };
        let said = text.trim();
        if said.is_empty() {
            return Ok(());
        }
        if let Some(leads) = inside(self.workspace, at, said).map_err(|error| refused(&relative, error))? {
            self.next.push(leads);
        }
        Ok(())
    }

    fn open(&self, path: &str) -> Result<Rc<Foreign>, StartError> {
        let open = || match below(&self.place.top, path)? {
            Some(below) => Ok(below),
            None => self.place.top.again(),
        };
        open().map(Rc::new).map_err(|error| refused(path.trim_end_matches('/'), error))
    }

    /// Whether it is a placeholder: it is not to be taken for what it stands in for.
    fn is_ours(&self, above: &Foreign, at: &str, name: &str, thing: Thing<'_>) -> bool {
        let relative = format!("{at}{name}");
        self.place.left.made.contains(&relative) || (self.place.shared && above.is_as_put(name, thing))
    }

    /// What stands there; nothing that cannot be bound over itself.
    fn look(&self, above: &Foreign, at: &str, name: &str) -> Result<Option<Entry>, StartError> {
        let found = above.look(name).map_err(|error| refused(&format!("{at}{name}"), error))?;
        match found.map(|entry| entry.kind) {
            Some(Kind::Link) => Err(refused(&format!("{at}{name}"), LentError::Symlink)),
            Some(Kind::Other) => Err(refused(&format!("{at}{name}"), LentError::NotRegular)),
            Some(Kind::Directory | Kind::File) | None => Ok(found),
        }
    }

    /// Binds a directory onto itself, to be written to.
    fn hold(&mut self, above: &Foreign, at: &str, name: &str) -> Result<(), StartError> {
        let relative = format!("{at}{name}");
        match self.look(above, at, name)? {
            Some(entry) if entry.kind == Kind::Directory => {
                // What is closed whole is not opened again for something in it.
                if self.steps.iter().any(|step| step.without.is_some() && step.relative == relative) {
                    return Err(refused(&relative, LentError::Mounted));
                }
                if self.held.insert(relative.clone()) {
                    let found = Some(entry);
                    self.steps.push(Step { above: None, relative, without: None, found, ours: false });
                }
                Ok(())
            }
            Some(_) | None => Err(refused(&relative, LentError::NotRegular)),
        }
    }

    /// Binds it read-only, with a placeholder where it is missing.
    fn close(
        &mut self,
        above: &Rc<Foreign>,
        at: &str,
        name: &str,
        without: Thing<'static>,
    ) -> Result<(), StartError> {
        let found = self.look(above, at, name)?;
        let relative = format!("{at}{name}");
        debug_assert_eq!(placeholder(&relative), Some(without), "what is put can be taken away");
        let ours = found.is_some() && self.is_ours(above, at, name, without);
        let above = Some(Rc::clone(above));
        self.steps.push(Step { above, relative, without: Some(without), found, ours });
        Ok(())
    }
}

/// Where a path leads that is said in this directory of a workspace, if that is in the workspace. One that leads there
/// through a link, back again or to nothing is an error: where it leads tomorrow the agent would say.
fn inside(workspace: &Path, at: &str, said: &str) -> Result<Option<String>, LentError> {
    let mut path: PathBuf = workspace.components().chain(Path::new(at).components()).collect();
    let mut is_down = false;
    for part in Path::new(said).components() {
        match part {
            Component::ParentDir if is_down => return Err(LentError::Symlink),
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
            Component::RootDir => path = PathBuf::from("/"),
            Component::Normal(part) => {
                is_down = true;
                path.push(part);
            }
        }
    }
    let is_inside = path.starts_with(workspace);
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(_) if is_inside => return Err(LentError::Missing),
        Err(_) => return Ok(None),
    };
    if is_inside && real != path {
        return Err(LentError::Symlink);
    }
    let Ok(relative) = real.strip_prefix(workspace) else { return Ok(None) };
    relative.to_str().map(|relative| Some(relative.to_owned())).ok_or(LentError::NotRegular)
}
