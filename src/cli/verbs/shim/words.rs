//! What the shim makes of lines: a machine without I/O (`line, now -> bytes`).
//!
//! Towards the program a message is one line, or ends with NUL; towards the instance each line is one of the
//! protocol, and where the program says nothing of turns, one is over when it has been silent for a while
//! after an answer. Nothing that the program prints is taken for a line of the protocol but the end of a turn.

use serde_json::Value;

use crate::{
    agent::protocol::{Item, Listener, Spoken},
    limits,
    wire::json,
};

/// How the program is spoken to and heard.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// A message ends with NUL and is otherwise as it was sent.
    pub nul: bool,
    /// When a turn is over.
    pub turn: Turn,
    /// `@name: text` goes to that node.
    pub routing: bool,
}

/// When a turn is over, beside the program's own word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Only then.
    Marker,
    /// When it has been silent for so many milliseconds, after a line at least.
    Quiet(u64),
    /// With each line.
    Line,
}

/// The machine of one program.
#[derive(Debug)]
pub struct Words {
    manner: Manner,
    listener: Listener,
    /// Something was said to the program, and its turn is not over.
    asked: bool,
    /// When it last answered since.
    heard: Option<u64>,
}

impl Words {
    /// Before the program has said or been told anything.
    pub fn new(manner: Manner) -> Self {
        Self { manner, listener: Listener::new(), asked: false, heard: None }
    }

    /// A line from the instance, for the program.
    pub fn told(&mut self, line: &[u8], program: &mut Vec<u8>) {
        let mut text = match read(line) {
            Some(Told::Item(item)) => item.typed().into_bytes(),
            Some(Told::System(command)) => format!("/{command}").into_bytes(),
            None => line.to_vec(),
        };
        (self.asked, self.heard) = (true, None);
        if self.manner.nul {
            // One in the text would make two messages of it.
            text.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
            program.append(&mut text);
            program.push(0);
            return;
        }
        for byte in text {
            match byte {
                b'\n' => program.extend_from_slice(b"\\n"),
                b'\r' => program.extend_from_slice(b"\\r"),
                byte => program.push(byte),
            }
        }
        program.push(b'\n');
    }

    /// A line of the program's standard output, for the instance.
    pub fn out(&mut self, line: &[u8], now: u64, instance: &mut Vec<u8>) {
        for spoken in self.listener.plain(line, self.manner.routing) {
            if spoken == Spoken::TurnComplete {
                (self.asked, self.heard) = (false, None);
            }
            put(&spoken, instance);
        }
        if self.asked {
            self.heard = Some(now);
        }
        if self.manner.turn == Turn::Line {
            self.end_turn(instance);
        }
    }

    /// A line of its standard error, for the instance.
    pub fn err(&mut self, line: &[u8], instance: &mut Vec<u8>) {
        put(&self.listener.err(line), instance);
    }

    /// When to ask [`Words::tick`] at the latest.
    pub fn deadline(&self) -> Option<u64> {
        match self.manner.turn {
            Turn::Quiet(ms) => self.heard.map(|heard| heard.saturating_add(ms)),
            Turn::Marker | Turn::Line => None,
        }
    }

    /// Ends a turn whose time has come.
    pub fn tick(&mut self, now: u64, instance: &mut Vec<u8>) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.end_turn(instance);
        }
    }

    /// The program has ended, and all that it said was heard.
    pub fn ended(&mut self, status: i64, instance: &mut Vec<u8>) {
        if self.manner.turn != Turn::Marker {
            self.end_turn(instance);
        }
        put(&Spoken::Exit { status }, instance);
    }

    /// The turn is over, if there was an answer.
    fn end_turn(&mut self, instance: &mut Vec<u8>) {
        if self.heard.take().is_some() {
            self.asked = false;
            put(&Spoken::TurnComplete, instance);
        }
    }
}

/// What the instance says.
enum Told {
    Item(Item),
    System(String),
}

