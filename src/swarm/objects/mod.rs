//! Objects: nodes that answer at once and think nothing (spec genswarms J.3).
//!
//! Three handlers are built in; a process of the operator's is the other kind, and speaks [`process`]'s lines.
//! A handler is called by one at a time and returns what is to be done; it never sends by itself, and what it
//! keeps is bounded.

mod counter;
mod log;
pub mod process;
mod relay;

use serde_json::{Map, Value};

use super::{ask::Reply, patch};

/// What an object wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// a message to whoever sent the message that it handles
    Reply {
        /// what
        content: String,
    },
    /// a message to another node, along an edge
    Send {
        /// to whom
        to: String,
        /// what
        content: String,
    },
    /// a message to all its neighbours
    Broadcast {
        /// what
        content: String,
        /// one who is left out
        except: Option<String>,
    },
    /// nothing
    NoReply,
}

/// An object's handler.
pub trait Object: Send {
    /// A message.
    fn handle(&mut self, from: &str, content: &str) -> Vec<Action>;
    /// A question. An error of its own is told in the reply's field `error` (J.2); it may want things done, too.
    fn ask(&mut self, from: &str, content: &str) -> (Reply, Vec<Action>);
    /// What it holds, for who looks.
    fn shown(&self) -> Value;
}

/// Why an object could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// no such handler is built in
    UnknownHandler,
    /// the configuration does not fit the handler
    Config(patch::PatchError),
}

/// Makes an object; with it, what it wants done at its start.
pub fn build(
    handler: &str,
    config: &Map<String, Value>,
) -> Result<(Box<dyn Object>, Vec<Action>), ObjectError> {
    let schema = config_schema(handler).ok_or(ObjectError::UnknownHandler)?;
    patch::conform(&schema, config).map_err(ObjectError::Config)?;
    let object: Box<dyn Object> = match handler {
        "counter" => Box::new(counter::Counter::new(config)),
        "log" => Box::new(log::Log::new(config)),
        "relay" => Box::new(relay::Relay::new(config)),
        _ => return Err(ObjectError::UnknownHandler),
    };
    Ok((object, Vec::new()))
}

/// The schema of a handler's configuration: its keys, and which of them may be changed (`x-mutable`).
pub fn config_schema(handler: &str) -> Option<Value> {
    match handler {
        "counter" => Some(counter::schema()),
        "log" => Some(log::schema()),
        "relay" => Some(relay::schema()),
        _ => None,
    }
}

/// The word of a message: `{"action":WORD, ...}` or the text itself.
fn action(content: &str) -> (String, Map<String, Value>) {
    match serde_json::from_str(content) {
        Ok(Value::Object(fields)) => {
            let word = fields.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
            (word, fields)
        }
        Ok(Value::String(word)) => (word, Map::new()),
        Ok(_) | Err(_) => (content.trim().to_owned(), Map::new()),
    }
}

/// An error of the object's own, in the form of J.2.
fn own_error(code: &str, message: &str) -> Reply {
    let error = serde_json::json!({"error": {"code": code, "message": message, "type": "permanent"}});
    Reply::Text(error.to_string())
}

#[cfg(test)]
mod tests;
