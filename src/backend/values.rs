//! What the value of a backend's option may be. A value that means nothing is an error and never a default:
//! a memory limit of junk was no limit at all (spec genswarms L.1.16).

use serde_json::Value;

use crate::{
    egress::{
        endpoint::{Endpoint, Route},
        forwarder::may_be_added,
    },
    limits,
};

/// The rule of a value.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// a text of one line, not empty
    Text,
    /// a text that is not repeated anywhere
    Secret,
    /// an array of texts
    Texts,
    /// an array of pairs of texts
    Pairs,
    /// true or false
    Flag,
    /// a whole number from the first to the second
    Whole(i64, i64),
    /// a number of processors
    Cpus,
    /// bytes, as a number or with K, M or G behind it
    Memory,
    /// one of these
    Word(&'static [&'static str]),
    /// an http or https URL
    Endpoint,
    /// a JSON object
    Object,
    /// the name of a variable, or an array of some
    Variables,
    /// what the one way out lets through
    Egress,
}

/// Code and reason of a value that breaks its rule. The reason does not repeat the value.
pub fn check(rule: Rule, value: &Value) -> Result<(), (&'static str, String)> {
    let (code, must_be) = match rule {
        Rule::Text if value.as_str().is_some_and(is_text) => return Ok(()),
        Rule::Secret if value.as_str().is_some_and(is_text) => return Ok(()),
        Rule::Text | Rule::Secret => ("invalid_config", "a text of one line".to_owned()),
        Rule::Texts if list(value, |item| item.as_str().is_some_and(is_text)) => return Ok(()),
        Rule::Texts => ("invalid_config", format!("an array of at most {} texts", limits::CONFIG_LIST)),
        Rule::Pairs if list(value, is_pair) => return Ok(()),
        Rule::Pairs => {
            ("invalid_config", format!("an array of at most {} pairs of texts", limits::CONFIG_LIST))
        }
        Rule::Flag if value.is_boolean() => return Ok(()),
        Rule::Flag => ("invalid_config", "true or false".to_owned()),
        Rule::Whole(least, most) => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => return Ok(()),
            Some(_) | None => ("invalid_config", format!("a whole number from {least} to {most}")),
        },
        Rule::Cpus if value.as_f64().is_some_and(|number| number > 0.0 && number <= 1_024.0) => return Ok(()),
        Rule::Cpus => ("invalid_config", "a number of processors above 0".to_owned()),
        Rule::Memory if is_memory(value) => return Ok(()),
        Rule::Memory => ("invalid_config", "a number of bytes above 0, or a text like \"256M\"".to_owned()),
        Rule::Word(words) if value.as_str().is_some_and(|word| words.contains(&word)) => return Ok(()),
        Rule::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            ("invalid_config", words.join(" or "))
        }
        Rule::Endpoint => {
            return match value.as_str().map(Endpoint::parse) {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err((error.code(), error.reason().to_owned())),
                None => Err(("invalid_endpoint", "must be an http or https URL".to_owned())),
            };
        }
        Rule::Object if value.is_object() => return Ok(()),
        Rule::Object => ("invalid_config", "a JSON object".to_owned()),
        Rule::Variables if texts(value).is_some_and(|names| names.iter().all(|name| is_variable(name))) => {
            return Ok(());
        }
        Rule::Variables => (
            "invalid_config",
            "the name of a variable, or an array of some, without one that only the instance sets".to_owned(),
        ),
        Rule::Egress if is_egress(value) => return Ok(()),
        Rule::Egress => (
            "invalid_egress",
            "an object with \"allow\" (texts like \"POST /v1/messages\"), \"headers\" (names in lower case, of \
             nothing that says who asks), \"requests_per_minute\", \"bytes_per_day\" or \"concurrent\" (whole \
             numbers above 0), and with no other field"
                .to_owned(),
        ),
    };
    Err((code, format!("must be {must_be}")))
}

