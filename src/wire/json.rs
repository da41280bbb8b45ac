//! JSON with precise errors: whoever sends a wrong field is told which one and what it must be.
//!
//! Fields that nobody asks for are ignored, and `null` counts as absent where a field may be
//! absent (spec agentmux B.1). Depth is bounded by [`limits::JSON_DEPTH`], size by the route's limit.

use std::{fmt, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::limits;

/// Parses a body. Its depth is looked at first: the parser recurses, and its own bound of 128 levels
/// is more than the stack of a connection's thread is sure to hold.
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    let colons = scan(body)?;
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Error::Syntax { line: error.line(), column: error.column() })?;
    // The parser keeps the last of two fields of one name, where another reader keeps the first: a
    // body that two programs read differently is refused. Each field has one colon.
    if fields_in(&value) == colons { Ok(value) } else { Err(Error::Duplicate) }
}

/// How many colons stand outside of strings; an error where more than [`limits::JSON_DEPTH`]
/// brackets are open at once. What is not JSON is counted somehow, and refused either way.
fn scan(body: &[u8]) -> Result<usize, Error> {
    let (mut open, mut in_string, mut escaped, mut colons) = (0_usize, false, false, 0_usize);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => open = open.saturating_add(1),
            (false, b']' | b'}') => open = open.saturating_sub(1),
            (false, b':') => colons = colons.saturating_add(1),
            _ => {}
        }
        if open > limits::JSON_DEPTH {
            return Err(Error::TooDeep);
        }
    }
    Ok(colons)
}

/// The fields of all objects in `value`. As deep as the parser was.
fn fields_in(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => items.iter().map(fields_in).sum(),
        Value::Object(map) => map.values().map(fields_in).sum::<usize>().saturating_add(map.len()),
    }
}

/// No fewer than the values in `text`, where it is JSON: each but the first stands behind one of these.
/// A value takes some thirty times the memory of the two bytes that it may have in the text.
pub fn values(text: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (1_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

/// What is wrong with a body. The text never repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// not JSON; where it stops being JSON, counted from 1
    Syntax {
        /// line
        line: usize,
        /// column
        column: usize,
    },
    /// more than [`limits::JSON_DEPTH`] arrays and objects inside each other
    TooDeep,
    /// JSON, in which an object has two fields of one name
    Duplicate,
    /// JSON, but not an object
    NotAnObject,
    /// a required field is not there
    Missing {
        /// its name
        field: &'static str,
    },
    /// a field is there and is not what it must be
    Wrong {
        /// its name
        field: &'static str,
        /// what it must be, to be read after "must be"
        must_be: String,
    },
}

impl Error {
    /// The field to blame, if it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Error::Syntax { .. } | Error::TooDeep | Error::Duplicate | Error::NotAnObject => None,
            Error::Missing { field } | Error::Wrong { field, .. } => Some(field),
        }
    }

    /// Stable code of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Syntax { .. } => "bad_json",
            Error::TooDeep => "json_too_deep",
            Error::Duplicate => "duplicate_field",
            Error::NotAnObject => "not_an_object",
            Error::Missing { .. } => "missing_field",
            Error::Wrong { .. } => "wrong_field",
        }
    }

    /// A field that is there and is not what it must be.
    pub fn wrong(field: &'static str, must_be: impl Into<String>) -> Self {
        Error::Wrong { field, must_be: must_be.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax { line, column } => {
                write!(f, "the body is not JSON: line {line}, column {column}")
            }
            Error::TooDeep => {
                write!(
                    f,
                    "the body has more than {} arrays and objects inside each other",
                    limits::JSON_DEPTH
                )
            }
            Error::Duplicate => f.write_str("the body has a field twice in one object"),
            Error::NotAnObject => f.write_str("the body must be a JSON object"),
            Error::Missing { field } => write!(f, "field '{field}' is missing"),
            Error::Wrong { field, must_be } => write!(f, "field '{field}' must be {must_be}"),
        }
    }
}

