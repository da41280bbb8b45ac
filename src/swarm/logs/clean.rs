//! What of a text is kept in a log: no control sequence, no agent token, nothing behind the name of a secret,
//! and a bounded length.
//!
//! Cleaning twice changes nothing, so that what was kept and what an agent put in its place are held to one
//! rule. A secret that nothing around it gives away cannot be known.

use crate::{
    agent,
    bus::sanitise,
    limits,
    swarm::{config::is_secret, events::cut},
};

/// What stands in a secret's place.
const MASK: &str = "[REDACTED]";
/// How much more of a text is looked at than is kept: a token shrinks to a fifth when it is replaced. Sequences and
/// the values of secrets shrink to less, so that the end of what is looked at may be kept, too.
const AHEAD: usize = 6;

/// A text as it is kept.
pub(super) struct Content {
    pub text: Box<str>,
    /// it was longer
    pub cut: bool,
}

/// As much of a text as cleaning looks at, and not cleaned yet.
pub(super) struct Raw {
    text: Box<str>,
    /// it was longer
    cut: bool,
}

impl Raw {
    pub fn of(text: &str) -> Self {
        let seen = cut(text, limits::LOG_TEXT * AHEAD);
        Self { text: seen.into(), cut: seen.len() < text.len() }
    }

    pub fn cleaned(&self) -> Content {
        content(&self.text, self.cut)
    }
}

/// A text of the conversation; `begun` where its end is missing.
pub(super) fn content(text: &str, begun: bool) -> Content {
    #[cfg(test)]
    CLEANED.set(CLEANED.get() + 1);
    let seen = cut(text, limits::LOG_TEXT * AHEAD);
    let begun = begun || seen.len() < text.len();
    // Line by line: a sequence that never ends takes the rest of its line along, and not of the text.
    let plain = |line: &str| sanitise::clean(line.strip_suffix('\r').unwrap_or(line));
    let lines: Vec<String> = seen.split('\n').map(plain).collect();
    let clean = masked(&lines.join("\n"));
    // A token that is seen in part only is not known as one.
    let clean = agent::redacted(if begun { agent::without_begun(&clean) } else { &clean });
    // Once more: the name of a secret may begin where a token ended.
    let clean = masked(&clean);
    let kept = cut(&clean, limits::LOG_TEXT);
    Content { cut: kept.len() < clean.len() || begun, text: kept.into() }
}

/// A line that a program printed; `cut` where its end is missing.
pub(super) fn line(line: &[u8], cut: bool) -> Content {
    let seen = line.get(..limits::LOG_TEXT * AHEAD).unwrap_or(line);
    let text = String::from_utf8_lossy(seen);
    content(text.trim_end_matches(['\r', '\n']), cut || seen.len() < line.len())
}

/// The text without the values of secrets: behind `NAME=` in capitals, as a shell prints its variables, and
/// behind `"name":`, as JSON has it, also where the JSON stands in a text of JSON. Of prose nothing is taken.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at);
        let (mark, after) = after.split_at(1);
        out.push_str(before);
        out.push_str(mark);
        rest = after;
        let gap = after.len().saturating_sub(after.trim_start_matches(' ').len());
        let (space, value) = after.split_at(gap);
        let length = match mark {
            "=" if gap == 0 && is_secret_variable(before) => length_of_word(value),
            ":" if is_secret_field(before) => length_of_string(value),
            _ => None,
        };
        if let Some((quote, value)) =
            length.and_then(|(quote, length)| Some((quote, value.get(quote + length..)?)))
        {
            let opening = after.get(gap..gap + quote).unwrap_or_default();
            out.extend([space, opening, MASK]);
            rest = value;
        }
    }
    out.push_str(rest);
    out
}

/// Whether a text ends in the name of a variable that holds a secret.
fn is_secret_variable(before: &str) -> bool {
    let name = last_run(before, |c| c.is_ascii_alphanumeric() || c == '_');
    !name.contains(|c: char| c.is_ascii_lowercase()) && is_secret(name)
}

/// Whether a text ends in a quoted name of a field that holds a secret.
fn is_secret_field(before: &str) -> bool {
    let named = before.trim_end().strip_suffix('"').map(|name| name.strip_suffix('\\').unwrap_or(name));
    let name = named.map(|named| last_run(named, |c| c.is_ascii_alphanumeric() || "_-.".contains(c)));
    let quoted = |name: &str| {
        named.is_some_and(|named| named.strip_suffix(name).is_some_and(|rest| rest.ends_with('"')))
    };
    name.is_some_and(|name| quoted(name) && is_secret(name))
}

fn last_run(text: &str, of: impl Fn(char) -> bool) -> &str {
    let run = text.trim_end_matches(of);
    text.get(run.len()..).unwrap_or_default()
}

/// The quote that a value begins with, and the length of the rest of it that is a secret's, on its line; none
/// where there is nothing to hide.
fn length_of_word(value: &str) -> Option<(usize, usize)> {
    if let Some(quote) = value.chars().next().filter(|c| "\"'".contains(*c)) {
        let inner = value.get(1..)?;
        return Some((1, inner.find([quote, '\n']).unwrap_or(inner.len())));
    }
    let length = value.find(|c: char| c.is_whitespace() || "\"'\\;&|,<>".contains(c)).unwrap_or(value.len());
    (length > 0).then_some((0, length))
}

