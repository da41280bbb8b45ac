//! The program of an agent or an object: an array of words, given to the system as they are. No shell reads
//! it, and no other field names a program.

use serde_json::Value;

use crate::{limits, wire::document::Wrong};

const CODE: &str = "invalid_command";

/// Reads a command.
pub fn command(value: &Value) -> Result<Vec<String>, Wrong> {
    let list = value.as_array().ok_or_else(|| {
        let wrong = Wrong::new(CODE, "must be an array of words");
        if value.is_string() {
            return wrong
                .next("write [\"program\", \"argument\"]; for a shell's line [\"sh\", \"-c\", \"...\"]");
        }
        wrong
    })?;
    let word = |(at, word): (usize, &Value)| match word.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        Some(_) => Err(Wrong::new(CODE, "holds a NUL character").within(at)),
        None => Err(Wrong::new(CODE, "must be a text").within(at)),
    };
    if list.len() > limits::COMMAND_WORDS {
        return Err(Wrong::new(CODE, format!("has more than {} words", limits::COMMAND_WORDS)));
    }
    let words: Vec<String> = list.iter().enumerate().map(word).collect::<Result<_, _>>()?;
    match words.first() {
        Some(program) if !program.is_empty() => {}
        Some(_) => return Err(Wrong::new(CODE, "must name a program").within(0)),
        None => return Err(Wrong::new(CODE, "must name a program")),
    }
    if size(&words) > limits::COMMAND_BYTES {
        return Err(Wrong::new(CODE, format!("has more than {} bytes", limits::COMMAND_BYTES)));
    }
    Ok(words)
}

/// The bytes of a command, as a start counts them.
pub fn size(words: &[String]) -> usize {
    words.iter().map(|word| word.len() + 1).sum()
}
