//! In which format a config is: JSON, by the file's extension or the format that a call names.
//!
//! GenSwarms' other formats are refused with a word that says so, and nothing of them is read (spec
//! genswarms H.1, L.1.2).

use super::ConfigError;
use crate::wire::document::{Wrong, quoted};

/// Checks the extension of a file's name; case does not count.
pub fn format_of(path: &str) -> Result<(), ConfigError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    check(extension, |shown| format!("Unsupported file format: {shown}"), ".")
}

/// Checks the format that a call names beside its content.
pub fn format_named(format: &str) -> Result<(), ConfigError> {
    check(format, |shown| format!("Unsupported content format {shown}"), "")
}

fn check(format: &str, unknown: impl Fn(&str) -> String, dot: &str) -> Result<(), ConfigError> {
    let short: String = format.chars().take(16).filter(char::is_ascii_alphanumeric).collect();
    match format.to_ascii_lowercase().as_str() {
        "json" => Ok(()),
        "exs" | "ex" | "yaml" | "yml" => {
            Err(Wrong::new("format_not_supported", format!("format not supported: {dot}{short}"))
                .next("a config is JSON, in a file whose name ends with .json")
                .into())
        }
        "" => Err(Wrong::new("unsupported_format", unknown(&quoted(format)))
            .next("a config is JSON, in a file whose name ends with .json")
            .into()),
        _ => Err(Wrong::new("unsupported_format", unknown(&format!("{dot}{short}")))
            .next("a config is JSON, in a file whose name ends with .json")
            .into()),
    }
}
