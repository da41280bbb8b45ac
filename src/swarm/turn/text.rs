//! The text of one turn, bounded, and what of it is the agent's reply (spec genswarms E.4).

use crate::{limits, swarm::events::cut};

/// What ends a turn; see docs/decisions/023.
const MARKER: &str = "<<TURN_COMPLETE>>";

/// The pieces of a turn's output with newlines between them. Invariant: `kept` is at most
/// [`limits::TURN_TEXT`] bytes.
#[derive(Debug, Default)]
pub(super) struct Text {
    kept: String,
    any: bool,
    lost: u64,
}

impl Text {
    /// One more piece. What goes over the limit is counted and thrown away.
    pub fn push(&mut self, piece: &str) {
        if std::mem::replace(&mut self.any, true) {
            self.append("\n");
        }
        self.append(piece);
    }

    fn append(&mut self, piece: &str) {
        // Once something is lost nothing is appended: a text with holes would read as whole.
        let room = if self.lost > 0 { 0 } else { limits::TURN_TEXT - self.kept.len() };
        let fits = cut(piece, room);
        self.kept.push_str(fits);
        let lost = piece.len() - fits.len();
        self.lost = self.lost.saturating_add(u64::try_from(lost).unwrap_or(u64::MAX));
    }

    /// The text, and how many bytes of it were lost.
    pub fn into_parts(self) -> (String, u64) {
        (self.kept, self.lost)
    }
}

/// What of a turn's text goes to `reply_to`: without turn markers and white space around it, and without one
/// `> ` of a prompt or a quotation before it.
pub(super) fn reply(text: &str) -> String {
    let text = text.replace(MARKER, "");
    let text = text.trim();
    text.strip_prefix("> ").unwrap_or(text).trim().to_owned()
}

/// The newest output, whatever turn it belongs to: what an ended program said last.
#[derive(Debug, Default)]
pub(super) struct Tail(String);

impl Tail {
    const CHARS: usize = 500;

    pub fn push(&mut self, piece: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(last(piece, Self::CHARS));
        let kept = last(&self.0, Self::CHARS).len();
        self.0.drain(..self.0.len() - kept);
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The last `most` characters.
fn last(text: &str, most: usize) -> &str {
    let begin = text.char_indices().rev().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
    text.get(begin..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec genswarms M.11: blockquote and prompt are taken off.
    #[test]
    fn m11_a_reply_has_no_marker_no_space_around_it_and_no_prompt() {
        for (text, wanted) in [
            ("> hello", "hello"),
            ("\n  > hello \n", "hello"),
            (">> hello", ">> hello"),
            ("> > hello", "> hello"),
            ("hello\n<<TURN_COMPLETE>>", "hello"),
            ("a <<TURN_COMPLETE>> b", "a  b"),
            ("one\n> two", "one\n> two"),
            (">", ">"),
            (" \n<<TURN_COMPLETE>>\n", ""),
            ("", ""),
            ("\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(reply(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_turns_text_is_bounded_and_what_is_lost_is_counted() {
        let mut text = Text::default();
        text.push("");
        text.push("b");
        assert_eq!(text.kept, "\nb");
        for _ in 0..3 {
            text.push(&"\u{e4}".repeat(limits::TURN_TEXT / 4));
        }
        text.push("more");
        let (kept, lost) = text.into_parts();
        assert!((limits::TURN_TEXT - 1..=limits::TURN_TEXT).contains(&kept.len()));
        assert_eq!(kept.len() as u64 + lost, 2 + 3 * (limits::TURN_TEXT as u64 / 2 + 1) + 5);
        assert!(!kept.contains("more"));
    }

    #[test]
    fn a_text_that_has_lost_something_goes_on_with_nothing() {
        let mut text = Text::default();
        text.push(&"x".repeat(limits::TURN_TEXT - 1));
        text.append("\u{e4}");
        text.push("y");
        let (kept, lost) = text.into_parts();
        assert_eq!((kept.len(), lost), (limits::TURN_TEXT - 1, 4));
        assert!(kept.ends_with('x'), "there was room for one byte more, and it would stand behind a hole");
    }

    #[test]
    fn the_tail_is_the_last_characters() {
        let mut tail = Tail::default();
        tail.push("\u{e4}".repeat(2_000).as_str());
        assert_eq!(tail.as_str().chars().count(), Tail::CHARS);
        tail.push("end");
        assert!(tail.as_str().ends_with("\u{e4}\nend") && tail.as_str().chars().count() == Tail::CHARS);
        assert_eq!(last("abc", 0), "c", "never asked for");
    }
}
