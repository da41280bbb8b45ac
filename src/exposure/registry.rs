//! The registry in the report: its directory with its mode, and the files in it that are ours.
//!
//! Files of other instances are theirs: `loopgate peers` tells what is wrong with one.

use std::path::Path;

use super::{
    Declared, DiskFile, Kind, Observed, Row,
    report::{NONE, NOT_OBSERVED, Rows, SELF, clean, disk_difference},
};

/// How deep below the directory a file may stand: `<name>/<channel>.json`.
const DEPTH: usize = 2;

/// The rows of the directory and of our files.
pub(super) fn rows(rows: &mut Rows, declared: &Declared, observed: &Observed) {
    let Some(registry) = &declared.registry else { return };
    let default = if registry.shared { "off: set" } else { "on" };
    let disk = observed.registry.as_ref();
    let others = if registry.shared { "shared with other instances" } else { "read by no other instance" };
    let row = |address: String, purpose: String, disk: Option<&DiskFile>, difference| Row {
        kind: Kind::File,
        process: SELF.into(),
        address,
        purpose,
        auth: disk.map_or(NONE.into(), |disk| format!("mode {:04o}", disk.mode)),
        default: default.into(),
        count: 1,
        declared: true,
        observed: disk.is_some(),
        difference,
    };
    let difference = match disk {
        None => Some(NOT_OBSERVED.to_owned()),
        Some(disk) if disk.mode & 0o077 != 0 && !disk.symlink && disk.uid == observed.uid => {
            Some(if disk.mode & 0o022 == 0 {
                "not 0700: other users see the names in it; chmod 700 it".to_owned()
            } else {
                "others may write to it, so nothing in it counts; chmod 700 it".to_owned()
            })
        }
        Some(disk) => disk_difference(disk, observed.uid),
    };
    rows.add(row(clean(&registry.path.to_string_lossy()), format!("registry, {others}"), disk, difference));
    for entry in &observed.entries {
        let difference = disk_difference(entry, observed.uid);
        let address =
            if difference.is_some() { clean(&entry.path.to_string_lossy()) } else { inside(declared) };
        rows.add(row(address, "entries of our agents".to_owned(), Some(entry), difference));
    }
}

/// Whether it is the registry's directory, or a file where entries stand.
pub(super) fn holds(declared: &Declared, path: &Path) -> bool {
    let below = declared.registry.as_ref().and_then(|registry| path.strip_prefix(&registry.path).ok());
    below.is_some_and(|below| below.components().count() <= DEPTH)
}

/// Our files in it, whatever their names.
pub(super) fn inside(declared: &Declared) -> String {
    let Some(registry) = &declared.registry else { return String::new() };
    let flat = registry.entries.iter().all(|entry| entry.parent() == Some(&registry.path));
    clean(&registry.path.join(if flat { "*.json" } else { "*/*.json" }).to_string_lossy())
}
