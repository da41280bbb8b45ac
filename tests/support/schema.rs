//! A checker of JSON Schema 2020-12, as far as the schemas in docs/ use it; an unknown keyword is a panic.

use serde_json::{Map, Value};

pub struct Schema(Value);

type Checked = Result<(), String>;

impl Schema {
    pub fn new(root: Value) -> Self {
        Self(root)
    }

    /// Whether a document keeps to the schema; the first thing that does not is named.
    pub fn check(&self, value: &Value) -> Checked {
        self.keeps(&self.0, value, "")
    }

    fn keeps(&self, schema: &Value, value: &Value, at: &str) -> Checked {
        let schema = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{at} must not be there")),
            Value::Object(schema) => schema,
            _ => panic!("a schema is a boolean or an object: {schema}"),
        };
        for (keyword, rule) in schema {
            self.keyword(schema, keyword, rule, value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        value: &Value,
        at: &str,
    ) -> Checked {
        let wrong = || Err(format!("{at}: {keyword} {rule}"));
        let held = |holds: bool| if holds { Ok(()) } else { wrong() };
        let number = || rule.as_f64().expect("a number");
        let size = || usize::try_from(rule.as_u64().expect("a size")).expect("small");
        let schemas = || rule.as_array().expect("schemas").iter();
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "else" | "then" => Ok(()),
            "$ref" => {
                let pointer =
                    rule.as_str().and_then(|text| text.strip_prefix('#')).expect("of this document");
                self.keeps(self.0.pointer(pointer).expect("a definition"), value, at)
            }
            "type" => {
                let one = |name: &str| is_a(name, value);
                held(match rule {
                    Value::Array(names) => names.iter().any(|name| one(name.as_str().expect("a type"))),
                    name => one(name.as_str().expect("a type")),
                })
            }
            "const" => held(value == rule),
            "enum" => held(schemas().any(|item| item == value)),
            "allOf" => schemas().try_for_each(|schema| self.keeps(schema, value, at)),
            "anyOf" => held(schemas().any(|schema| self.keeps(schema, value, at).is_ok())),
            "oneOf" => held(schemas().filter(|schema| self.keeps(schema, value, at).is_ok()).count() == 1),
            "not" => held(self.keeps(rule, value, at).is_err()),
            "if" => {
                let branch = if self.keeps(rule, value, at).is_ok() { "then" } else { "else" };
                schema.get(branch).map_or(Ok(()), |schema| self.keeps(schema, value, at))
            }
            "minimum" => held(value.as_f64().is_none_or(|value| value >= number())),
            "maximum" => held(value.as_f64().is_none_or(|value| value <= number())),
            "exclusiveMinimum" => held(value.as_f64().is_none_or(|value| value > number())),
            "minLength" => held(value.as_str().is_none_or(|text| text.chars().count() >= size())),
            "maxLength" => held(value.as_str().is_none_or(|text| text.chars().count() <= size())),
            "pattern" => {
                held(value.as_str().is_none_or(|text| matches(rule.as_str().expect("a pattern"), text)))
            }
            "minItems" => held(value.as_array().is_none_or(|items| items.len() >= size())),
            "maxItems" => held(value.as_array().is_none_or(|items| items.len() <= size())),
            "prefixItems" => {
                let items = value.as_array().into_iter().flatten();
                schemas().zip(items).try_for_each(|(schema, item)| self.keeps(schema, item, at))
            }
            "items" => {
                let first = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                let mut items = value.as_array().into_iter().flatten().enumerate().skip(first);
                items.try_for_each(|(place, item)| self.keeps(rule, item, &format!("{at}/{place}")))
            }
            "required" => held(
                value
                    .as_object()
                    .is_none_or(|map| schemas().all(|name| map.contains_key(name.as_str().expect("a name")))),
            ),
            "maxProperties" => held(value.as_object().is_none_or(|map| map.len() <= size())),
            "properties" => {
                let known = rule.as_object().expect("schemas");
                let mut fields = value.as_object().into_iter().flatten();
                fields.try_for_each(|(name, value)| {
                    known
                        .get(name)
                        .map_or(Ok(()), |schema| self.keeps(schema, value, &format!("{at}/{name}")))
                })
            }
            "propertyNames" => {
                let mut fields = value.as_object().into_iter().flatten();
                fields.try_for_each(|(name, _)| self.keeps(rule, &Value::from(name.as_str()), at))
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let mut fields = value.as_object().into_iter().flatten();
                fields.try_for_each(|(name, value)| {
                    let is_known = known.is_some_and(|known| known.contains_key(name));
                    if is_known { Ok(()) } else { self.keeps(rule, value, &format!("{at}/{name}")) }
                })
            }
            _ => panic!("the checker does not know {keyword}"),
        }
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_i64().is_some() || value.as_u64().is_some(),
        _ => panic!("the checker does not know the type {name}"),
    }
}