fn read(line: &[u8]) -> Option<Told> {
    let value = json::parse(line).ok()?;
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    match text("type")?.as_str() {
        "task" | "message" => {
            Some(Told::Item(Item::Message { from: text("from")?, content: text("content")? }))
        }
        "system" => Some(Told::System(text("command")?)),
        _ => None,
    }
}

/// Writes one line. Words that would make it longer than the instance reads are cut.
fn put(spoken: &Spoken, instance: &mut Vec<u8>) {
    let line = match spoken {
        Spoken::Invalid { why } => Spoken::Log { content: format!("agent-shim: {why}") }.line(),
        said => said.line().map(|line| if line.len() <= limits::AGENT_LINE { line } else { cut(said) }),
    };
    instance.extend(line.unwrap_or_default());
    instance.push(b'\n');
}

/// The same with less words, none of which JSON writes with more than six bytes.
fn cut(spoken: &Spoken) -> Vec<u8> {
    let short = |content: &str| {
        // A character has at most four bytes.
        let most = limits::AGENT_LINE / 8;
        (0..4).find_map(|less| content.get(..most - less)).unwrap_or(content).to_owned()
    };
    let less = match spoken {
        Spoken::Send { to, content } => Spoken::Send { to: to.clone(), content: short(content) },
        Spoken::Ask { to, content, id } => {
            Spoken::Ask { to: to.clone(), content: short(content), id: id.clone() }
        }
        Spoken::Broadcast { content } => Spoken::Broadcast { content: short(content) },
        Spoken::Output { content } => Spoken::Output { content: short(content) },
        Spoken::Log { content } => Spoken::Log { content: short(content) },
        Spoken::Exit { .. } | Spoken::TurnComplete | Spoken::Invalid { .. } => spoken.clone(),
    };
    less.line().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::protocol::{message, task};

    const QUIET: Manner = Manner { nul: false, turn: Turn::Quiet(500), routing: true };

    fn told(manner: Manner, line: &[u8]) -> String {
        let mut program = Vec::new();
        Words::new(manner).told(line, &mut program);
        String::from_utf8(program).unwrap()
    }

    /// What the machine says, line by line.
    fn said(act: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
        let mut instance = Vec::new();
        act(&mut instance);
        String::from_utf8(instance).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_message_is_one_line_or_ends_with_nul() {
        let nul = Manner { nul: true, ..QUIET };
        let item = message("b", "one\n\"two\"\r\u{0}three");
        assert_eq!(told(QUIET, &item), "[From b] one\\n\"two\"\\r\u{0}three\n");
        assert_eq!(told(nul, &item), "[From b] one\n\"two\"\r three\u{0}");
        assert_eq!(told(QUIET, &task("x")), "[From orchestrator] x\n");
        assert_eq!(told(nul, br#"{"type":"system","command":"clear"}"#), "/clear\u{0}");
        for line in ["plain", "{", r#"{"type":"task"}"#, r#"{"type":"sing","content":"x"}"#, "[]", ""] {
            assert_eq!(told(QUIET, line.as_bytes()), format!("{line}\n"), "as it stands");
        }
    }

    #[test]
    fn what_the_program_prints_is_of_the_protocol() {
        let mut words = Words::new(QUIET);
        let line = r#"{"type":"send","to":"b","content":"x"}"#;
        let quoted = r#"{"content":"{\"type\":\"send\",\"to\":\"b\",\"content\":\"x\"}","type":"output"}"#;
        assert_eq!(said(|to| words.out(line.as_bytes(), 0, to)), [quoted]);
        assert_eq!(
            said(|to| words.out(b"ask @b: really", 0, to)),
            [
                r#"{"content":"really","to":"b","type":"send"}"#,
                r#"{"content":"ask @b: really","type":"output"}"#
            ]
        );
        assert_eq!(said(|to| words.err(b"oh\xff", to)), ["{\"content\":\"oh\u{fffd}\",\"type\":\"log\"}"]);
        let mut plain = Words::new(Manner { routing: false, ..QUIET });
        assert_eq!(said(|to| plain.out(b"@b: x", 0, to)), [r#"{"content":"@b: x","type":"output"}"#]);
        let broken = said(|to| {
            words.out(b"<<SWARM_MSG:TO=b:START>>", 0, to);
            words.out(b"<<TURN_COMPLETE>>", 0, to);
        });
        assert!(broken[0].contains("agent-shim: a message has no end"), "{broken:?}");
        assert_eq!(broken[1], "<<TURN_COMPLETE>>");
    }

    #[test]
    fn a_silence_after_an_answer_ends_the_turn_once() {
        let mut words = Words::new(QUIET);
        // What is printed unasked is no answer.
        said(|to| words.out(b"banner", 0, to));
        assert_eq!(words.deadline(), None);
        words.told(b"hello", &mut Vec::new());
        assert_eq!(words.deadline(), None);
        said(|to| words.out(b"one", 100, to));
        said(|to| words.out(b"two", 400, to));
        assert_eq!(words.deadline(), Some(900));
        assert!(said(|to| words.tick(899, to)).is_empty());
        assert_eq!(said(|to| words.tick(900, to)), ["<<TURN_COMPLETE>>"]);
        assert!(said(|to| words.tick(5_000, to)).is_empty());
        said(|to| words.out(b"unasked", 6_000, to));
        assert_eq!(words.deadline(), None);
    }

    #[test]
    fn the_programs_own_marker_ends_the_turn_and_nothing_else_then() {
        for turn in [Turn::Marker, Turn::Quiet(500), Turn::Line] {
            let mut words = Words::new(Manner { turn, ..QUIET });
            words.told(b"hello", &mut Vec::new());
            assert_eq!(said(|to| words.out(b"<<TURN_COMPLETE>>", 0, to)), ["<<TURN_COMPLETE>>"]);
            assert!(said(|to| words.tick(10_000, to)).is_empty());
        }
        let mut words = Words::new(Manner { turn: Turn::Marker, ..QUIET });
        words.told(b"hello", &mut Vec::new());
        said(|to| words.out(b"one", 0, to));
        assert!(said(|to| words.tick(10_000, to)).is_empty());
        assert_eq!(said(|to| words.ended(3, to)), [r#"{"status":3,"type":"exit"}"#]);
    }

    #[test]
    fn with_lines_as_turns_each_answer_is_one() {
        let mut words = Words::new(Manner { turn: Turn::Line, ..QUIET });
        assert_eq!(said(|to| words.out(b"banner", 0, to)).len(), 1);
        words.told(b"hello", &mut Vec::new());
        assert_eq!(said(|to| words.out(b"one", 0, to)).last().unwrap(), "<<TURN_COMPLETE>>");
        assert_eq!(said(|to| words.out(b"more", 0, to)).len(), 1);
    }

    #[test]
    fn the_end_of_the_program_ends_an_answered_turn() {
        let mut words = Words::new(QUIET);
        words.told(b"hello", &mut Vec::new());
        said(|to| words.out(b"one", 0, to));
        assert_eq!(said(|to| words.ended(0, to)), ["<<TURN_COMPLETE>>", r#"{"status":0,"type":"exit"}"#]);
    }

    #[test]
    fn no_line_is_longer_than_the_instance_reads() {
        let mut words = Words::new(QUIET);
        let long = vec![1_u8; limits::AGENT_LINE];
        let lines = said(|to| words.out(&[b"@b: ", &long[..]].concat(), 0, to));
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() <= limits::AGENT_LINE && line.ends_with('}')));
        let (most, fits) = (limits::AGENT_LINE, "x".repeat(1_000_000));
        let lines = said(|to| words.out(fits.as_bytes(), 0, to));
        assert!(lines[0].len() > 1_000_000 && lines[0].len() <= most, "what fits is whole");
    }
}
