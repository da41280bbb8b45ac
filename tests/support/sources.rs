//! The project's own files, for tests that hold documents against code.

#![allow(dead_code)] // each test file uses its own part

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The project's directory.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text file of the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of all functions marked `#[test]` in `src/` and `tests/`.
pub fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["src", "tests"].iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" {
                marked = true;
            } else if let Some(name) = function(line) {
                if marked {
                    names.insert(name.to_owned());
                }
                marked = false;
            }
        }
    }
    names
}

/// The names of all functions of one file, methods too.
pub fn functions(path: &str) -> BTreeSet<String> {
    read(path).lines().filter_map(|line| function(line.trim())).map(str::to_owned).collect()
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    const BEFORE: [&str; 6] = ["pub", "pub(super)", "pub(crate)", "const", "unsafe", "async"];
    let mut rest = line;
    while let Some((word, after)) = rest.split_once(' ') {
        if word == "fn" {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            return after.get(..end);
        }
        if !BEFORE.contains(&word) && !word.starts_with("pub(in") {
            return None;
        }
        rest = after;
    }
    None
}

/// All Rust files below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rows of all tables of a Markdown text, cells trimmed, without heads and rulers.
pub fn table_rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let ruler = |line: &&str| line.starts_with("|-") || line.starts_with("| -");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let head = lines.get(at + 1).is_some_and(ruler);
        if line.starts_with('|') && !ruler(line) && !head {
            let inner = line.trim().trim_matches('|');
            // A bar inside a cell is written \|.
            let inner = inner.replace("\\|", "\u{0}");
            rows.push(inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect());
        }
    }
    rows
}

/// Holds a generated document against its file; with `UPDATE_DOCS` set, writes the file instead.
pub fn up_to_date(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(path), wanted).unwrap();
    }
    let found = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(found == wanted, "{path} is out of date: run UPDATE_DOCS=1 cargo test generated_documents");
}
