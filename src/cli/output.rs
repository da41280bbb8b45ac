//! Data to stdout, talk to stderr; a stream that is gone is no reason to panic.
//!
//! A sentence on a terminal is broken between words, at its width, and its first word has the colour of what it is.
//! Elsewhere it is one line, whatever reads it.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use serde_json::Value;

use crate::{
    cli::{
        colour::{Paint, Tone},
        display,
        outcome::{Exit, Failure},
    },
    sys::tty,
};

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// What further lines of a sentence stand in.
const FURTHER: usize = 4;

/// Where a command's output goes.
pub struct Output {
    data: Box<dyn Write>,
    talk: Box<dyn Write>,
    to_a_person: bool,
    paint: Paint,
    /// of the terminal that talk goes to
    columns: Option<usize>,
    talk_paint: Paint,
}

impl Output {
    /// The process's own streams.
    pub fn standard() -> Self {
        Self {
            to_a_person: io::stdout().is_terminal(),
            paint: Paint::of_stdout(),
            columns: columns_of_stderr(),
            talk_paint: Paint::of_stderr(),
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
        }
    }

    /// The colours of what goes to stdout.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Lines of data, already filtered where they hold what came from outside.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// A JSON value as data, in ASCII where its texts hold what a terminal should not see.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.data(&display::json(value))
    }

    /// Bytes from outside as data: as they are for a program, through the filter for a person.
    pub fn foreign(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.to_a_person {
            let mut shown = Vec::new();
            display::Filter::new().feed(bytes, &mut shown);
            self.bytes(&shown)
        } else {
            self.bytes(bytes)
        }
    }

    /// Bytes that are safe to show.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.data.write_all(bytes).and_then(|()| self.data.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::output_gone()
            } else {
                Failure::new(Exit::CannotCreate, format!("stdout cannot be written: {error}"))
            }
        })
    }

    /// One line of talk. Nobody listening is fine.
    pub fn say(&mut self, line: &str) {
        let _ = self.talk.write_all(format!("{line}\n").as_bytes());
        let _ = self.talk.flush();
    }

    /// A sentence of talk behind the word that says what it is.
    pub fn say_sentence(&mut self, tone: Tone, lead: &str, sentence: &str) {
        let text = format!("{lead} {sentence}");
        let text = match self.columns {
            Some(columns) => broken(&text, columns),
            None => text,
        };
        let behind = text.strip_prefix(lead).unwrap_or_default();
        let before = lead.len() - lead.trim_start().len();
        let (indent, word) = lead.split_at(before);
        self.say(&format!("{indent}{}{behind}", self.talk_paint.tone(tone, word)));
    }
}

/// The width of the terminal at stderr; none where there is none.
pub fn columns_of_stderr() -> Option<usize> {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return None;
    }
    let columns = tty::size(stderr.as_fd()).map_or(0, |size| usize::from(size.cols));
    Some(if columns == 0 { COLUMNS } else { columns })
}

/// The text in lines of at most so many columns, broken between words; a command in backticks stays whole where it
/// fits a line. A word that is longer than a line stands on one of its own, so that it is copied as one.
fn broken(text: &str, columns: usize) -> String {
    let mut quoted = false;
    let parts = text.trim_start().split(|c| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    let fits = |part: &str| part.chars().count() + FURTHER <= columns;
    let parts = parts.flat_map(|part| part.splitn(if fits(part) { 1 } else { usize::MAX }, ' '));
    let mut out = " ".repeat(text.len() - text.trim_start().len());
    let mut used = out.len();
    for (at, part) in parts.enumerate() {
        let length = part.chars().count();
        if at > 0 && used + 1 + length > columns {
            out.push('\n');
            out.push_str(&" ".repeat(FURTHER));
            used = FURTHER;
        } else if at > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(part);
        used += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(columns: Option<usize>, talk_paint: Paint) -> String {
        let kept = Kept::default();
        let mut output = Output {
            data: Box::new(io::sink()),
            talk: Box::new(kept.clone()),
            to_a_person: false,
            paint: Paint::NONE,
            columns,
            talk_paint,
        };
        let failure = Failure::new(Exit::Negative, "one two three four five six")
            .lines(["a line of a file that is shown as it is"])
            .next("then `loopgate status --swarms` it, or \u{1b}[2Jdo not")
            .choices(vec!["loopgate send a-name@of-some-home TEXT".to_owned()]);
        failure.tell(&mut output);
        String::from_utf8(kept.0.take()).expect("text")
    }

    #[test]
    fn a_failure_is_broken_between_words_at_the_terminals_width_and_not_where_there_is_none() {
        let pipe = "loopgate: one two three four five six\n  a line of a file that is shown as it is\n  next: then \
                    `loopgate status --swarms` it, or \u{fffd}[2Jdo not\n    loopgate send a-name@of-some-home TEXT\n";
        assert_eq!(told(None, Paint::NONE), pipe);
        assert_eq!(told(Some(120), Paint::NONE), pipe);
        let narrow = "loopgate: one two three four\n    five six\n  a line of a file that is shown as it is\n  next: \
                      then\n    `loopgate status --swarms`\n    it, or \u{fffd}[2Jdo not\n    loopgate send \
                      a-name@of-some-home TEXT\n";
        assert_eq!(told(Some(30), Paint::NONE), narrow);
        let painted = told(Some(30), Paint::ALWAYS);
        assert!(
            painted.starts_with("\u{1b}[31mloopgate:\u{1b}[0m one two three four\n    five"),
            "{painted:?}"
        );
        assert!(painted.contains("\n  \u{1b}[36mnext:\u{1b}[0m then\n"), "{painted:?}");
    }

    #[test]
    fn what_is_broken_says_the_same_words_in_no_more_columns_than_it_must() {
        let text = "  next: a `b c` \u{e4}\u{e4}\u{e4} longer-than-a-line `not closed";
        for columns in 0..60 {
            let broken = broken(text, columns);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&broken), words(text));
            for line in broken.lines().skip(1) {
                let fits = line.chars().count() <= columns;
                assert!(fits || !line.trim_start().contains(' '), "{columns}: {line}");
            }
        }
    }
}
