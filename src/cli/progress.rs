//! Progress: what is being waited for, said on stderr after a second, for a person at a terminal.
//!
//! One line that is written over itself and cleared when the wait is over; where stderr is no terminal that
//! can do that, nothing at all. The work stays in its caller's thread. Beside it one thread draws, and it has
//! ended when the wait is over: what it may ask the instance has its own short time.

use std::{
    io::{self, Write},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::cli::{display, output::columns_of_stderr};

/// What does not take this long is not worth a line.
const QUIET: Duration = Duration::from_secs(1);
/// Time between two looks.
const STEP: Duration = Duration::from_secs(1);
/// Brings the cursor to the line's beginning and clears the line.
const CLEAR: &str = "\r\x1b[K";

/// Does the work; where it takes longer than a second, `what` it waits for is said: `swarm ring to start`.
pub fn while_waiting<T>(what: &str, work: impl FnOnce() -> T) -> T {
    while_waiting_at(what, || None, work)
}

/// The same, with how far it is where that is known: `2 of 5 agents run`.
pub fn while_waiting_at<T>(
    what: &str,
    far: impl Fn() -> Option<String> + Send + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let Some(columns) = columns() else { return work() };
    let over = Over::default();
    thread::scope(|scope| {
        // told also where the work does not come back in the usual way
        let _end = over.at_the_end();
        let draws = || draw(&Line { what, columns }, &far, &over, &mut io::stderr());
        // without a thread there is no line, and the work is done all the same
        let _ = thread::Builder::new().name("progress".to_owned()).spawn_scoped(scope, draws);
        work()
    })
}

/// The width of the terminal at stderr; none where there is none, or one that cannot clear a line.
fn columns() -> Option<usize> {
    let knows = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    columns_of_stderr().filter(|_| knows)
}

fn draw(line: &Line<'_>, far: &impl Fn() -> Option<String>, over: &Over, to: &mut impl Write) {
    let begun = Instant::now();
    let mut wait = QUIET;
    let mut drawn = false;
    while !over.within(wait) {
        let text = line.at(begun.elapsed(), far().as_deref());
        if over.within(Duration::ZERO) {
            break;
        }
        let _ = write!(to, "{CLEAR}{text}").and_then(|()| to.flush());
        (wait, drawn) = (STEP, true);
    }
    if drawn {
        let _ = write!(to, "{CLEAR}").and_then(|()| to.flush());
    }
}

/// What is drawn.
struct Line<'a> {
    what: &'a str,
    columns: usize,
}

impl Line<'_> {
    /// The text after this time, which fits one line of the terminal with the cursor behind it.
    fn at(&self, waited: Duration, far: Option<&str>) -> String {
        let far = far.map_or_else(String::new, |far| format!(": {far}"));
        let text = format!("waiting for {}{far} ({} s)", self.what, waited.as_secs());
        display::line(&text).chars().take(self.columns.saturating_sub(1)).collect()
    }
}

/// Whether the wait is over.
#[derive(Default)]
struct Over {
    over: Mutex<bool>,
    told: Condvar,
}

impl Over {
    /// Whether it is over by then.
    fn within(&self, time: Duration) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(over, time, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn at_the_end(&self) -> impl Drop {
        struct End<'a>(&'a Over);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                *self.0.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
                self.0.told.notify_all();
            }
        }
        End(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_and_how_far_and_how_long_in_one_line_without_controls() {
        let line = Line { what: "swarm ring to start", columns: 80 };
        assert_eq!(line.at(Duration::from_millis(1900), None), "waiting for swarm ring to start (1 s)");
        assert_eq!(
            line.at(Duration::from_secs(61), Some("2 of 5 agents run")),
            "waiting for swarm ring to start: 2 of 5 agents run (61 s)"
        );
        let line = Line { what: "a\x1b[2J\nb\u{202e}", columns: 20 };
        let text = line.at(Duration::from_secs(1), Some(&"x".repeat(99)));
        assert_eq!(text.chars().count(), 19);
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }

    #[test]
    fn what_is_over_at_once_leaves_nothing_and_the_thread_has_ended() {
        let over = Over::default();
        drop(over.at_the_end());
        let mut drawn = Vec::new();
        draw(&Line { what: "x", columns: 80 }, &|| None, &over, &mut drawn);
        assert_eq!(drawn, b"");
        assert_eq!(while_waiting("nothing", || 7), 7);
    }
}
