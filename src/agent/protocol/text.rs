//! The text that an agent prints: ends of turns, addressed lines, and messages between markers.
//!
//! A message between markers (spec genswarms E.4) is bounded; one that is not ended, or is too long, ends
//! with the turn at the latest and is sent to nobody. What stands between its markers is no output and no
//! line of its own, and only the end of the turn counts in it.

use super::{NAME, Spoken, TURN_COMPLETE};
use crate::limits;

const BEGIN: &str = "<<SWARM_MSG:";
const TO: &str = "TO=";
const BROADCAST: &str = "BROADCAST";
const START: &str = ":START>>";
const END: &str = "<<SWARM_MSG:END>>";
const EVERYBODY: &str = "all";

/// A part of the text.
pub(super) enum Piece<'a> {
    /// an ordinary line
    Line(&'a str),
    Said(Spoken),
}

/// Where in the text we are.
#[derive(Debug, Default)]
pub(super) struct Text {
    block: Option<Block>,
}

/// A message that has begun. Invariant: `content.len() <= limits::MARKED_MESSAGE`.
#[derive(Debug)]
struct Block {
    /// `None`: to all
    to: Option<String>,
    content: String,
    /// It was longer: it is sent to nobody.
    over: bool,
}

impl Text {
    /// The turn is over.
    pub fn reset(&mut self) {
        self.block = None;
    }

    /// Takes one line.
    pub fn push(&mut self, mut line: &str, piece: &mut impl FnMut(Piece<'_>)) {
        if line.trim_end() == TURN_COMPLETE {
            if self.block.take().is_some() {
                piece(Piece::Said(Spoken::Invalid { why: "a message has no end" }));
            }
            piece(Piece::Said(Spoken::TurnComplete));
            return;
        }
        if let Some(block) = &mut self.block {
            let Some((last, rest)) = line.split_once(END) else { return block.add_line(line) };
            block.add(last);
            piece(Piece::Said(self.block.take().map_or(EMPTY, Block::said)));
            if rest.trim().is_empty() {
                return;
            }
            line = rest;
        }
        match begin(line) {
            Some((before, to)) => {
                if !before.is_empty() {
                    piece(Piece::Line(before));
                }
                self.block = Some(Block { to, content: String::new(), over: false });
            }
            None => piece(Piece::Line(line)),
        }
    }
}

const EMPTY: Spoken = Spoken::Invalid { why: "a message is empty" };

impl Block {
    fn add_line(&mut self, line: &str) {
        self.add(line);
        self.add("\n");
    }

    fn add(&mut self, text: &str) {
        self.over |= self.content.len().saturating_add(text.len()) > limits::MARKED_MESSAGE;
        if self.over {
            self.content = String::new();
        } else {
            self.content.push_str(text);
        }
    }

    fn said(self) -> Spoken {
        let content = self.content.trim().to_owned();
        match self.to {
            _ if self.over => Spoken::Invalid { why: "a message is too long" },
            _ if content.is_empty() => EMPTY,
            Some(to) => Spoken::Send { to, content },
            None => Spoken::Broadcast { content },
        }
    }
}

/// A line that ends with the begin of a message: what stands before it, and to whom it goes.
fn begin(line: &str) -> Option<(&str, Option<String>)> {
    let (before, marker) = line.trim_end().strip_suffix(START)?.rsplit_once(BEGIN)?;
    if marker == BROADCAST {
        return Some((before, None));
    }
    let to = marker.strip_prefix(TO).filter(|to| is_name(to))?;
    Some((before, Some(to.to_owned())))
}

/// The first `@name: text` of a line; the `@` at its begin or behind white space (spec genswarms E.3).
pub(super) fn addressed(line: &str) -> Option<Spoken> {
    let mut before = None;
    for (at, c) in line.char_indices() {
        if c == '@' && before.is_none_or(char::is_whitespace) {
            let found = line.get(at..).and_then(|rest| rest.strip_prefix('@')).and_then(to_somebody);
            if found.is_some() {
                return found;
            }
        }
        before = Some(c);
    }
    None
}

/// `name: text`.
fn to_somebody(rest: &str) -> Option<Spoken> {
    // A name is short: no colon further away can follow one.
    let end = rest.bytes().take(NAME + 1).position(|byte| byte == b':')?;
    let (name, text) = rest.split_at_checked(end)?;
    let text = text.strip_prefix(':')?;
    let content = text.trim();
    if !is_name(name) || content.is_empty() || !text.starts_with(char::is_whitespace) {
        return None;
    }
    let content = content.to_owned();
    Some(match name {
        EVERYBODY => Spoken::Broadcast { content },
        name => Spoken::Send { to: name.to_owned(), content },
    })
}

/// A letter or `_`, then letters, digits, `_` and `-`. Whether a node can have the name is another's to say.
fn is_name(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    begins && name.len() <= NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
