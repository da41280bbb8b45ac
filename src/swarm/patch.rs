//! A change of an object's configuration while it runs, and whether it may be (spec genswarms J.3, M.6).
//!
//! The steps are the seed's, in its order: no key that reaches out of the sandbox, not too many keys, a schema,
//! and only keys that the schema calls mutable. Ours is one more: values must be what the schema says. What comes
//! out is the merged configuration; making the object anew with it is for the caller.

use std::fmt;

use serde_json::{Map, Value};

use crate::limits;

/// Keys that decide what runs and what it sees: never an object's configuration to change.
const FORBIDDEN: [&str; 7] =
    ["subzeroclaw_path", "extra_ro_binds", "extra_rw_binds", "extra_path", "command", "env", "workspace"];

/// Why a change may not be. The sentence names the keys, which the caller sent; never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchError {
    /// these keys are nobody's to change
    Forbidden(Vec<String>),
    /// more keys than [`limits::PATCH_KEYS`], counted in all depths
    TooLarge,
    /// the handler has no schema, so that nothing of it can be changed
    NoSchema,
    /// these keys cannot be changed while it runs
    Immutable(Vec<String>),
    /// the schema does not know this key
    Unknown(String),
    /// the value of this key is not what it must be
    Wrong {
        /// the key
        key: String,
        /// to be read after "must be"
        must_be: String,
    },
}

impl PatchError {
    /// Stable code of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden_config_keys",
            Self::TooLarge => "patch_too_large",
            Self::NoSchema => "no_config_schema",
            Self::Immutable(_) => "immutable_config_keys",
            Self::Unknown(_) => "unknown_config_key",
            Self::Wrong { .. } => "invalid_config_value",
        }
    }

    /// Status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge => 400,
            Self::Forbidden(_)
            | Self::NoSchema
            | Self::Immutable(_)
            | Self::Unknown(_)
            | Self::Wrong { .. } => 422,
        }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(keys) => write!(f, "these keys cannot be set here: {}", keys.join(", ")),
            Self::TooLarge => write!(f, "patch_too_large: more than {} keys", limits::PATCH_KEYS),
            Self::NoSchema => f.write_str("no_config_schema: nothing of this object can be changed"),
            Self::Immutable(keys) => {
                write!(f, "these keys cannot be changed while the object runs: {}", keys.join(", "))
            }
            Self::Unknown(key) => write!(f, "unknown key '{key}'"),
            Self::Wrong { key, must_be } => write!(f, "'{key}' must be {must_be}"),
        }
    }
}

impl std::error::Error for PatchError {}

/// The configuration with the change in it, if it may be.
pub fn check(
    schema: Option<&Value>,
    current: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    let named = |keys: Vec<&String>| -> Vec<String> { keys.into_iter().map(|key| shown(key)).collect() };
    let forbidden: Vec<&String> = patch.keys().filter(|key| FORBIDDEN.contains(&key.as_str())).collect();
    if !forbidden.is_empty() {
        return Err(PatchError::Forbidden(named(forbidden)));
    }
    if keys_of(patch) > limits::PATCH_KEYS {
        return Err(PatchError::TooLarge);
    }
    let schema = schema.ok_or(PatchError::NoSchema)?;
    let is_mutable = |key: &str| {
        let property = property(schema, key);
        property.and_then(|property| property.get("x-mutable")).and_then(Value::as_bool) == Some(true)
    };
    let immutable: Vec<&String> = patch.keys().filter(|key| !is_mutable(key)).collect();
    if !immutable.is_empty() {
        return Err(PatchError::Immutable(named(immutable)));
    }
    conform(schema, patch)?;
    let mut merged = current.clone();
    merged.extend(patch.iter().map(|(key, value)| (key.clone(), value.clone())));
    Ok(merged)
}