/// The same of a text of JSON. Where that stands in a text of JSON itself, its end has one backslash, and a
/// quote in it has three.
fn length_of_string(value: &str) -> Option<(usize, usize)> {
    let quote = ["\\\"", "\""].into_iter().find(|quote| value.starts_with(quote))?;
    let inner = value.get(quote.len()..)?;
    let mut backslashes = 0_usize;
    for (at, c) in inner.char_indices() {
        let ends = match quote.len() {
            1 => backslashes.is_multiple_of(2),
            _ => backslashes % 4 == 1,
        };
        match c {
            '\n' => return Some((quote.len(), at)),
            '"' if ends => return Some((quote.len(), at.saturating_sub(quote.len() - 1))),
            '\\' => backslashes = backslashes.saturating_add(1),
            _ => backslashes = 0,
        }
    }
    Some((quote.len(), inner.len()))
}

#[cfg(test)]
thread_local! {
    /// How many texts this thread has cleaned.
    pub static CLEANED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        content(text, false).text.into()
    }

    #[test]
    fn a_secret_by_its_name_is_not_kept() {
        for (text, wanted) in [
            ("API_KEY=sk-123 HOME=/x", "API_KEY=[REDACTED] HOME=/x"),
            ("export DB_PASSWORD='a b' x", "export DB_PASSWORD='[REDACTED]' x"),
            ("TOKEN=", "TOKEN="),
            (r#"{"api_key":"sk\"1","n":1}"#, r#"{"api_key":"[REDACTED]","n":1}"#),
            (r#"{"access_token" : "x", "a": "y"}"#, r#"{"access_token" : "[REDACTED]", "a": "y"}"#),
            (r#"{"content":"{\"secret\":\"x\"} y"}"#, r#"{"content":"{\"secret\":\"[REDACTED]\"} y"}"#),
            (r#"{"c":"{\"secret\":\"x\\\"y\"} z"}"#, r#"{"c":"{\"secret\":\"[REDACTED]\"} z"}"#),
            ("A_KEY='x\n'", "A_KEY='[REDACTED]\n'"),
            (r#"{"password":"never ended"#, r#"{"password":"[REDACTED]"#),
            (r#"{"key":5}"#, r#"{"key":5}"#),
            (&format!("lga_{}T_KEY=x", "0".repeat(64)), "[agent token]T_KEY=[REDACTED]"),
        ] {
            assert_eq!(kept(text), wanted);
            assert_eq!(kept(wanted), wanted);
        }
    }

    #[test]
    fn prose_stays_as_it_was_said() {
        for text in [
            "the token: 5",
            "password=hidden in lower case is a word of somebody",
            "key = value",
            "a == b : c",
            "token 0 50\n\tnext line",
            "\u{e4}=\u{e4}:\"\u{e4}\"",
        ] {
            assert_eq!(kept(text), text);
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_kept() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        for (text, wanted) in [
            ("a\u{1b}[31mred\u{1b}[0m\r\n".to_owned(), "ared\n".to_owned()),
            ("\u{1b}]0;title\u{7}x\u{9b}31m".to_owned(), "x31m".to_owned()),
            ("a\u{202e}b\u{0}".to_owned(), "ab".to_owned()),
            (format!("my token is {token}"), "my token is [agent token]".to_owned()),
            (format!("TOKEN={token}"), "TOKEN=[REDACTED]".to_owned()),
        ] {
            assert_eq!(kept(&text), wanted);
        }
        let printed = line(b"\xff50%\r100%\r", false);
        assert_eq!((&*printed.text, printed.cut), ("\u{fffd}50%\n100%", false));
    }

    #[test]
    fn a_records_text_is_bounded_and_says_where_it_was_longer() {
        let long = "\u{e4}".repeat(limits::LOG_TEXT);
        let kept = content(&long, false);
        assert_eq!((kept.text.len(), kept.cut), (limits::LOG_TEXT, true));
        let huge = vec![b'x'; limits::AGENT_LINE];
        assert_eq!((line(&huge, false).text.len(), line(&huge, false).cut), (limits::LOG_TEXT, true));
        assert!(line(b"x", true).cut && !content("x", false).cut);
        // A token across the cut is not seen in part.
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let text = format!("{}{token}", "x".repeat(limits::LOG_TEXT - 20));
        assert!(!content(&text, false).text.contains("lga_"));
    }

    #[test]
    fn a_token_across_the_end_of_what_is_looked_at_is_not_kept_in_part() {
        let (token, seen) = (format!("lga_{}", "0123456789abcdef".repeat(4)), limits::LOG_TEXT * AHEAD);
        let secret = format!("A_KEY={} ", "k".repeat(1_000));
        for shrinks in ["\u{1b}[31m", "\u{1b}[0;38;5;196m\u{1b}[0m", &secret] {
            for within in [5, 40, token.len() - 1] {
                let room = seen - within;
                let mut text = shrinks.repeat(room / shrinks.len());
                text.extend(std::iter::repeat_n('x', room - text.len()));
                text.push_str(&token);
                text.push_str(" more");
                let kept = [Raw::of(&text).cleaned(), content(&text, false), line(text.as_bytes(), false)];
                for kept in kept {
                    assert!(kept.cut && !kept.text.contains("lga_"), "{within} of it after {shrinks:?}");
                }
            }
        }
        let printed = line(b"lga_0123", true);
        assert_eq!((&*printed.text, printed.cut), ("", true));
    }
}
