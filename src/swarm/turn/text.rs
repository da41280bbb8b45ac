//! The text of one turn, bounded, and what of it is the agent's reply (spec genswarms E.4).

use crate::{
    agent, limits,
    swarm::events::{self, cut},
};

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

    /// The text, and how many bytes of it were lost. A token that was cut is lost: it would not be known as one.
    pub fn into_parts(mut self) -> (String, u64) {
        if self.lost > 0 {
            let whole = agent::without_begun(&self.kept).len();
            self.lost = self.lost.saturating_add((self.kept.len() - whole) as u64);
            self.kept.truncate(whole);
        }
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

/// The newest output, whatever turn it belongs to: what an ended program said last, without agent tokens. Each piece is
/// cleaned before anything of it is cut off: half a token is not known as one.
#[derive(Debug, Default)]
pub(super) struct Tail(String);

impl Tail {
    pub fn push(&mut self, piece: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&events::last(piece));
        self.0 = events::last(&self.0);
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    fn a_turns_text_that_was_cut_ends_in_no_part_of_a_token() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        let mut text = Text::default();
        text.push(&"x".repeat(limits::TURN_TEXT - 40));
        text.append(&token);
        assert_eq!(text.into_parts(), ("x".repeat(limits::TURN_TEXT - 40), 68));
        let mut text = Text::default();
        text.push("lga_0123");
        assert_eq!(text.into_parts(), ("lga_0123".to_owned(), 0), "nothing was lost");
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
        tail.push("x".repeat(2_000).as_str());
        assert_eq!(tail.as_str().chars().count(), limits::LAST_OUTPUT);
        tail.push("end");
        assert!(tail.as_str().ends_with("x\nend") && tail.as_str().len() == limits::LAST_OUTPUT);
        // As many as a text of an event holds: what is longer would lose its end there.
        tail.push("\u{1f600}".repeat(2_000).as_str());
        assert_eq!(tail.as_str(), "\u{1f600}".repeat(limits::SWARM_EVENT_TEXT / 4));
        tail.push("");
        assert!(tail.as_str().ends_with("\u{1f600}\n"));
    }

    #[test]
    fn the_tail_holds_no_part_of_a_token_wherever_it_is_cut() {
        let token = format!("lga_{}", "0123456789abcdef".repeat(4));
        for behind in 0..=limits::LAST_OUTPUT {
            let mut tail = Tail::default();
            tail.push(&format!("{}{}", token.repeat(60), "x".repeat(behind)));
            assert!(!tail.as_str().contains("cdef"), "{behind}: {}", tail.as_str());
            tail.push("y");
            assert!(!tail.as_str().contains("cdef") && tail.as_str().ends_with("\ny"), "{behind}");
        }
    }
}