/// Whether each key of a configuration is known to the schema, and its value what the schema says.
pub fn conform(schema: &Value, config: &Map<String, Value>) -> Result<(), PatchError> {
    for (key, value) in config {
        let property = property(schema, key).ok_or_else(|| PatchError::Unknown(shown(key)))?;
        if let Err(must_be) = fits(property, value) {
            return Err(PatchError::Wrong { key: shown(key), must_be });
        }
    }
    Ok(())
}

fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(key)
}

/// A key as it is shown: its beginning, without control characters.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// All keys, in all depths; stops counting beyond the limit.
fn keys_of(patch: &Map<String, Value>) -> usize {
    let (mut count, mut maps, mut lists) = (0, vec![patch], Vec::new());
    loop {
        let values: Vec<&Value> = match (maps.pop(), count > limits::PATCH_KEYS) {
            (_, true) => return count,
            (Some(map), false) => {
                count += map.len();
                map.values().collect()
            }
            (None, false) => match lists.pop() {
                Some(list) => Vec::from_iter::<&Vec<Value>>(list),
                None => return count,
            },
        };
        for value in values {
            match value {
                Value::Object(map) => maps.push(map),
                Value::Array(list) => lists.push(list),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
}

/// Whether a value is what a property of a schema says; else what it must be. Of JSON Schema it knows the words
/// that our own schemas use.
fn fits(property: &Value, value: &Value) -> Result<(), String> {
    let bound = |word: &str| property.get(word).and_then(Value::as_i64);
    let (least, most) = (bound("minimum"), bound("maximum"));
    match property.get("type").and_then(Value::as_str) {
        Some("integer") => {
            let inside = |number: &i64| {
                least.is_none_or(|least| least <= *number) && most.is_none_or(|most| *number <= most)
            };
            value.as_i64().filter(inside).map(|_| ()).ok_or_else(|| match (least, most) {
                (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
                (Some(_) | None, _) => "a whole number".to_owned(),
            })
        }
        Some("boolean") => value.as_bool().map(|_| ()).ok_or_else(|| "true or false".to_owned()),
        Some("string") => {
            let most = bound("maxLength").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            let short = |text: &&str| text.chars().count() <= most;
            let must_be = || match most {
                usize::MAX => "a text".to_owned(),
                most => format!("a text of at most {most} characters"),
            };
            value.as_str().filter(short).map(|_| ()).ok_or_else(must_be)
        }
        Some("array") => {
            let most = bound("maxItems").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            let items = value.as_array().filter(|items| items.len() <= most);
            let items = items.ok_or_else(|| format!("a list of at most {most} items"))?;
            let Some(each) = property.get("items") else { return Ok(()) };
            items
                .iter()
                .try_for_each(|item| fits(each, item))
                .map_err(|must_be| format!("a list; each item {must_be}"))
        }
        // Nothing is known of it, so nothing is right.
        Some(_) | None => Err("left alone: its schema has no type that is known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::swarm::objects;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn relay(patch: Value) -> Result<Value, PatchError> {
        let current = map(json!({"to": ["a"], "show_from": true}));
        check(objects::config_schema("relay").as_ref(), &current, &map(patch)).map(Value::Object)
    }

    /// Spec genswarms M.6.
    #[test]
    fn m6_a_mutable_key_is_merged() {
        assert_eq!(relay(json!({"to": ["b", "c"]})), Ok(json!({"to": ["b", "c"], "show_from": true})));
        assert_eq!(
            relay(json!({"prefix": "> "})),
            Ok(json!({"to": ["a"], "show_from": true, "prefix": "> "}))
        );
        assert_eq!(relay(json!({})), Ok(json!({"to": ["a"], "show_from": true})));
    }

    #[test]
    fn m6_an_immutable_key_is_422_and_named() {
        let error = relay(json!({"show_from": false, "to": [], "new": 1})).unwrap_err();
        assert_eq!(error, PatchError::Immutable(vec!["new".into(), "show_from".into()]));
        assert_eq!((error.status(), error.code()), (422, "immutable_config_keys"));
        assert_eq!(error.to_string(), "these keys cannot be changed while the object runs: new, show_from");
    }

    #[test]
    fn m6_keys_that_reach_out_of_the_sandbox_are_422_and_come_first() {
        for key in FORBIDDEN {
            let mut patch = map(json!({"show_from": false}));
            patch.insert(key.to_owned(), json!("x"));
            // Also without a schema, and also where there are too many keys.
            patch.extend((0..300).map(|at| (format!("k{at}"), json!(1))));
            let error = check(None, &Map::new(), &patch).unwrap_err();
            assert_eq!(error, PatchError::Forbidden(vec![key.to_owned()]));
            assert_eq!(error.status(), 422);
        }
        // Only at the top, as the seed has it: below, it is a value like any other, and its type decides.
        let nested = relay(json!({"to": {"command": "x"}})).unwrap_err();
        assert_eq!(nested.code(), "invalid_config_value");
    }

    #[test]
    fn m6_a_patch_of_more_than_200_keys_is_refused() {
        let inner = |count: usize| (0..count).map(|at| (format!("k{at}"), json!(1))).collect::<Map<_, _>>();
        let nested = |count: usize| map(json!({"a": [[{"b": inner(count)}], 1], "c": {}}));
        let many = check(None, &Map::new(), &nested(limits::PATCH_KEYS - 2)).unwrap_err();
        assert_eq!((many.clone(), many.status()), (PatchError::TooLarge, 400));
        assert!(many.to_string().starts_with("patch_too_large"));
        let fits = check(None, &Map::new(), &nested(limits::PATCH_KEYS - 3)).unwrap_err();
        assert_eq!(fits, PatchError::NoSchema, "200 are not too many");
    }

    #[test]
    fn m6_without_a_schema_nothing_is_changed() {
        let error = check(None, &Map::new(), &Map::new()).unwrap_err();
        assert_eq!((error.status(), error.code()), (422, "no_config_schema"));
    }

    #[test]
    fn m6_values_must_be_what_the_schema_says() {
        let message = |handler: &str, patch: Value| {
            let schema = objects::config_schema(handler);
            check(schema.as_ref(), &Map::new(), &map(patch)).map_err(|error| error.to_string())
        };
        for (handler, patch, wanted) in [
            ("log", json!({"keep": 0}), "'keep' must be a whole number from 1 to 1000"),
            ("log", json!({"keep": 1001}), "'keep' must be a whole number from 1 to 1000"),
            ("log", json!({"keep": 1.5}), "'keep' must be a whole number from 1 to 1000"),
            ("log", json!({"keep": null}), "'keep' must be a whole number from 1 to 1000"),
            ("relay", json!({"to": "a"}), "'to' must be a list of at most 100 items"),
            ("relay", json!({"to": vec!["a"; 101]}), "'to' must be a list of at most 100 items"),
            (
                "relay",
                json!({"to": ["a", 1]}),
                "'to' must be a list; each item a text of at most 64 characters",
            ),
            (
                "relay",
                json!({"prefix": "x".repeat(257)}),
                "'prefix' must be a text of at most 256 characters",
            ),
        ] {
            assert_eq!(message(handler, patch.clone()), Err(wanted.to_owned()), "{patch}");
        }
        assert!(message("log", json!({"keep": 1000})).is_ok());
    }

    #[test]
    fn a_property_of_an_unknown_type_fits_nothing() {
        let schema = json!({"properties": {"a": {"type": "null"}, "b": {}, "c": {"type": "boolean"}}});
        assert!(conform(&schema, &map(json!({"a": null}))).is_err());
        assert!(conform(&schema, &map(json!({"b": 1}))).is_err());
        assert!(conform(&schema, &map(json!({"c": "true"}))).is_err());
        assert!(conform(&schema, &map(json!({"c": true}))).is_ok());
        assert!(conform(&json!("no schema"), &map(json!({"c": true}))).is_err());
    }
}
