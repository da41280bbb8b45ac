//! Skills: texts that an agent is given to read, from the repository of the home (spec genswarms B.1, E.6).
//!
//! A name or a path that a configuration or a caller chose only ever leads into the repository. What an agent
//! is given is written into a directory that is lent to it, by plain names only: whatever it does there, nothing
//! is written elsewhere, and what was written by a call is shown afterwards.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{
    limits,
    store::{BaseError, Beneath, BeneathError, Lent, LentError, lent::UNFINISHED},
    swarm::kept::{AgentDirs, SKILLS},
};

/// How the name of a skill's file ends.
const END: &str = ".md";
/// The directory of the repository, in the home.
pub const DIRECTORY: &str = "skills";
/// The category of what lies directly in the repository.
const DEFAULT_CATEGORY: &str = "default";

/// Why there is no such skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkillError {
    /// it is no plain name of a file
    BadName,
    /// it does not end as a skill's name does, so that it would not be shown
    BadEnd,
    /// it leads out of the repository, or is no path
    BadPath,
    /// there is none
    Missing,
    /// it is too large, or there are too many
    TooLarge,
    /// the agent has as many as are shown, or as many bytes
    TooMany,
    /// two skills would get this one file's name
    Twice(String),
    /// the disk has no room for it
    Full,
    /// it is there and cannot be read or written
    Unreadable,
}

/// What is in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillList {
    /// where was looked, from the repository on; `.` for all of it
    pub base_path: String,
    /// sorted by path
    pub skills: Vec<SkillRow>,
}

/// One skill of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillRow {
    /// its file's name without the end
    pub name: String,
    /// where its file is, from where was looked
    pub relative_path: String,
    /// the directory of that, or `default`
    pub category: String,
}

/// One skill with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// its file's name
    pub name: String,
    /// what it says
    pub content: String,
}

/// What the words in double braces stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// `{{agent_name}}`
    pub agent: &'a str,
    /// `{{swarm_name}}`
    pub swarm: &'a str,
    /// `{{workspace}}`
    pub workspace: &'a str,
}

/// The repository of skills. It may be missing; then there are none.
#[derive(Debug, Clone)]
pub struct Skills {
    base: PathBuf,
}

impl Skills {
    /// The repository in this directory.
    pub fn at(base: PathBuf) -> Self {
        Self { base }
    }

    /// The skills in it, or in a directory of it.
    pub fn list(&self, sub: Option<&str>) -> Result<SkillList, SkillError> {
        let Some(base) = self.open()? else {
            // A path is refused by the same rule whether or not there is anything.
            let base_path = sub.map_or(Ok(String::new()), |sub| plain(sub).map(str::to_owned))?;
            return Ok(SkillList { base_path: or_dot(base_path), skills: Vec::new() });
        };
        let sub = sub.unwrap_or(".");
        let base_path = or_dot(base.relative(sub).map_err(path_error)?);
        let files = base.list(sub, END, limits::SKILLS).map_err(path_error)?;
        Ok(SkillList { base_path, skills: files.into_iter().map(row).collect() })
    }

    /// Reads the skill of this name: the file itself, the same with the end of one, or the first in any
    /// directory.
    pub fn read(&self, name: &str) -> Result<Skill, SkillError> {
        let name = file_name(name)?;
        let (_, content) = self.find(name)?;
        Ok(Skill { name: name.to_owned(), content })
    }

    /// Gives an agent the skills that its configuration names, with the words in double braces replaced.
    pub fn deploy(&self, entries: &[String], dirs: &AgentDirs, values: Values<'_>) -> Result<(), SkillError> {
        if entries.len() > limits::AGENT_SKILLS {
            return Err(SkillError::TooLarge);
        }
        let mut given: Vec<(String, String)> = Vec::new();
        for entry in entries {
            let (name, content) = self.entry(entry)?;
            if given.iter().any(|(other, _)| *other == name) {
                return Err(SkillError::Twice(name));
            }
            given.push((name, replaced(&content, values)));
        }
        for (name, content) in given {
            write(dirs.root(), &name, &content)?;
        }
        Ok(())
    }

    /// Name and text of what an agent's configuration names.
    fn entry(&self, entry: &str) -> Result<(String, String), SkillError> {
        let path = match entry.contains('/') {
            false => return self.find(file_name(entry)?),
            true => entry,
        };
        let base = self.open()?.ok_or(SkillError::Missing)?;
        let inside = base.relative(path).map_err(path_error)?;
        let name = inside.rsplit('/').next().unwrap_or_default();
        Ok((file_name(name)?.to_owned(), text(&base, &inside)?))
    }

    /// The file's name and text of a skill.
    fn find(&self, name: &str) -> Result<(String, String), SkillError> {
        let base = self.open()?.ok_or(SkillError::Missing)?;
        let ended = format!("{name}{END}");
        for exact in [name, &ended] {
            match text(&base, exact) {
                Err(SkillError::Missing) => {}
                other => return Ok((exact.to_owned(), other?)),
            }
        }
        let files = base.list(".", END, limits::SKILLS).map_err(path_error)?;
        let is = |path: &&String| {
            let last = path.rsplit('/').next().unwrap_or_default();
            last == name || last == ended
        };
        let path = files.iter().find(is).ok_or(SkillError::Missing)?;
        Ok((path.rsplit('/').next().unwrap_or_default().to_owned(), text(&base, path)?))
    }

    fn open(&self) -> Result<Option<Beneath>, SkillError> {
        match Beneath::open(&self.base) {
            Ok(base) => Ok(Some(base)),
            Err(BaseError::Missing) => Ok(None),
            Err(BaseError::Root | BaseError::NotDirectory | BaseError::Io(_)) => Err(SkillError::Unreadable),
        }
    }
}

