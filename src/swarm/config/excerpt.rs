//! The line of a config that an error is about, with a caret below the place.

use crate::wire::document::place::Position;

/// How many characters are shown to the left and to the right of the place.
const BEFORE: usize = 50;
const AFTER: usize = 30;

/// The line's number and text, and below it a caret; long lines are cut around the place.
pub fn excerpt(text: &[u8], at: Position) -> Option<String> {
    let line = text.split(|byte| *byte == b'\n').nth(at.line.checked_sub(1)?)?;
    let line = String::from_utf8_lossy(line);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let column = at.column.checked_sub(1)?;
    let skip = column.saturating_sub(BEFORE);
    let part: String = line.chars().map(shown).skip(skip).take(BEFORE + AFTER).collect();
    let gutter = at.line.to_string();
    let spaces = " ".repeat(gutter.len());
    let indent = " ".repeat(column.saturating_sub(skip).min(part.chars().count()));
    Some(format!("{gutter} | {}\n{spaces} | {indent}^", part.trim_end()))
}
