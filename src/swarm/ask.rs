//! A question to an object and the one envelope that answers it (spec genswarms J.2).
//!
//! An answer never starts a turn: it is written where the asker waits for it, under the asker's own id. The id
//! becomes a file's name, so its rule is checked once and carried by the type.

use serde_json::{Value, json};

use crate::{agent::outbox::is_reply_id, wire::node::NodeName};

/// An asker's id for one question: 1 to 128 of ASCII letters, digits, `.`, `_` and `-`, and neither `.` nor
/// `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskId(String);

impl AskId {
    /// Reads an id; nothing where it is none. Such an ask is dropped: there is nowhere to answer to.
    pub fn parse(text: &str) -> Option<Self> {
        is_reply_id(text).then(|| Self(text.to_owned()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an object says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// a text, JSON as a rule
    Text(String),
    /// nothing: that it took the question is the answer
    None,
}

/// Why nobody was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// there is no such swarm
    UnknownSwarm,
    /// the topology has no such edge
    RouteDenied {
        /// who asks
        from: NodeName,
        /// who was to be asked
        to: String,
    },
    /// no node has this name
    TargetNotFound {
        /// the name
        to: String,
    },
    /// the target is an agent
    NotAnObject {
        /// its name
        to: String,
    },
    /// the question is not a text, or too long
    InvalidContent,
    /// the object could not be started
    ObjectErrorState {
        /// its name
        to: NodeName,
    },
    /// the object is a process, which answers with messages only
    NotSupported {
        /// its name
        to: NodeName,
    },
    /// the object failed at the question
    HandlerError {
        /// a sentence
        why: String,
    },
}

impl Failure {
    /// Code, sentence and type, as clients know them.
    fn parts(&self) -> (&'static str, String, &'static str) {
        const PERMANENT: &str = "permanent";
        match self {
            Self::UnknownSwarm => ("unknown_swarm", "there is no such swarm".to_owned(), PERMANENT),
            Self::RouteDenied { from, to } => ("route_denied", format!("no edge {from} -> {to}"), PERMANENT),
            Self::TargetNotFound { to } => ("target_not_found", format!("nobody is called {to}"), PERMANENT),
            Self::NotAnObject { to } => ("not_an_object", format!("{to} is not an object"), PERMANENT),
            Self::InvalidContent => {
                ("invalid_content", "the content must be a text of at most 1 MiB".to_owned(), PERMANENT)
            }
            Self::ObjectErrorState { to } => {
                ("object_error_state", format!("the object {to} could not be started"), "transient")
            }
            Self::NotSupported { to } => {
                ("not_supported", format!("the object {to} is a process and answers no questions"), PERMANENT)
            }
            Self::HandlerError { why } => ("handler_error", why.clone(), "unknown"),
        }
    }
}

/// The one answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// the object's answer, or why there is none
    result: Result<Value, Value>,
    timeout: bool,
    correlation_id: String,
    duration_ms: u64,
}

impl Envelope {
    /// What an object answered after `duration_ms`. An object tells of an error of its own by a field
    /// `error` that is neither null nor false.
    pub fn answered(id: &AskId, reply: &Reply, duration_ms: u64) -> Self {
        let result = match reply {
            Reply::None => Ok(Value::Null),
            Reply::Text(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) => own_error(&value).map_or(Ok(value), Err),
                Err(_) => Ok(json!({"raw": text})),
            },
        };
        Self { result, timeout: false, correlation_id: id.0.clone(), duration_ms }
    }

    /// Nobody was asked.
    pub fn failed(id: &AskId, failure: &Failure) -> Self {
        let (code, message, kind) = failure.parts();
        let result = Err(error(code, &message, kind));
        Self { result, timeout: false, correlation_id: id.0.clone(), duration_ms: 0 }
    }

    /// Nobody answered for so long.
    pub fn timed_out(id: &AskId, seconds: u64, duration_ms: u64) -> Self {
        let result = Err(error("timeout", &format!("no reply within {seconds} seconds"), "transient"));
        Self { result, timeout: true, correlation_id: id.0.clone(), duration_ms }
    }

    /// Whether it is an answer and not an error.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }

    /// As clients know it.
    pub fn to_value(&self) -> Value {
        json!({
            "ok": self.result.is_ok(),
            "result": self.result.as_ref().ok(),
            "error": self.result.as_ref().err(),
            "timeout": self.timeout,
            "correlation_id": self.correlation_id,
            "duration_ms": self.duration_ms,
        })
    }
}

fn error(code: &str, message: &str, kind: &str) -> Value {
    json!({"code": code, "message": message, "type": kind})
}

