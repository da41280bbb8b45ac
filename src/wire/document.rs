//! What is wrong in a JSON document, and where: the path of the field, and its line and column.
//!
//! A reader of one part says what is wrong within it; whoever called it puts its own step in front. What is
//! quoted from the document is cut and escaped, and a value is never quoted: it may be a secret.

pub mod place;

use std::fmt;

/// Longest piece of a document that an error repeats, in characters.
const QUOTED: usize = 64;

/// One step from a document into a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// into the field of this name
    Key(String),
    /// into the item at this place, counted from 0
    At(usize),
}

/// Something is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Stable word for what it is.
    pub code: &'static str,
    /// The way to it.
    pub path: Vec<Step>,
    /// Whether the field's name is to blame, and not its value.
    pub on_key: bool,
    /// What is wrong, to be read behind the field's path.
    pub why: String,
    /// What to do about it.
    pub next: Option<String>,
}

impl Wrong {
    /// The document itself is wrong, or the part that its reader was given.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, path: Vec::new(), on_key: false, why: why.into(), next: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// In the field of this name.
    #[must_use]
    pub fn under(mut self, key: &str) -> Self {
        self.path.insert(0, Step::Key(key.to_owned()));
        self
    }

    /// In the item at this place.
    #[must_use]
    pub fn within(mut self, at: usize) -> Self {
        self.path.insert(0, Step::At(at));
        self
    }

    /// Its name is to blame.
    #[must_use]
    pub fn by_name(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// The way to it as one reads it: `agents[0].config.command`; empty for the document itself.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for step in &self.path {
            match step {
                Step::At(at) => field.push_str(&format!("[{at}]")),
                Step::Key(key) if is_plain(key) && field.is_empty() => field.push_str(key),
                Step::Key(key) if is_plain(key) => field.push_str(&format!(".{key}")),
                Step::Key(key) => field.push_str(&format!("[{}]", quoted(key))),
            }
        }
        field
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field();
        if field.is_empty() { f.write_str(&self.why) } else { write!(f, "{field}: {}", self.why) }
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=QUOTED).contains(&key.len()) && key.bytes().all(plain)
}

/// A text from a document in quotation marks: cut, and without a character that could do something where it
/// is shown.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars().take(QUOTED) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' ' => out.push(' '),
            c if c.is_ascii_graphic() || c.is_alphanumeric() => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    if text.chars().nth(QUOTED).is_some() {
        out.push('\u{2026}');
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_field_reads_like_one() {
        let wrong = Wrong::new("c", "is odd").under("command").under("config").within(3).under("agents");
        assert_eq!(wrong.to_string(), "agents[3].config.command: is odd");
        let wrong = Wrong::new("c", "is odd").under("a\u{1b}[2Jb").under("env");
        assert_eq!(wrong.field(), "env[\"a\\u{1b}[2Jb\"]");
        assert_eq!(Wrong::new("c", "is odd").to_string(), "is odd");
    }

    #[test]
    fn what_is_quoted_is_cut_and_harmless() {
        assert_eq!(quoted("a \"b\"\n\u{202e}"), "\"a \\\"b\\\"\\u{a}\\u{202e}\"");
        let long = quoted(&"\u{e4}".repeat(1_000));
        assert_eq!(long.chars().count(), QUOTED + 3);
    }
}
