//! `loopgate-config.5`: every field of a swarm's configuration, from the schema in docs/.
//!
//! The schema is what editors check a file by, and a test compares it with the parser; here it becomes
//! sentences. A keyword that has no sentence is none that a field's writer needs: conditions between fields
//! are told as which backend a field belongs to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::mdoc::Page;

/// The schema's text.
const SCHEMA: &str = include_str!("../../../docs/swarm-config.schema.json");

/// The examples that are shown.
const EXAMPLES: [(&str, &str); 2] = [
    (
        "The smallest: two agents and an edge between them.",
        include_str!("../../../examples/swarms/example.json"),
    ),
    (
        "Without a program: agents that say what a script says.",
        include_str!("../../../examples/swarms/mock.json"),
    ),
];

/// The parts of the schema that have a section of their own, in this order.
const SECTIONS: [(&str, &str); 3] =
    [("agent", "AN AGENT"), ("agentConfig", "THE CONFIG OF AN AGENT"), ("object", "AN OBJECT")];

/// The page.
pub fn page() -> String {
    let mut page = Page::new("loopgate-config", 5, "the configuration of a swarm of agents");
    // the schema is part of the program, and a test reads it
    let schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    page.section("DESCRIPTION");
    page.text(text(&schema, "description"));
    page.paragraph(
        "It is one JSON document. A field that is not named here is an error, with the place where it stands and \
         the field that was probably meant. `loopgate config validate FILE` checks a file without starting \
         anything, `loopgate start FILE` starts it. An editor checks it by docs/swarm-config.schema.json.",
    );
    page.paragraph(
        "Behind each field stands what it holds and what counts where it is not given. Where it is the name of \
         another value, that is described under VALUES.",
    );
    let backends = backends(&schema);
    let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    page.section("THE SWARM");
    fields(&mut page, &schema, &BTreeMap::new());
    for (name, title) in SECTIONS {
        let Some(definition) = definitions.get(name) else { continue };
        page.section(title);
        page.text(text(definition, "description"));
        if name == "agent" {
            page.text(
                "What stands beside `config` here may stand in it too, but not in both with different values. A \
                 `command` is needed where the backend is `local` or `bwrap`.",
            );
        }
        fields(&mut page, definition, if name == "agentConfig" { &backends } else { &EMPTY });
    }
    page.section("VALUES");
    page.text("What the fields above are like.");
    for (name, definition) in &definitions {
        if SECTIONS.iter().all(|(section, _)| section != name) {
            page.part(name);
            value(&mut page, definition);
        }
    }
    page.section("EXAMPLES");
    for (about, example) in EXAMPLES {
        page.text(about);
        page.literal(example.lines());
    }
    page.section("SEE ALSO");
    page.text("`loopgate`(1), `loopgate-exposure`(7)");
    page.finish()
}

static EMPTY: BTreeMap<String, String> = BTreeMap::new();

/// The fields of an object, those that must be there first.
fn fields(page: &mut Page, object: &Value, backends: &BTreeMap<String, String>) {
    let none = Map::new();
    let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = |name: &str| strings(object, "required").contains(&name);
    let (refused, allowed): (Vec<_>, Vec<_>) = properties.iter().partition(|(_, field)| field.is_boolean());
    let (first, rest): (Vec<_>, Vec<_>) = allowed.into_iter().partition(|(name, _)| required(name));
    if !first.is_empty() || !rest.is_empty() {
        page.list(false);
        for (name, field) in first.into_iter().chain(rest) {
            let given = match field.get("default") {
                _ if required(name) => "required".to_owned(),
                Some(default) => format!("default: {}", shown(default)),
                None => "default: none".to_owned(),
            };
            page.entry(name, &format!("{}; {given}", kind(field)));
            value(page, field);
            if let Some(backends) = backends.get(name) {
                page.text(&format!("Only with the backend {backends}."));
            }
        }
        page.end();
    }
    if !refused.is_empty() {
        let names: Vec<String> = refused.into_iter().map(|(name, _)| format!("`{name}`")).collect();
        page.paragraph(&format!(
            "Refused, because a configuration must not choose them: {}.",
            names.join(", ")
        ));
    }
    if object.get("additionalProperties") == Some(&Value::Bool(false)) {
        page.paragraph("It has no other fields.");
    }
}

/// What is said of a value: what it means, what it may be, and its parts.
fn value(page: &mut Page, node: &Value) {
    page.text(text(node, "description"));
    page.text(&bounds(node));
    for word in ["anyOf", "oneOf"] {
        let choices = node.get(word).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        // which fields go together is no choice of values
        let choices: Vec<_> = choices.iter().filter(|choice| !is_condition(choice)).collect();
        if choices.is_empty() {
            continue;
        }
        page.text("One of these:");
        page.list(true);
        for choice in choices {
            page.entry(&choice_name(choice), "");
            value(page, choice);
        }
        page.end();
    }
    if node.get("properties").is_some() {
        fields(page, node, &EMPTY);
    }
}

/// Whether it only says which fields must be there.
fn is_condition(node: &Value) -> bool {
    node.as_object().is_some_and(|keys| keys.keys().all(|key| key == "required"))
}

/// What an alternative is called: its kind, and for an object its type.
fn choice_name(node: &Value) -> String {
    match node.pointer("/properties/type/const") {
        Some(name) => format!("an object of type {}", shown(name)),
        None => kind(node),
    }
}

