//! What a mock agent answers: turns, each some lines of output.
//!
//! Used in order and begun again at the end. In a line `{from}` and `{content}` stand for the sender and the
//! text of what the turn answers.

use serde_json::Value;

use crate::{limits, wire::document::Wrong};

/// The code of everything that can be wrong here.
const CODE: &str = "invalid_script";

/// The turns of a mock agent. At least one, at most [`limits::SCRIPT_TURNS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(Vec<Vec<String>>);

impl Script {
    /// Reads an array of turns, each an array of lines.
    pub fn parse(value: &Value) -> Result<Self, Wrong> {
        let turns = value.as_array().ok_or_else(|| {
            Wrong::new(CODE, "must be an array of turns, each an array of lines")
                .next("write [[\"first answer\"], [\"second\", \"answer\"]]")
        })?;
        if turns.is_empty() || turns.len() > limits::SCRIPT_TURNS {
            let most = limits::SCRIPT_TURNS;
            return Err(Wrong::new(CODE, format!("must have between 1 and {most} turns")));
        }
        let read = turns.iter().enumerate().map(|(at, lines)| turn(lines).map_err(|wrong| wrong.within(at)));
        read.collect::<Result<_, _>>().map(Self)
    }

    /// As a document.
    pub fn to_value(&self) -> Value {
        Value::from(self.0.iter().map(|lines| Value::from(lines.as_slice())).collect::<Vec<_>>())
    }

    /// The turns, in order.
    pub fn turns(&self) -> &[Vec<String>] {
        &self.0
    }
}

fn turn(lines: &Value) -> Result<Vec<String>, Wrong> {
    let lines = lines.as_array().ok_or_else(|| Wrong::new(CODE, "must be an array of lines"))?;
    let line = |(at, line): (usize, &Value)| match line.as_str() {
        Some(text) if !text.contains(['\n', '\0']) => Ok(text.to_owned()),
        Some(_) | None => Err(Wrong::new(CODE, "must be a text of one line").within(at)),
    };
    lines.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_script_is_turns_of_lines() {
        let value = json!([["a", ""], [], ["got {content} of {from}"]]);
        let script = Script::parse(&value).unwrap();
        assert_eq!(script.turns().len(), 3);
        assert_eq!(script.to_value(), value);
        for (bad, field) in [
            (json!("a"), ""),
            (json!([]), ""),
            (json!([[], "a"]), "[1]"),
            (json!([["a", 1]]), "[0][1]"),
            (json!([["a\nb"]]), "[0][0]"),
        ] {
            let wrong = Script::parse(&bad).unwrap_err();
            assert_eq!((wrong.code, wrong.field().as_str()), (CODE, field), "{bad}");
        }
    }

    #[test]
    fn a_script_has_a_bounded_number_of_turns() {
        let turns = |number| Script::parse(&Value::from(vec![json!([]); number]));
        assert!(turns(limits::SCRIPT_TURNS).is_ok());
        assert!(turns(limits::SCRIPT_TURNS + 1).is_err());
    }
}
