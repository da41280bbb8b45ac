//! What an error shows of what was sent.
//!
//! An error's text reaches callers and logs. So it is short and quoted, and what may hold a secret, an object
//! above all, is named and not opened.

use std::fmt;

use serde_json::Value;

/// A part of what was sent, as an error shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Scalars as JSON, long ones cut; lists of scalars too; of anything else only what it is.
    pub fn of(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self("nothing".to_owned()) };
        match value {
            Value::Array(items) if items.len() <= LISTED => {
                let items: Vec<String> = items.iter().map(scalar).collect();
                Self(format!("[{}]", items.join(",")))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Self(scalar(value)),
        }
    }

    /// A name: as it is where it has only the characters of names, else quoted.
    pub fn name(name: &str) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-#.:/".contains(&b);
        let bare = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain);
        Self(if bare { name.to_owned() } else { quoted(name) })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('\u{2026}');
    }
    // JSON leaves the control characters from DEL on as they are.
    let json = Value::String(cut).to_string();
    let plain = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(plain).collect()
}

/// Most items of a list that are shown.
const LISTED: usize = 4;
/// Most characters of a text that are shown.
const LONGEST: usize = 64;
