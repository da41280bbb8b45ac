//! What an agent of a swarm says and is told, line by line (spec genswarms E.2-E.4).
//!
//! Pure: a line in, what it means out. A line is a JSON object of a known `type`, or text. What an agent
//! says is its own word and nobody else's: who it is, and along which edges it may send, is not read from its
//! lines. The end of a turn is a line of its own, so that no text that quotes the marker ends one.

#[cfg(any(fuzzing, test))]
mod fuzz;
mod text;

use serde_json::{Map, Value, json};

#[cfg(any(fuzzing, test))]
pub use fuzz::fuzz;
use text::{Piece, Text};

use crate::wire::json;

/// What ends a turn, on a line of its own.
pub const TURN_COMPLETE: &str = "<<TURN_COMPLETE>>";
/// Longest name of a target, in bytes; what is longer is nobody's.
const NAME: usize = 64;
/// Longest id of a question, in bytes.
const ID: usize = 128;

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A task of the operator's.
    Task {
        /// its words
        content: String,
    },
    /// A message of another node.
    Message {
        /// whose
        from: String,
        /// its words
        content: String,
    },
}

impl Item {
    /// As a line of JSON, without its newline.
    pub fn line(&self) -> Vec<u8> {
        match self {
            Self::Task { content } => task(content),
            Self::Message { from, content } => message(from, content),
        }
    }

    /// As it is typed into a terminal; the words are sanitised by whoever has them typed.
    pub fn typed(&self) -> String {
        let (from, content) = self.parts();
        format!("[From {from}] {content}")
    }

    /// From whom it comes, and its words.
    pub fn parts(&self) -> (&str, &str) {
        match self {
            Self::Task { content } => (OPERATOR, content),
            Self::Message { from, content } => (from, content),
        }
    }
}

/// From whom a task comes.
const OPERATOR: &str = "orchestrator";

/// A task as a line, without its newline.
pub fn task(content: &str) -> Vec<u8> {
    json!({ "type": "task", "content": content, "from": OPERATOR }).to_string().into_bytes()
}

/// A message as a line, without its newline.
pub fn message(from: &str, content: &str) -> Vec<u8> {
    json!({ "type": "message", "from": from, "content": content }).to_string().into_bytes()
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// To one node.
    Send {
        /// the target, at most 64 bytes and not checked otherwise
        to: String,
        /// the words
        content: String,
    },
    /// To all of its neighbours.
    Broadcast {
        /// the words
        content: String,
    },
    /// A question to an object.
    Ask {
        /// the target, as of a send
        to: String,
        /// the question
        content: String,
        /// how the answer is to be called, at most 128 bytes and not checked otherwise
        id: String,
    },
    /// To whoever watches; what the turn's reply is made of.
    Output {
        /// one line or more, without the last newline
        content: String,
    },
    /// To the log.
    Log {
        /// one line
        content: String,
    },
    /// The wrapped program has ended.
    Exit {
        /// its status
        status: i64,
    },
    /// The turn is over.
    TurnComplete,
    /// A line of the protocol that is none: nothing is done.
    Invalid {
        /// what is wrong with it
        why: &'static str,
    },
}

impl Spoken {
    /// As a line of the protocol without its newline; `None` for what is none.
    pub fn line(&self) -> Option<Vec<u8>> {
        let object = match self {
            Self::Send { to, content } => json!({ "type": "send", "to": to, "content": content }),
            Self::Broadcast { content } => json!({ "type": "broadcast", "content": content }),
            Self::Ask { to, content, id } => {
                json!({ "type": "send", "to": to, "content": content, "reply_to": id })
            }
            Self::Output { content } => json!({ "type": "output", "content": content }),
            Self::Log { content } => json!({ "type": "log", "content": content }),
            Self::Exit { status } => json!({ "type": "exit", "status": status }),
            Self::TurnComplete => return Some(TURN_COMPLETE.as_bytes().to_vec()),
            Self::Invalid { .. } => return None,
        };
        Some(object.to_string().into_bytes())
    }
}

/// Follows the output of one agent.
#[derive(Debug, Default)]
pub struct Listener(Text);