/// The error that an object's answer tells of, if it does.
fn own_error(answer: &Value) -> Option<Value> {
    match answer.as_object()?.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::Object(fields) => {
            let field = |name: &str| fields.get(name).filter(|value| !value.is_null()).map(text);
            let code = field("code").unwrap_or_else(|| "unknown".to_owned());
            let message = field("message").unwrap_or_else(|| code.clone());
            Some(error(&code, &message, &field("type").unwrap_or_else(|| "unknown".to_owned())))
        }
        other => {
            let code = text(other);
            Some(error(&code, &code, "unknown"))
        }
    }
}

/// A text as it is, anything else as its JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> AskId {
        AskId::parse("ask_1_2").unwrap()
    }

    fn answered(text: &str) -> Value {
        Envelope::answered(&id(), &Reply::Text(text.to_owned()), 7).to_value()
    }

    /// Spec genswarms M.11 and J.2.
    #[test]
    fn m11_a_bad_ask_id_is_none() {
        for bad in ["", ".", "..", "a/b", "a b", "\u{e4}", "a\n", "a\0", &"x".repeat(129)] {
            assert_eq!(AskId::parse(bad), None, "{bad:?}");
        }
        for good in ["...", "a.b_C-9", ".tmp", &"x".repeat(128)] {
            assert_eq!(AskId::parse(good).map(|id| id.as_str().to_owned()), Some(good.to_owned()));
        }
    }

    #[test]
    fn m11_an_answer_is_decoded_or_raw_or_nothing() {
        let ok = |result: Value| {
            json!({"ok": true, "result": result, "error": null, "timeout": false, "correlation_id": "ask_1_2",
                   "duration_ms": 7})
        };
        assert_eq!(answered(r#"{"count":3}"#), ok(json!({"count": 3})));
        assert_eq!(answered("plain words"), ok(json!({"raw": "plain words"})));
        assert_eq!(answered("[1,2]"), ok(json!([1, 2])));
        assert_eq!(Envelope::answered(&id(), &Reply::None, 7).to_value(), ok(Value::Null));
        for success in [r#"{"error":null,"a":1}"#, r#"{"error":false}"#] {
            assert_eq!(answered(success), ok(serde_json::from_str(success).unwrap()));
        }
    }

    #[test]
    fn m11_an_objects_own_error_is_an_error() {
        let error = |text: &str| {
            let envelope = answered(text);
            assert_eq!((&envelope["ok"], &envelope["result"]), (&json!(false), &Value::Null));
            envelope["error"].clone()
        };
        let as_is = |code: &str, message: &str, kind: &str| super::error(code, message, kind);
        assert_eq!(error(r#"{"error":"full"}"#), as_is("full", "full", "unknown"));
        assert_eq!(error(r#"{"error":{"code":"full"}}"#), as_is("full", "full", "unknown"));
        assert_eq!(
            error(r#"{"error":{"code":"full","message":"no room","type":"transient"}}"#),
            as_is("full", "no room", "transient")
        );
        assert_eq!(error(r#"{"error":{"code":5,"message":[1]}}"#), as_is("5", "[1]", "unknown"));
        assert_eq!(error(r#"{"error":true}"#), as_is("true", "true", "unknown"));
        assert_eq!(error(r#"{"error":{}}"#), as_is("unknown", "unknown", "unknown"));
    }

    #[test]
    fn m11_an_ask_that_reaches_nobody_says_why() {
        let name = |text: &str| NodeName::parse(text).unwrap();
        let to = || "b".to_owned();
        for (failure, code, kind) in [
            (Failure::UnknownSwarm, "unknown_swarm", "permanent"),
            (Failure::RouteDenied { from: name("a"), to: to() }, "route_denied", "permanent"),
            (Failure::TargetNotFound { to: to() }, "target_not_found", "permanent"),
            (Failure::NotAnObject { to: to() }, "not_an_object", "permanent"),
            (Failure::InvalidContent, "invalid_content", "permanent"),
            (Failure::ObjectErrorState { to: name("b") }, "object_error_state", "transient"),
            (Failure::NotSupported { to: name("b") }, "not_supported", "permanent"),
            (Failure::HandlerError { why: "no".to_owned() }, "handler_error", "unknown"),
        ] {
            let envelope = Envelope::failed(&id(), &failure).to_value();
            assert_eq!(envelope["ok"], false);
            assert_eq!(
                (&envelope["error"]["code"], &envelope["error"]["type"]),
                (&json!(code), &json!(kind))
            );
            assert_eq!((&envelope["duration_ms"], &envelope["timeout"]), (&json!(0), &json!(false)));
        }
        let denied = Failure::RouteDenied { from: name("a"), to: to() };
        assert_eq!(Envelope::failed(&id(), &denied).to_value()["error"]["message"], "no edge a -> b");
        let late = Envelope::timed_out(&id(), 30, 30_001).to_value();
        let error = json!({"code": "timeout", "message": "no reply within 30 seconds", "type": "transient"});
        assert_eq!((&late["error"], &late["timeout"], &late["ok"]), (&error, &json!(true), &json!(false)));
    }
}