impl std::error::Error for Error {}

/// The fields of a JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `value`.
    pub fn of(value: &'a Value) -> Result<Self, Error> {
        value.as_object().map(Self).ok_or(Error::NotAnObject)
    }

    /// A string.
    pub fn text(self, field: &'static str) -> Result<&'a str, Error> {
        required(field, self.optional_text(field))
    }

    /// A string, absent or null.
    pub fn optional_text(self, field: &'static str) -> Result<Option<&'a str>, Error> {
        self.read(field, "a string", Value::as_str)
    }

    /// A whole number from `range`.
    pub fn whole(self, field: &'static str, range: RangeInclusive<u64>) -> Result<u64, Error> {
        required(field, self.optional_whole(field, range))
    }

    /// A whole number from `range`, absent or null.
    pub fn optional_whole(
        self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Error> {
        self.read(field, "", |value| value.as_u64().filter(|number| range.contains(number))).map_err(|_| {
            Error::wrong(field, format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// `true` or `false`; `default` when absent. Null is wrong (spec agentmux B.1).
    pub fn flag(self, field: &'static str, default: bool) -> Result<bool, Error> {
        match self.0.get(field) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| Error::wrong(field, "true or false")),
        }
    }

    /// `true` or `false`, absent or null.
    pub fn optional_flag(self, field: &'static str) -> Result<Option<bool>, Error> {
        self.read(field, "true or false", Value::as_bool)
    }

    /// One of some words, absent or null.
    pub fn optional_word<T: Copy>(
        self,
        field: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Error> {
        let find = |value: &'a Value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        };
        self.read(field, "", find).map_err(|_| {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Error::wrong(field, list.join(" or "))
        })
    }

    /// An array of strings.
    pub fn texts(self, field: &'static str) -> Result<Vec<&'a str>, Error> {
        required(field, self.optional_texts(field))
    }

    /// An array of strings, absent or null.
    pub fn optional_texts(self, field: &'static str) -> Result<Option<Vec<&'a str>>, Error> {
        self.read(field, "an array of strings", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// An array of anything, absent or null.
    pub fn optional_list(self, field: &'static str) -> Result<Option<&'a [Value]>, Error> {
        self.read(field, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    /// An object, absent or null.
    pub fn optional_fields(self, field: &'static str) -> Result<Option<Self>, Error> {
        self.read(field, "an object", |value| value.as_object().map(Self))
    }

    /// An object whose values are strings, absent or null.
    pub fn optional_text_map(self, field: &'static str) -> Result<Option<Vec<(&'a str, &'a str)>>, Error> {
        self.read(field, "an object of strings", |value| {
            value.as_object()?.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
        })
    }

    fn read<T>(
        self,
        field: &'static str,
        must_be: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| Error::wrong(field, must_be)),
        }
    }
}

fn required<T>(field: &'static str, value: Result<Option<T>, Error>) -> Result<T, Error> {
    value?.ok_or(Error::Missing { field })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message<T: fmt::Debug>(result: Result<T, Error>) -> String {
        result.expect_err("an error").to_string()
    }

    #[test]
    fn an_error_names_the_field_and_what_it_must_be() {
        let value = json!({"rows": 1, "name": 3, "cols": "80", "env": {"A": 1}, "submit": "twice", "command": ["a", 1],
                           "half": 2.5, "minus": -1, "idle": null, "none": null});
        let fields = Fields::of(&value).expect("an object");
        assert_eq!(
            message(fields.optional_whole("rows", 2..=500)),
            "field 'rows' must be a whole number from 2 to 500"
        );
        assert_eq!(
            message(fields.whole("cols", 2..=1000)),
            "field 'cols' must be a whole number from 2 to 1000"
        );
        assert_eq!(message(fields.whole("half", 0..=9)), "field 'half' must be a whole number from 0 to 9");
        assert_eq!(message(fields.whole("minus", 0..=9)), "field 'minus' must be a whole number from 0 to 9");
        assert_eq!(message(fields.text("name")), "field 'name' must be a string");
        assert_eq!(message(fields.text("target")), "field 'target' is missing");
        assert_eq!(message(fields.text("none")), "field 'none' is missing");
        assert_eq!(message(fields.texts("command")), "field 'command' must be an array of strings");
        assert_eq!(message(fields.optional_text_map("env")), "field 'env' must be an object of strings");
        assert_eq!(
            message(fields.optional_word("submit", &[("thrice", 3), ("once", 1)])),
            "field 'submit' must be \"thrice\" or \"once\""
        );
        assert_eq!(message(fields.flag("idle", false)), "field 'idle' must be true or false");
        assert_eq!(message(fields.optional_flag("rows")), "field 'rows' must be true or false");
        assert_eq!(message(Fields::of(&json!([]))), "the body must be a JSON object");
        assert_eq!(message(parse(b"{\n bad")), "the body is not JSON: line 2, column 2");
        assert_eq!(message(parse(b"")), "the body is not JSON: line 1, column 0");
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_however_it_is_spelt() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"a":{"b":1},"c":0,"a":2}]}"#,
            r#"{"":"","":""}"#,
            r#"[{"to":"x","text":":","to":"y"}]"#,
        ] {
            assert_eq!(parse(body.as_bytes()), Err(Error::Duplicate), "{body}");
        }
        for body in [r#"{"a":{"a":{"a":":"}},"b":[{"a":1},{"a":1}],"\":\\":1,":":2}"#, r#"":::""#, "[]"] {
            assert!(parse(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn absent_and_null_are_the_same_where_a_field_may_be_absent() {
        let value = json!({"a": null, "unknown": [1]});
        let fields = Fields::of(&value).expect("an object");
        assert_eq!(fields.optional_text("a"), Ok(None));
        assert_eq!(fields.optional_flag("a"), Ok(None));
        assert_eq!(fields.optional_text("b"), Ok(None));
        assert_eq!(fields.optional_texts("a"), Ok(None));
        assert_eq!(fields.flag("b", true), Ok(true));
    }

    #[test]
    fn a_right_field_is_read() {
        let value = json!({"t": "x", "n": 24, "f": true, "l": ["a", "b"], "m": {"K": "V"}, "w": "once"});
        let fields = Fields::of(&value).expect("an object");
        assert_eq!(fields.text("t"), Ok("x"));
        assert_eq!(fields.whole("n", 2..=500), Ok(24));
        assert_eq!(fields.flag("f", false), Ok(true));
        assert_eq!(fields.texts("l"), Ok(vec!["a", "b"]));
        assert_eq!(fields.optional_text_map("m"), Ok(Some(vec![("K", "V")])));
        assert_eq!(fields.optional_word("w", &[("once", 1)]), Ok(Some(1)));
    }

    /// Also that the parser gets by with the stack that a connection's thread has.
    #[test]
    fn json_deeper_than_the_limit_is_refused() {
        fn looks() {
            let most = limits::JSON_DEPTH;
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"\\\"]\":", "}")] {
                let nested = |levels| [open.repeat(levels), "1".to_owned(), close.repeat(levels)].concat();
                assert!(parse(nested(most).as_bytes()).is_ok(), "{open}");
                assert_eq!(parse(nested(most + 1).as_bytes()), Err(Error::TooDeep), "{open}");
                assert_eq!(parse(open.repeat(100_000).as_bytes()), Err(Error::TooDeep), "{open}");
            }
            let brackets = format!("[\"{}\\\\\", \"\\\"{}\"]", "[".repeat(500), "{".repeat(500));
            assert!(parse(brackets.as_bytes()).is_ok(), "brackets in strings do not count");
        }
        let thread = std::thread::Builder::new().stack_size(limits::THREAD_STACK).spawn(looks);
        thread.expect("a thread").join().expect("no panic");
    }
}