/// What a value is, in a word or two.
fn kind(node: &Value) -> String {
    if let Some(name) = reference(node) {
        return format!("as {name}");
    }
    let word = |word: &str| match word {
        "integer" => "whole number".to_owned(),
        "array" => "array".to_owned(),
        other => other.to_owned(),
    };
    match node.get("type") {
        Some(Value::String(name)) => word(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or ")
        }
        _ if node.get("enum").is_some() => "word".to_owned(),
        _ if node.get("const").is_some() => "word".to_owned(),
        _ => "one of several".to_owned(),
    }
}

/// The name of the part of the schema that a value is like.
fn reference(node: &Value) -> Option<&str> {
    node.get("$ref").and_then(Value::as_str)?.strip_prefix("#/$defs/")
}

/// What bounds a value, in sentences.
fn bounds(node: &Value) -> String {
    let number = |key: &str| node.get(key).map(ToString::to_string);
    let between = |least: &str, most: &str, what: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) if least == most => Some(format!("Exactly {least}{what}.")),
        (Some(least), Some(most)) => Some(format!("From {least} to {most}{what}.")),
        (Some(least), None) => Some(format!("At least {least}{what}.")),
        (None, Some(most)) => Some(format!("At most {most}{what}.")),
        (None, None) => None,
    };
    let words = |key: &str| {
        let words = node.get(key).and_then(Value::as_array)?;
        Some(words.iter().map(|word| format!("`{}`", shown(word))).collect::<Vec<_>>().join(", "))
    };
    let nested = |key: &str, before: &str| {
        let inner = node.get(key).filter(|inner| inner.is_object())?;
        Some(format!("{before} {}. {}", kind(inner), bounds(inner)))
    };
    let first = node.get("prefixItems").and_then(|items| items.get(0));
    let parts = node.get("allOf").and_then(Value::as_array).into_iter().flatten();
    let parts: Vec<String> = parts
        .filter(|part| part.get("if").is_none())
        .map(|part| reference(part).map_or_else(|| bounds(part), |name| format!("As {name}.")))
        .collect();
    let sentences = [
        words("enum").map(|words| format!("One of {words}.")),
        node.get("const").map(|word| format!("Always `{}`.", shown(word))),
        between("minLength", "maxLength", " characters"),
        node.get("pattern").and_then(Value::as_str).map(|pattern| format!("The pattern `{pattern}` holds.")),
        between("minimum", "maximum", ""),
        number("exclusiveMinimum").map(|least| format!("More than {least}.")),
        between("minItems", "maxItems", " entries"),
        first.map(|first| format!("The first: {}. {}", kind(first), bounds(first))),
        nested("items", "Each is:"),
        between("minProperties", "maxProperties", " fields"),
        nested("propertyNames", "Their names:")
            .map(|names| names.replace("Their names: one of several.", "Of their names:")),
        nested("additionalProperties", "Their values are:"),
        node.get("not")
            .map(bounds)
            .filter(|not| !not.is_empty())
            .map(|not| format!("But none of these. {not}")),
        (!parts.is_empty()).then(|| parts.join(" ")),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Which backends a field in an agent's config belongs to, by the schema's conditions.
fn backends(schema: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let conditions = schema.pointer("/$defs/agent/allOf").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions {
        let config = condition.pointer("/if/properties/config");
        // those that look at a field's value say so in its description
        let Some(config) = config.filter(|config| config.get("properties").is_none()) else { continue };
        let allowed = condition.pointer("/then/properties/backend/anyOf/0/enum").and_then(Value::as_array);
        let allowed: Vec<&str> = allowed.into_iter().flatten().filter_map(Value::as_str).collect();
        let alternatives = config.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        for name in alternatives.flat_map(|one| strings(one, "required")) {
            found.insert(name.to_owned(), allowed.join(" or "));
        }
    }
    found
}

/// The strings of an array.
fn strings<'a>(node: &'a Value, key: &str) -> Vec<&'a str> {
    node.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text<'a>(node: &'a Value, key: &str) -> &'a str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A word as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of all fields that a configuration may have, however deep.
    fn names(node: &Value, found: &mut Vec<String>) {
        match node {
            Value::Object(keys) => {
                for (key, inner) in keys {
                    if let ("properties", Value::Object(fields)) = (key.as_str(), inner) {
                        found.extend(fields.keys().cloned());
                    }
                    // conditions name fields that are described where they belong
                    if key != "if" && key != "then" && key != "else" && key != "not" {
                        names(inner, found);
                    }
                }
            }
            Value::Array(inner) => inner.iter().for_each(|inner| names(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_page_of_the_configuration_names_every_field_value_and_default_of_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        let text = page();
        let mut found = Vec::new();
        names(&schema, &mut found);
        assert!(found.len() > 100, "{found:?}");
        for name in found {
            let name = name.replace('-', "\\-");
            let entry = text.contains(&format!(".It Ic \"\\&{name}\" Pq "));
            assert!(entry || text.contains(&format!("\\fB{name}\\fR")), "{name}");
        }
        for definition in schema["$defs"].as_object().expect("an object").keys() {
            let section = SECTIONS.iter().any(|(name, _)| name == definition);
            assert!(section || text.contains(&format!(".Ss \"\\&{definition}\"\n")), "{definition}");
        }
        assert!(text.contains("default: 1000") && text.contains("default: bwrap"), "{text}");
        let memory = text.split(".It Ic \"\\&memory_limit\"").nth(1).expect("an entry");
        assert!(memory.contains("Only with the backend bwrap or docker or apple_container."), "{memory}");
    }
}
