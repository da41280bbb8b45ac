//! Lists of texts: skills, and the tools and presets that a sandbox can hold (spec genswarms H.2).
//!
//! A skill names a file below the skills directory, wherever the config came from: it is opened beneath
//! that directory (store/), and what cannot be there is refused here already.

use serde_json::Value;

use crate::{
    limits,
    wire::document::{Wrong, quoted},
};

/// The sets of programs.
const PRESETS: [&str; 13] = [
    "base",
    "web",
    "code",
    "python",
    "node",
    "data",
    "docs",
    "network",
    "system",
    "security",
    "containers",
    "cloud",
    "ai",
];

/// Single programs.
const TOOLS: [&str; 56] = [
    "git",
    "curl",
    "wget",
    "jq",
    "yq",
    "tree",
    "htop",
    "ripgrep",
    "rg",
    "fd",
    "fzf",
    "ag",
    "vim",
    "neovim",
    "nano",
    "python",
    "python3",
    "node",
    "nodejs",
    "ruby",
    "go",
    "rustc",
    "cargo",
    "make",
    "cmake",
    "gcc",
    "clang",
    "sqlite",
    "postgresql",
    "mysql",
    "redis",
    "duckdb",
    "pandoc",
    "pdftotext",
    "ssh",
    "rsync",
    "netcat",
    "httpie",
    "docker",
    "podman",
    "kubectl",
    "gh",
    "glab",
    "miller",
    "csvkit",
    "xsv",
    "ffmpeg",
    "imagemagick",
    "pytest",
    "ruff",
    "mypy",
    "black",
    "flake8",
    "pip",
    "poetry",
    "uv",
];

/// How many unknown words an error names.
const NAMED: usize = 10;

/// Files below the skills directory.
pub fn skills(value: &Value) -> Result<Vec<String>, Wrong> {
    let skills = texts(value, "invalid_skills_format")?;
    let outside = |path: &String| path.starts_with('/') || path.split('/').any(|part| part == "..");
    match skills.iter().position(outside) {
        None => Ok(skills),
        Some(at) => {
            let why = "must be a path below the skills directory, without \"..\"";
            Err(Wrong::new("invalid_skill_name", why).within(at))
        }
    }
}

/// Single programs.
pub fn tools(value: &Value) -> Result<Vec<String>, Wrong> {
    known(texts(value, "invalid_tools_format")?, &TOOLS, "unknown_tools")
}

/// Sets of programs.
pub fn presets(value: &Value) -> Result<Vec<String>, Wrong> {
    known(texts(value, "invalid_presets_format")?, &PRESETS, "unknown_presets")
}

fn texts(value: &Value, code: &'static str) -> Result<Vec<String>, Wrong> {
    let most = limits::CONFIG_LIST;
    let wrong = || Wrong::new(code, format!("must be an array of at most {most} texts"));
    let list = value.as_array().filter(|list| list.len() <= most).ok_or_else(wrong)?;
    let text = |(at, item): (usize, &Value)| match item.as_str() {
        Some(text) if is_text(text) => Ok(text.to_owned()),
        Some(_) | None => Err(Wrong::new(code, "must be a text of one line").within(at)),
    };
    list.iter().enumerate().map(text).collect()
}

/// A text of one line: not empty, bounded, without control characters.
pub fn is_text(text: &str) -> bool {
    (1..=limits::CONFIG_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn known(given: Vec<String>, known: &[&str], code: &'static str) -> Result<Vec<String>, Wrong> {
    let mut odd = given.iter().filter(|word| !known.contains(&word.as_str()));
    let named: Vec<_> = odd.by_ref().take(NAMED).map(|word| quoted(word)).collect();
    if named.is_empty() {
        return Ok(given);
    }
    let more = odd.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Wrong::new(code, format!("not known: {}{more}", named.join(", ")))
        .next(format!("known are {}", known.join(", "))))
}
