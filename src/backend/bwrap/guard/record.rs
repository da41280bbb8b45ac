//! Which placeholders there are, in a private file of the home: for the instance after one that was killed.
//!
//! Written before placeholders are made, a line for each workspace: its number on its device, its path and what was
//! put there, the bytes of each as hexadecimal digits. What it names is removed only if it is something that a guard
//! puts there, and as it was made. A record that cannot be read is left as it is.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::Left;
use crate::{
    limits,
    store::{
        Home,
        private::{self, FileError},
    },
};

/// The file.
const FILE: &str = "placeholders";
/// The most that it holds: a path and placeholders of every agent that there may be.
const MOST: usize = 16 * 1024 * limits::AGENTS;

/// Those that an earlier instance has left; `None` where nobody can tell.
pub(super) fn read(home: &Home) -> Option<Vec<Left>> {
    let bytes = match private::read_at_most(home, OsStr::new(FILE), MOST) {
        Ok((bytes, _)) => bytes,
        Err(FileError::Missing) => Vec::new(),
        Err(_) => return None,
    };
    Some(String::from_utf8_lossy(&bytes).lines().filter_map(line).collect())
}

fn line(line: &str) -> Option<Left> {
    let mut words = line.split(' ');
    let inode = words.next()?.parse().ok()?;
    let workspace = OsString::from_vec(bytes_of(words.next()?)?).into();
    let made = words.map(|word| String::from_utf8(bytes_of(word)?).ok()).collect::<Option<_>>()?;
    Some(Left { workspace, inode, made })
}

/// Writes them down. Where that fails, what is left after a kill stays: no reason not to protect.
pub(super) fn write(home: &Home, all: &[Left]) {
    let mut text = String::new();
    for Left { workspace, inode, made } in all.iter().filter(|left| !left.made.is_empty()) {
        let _ = write!(text, "{inode} {}", hex(workspace.as_os_str().as_bytes()));
        made.iter().for_each(|relative| text.extend([" ", &hex(relative.as_bytes())]));
        text.push('\n');
    }
    let _ = match text.is_empty() {
        true => private::remove(home, FILE),
        // Over what can be read again only.
        false if text.len() <= MOST => private::write_atomic(home, FILE, text.as_bytes()),
        false => Ok(()),
    };
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