/// Whether a pattern of `^`, `$`, characters, classes, one level of groups and `*`, `+`, `?` matches.
fn matches(pattern: &str, text: &str) -> bool {
    let inner = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).expect("anchored");
    // escapes of control characters first: what is left behind a backslash stands for itself
    let control = |code: u32| char::from_u32(code).expect("a character");
    let inner = (0..0x20).fold(inner.replace("\\n", "\n"), |inner, code| {
        inner.replace(&format!("\\u{code:04x}"), &control(code).to_string())
    });
    let pattern: Vec<char> = inner.chars().collect();
    let text: Vec<char> = text.chars().collect();
    here(&pattern, &text)
}

fn here(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return text.is_empty() };
    if *first == '(' {
        let end = pattern.iter().position(|c| *c == ')').expect("closed");
        assert_eq!(pattern.get(end + 1), Some(&'?'), "groups are optional");
        let with: Vec<char> = pattern[1..end].iter().chain(&pattern[end + 2..]).copied().collect();
        return here(&with, text) || here(&pattern[end + 2..], text);
    }
    let length = item_length(pattern);
    let (item, rest) = pattern.split_at(length);
    let is = |c: Option<&char>| c.is_some_and(|c| item_is(item, *c));
    match rest.first() {
        Some('*' | '+') => {
            let least = usize::from(rest[0] == '+');
            let most = text.iter().take_while(|c| is(Some(c))).count();
            (least..=most).rev().any(|taken| here(&rest[1..], &text[taken..]))
        }
        Some('?') => (is(text.first()) && here(&rest[1..], &text[1..])) || here(&rest[1..], text),
        _ => is(text.first()) && here(rest, &text[1..]),
    }
}

fn item_length(pattern: &[char]) -> usize {
    match pattern[0] {
        '\\' => 2,
        '[' => {
            let mut at = 1;
            while pattern[at] != ']' || at == 1 {
                at += if pattern[at] == '\\' { 2 } else { 1 };
            }
            at + 1
        }
        _ => 1,
    }
}

fn item_is(item: &[char], c: char) -> bool {
    match item {
        ['.'] => c != '\n',
        ['\\', escaped] => c == *escaped,
        ['[', '^', class @ .., ']'] => !in_class(class, c),
        ['[', class @ .., ']'] => in_class(class, c),
        [literal] => c == *literal,
        _ => panic!("not an item: {item:?}"),
    }
}

fn in_class(class: &[char], c: char) -> bool {
    let mut rest = class;
    loop {
        rest = match rest {
            [] => return false,
            ['\\', escaped, more @ ..] => {
                if c == *escaped {
                    return true;
                }
                more
            }
            [from, '-', to, more @ ..] => {
                if (*from..=*to).contains(&c) {
                    return true;
                }
                more
            }
            [one, more @ ..] => {
                if c == *one {
                    return true;
                }
                more
            }
        }
    }
}