impl Listener {
    /// At the begin of an agent's output.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of standard output. JSON that is no object, or whose `type` is none of ours, is text; an
    /// object of a known type with a wrong field, or with two fields of one name, is invalid.
    pub fn out(&mut self, line: &[u8], cut: bool) -> Vec<Spoken> {
        let line = String::from_utf8_lossy(line);
        let mut spoken = Vec::new();
        if line.trim_start().starts_with('{') {
            if cut {
                return vec![Spoken::Invalid { why: "the line is too long" }];
            }
            match object(&line) {
                Ok(Some(Known::Output(content))) => self.text(&content, false, &mut spoken),
                Ok(Some(Known::Spoken(known))) => spoken.push(known),
                Ok(None) => self.text(&line, true, &mut spoken),
                Err(why) => spoken.push(Spoken::Invalid { why }),
            }
        } else {
            self.text(&line, true, &mut spoken);
        }
        spoken
    }

    /// A line that is text whatever it looks like; only where it is `addressed` may it name a node.
    pub fn plain(&mut self, line: &[u8], addressed: bool) -> Vec<Spoken> {
        let mut spoken = Vec::new();
        self.text(&String::from_utf8_lossy(line), addressed, &mut spoken);
        spoken
    }

    /// A line of standard error.
    pub fn err(&mut self, line: &[u8]) -> Spoken {
        Spoken::Log { content: String::from_utf8_lossy(line).into_owned() }
    }

    /// The turn has ended without a word of the agent's: a block that has begun is over, too.
    pub fn turn_over(&mut self) {
        self.0.reset();
    }

    /// Lines of text; a `raw` one may address a node.
    fn text(&mut self, content: &str, raw: bool, spoken: &mut Vec<Spoken>) {
        // A last newline ends the last line and begins no other.
        let content = content.strip_suffix('\n').unwrap_or(content);
        let mut output: Option<String> = None;
        for line in content.split('\n') {
            self.0.push(line, &mut |piece| {
                let said = match piece {
                    Piece::Line(line) => {
                        spoken.extend(text::addressed(line).filter(|_| raw));
                        match &mut output {
                            Some(output) => {
                                output.push('\n');
                                output.push_str(line);
                            }
                            None => output = Some(line.to_owned()),
                        }
                        return;
                    }
                    Piece::Said(said) => said,
                };
                spoken.extend(output.take().map(|content| Spoken::Output { content }));
                spoken.push(said);
            });
        }
        spoken.extend(output.map(|content| Spoken::Output { content }));
    }
}

/// An object of a known type.
enum Known {
    /// its text is looked at further
    Output(String),
    Spoken(Spoken),
}

/// Reads a line that may be an object of ours; `None` where it is text.
fn object(line: &str) -> Result<Option<Known>, &'static str> {
    let value = match json::parse(line.as_bytes()) {
        Ok(value) => value,
        Err(json::Error::Duplicate) => return Err("a field stands there twice"),
        Err(_) => return Ok(None),
    };
    let Value::Object(fields) = value else { return Ok(None) };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    let known = match kind {
        "send" => Known::Spoken(send(&fields)?),
        "broadcast" => Known::Spoken(Spoken::Broadcast { content: content(&fields)? }),
        "output" => Known::Output(content(&fields)?),
        "log" => Known::Spoken(Spoken::Log { content: content(&fields)? }),
        "exit" => {
            let status = fields.get("status").and_then(Value::as_i64);
            Known::Spoken(Spoken::Exit { status: status.ok_or("status is not a whole number")? })
        }
        _ => return Ok(None),
    };
    Ok(Some(known))
}

fn send(fields: &Map<String, Value>) -> Result<Spoken, &'static str> {
    let to = fields.get("to").and_then(Value::as_str).ok_or("to is not a string")?;
    if to.is_empty() || to.len() > NAME {
        return Err("to is empty or too long");
    }
    let (to, content) = (to.to_owned(), content(fields)?);
    match fields.get("reply_to") {
        None | Some(Value::Null) => Ok(Spoken::Send { to, content }),
        Some(Value::String(id)) if id.len() <= ID => Ok(Spoken::Ask { to, content, id: id.clone() }),
        Some(_) => Err("reply_to is not a string of at most 128 bytes"),
    }
}

fn content(fields: &Map<String, Value>) -> Result<String, &'static str> {
    fields.get("content").and_then(Value::as_str).map(str::to_owned).ok_or("content is not a string")
}

#[cfg(test)]
mod tests;
