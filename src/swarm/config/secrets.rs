//! What is shown of a document that may hold secrets (spec genswarms H.6).
//!
//! A value whose key looks like a secret's is replaced, and so is every variable of an `env`, whatever its
//! name; beyond the specification also the name and password in a URL, a field of its query, and the argument
//! behind a flag that is called like a secret. A secret that nothing around it gives away cannot be known.

use serde_json::{Map, Value};

/// What stands in a secret's place.
const MASK: &str = "[REDACTED]";
/// What is part of the name of a secret, in lower case.
const NAMES: [&str; 6] = ["key", "secret", "token", "password", "passwd", "credential"];
/// The one name that is kept although it looks like one: a path.
const KEPT: &str = "key_path";

/// Whether a field of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name != KEPT && NAMES.iter().any(|part| name.contains(part))
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
        let hidden = std::mem::take(&mut follows);
        match text.split_once('=') {
            Some((name, _)) if is_secret(name) => Value::from(format!("{name}={MASK}")),
            None if text.starts_with('-') && is_secret(text) => {
                follows = true;
                Value::from(text)
            }
            _ if hidden => Value::from(MASK),
            _ => redacted(word),
        }
    };
    words.iter().map(word).collect()
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
            Some(at) => {
                out.push_str(MASK);
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
    let Some(at) = text.find("://").and_then(|at| text.get(at..)?.find('?').map(|more| at + more + 1)) else {
        return text.to_owned();
    };
    let (before, query) = text.split_at(at);
    let field = |field: &str| {
        let (name, value) = field.split_once('=')?;
        let ends = value.find(|c: char| c == '#' || c.is_whitespace()).unwrap_or(value.len());
        is_secret(name).then(|| format!("{name}={MASK}{}", value.get(ends..).unwrap_or_default()))
    };
    let shown = query.split('&').map(|text| field(text).unwrap_or_else(|| text.to_owned()));
    format!("{before}{}", shown.collect::<Vec<_>>().join("&"))
}