/// A text of one line: not empty, bounded, without control characters.
pub fn is_text(text: &str) -> bool {
    (1..=limits::CONFIG_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A word that is safe as one argument of a command: it does not begin with `-`.
pub fn is_word(text: &str) -> bool {
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    begins && clean && text.len() <= 128
}

/// The names of variables that only the instance sets begin so.
const OURS: [&str; 5] = ["LOOPGATE_", "AGENTMUX_", "GENSWARMS_", "LD_", "SUBZEROCLAW_"];

fn is_variable(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let ours = ["PATH", "HOME"].contains(&name) || OURS.iter().any(|prefix| name.starts_with(prefix));
    begins && clean && !ours && name.len() <= 128
}

/// A text, or an array of texts.
pub fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) if items.len() <= limits::CONFIG_LIST => {
            items.iter().map(Value::as_str).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_egress(value: &Value) -> bool {
    let is_whole = |value: &Value| value.as_u64().is_some_and(|number| number > 0 && number <= 1 << 53);
    value.as_object().is_some_and(|fields| {
        fields.iter().all(|(name, value)| match name.as_str() {
            "allow" => {
                value.is_array() && texts(value).is_some_and(|all| all.iter().all(|one| is_route(one)))
            }
            "headers" => {
                value.is_array() && texts(value).is_some_and(|all| all.into_iter().all(may_be_added))
            }
            "requests_per_minute" => {
                is_whole(value) && value.as_u64().is_some_and(|n| u32::try_from(n).is_ok())
            }
            "bytes_per_day" | "concurrent" => is_whole(value),
            _ => false,
        })
    })
}

/// A call as the forwarder reads it: `POST /v1/messages`, `GET /v1/models/*`.
fn is_route(text: &str) -> bool {
    text.len() <= limits::CONFIG_WORD && Route::parse(text).is_ok()
}

fn list(value: &Value, is_item: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.len() <= limits::CONFIG_LIST && items.iter().all(is_item))
}

fn is_pair(value: &Value) -> bool {
    let pair = value.as_array().map(Vec::as_slice).unwrap_or_default();
    pair.len() == 2 && pair.iter().all(|item| item.as_str().is_some_and(is_text))
}

fn is_memory(value: &Value) -> bool {
    if let Some(text) = value.as_str() {
        let digits = text.strip_suffix(['K', 'M', 'G']).unwrap_or(text);
        let number = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 15;
        return number && digits.parse::<u64>().is_ok_and(|number| number > 0);
    }
    value.as_u64().is_some_and(|number| number > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_rules() {
        let good = |rule, value: Value| assert!(check(rule, &value).is_ok(), "{rule:?} {value}");
        let bad = |rule, value: Value| assert!(check(rule, &value).is_err(), "{rule:?} {value}");
        for value in [json!("32M"), json!("1G"), json!("512K"), json!("7"), json!(1)] {
            good(Rule::Memory, value);
        }
        for value in [
            json!(""),
            json!("M"),
            json!("-1M"),
            json!("1.5G"),
            json!("1g"),
            json!(0),
            json!("0M"),
            json!(null),
            json!("9".repeat(16)),
        ] {
            bad(Rule::Memory, value);
        }
        for value in ["http://h", "https://h:1/v1", "HTTP://h", "http://[::1]:8/", "http://127.0.0.1/v1"] {
            good(Rule::Endpoint, json!(value));
        }
        for value in [
            "h",
            "",
            "http://",
            "//h/x",
            "ftp://h",
            "http://a:b@h/",
            "http://127.0.0.1@evil.com/",
            "http:// h",
            "https:///x",
            "https://h:1/v1?x#y",
            "http://h\n",
        ] {
            bad(Rule::Endpoint, json!(value));
        }
        good(Rule::Whole(-20, 19), json!(-20));
        bad(Rule::Whole(-20, 19), json!(20));
        bad(Rule::Whole(-20, 19), json!(1.5));
        bad(Rule::Whole(-20, 19), json!("1"));
        good(Rule::Pairs, json!([["/a", "/b"]]));
        bad(Rule::Pairs, json!([["/a"]]));
        bad(Rule::Pairs, json!(["/a:/b"]));
        good(Rule::Cpus, json!(0.5));
        bad(Rule::Cpus, json!(0));
        good(Rule::Cpus, json!(1_024));
        bad(Rule::Cpus, json!(1_024.5));
        bad(Rule::Flag, json!("true"));
        bad(Rule::Text, json!("a\nb"));
        good(Rule::Text, json!("x".repeat(limits::CONFIG_TEXT)));
        bad(Rule::Text, json!("x".repeat(limits::CONFIG_TEXT + 1)));
        bad(Rule::Object, json!("{}"));
        good(Rule::Variables, json!("MY_BASE_URL"));
        good(Rule::Variables, json!(["A", "_b1"]));
        for value in
            [json!(""), json!("1A"), json!("A=B"), json!(["A", "PATH"]), json!("LD_PRELOAD"), json!(1)]
        {
            bad(Rule::Variables, value);
        }
        good(Rule::Egress, json!({}));
        good(Rule::Egress, json!({"allow": ["POST /v1/messages"], "headers": ["x-mine"], "concurrent": 4}));
        for value in [
            json!([]),
            json!({"allowed": []}),
            json!({"allow": "POST /v1"}),
            json!({"allow": ["POST v1"]}),
            json!({"allow": ["post /v1"]}),
            json!({"allow": ["POST /a%2e"]}),
            json!({"allow": ["PUT /a"]}),
            json!({"bytes_per_day": 0}),
            json!({"requests_per_minute": 1_u64 << 32}),
            json!({"headers": ["x-api-key"]}),
            json!({"concurrent": "4"}),
        ] {
            bad(Rule::Egress, value);
        }
    }
}
