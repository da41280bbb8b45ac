//! The shape that a reviewer relies on (design section 4, style): who may use whom, where `unsafe`
//! may stand, how long a module may be, and what a test may not do.

use std::{collections::BTreeSet, fs, path::Path};

#[path = "support/sources.rs"]
mod sources;

/// What each folder of `src/` may use besides itself and `limits`. Arrows never point back: each
/// folder names only folders above it.
///
/// Two go beyond the folder table of the design: `client` uses `store` and `sys`, because the key
/// file is what proves whom it talks to before the key goes out; `cli` uses everything that
/// `serve`, which stands in it, puts together.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("wire", &[]),
    ("sys", &["wire"]),
    ("store", &["sys", "wire"]),
    ("gate", &["sys", "wire"]),
    ("admit", &["wire"]),
    ("client", &["wire", "sys", "store"]),
    ("egress", &["sys", "wire", "client"]),
    ("agent", &["sys", "store", "wire"]),
    ("registry", &["wire", "sys", "store", "client"]),
    ("bus", &["store", "agent", "registry", "wire", "sys"]),
    ("backend", &["sys", "store", "wire", "egress", "agent"]),
    ("swarm", &["sys", "store", "wire", "agent", "bus", "backend"]),
    ("exposure", &["sys", "store", "wire"]),
    ("ws", &["sys", "wire", "gate", "agent", "bus", "swarm"]),
    (
        "api",
        &[
            "sys", "wire", "store", "gate", "admit", "egress", "agent", "registry", "bus", "backend",
            "swarm", "exposure", "ws",
        ],
    ),
    (
        "cli",
        &[
            "sys", "wire", "store", "gate", "admit", "client", "egress", "agent", "registry", "bus",
            "backend", "swarm", "exposure", "ws", "api",
        ],
    ),
];

const LINES_OF_A_MODULE: usize = 500;
const LINES_OF_UNSAFE_FILES: usize = 600;

/// Path below the project and text of every Rust file below `folder`.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = sources::root();
    let mut files: Vec<(String, String)> = sources::rust_files(&root.join(folder))
        .into_iter()
        .map(|path| (name(root, &path), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has files");
    files
}

fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

/// The folder of `src/` that a file belongs to; empty for files beside the folders.
fn folder(path: &str) -> &str {
    path.strip_prefix("src/").and_then(|rest| rest.split_once('/')).map_or("", |(folder, _)| folder)
}

fn is_test(path: &str) -> bool {
    path.contains("/tests") || path.ends_with("tests.rs") || path.ends_with("testing.rs")
}

/// A file without comments and without its `#[cfg(test)]` part.
fn code(text: &str) -> String {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines =
        program.lines().filter(|line| !line.trim_start().starts_with("//") && !line.trim().is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The folders that a text names behind `crate::`, also in a braced list.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.insert(word(rest)),
            Some(list) => {
                let mut depth = 0_usize;
                let mut begins = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        c if c.is_alphanumeric() && begins && depth == 0 => {
                            found.insert(word(&list[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
                false
            }
        };
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_reader_of_uses_finds_them() {
    let text = "use crate::a::b; use crate::{c::{d, e}, f, g::h}; crate::i()";
    let wanted = ["a", "c", "f", "g", "i"].map(str::to_owned);
    assert_eq!(used(text), BTreeSet::from(wanted));
}

#[test]
fn no_folder_uses_one_that_it_may_not() {
    let folders: BTreeSet<&str> = MAY_USE.iter().map(|(folder, _)| *folder).collect();
    for (at, (folder, may)) in MAY_USE.iter().enumerate() {
        let above: Vec<&str> = MAY_USE[..at].iter().map(|(folder, _)| *folder).collect();
        assert!(may.iter().all(|used| above.contains(used)), "an arrow of {folder} points back");
    }
    for (path, text) in files("src").iter().filter(|(path, _)| !folder(path).is_empty() && !is_test(path)) {
        let folder = folder(path);
        let may = MAY_USE.iter().find(|(name, _)| *name == folder).map(|(_, may)| *may);
        let may = may.unwrap_or_else(|| panic!("the folder {folder} is not in the table"));
        for used in used(&code(text)) {
            let allowed = used == folder || may.contains(&used.as_str()) || !folders.contains(used.as_str());
            assert!(allowed, "{path} uses {used}");
        }
    }
}

#[test]
fn every_folder_but_sys_forbids_unsafe_code() {
    for (folder, _) in MAY_USE {
        let text = sources::read(&format!("src/{folder}/mod.rs"));
        assert_eq!(text.contains("#![forbid(unsafe_code)]"), folder != "sys", "src/{folder}/mod.rs");
    }
    assert!(sources::read("src/main.rs").contains("#![forbid(unsafe_code)]"));
}

#[test]
fn unsafe_code_is_short_and_says_why_it_is_sound() {
    let mut lines = 0;
    for (path, text) in files("src/sys") {
        if text.contains("#![forbid(unsafe_code)]") {
            continue;
        }
        let program: Vec<&str> = text.lines().collect();
        let blocks: Vec<usize> = (0..program.len())
            .filter(|at| {
                let line = program[*at].trim();
                !line.starts_with("//") && (line.contains("unsafe {") || line.starts_with("unsafe impl"))
            })
            .collect();
        for at in &blocks {
            let reason = program[at.saturating_sub(8)..*at].iter().any(|line| line.contains("SAFETY:"));
            assert!(reason, "{path}:{} has no SAFETY comment", at + 1);
        }
        if !blocks.is_empty() {
            lines += code(&text).lines().count();
        }
    }
    assert!(lines > 0 && lines < LINES_OF_UNSAFE_FILES, "files with unsafe code have {lines} lines");
}

#[test]
fn no_module_is_too_long_to_read() {
    for (path, text) in files("src") {
        let lines = text.lines().count();
        assert!(lines <= LINES_OF_A_MODULE, "{path} has {lines} lines");
        assert!(is_test(&path) || text.starts_with("//!"), "{path} does not say what it is for");
    }
    let main = sources::read("src/main.rs");
    assert!(main.lines().count() < 40, "src/main.rs");
}

#[test]
fn nothing_is_left_to_do_and_no_test_sleeps_or_is_left_out() {
    // Put together here, so that this file does not name them.
    let anywhere = [["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"], ["FIX", "ME"]];
    let in_tests = ["thread::", "sleep"].concat();
    for (path, text) in files("src").into_iter().chain(files("tests")) {
        for word in anywhere.map(|halves| halves.concat()) {
            assert!(!text.contains(&word), "{path} has {word}");
        }
        let program = if folder(&path).is_empty() || is_test(&path) { "" } else { &code(&text) };
        assert_eq!(
            text.matches(&in_tests).count(),
            program.matches(&in_tests).count(),
            "a test in {path} sleeps"
        );
    }
}
