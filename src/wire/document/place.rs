//! The line and column of a field in the text of a JSON document: the parser tells only where text stops
//! being JSON.
//!
//! The text is walked once along the field's path, without recursion and without believing it: where it
//! is not what the path says, the place is the last that was found on the way.

use std::{collections::HashSet, fmt};

use super::Step;

/// A place in a text, counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// the line
    pub line: usize,
    /// the column
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where the field's value begins, or with `on_key` its name; of a field that is not there, where the last
/// part of the way to it begins.
pub fn find(text: &[u8], path: &[Step], on_key: bool) -> Position {
    let mut walk = Walk { text, at: 0 };
    walk.space();
    let (mut value, mut name) = (walk.at, walk.at);
    for step in path {
        let found = match step {
            Step::Key(key) => walk.enter_field(key),
            Step::At(at) => walk.enter_item(*at).map(|()| walk.at),
        };
        let Some(begins) = found else { return position(text, value) };
        (value, name) = (walk.at, begins);
    }
    position(text, if on_key { name } else { value })
}

/// Where the second of two fields of one name in one object stands.
pub fn duplicate(text: &[u8]) -> Option<Position> {
    let mut walk = Walk { text, at: 0 };
    // One entry for each open bracket: the names of an object's fields so far; none for an array.
    let mut open: Vec<Option<HashSet<String>>> = Vec::new();
    loop {
        walk.space();
        match walk.peek()? {
            b'{' => open.push(Some(HashSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                let begins = walk.at;
                let key = walk.string()?;
                walk.space();
                if walk.peek() == Some(b':')
                    && let Some(Some(names)) = open.last_mut()
                    && !names.insert(key)
                {
                    return Some(position(text, begins));
                }
                continue;
            }
            _ => {}
        }
        walk.at += 1;
    }
}

/// The place of a byte.
fn position(text: &[u8], at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let begins = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let on_line = before.get(begins..).unwrap_or_default();
    // bytes that continue a character do not count
    let column = on_line.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    Position { line, column }
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.space();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// From an object to the value of a field; where the field's name begins.
    fn enter_field(&mut self, wanted: &str) -> Option<usize> {
        self.take(b'{')?;
        loop {
            self.space();
            let begins = self.at;
            let key = self.string()?;
            self.take(b':')?;
            self.space();
            if key == wanted {
                return Some(begins);
            }
            self.skip()?;
            self.take(b',')?;
        }
    }

    /// From an array to one of its items.
    fn enter_item(&mut self, wanted: usize) -> Option<()> {
        self.take(b'[')?;
        for _ in 0..wanted {
            self.space();
            self.skip()?;
            self.take(b',')?;
        }
        self.space();
        (self.peek()? != b']').then_some(())
    }

    /// Over a string; its text.
    fn string(&mut self) -> Option<String> {
        let begins = self.at;
        self.over_string()?;
        serde_json::from_slice(self.text.get(begins..self.at)?).ok()
    }

    fn over_string(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    /// Over a value of any kind.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            self.space();
            match self.peek()? {
                b'"' => self.over_string()?,
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' if open == 0 => return None,
                b'}' | b']' => {
                    open -= 1;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let ends = |byte: &u8| b",:]}\"{[".contains(byte) || byte.is_ascii_whitespace();
                    let rest = self.text.get(self.at..)?;
                    let long = rest.iter().position(ends).unwrap_or(rest.len());
                    if long == 0 {
                        return None;
                    }
                    self.at += long;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Step {
        Step::Key(key.to_owned())
    }

    const TEXT: &str =
        "{\n \"a\": [1, {\"b\\u0063\": \"x\", \"\u{e4}\": [[], {}], \"d\" : true}],\n\t\"e\":\n null }";

    #[test]
    fn a_field_is_found_where_it_stands() {
        let place = |path: &[Step], on_key| find(TEXT.as_bytes(), path, on_key).to_string();
        assert_eq!(place(&[], false), "1:1");
        assert_eq!(place(&[key("a")], false), "2:7");
        assert_eq!(place(&[key("a")], true), "2:2");
        assert_eq!(place(&[key("a"), Step::At(1)], false), "2:11");
        assert_eq!(place(&[key("a"), Step::At(1), key("bc")], false), "2:23");
        assert_eq!(place(&[key("a"), Step::At(1), key("\u{e4}"), Step::At(1)], false), "2:38");
        assert_eq!(place(&[key("a"), Step::At(1), key("d")], false), "2:49");
        assert_eq!(place(&[key("a"), Step::At(1), key("d")], true), "2:43");
        assert_eq!(place(&[key("e")], false), "4:2");
    }

    #[test]
    fn a_field_that_is_missing_is_where_it_should_stand() {
        let place = |path: &[Step]| find(TEXT.as_bytes(), path, false).to_string();
        assert_eq!(place(&[key("none"), key("a")]), "1:1");
        assert_eq!(place(&[key("a"), Step::At(2)]), "2:7");
        assert_eq!(place(&[key("a"), key("b")]), "2:7");
        assert_eq!(place(&[key("a"), Step::At(1), key("none")]), "2:11");
        assert_eq!(find(b"", &[key("a")], true).to_string(), "1:1");
    }

    #[test]
    fn the_second_of_two_fields_is_found() {
        let place = |text: &str| duplicate(text.as_bytes()).map(|at| at.to_string());
        assert_eq!(place("{\"a\":1,\n\"b\":{\"a\":\"a\"},\"\\u0061\":2}").as_deref(), Some("2:15"));
        assert_eq!(place("[{\"a\":[\"a\",\"a\"]},{\"a\":\":\"}]"), None);
        assert_eq!(place(TEXT), None);
        assert_eq!(place("{\"a\":1,\"a"), None);
    }

    #[test]
    fn text_that_is_no_json_is_walked_to_an_end() {
        for text in
            ["{", "[", "{\"a\"", "{\"a\":", "{\"a\":]", "\"\\", "{\"a\":\"\\", "[1 2", "[:", "}{", "[,"]
        {
            for path in [vec![key("a"), key("b")], vec![Step::At(1)], vec![key("a"), Step::At(0)]] {
                let _ = find(text.as_bytes(), &path, true);
            }
            let _ = duplicate(text.as_bytes());
        }
    }
}
