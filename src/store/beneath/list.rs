//! The files of one kind beneath a directory, with bounds for their number, their depth and the looking.

use std::{fs::DirEntry, io, os::fd::AsRawFd};

use super::{Beneath, BeneathError, FLAGS};
use crate::limits;

impl Beneath {
    /// The files beneath `sub` whose names end with `ext`, at most `most`, by their paths from there, sorted.
    /// Names that begin with a dot are passed over, and links to directories are not followed. A `sub` that
    /// is not there has none.
    pub fn list(&self, sub: &str, ext: &str, most: usize) -> Result<Vec<String>, BeneathError> {
        let top = self.relative(sub)?;
        let mut found = Vec::new();
        let mut looked_at = 0_usize;
        // Paths from `top`, each with its depth.
        let mut waiting = vec![(String::new(), 0_usize)];
        while let Some((directory, depth)) = waiting.pop() {
            let entries = match self.entries(&join(&top, &directory)) {
                // gone meanwhile, or no directory any more
                Err(BeneathError::Missing | BeneathError::NotRegular) => continue,
                Err(BeneathError::Outside) if !directory.is_empty() => continue,
                other => other?,
            };
            for entry in entries {
                looked_at = looked_at.saturating_add(1);
                if looked_at > limits::SKILL_ENTRIES || found.len() >= most {
                    found.sort();
                    return Ok(found);
                }
                let Some((path, kind)) = entry.ok().and_then(|entry| shown(&directory, &entry)) else {
                    continue;
                };
                if kind.is_dir() {
                    if depth < limits::SKILL_DEPTH {
                        waiting.push((path, depth.saturating_add(1)));
                    }
                } else if path.ends_with(ext) && self.is_regular(&join(&top, &path)) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn entries(&self, inside: &str) -> Result<std::fs::ReadDir, BeneathError> {
        let directory = self.open_inside(inside, FLAGS | libc::O_DIRECTORY)?;
        // It is opened once more, by the descriptor: `directory` is what is read.
        Ok(std::fs::read_dir(format!("/proc/self/fd/{}/.", directory.as_raw_fd()))?)
    }

    fn is_regular(&self, inside: &str) -> bool {
        let facts = self.open_inside(inside, libc::O_PATH).and_then(|file| Ok(file.metadata()?));
        facts.is_ok_and(|facts| facts.is_file())
    }
}

/// Path and kind of an entry that is no secret of its directory and whose name is text.
fn shown(directory: &str, entry: &DirEntry) -> Option<(String, std::fs::FileType)> {
    let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
    let kind: io::Result<_> = entry.file_type();
    Some((join(directory, &name), kind.ok()?))
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() || name.is_empty() { [above, name].concat() } else { format!("{above}/{name}") }
}