/// The rule of names: one plain file's name (spec genswarms B.1, M.7).
pub fn file_name(name: &str) -> Result<&str, SkillError> {
    const LONGEST: usize = 128;
    let reserved = name.is_empty() || name == "." || name == ".." || name.starts_with(UNFINISHED);
    let foreign = name.contains(['/', '\\']) || name.chars().any(char::is_control);
    if reserved || foreign || name.len() > LONGEST { Err(SkillError::BadName) } else { Ok(name) }
}

/// The skills that an agent has, as their files are now.
pub fn of_agent(root: &Lent) -> Result<Vec<Skill>, SkillError> {
    let directory = root.below(SKILLS).map_err(lent_error)?;
    let mut skills = Vec::new();
    let mut left = limits::AGENT_SKILLS_BYTES;
    for name in names(&directory)? {
        // What the agent made of its own directory is not shown where it is no file.
        let Ok(file) = directory.read(&name, limits::SKILL_FILE.min(left)) else { continue };
        left = left.saturating_sub(file.bytes.len());
        let content = String::from_utf8_lossy(&file.bytes).into_owned();
        skills.push(Skill { name: name.to_string_lossy().into_owned(), content });
    }
    Ok(skills)
}

/// The names of an agent's skills, as many as are shown, the first of them in order.
fn names(directory: &Lent) -> Result<BTreeSet<OsString>, SkillError> {
    let mut names = BTreeSet::new();
    let each = &mut |name: OsString| {
        if name.to_str().is_some_and(|name| name.ends_with(END) && file_name(name).is_ok()) {
            names.insert(name);
            if names.len() > limits::AGENT_SKILLS {
                names.pop_last();
            }
        }
    };
    directory.each_name(limits::SKILL_ENTRIES, each).map_err(lent_error)?;
    Ok(names)
}

/// Gives an agent a skill, in the place of the one that has the name: one that [`of_agent`] shows, beside all
/// that it showed before.
pub fn put(root: &Lent, name: &str, content: &str) -> Result<(), SkillError> {
    if !file_name(name)?.ends_with(END) {
        return Err(SkillError::BadEnd);
    }
    let directory = root.create_below(SKILLS).map_err(lent_error)?;
    let mut others = names(&directory)?;
    others.remove(OsStr::new(name));
    let bytes =
        |other: &OsString| directory.read(other, limits::SKILL_FILE).map_or(0, |file| file.bytes.len());
    let all = others.iter().map(bytes).fold(content.len(), usize::saturating_add);
    if others.len() >= limits::AGENT_SKILLS || all > limits::AGENT_SKILLS_BYTES {
        return Err(SkillError::TooMany);
    }
    write(root, name, content)
}

fn write(root: &Lent, name: &str, content: &str) -> Result<(), SkillError> {
    let name = file_name(name)?;
    if content.len() > limits::SKILL_FILE {
        return Err(SkillError::TooLarge);
    }
    root.create_below(SKILLS)
        .and_then(|directory| directory.write(name, content.as_bytes()))
        .map_err(lent_error)
}

/// The text with the words in double braces replaced, each once: what is put there is not looked at again.
fn replaced(text: &str, values: Values<'_>) -> String {
    let words = [
        ("{{agent_name}}", values.agent),
        ("{{swarm_name}}", values.swarm),
        ("{{workspace}}", values.workspace),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let word = words.iter().find_map(|(word, value)| Some((from.strip_prefix(word)?, *value)));
        (rest, _) = match word {
            Some((after, value)) => (after, out.push_str(value)),
            // One brace only: the next may begin a word.
            None => (from.strip_prefix('{').unwrap_or_default(), out.push('{')),
        };
    }
    out.push_str(rest);
    out
}

fn text(base: &Beneath, path: &str) -> Result<String, SkillError> {
    let bytes = base.read(path, limits::SKILL_FILE).map_err(path_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row(path: String) -> SkillRow {
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", &path));
    let category = if directory.is_empty() { DEFAULT_CATEGORY } else { directory }.to_owned();
    let name = file.strip_suffix(END).unwrap_or(file).to_owned();
    SkillRow { name, category, relative_path: path }
}

/// A path into a repository that is not there.
fn plain(sub: &str) -> Result<&str, SkillError> {
    let parts = Path::new(sub).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if parts && !sub.contains('\0') && !sub.is_empty() { Ok(sub) } else { Err(SkillError::BadPath) }
}

fn or_dot(path: String) -> String {
    if path.is_empty() { ".".to_owned() } else { path }
}

fn path_error(error: BeneathError) -> SkillError {
    match error {
        BeneathError::Outside | BeneathError::Invalid => SkillError::BadPath,
        // What is no file is no skill, and hides none: a directory may be called like the skill beside it.
        BeneathError::Missing | BeneathError::NotRegular => SkillError::Missing,
        BeneathError::TooLarge => SkillError::TooLarge,
        BeneathError::Io(_) => SkillError::Unreadable,
    }
}

fn lent_error(error: LentError) -> SkillError {
    match error {
        LentError::Missing => SkillError::Missing,
        LentError::TooLarge => SkillError::TooLarge,
        LentError::Io(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => SkillError::Full,
        LentError::Symlink
        | LentError::NotRegular
        | LentError::Owner
        | LentError::HardLink
        | LentError::Mounted
        | LentError::Io(_) => SkillError::Unreadable,
    }
}

#[cfg(test)]
#[path = "skills/tests.rs"]
mod tests;
