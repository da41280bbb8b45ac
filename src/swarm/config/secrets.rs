//! What is shown of a document that may hold secrets (spec genswarms H.6).
//!
//! A value whose key looks like a secret's is replaced, and so is every variable of an `env`, whatever its
//! name; beyond the specification also the name and password in a URL, a field of its query, and the argument
//! behind a flag that is called like a secret. A secret that nothing around it gives away cannot be known.

use serde_json::{Map, Value};

/// What stands in a secret's place.
const MASK: &str = "[REDACTED]";
/// What stands in a secret's place within a URL. It is no longer than any secret, so that what had its length and
/// its letters checked is not refused for what was hidden in it.
const STAR: &str = "*";
/// What is part of the name of a secret, in lower case: those of the specification, and what is never the name of
/// anything else.
const NAMES: [&str; 10] = [
    "key",
    "secret",
    "token",
    "password",
    "passwd",
    "credential",
    "passphrase",
    "authorization",
    "bearer",
    "cookie",
];
/// What is the name of a secret where it is a whole word of one: as a part it is in harmless ones (`bypass`).
const WORDS: [&str; 3] = ["auth", "pass", "pwd"];
/// The one name that is kept although it looks like one: a path.
const KEPT: &str = "key_path";

/// Whether a field of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_word = |part: &str| WORDS.contains(&part);
    name != KEPT
        && (NAMES.iter().any(|part| name.contains(part))
            || name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_word))
}

/// The document without its secrets. It has the same shape, and reads as a config where it did.
pub fn redacted(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(query(&userinfo(text))),
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(map) => Value::Object(map.iter().map(field).collect::<Map<_, _>>()),
    }
}

fn field((name, value): (&String, &Value)) -> (String, Value) {
    let shown = match (name.as_str(), value) {
        ("env" | "extra_env", Value::Object(env)) => {
            env.keys().map(|name| (name.clone(), Value::from(MASK))).collect()
        }
        ("command" | "cmd", Value::Array(words)) => arguments(words),
        (name, _) if is_secret(name) => Value::from(MASK),
        _ => redacted(value),
    };
    (name.clone(), shown)
}

/// The words of a command: what stands behind a flag that is called like a secret is replaced.
fn arguments(words: &[Value]) -> Value {
    let mut follows = false;
    let word = |word: &Value| {
        let Some(text) = word.as_str() else { return redacted(word) };
        if std::mem::take(&mut follows) {
            return Value::from(MASK);
        }
        follows = text.starts_with('-') && is_secret(text) && !text.contains('=');
        if follows { Value::from(text) } else { redacted(&Value::from(line(text))) }
    };
    words.iter().map(word).collect()
}

/// One word of a command, which may be a line of a shell: nothing is shown of it behind the first thing in it that
/// is called like a secret. How a shell would read the rest is not known.
fn line(text: &str) -> String {
    let mut at = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end();
        let shown = match token.split_once('=') {
            Some((name, _)) if is_secret(name) => Some(at + name.len() + 1),
            None if token.starts_with('-') && is_secret(token) => Some(at + part.len()),
            Some(_) | None => None,
        };
        if let Some(shown) = shown.and_then(|shown| text.get(..shown)) {
            return format!("{shown}{MASK}");
        }
        at += part.len();
    }
    text.to_owned()
}

/// A text in which no URL has a name and a password.
fn userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let authority = after.find(|c: char| "/?#".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        let ends = after.get(..authority).and_then(|authority| authority.rfind('@'));
        out.push_str(before);
        out.push_str("://");
        rest = match ends {
            Some(0) => after,
            Some(at) => {
                out.push_str(STAR);
                after.get(at..).unwrap_or_default()
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

/// A text in which no URL has a secret among the fields of its query.
fn query(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    text.split_inclusive(['?', '&', ';']).map(assignment).collect()
}

/// `name=value` at the beginning of a text without the value, where the name is a secret's; what stands behind
/// the value stays.
fn assignment(text: &str) -> String {
    let Some((name, value)) = text.split_once('=') else { return text.to_owned() };
    let ends = value.find(|c: char| "#?&;".contains(c) || c.is_whitespace()).unwrap_or(value.len());
    match value.get(ends..) {
        Some(rest) if ends > 0 && is_secret(name) => format!("{name}={STAR}{rest}"),
        Some(_) | None => text.to_owned(),
    }
}
