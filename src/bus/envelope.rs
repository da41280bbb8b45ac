//! What whoever asked is told (spec genswarms J.2): one envelope for an answer, a refusal and a
//! time-out, so that a program tells them apart without reading sentences.
//!
//! `{ok, result, error, timeout, correlation_id, duration_ms}`; `error` is null or
//! `{code, message, type}`. Only builds values: no clock, no message is touched here.

use serde_json::{Map, Value, json};

use super::mail::State;
use crate::wire;

/// Whether the same question may be asked again with hope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// not as things are
    Permanent,
    /// later
    Transient,
}

/// How far a question had come when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// nobody has taken it
    Waiting,
    /// it was typed or handed out
    HandedOut,
    /// its reader has acknowledged it
    Read,
    /// it expired, or could not be delivered
    Failed,
}

impl Progress {
    /// How far a message in this state has come.
    pub fn of(state: State) -> Self {
        match state {
            State::Accepted => Progress::Waiting,
            State::Delivering | State::Delivered | State::Forwarded => Progress::HandedOut,
            State::Read => Progress::Read,
            State::Failed | State::Expired => Progress::Failed,
        }
    }
}

/// Whether a text may be a correlation id: 1 to 128 ASCII letters, digits, `.`, `_` and `-`, and
/// neither `.` nor `..`, because it may become a file's name.
pub fn is_correlation_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text != "."
        && text != ".."
}

/// An answer came. JSON is the result as it is, anything else is `{"raw": text}`; an object with an
/// `error` that is neither null nor false is a failure.
pub fn answered(reply: &str, correlation_id: &str, duration_ms: u64) -> Value {
    let result = wire::json::parse(reply.as_bytes()).unwrap_or_else(|_| json!({ "raw": reply }));
    let error = match result.get("error") {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(error) => Some(error_of(error)),
    };
    match error {
        None => envelope(result, Value::Null, false, correlation_id, duration_ms),
        Some(error) => envelope(Value::Null, error, false, correlation_id, duration_ms),
    }
}

/// The question could not be asked.
pub fn refused(code: &str, message: &str, lasting: Lasting, correlation_id: &str) -> Value {
    envelope(Value::Null, error(code, message, lasting.as_str()), false, correlation_id, 0)
}

/// No answer came in time.
pub fn timed_out(progress: Progress, correlation_id: &str, duration_ms: u64) -> Value {
    let far = match progress {
        Progress::Waiting => "the question was still waiting to be read",
        Progress::HandedOut => "the question was handed out and not acknowledged",
        Progress::Read => "the question was read",
        Progress::Failed => "the question could not be delivered",
    };
    let message = format!("no answer within {duration_ms} ms: {far}");
    let error = error("timeout", &message, Lasting::Transient.as_str());
    envelope(Value::Null, error, true, correlation_id, duration_ms)
}

fn envelope(result: Value, error: Value, timeout: bool, correlation_id: &str, duration_ms: u64) -> Value {
    json!({
        "ok": error.is_null(),
        "result": result,
        "error": error,
        "timeout": timeout,
        "correlation_id": correlation_id,
        "duration_ms": duration_ms,
    })
}

fn error(code: &str, message: &str, lasting: &str) -> Value {
    json!({ "code": code, "message": message, "type": lasting })
}

/// The error that an answer names, whatever form it has.
fn error_of(told: &Value) -> Value {
    let Value::Object(fields) = told else {
        let text = shown(told);
        return error(&text, &text, UNKNOWN);
    };
    let field = |name: &str| present(fields, name).map(shown);
    let code = field("code").unwrap_or_else(|| UNKNOWN.to_owned());
    let message = field("message").unwrap_or_else(|| code.clone());
    error(&code, &message, &field("type").unwrap_or_else(|| UNKNOWN.to_owned()))
}

const UNKNOWN: &str = "unknown";

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A string as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Lasting {
    fn as_str(self) -> &'static str {
        match self {
            Lasting::Permanent => "permanent",
            Lasting::Transient => "transient",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn a_correlation_id_may_be_a_files_name() {
        for good in ["a", "q-1_2.json", "...", ".a", &"x".repeat(128)] {
            assert!(is_correlation_id(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "é", "a\0", &"x".repeat(129)] {
            assert!(!is_correlation_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_json_answer_is_the_result_and_another_text_is_raw() {
        let deep = "[".repeat(limits::JSON_DEPTH + 1);
        for (reply, result) in [
            (r#"{"sum": 3}"#, json!({"sum": 3})),
            ("42", json!(42)),
            (r#""text""#, json!("text")),
            ("null", Value::Null),
            ("[{\"error\": 1}]", json!([{"error": 1}])),
            ("plain words", json!({"raw": "plain words"})),
            ("", json!({"raw": ""})),
            ("{\"a\": 1} trailing", json!({"raw": "{\"a\": 1} trailing"})),
            (deep.as_str(), json!({"raw": deep})),
            (r#"{"error": null, "a": 1}"#, json!({"error": null, "a": 1})),
            (r#"{"error": false}"#, json!({"error": false})),
        ] {
            let expected = json!({"ok": true, "result": result, "error": null, "timeout": false,
                                  "correlation_id": "c", "duration_ms": 7});
            assert_eq!(answered(reply, "c", 7), expected, "{reply}");
        }
    }

    #[test]
    fn an_answer_with_an_error_is_a_failure() {
        for (told, code, message, kind) in [
            (json!("busy"), "busy", "busy", "unknown"),
            (json!(""), "", "", "unknown"),
            (json!(0), "0", "0", "unknown"),
            (json!(true), "true", "true", "unknown"),
            (json!([1]), "[1]", "[1]", "unknown"),
            (json!({"code": "busy"}), "busy", "busy", "unknown"),
            (json!({"code": "busy", "message": "later", "type": "transient"}), "busy", "later", "transient"),
            (json!({"code": 5, "message": {"a": 1}, "type": null}), "5", "{\"a\":1}", "unknown"),
            (json!({"message": "no code"}), "unknown", "no code", "unknown"),
            (json!({}), "unknown", "unknown", "unknown"),
        ] {
            let value = answered(&json!({"error": told, "other": 1}).to_string(), "c", 7);
            assert_eq!(value["error"], json!({"code": code, "message": message, "type": kind}), "{told}");
            assert_eq!((&value["ok"], &value["timeout"]), (&json!(false), &json!(false)));
            assert_eq!(value["result"], Value::Null);
        }
    }

    #[test]
    fn a_time_out_says_how_far_the_question_had_come() {
        for (progress, word) in [
            (Progress::Waiting, "still waiting"),
            (Progress::HandedOut, "handed out"),
            (Progress::Read, "was read"),
            (Progress::Failed, "could not be delivered"),
        ] {
            let value = timed_out(progress, "c", 30_000);
            assert_eq!(
                (&value["ok"], &value["timeout"], &value["duration_ms"]),
                (&json!(false), &json!(true), &json!(30_000))
            );
            assert_eq!(
                (&value["error"]["code"], &value["error"]["type"]),
                (&json!("timeout"), &json!("transient"))
            );
            assert!(value["error"]["message"].as_str().is_some_and(|text| text.contains(word)), "{value}");
        }
    }

    #[test]
    fn a_refusal_took_no_time() {
        let value = refused("target_not_found", "agent not found: x", Lasting::Permanent, "c");
        let error = json!({"code": "target_not_found", "message": "agent not found: x", "type": "permanent"});
        assert_eq!(
            value,
            json!({"ok": false, "result": null, "error": error, "timeout": false, "correlation_id": "c", "duration_ms": 0})
        );
    }
}
