//! The log sink: one escaped line per message on stderr, and never a panic.
//!
//! Our own, because the usual one panics when stderr is a closed pipe or a full disk, and lets a
//! newline or an escape in a message forge lines (docs/decisions/002-own-log-sink.md).

use std::{
    io::{self, Write},
    os::fd::AsFd,
    panic,
    time::Duration,
};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::sys::poll::{Entry, poll};

/// Longest line, in bytes: what a pipe takes whole.
const LONGEST: usize = 4_096;

/// Writes `<level> <message>` lines.
struct Sink;

static SINK: Sink = Sink;

/// Starts logging at info. A second call does nothing.
pub fn start() {
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(LevelFilter::Info);
        // Where it was, never what it said: a panic's message may quote what was being worked on.
        panic::set_hook(Box::new(|panic| match panic.location() {
            Some(at) => log::error!("a fault of loopgate at {}:{}", at.file(), at.line()),
            None => log::error!("a fault of loopgate"),
        }));
    }
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries may log what they were asked to send, secrets included: only our own lines.
        metadata.level() <= Level::Info && metadata.target().starts_with("loopgate")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = line(record.level(), &record.args().to_string());
            say(&line, Duration::ZERO);
        }
    }

    fn flush(&self) {}
}

/// Writes one line to stderr, if it takes one within `wait`. Whoever reads it may be gone, or may
/// have stopped reading: that is never a reason to stop serving.
pub fn say(line: &str, wait: Duration) {
    let mut stderr = io::stderr();
    let ready = poll(&mut [Entry::new(stderr.as_fd(), false, true)], Some(wait));
    // A pipe that is ready takes a whole line of this length (pipe(7), PIPE_BUF).
    if ready.is_ok_and(|ready| ready > 0) {
        let _ = stderr.write_all(line.as_bytes().get(..LONGEST).unwrap_or(line.as_bytes()));
    }
}

/// One line, in which nothing but the final newline can end a line or move a cursor.
fn line(level: Level, message: &str) -> String {
    let mut line = format!("{} ", level.as_str().to_ascii_lowercase());
    for c in message.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    while line.len() >= LONGEST {
        line.pop();
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_no_longer_than_a_pipe_takes_whole() {
        let text = line(Level::Info, &"é".repeat(LONGEST));
        assert!(text.len() <= LONGEST && text.ends_with("é\n"), "{}", text.len());
    }

    #[test]
    fn a_message_cannot_forge_a_line_or_move_the_cursor() {
        let text = line(Level::Warn, "a\nerror b\r\u{1b}[2Jc\u{9b}1md\u{2028}");
        assert_eq!(text, "warn a\\nerror b\\r\\u{1b}[2Jc\\u{9b}1md\\u{2028}\n");
    }
}
