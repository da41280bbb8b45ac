//! Follows a stream of the swarms' surface until somebody ends it: Ctrl-C, a reader that is gone, the instance.
//!
//! Where the connection breaks off it is made anew, also to an instance that was started again meanwhile, and
//! goes on behind the last number that was shown. What was missed is told on stderr, and an end is told as one.

use std::{
    io,
    os::fd::AsFd,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{client_failure, swarm};
use crate::{
    cli::{
        outcome::{Exit, Failure},
        output::Output,
    },
    client::{ClientError, Frame, Frames, Streamed, Told},
    sys::{
        poll::{Entry, poll},
        signal::{SIGHUP, SIGINT, SIGTERM, SignalFd},
    },
};

/// How often a connection that broke off is made anew before that is an end.
const ATTEMPTS: usize = 20;
/// And how long that is apart.
const PAUSE: Duration = Duration::from_millis(500);
/// A connection that lasted so long was one, also where there was nothing to hear.
const STEADY: Duration = Duration::from_secs(10);

/// How often it was tried since a connection was good for anything: an instance that lets everybody in and closes
/// at once is not asked faster, nor longer, than one that is not there.
#[derive(Default)]
struct Attempts(usize);

impl Attempts {
    /// How long to wait before the next one, the first time not at all; `None` where there were enough.
    fn next(&mut self) -> Option<Duration> {
        let pause = if self.0 == 0 { Duration::ZERO } else { PAUSE };
        self.0 += 1;
        (self.0 <= ATTEMPTS).then_some(pause)
    }
}

/// Somebody's wish to end it: signals, and a stdout that nobody reads.
pub struct Ends(SignalFd);

/// What became of a wait.
#[derive(PartialEq, Eq)]
enum Waited {
    /// there may be something to hear
    On,
    /// somebody wishes the end
    Over,
}

impl Ends {
    /// From here on Ctrl-C ends the following and not the process: first of all, before any thread starts.
    pub fn new() -> Result<Self, Failure> {
        SignalFd::new(&[SIGINT, SIGTERM, SIGHUP])
            .map(Self)
            .map_err(|error| Failure::new(Exit::Bug, format!("signals cannot be read: {error}")))
    }

    fn wait(&self, frames: Option<&Frames>, until: Instant) -> Waited {
        let (stdout, left) = (io::stdout(), until.saturating_duration_since(Instant::now()));
        let hears = frames.is_some();
        let stream = frames.map_or_else(|| stdout.as_fd(), AsFd::as_fd);
        let mut entries = [
            Entry::new(self.0.as_fd(), true, false),
            // Nothing is waited for but its end: whoever reads it may leave while nothing happens.
            Entry::new(stdout.as_fd(), false, false),
            Entry::new(stream, hears, false),
        ];
        match poll(&mut entries, Some(left)) {
            Ok(_) => {}
            Err(_) => return Waited::Over,
        }
        let [signals, stdout, _] = &entries;
        if signals.readable() || stdout.hung_up() { Waited::Over } else { Waited::On }
    }
}

/// Shows each frame of the stream at `path` that is no gap and no end, from behind place `after` on. `on` is the
/// flag that goes on behind a number, where the command has one.
pub fn follow(
    ends: &Ends,
    path: &str,
    on: Option<&str>,
    mut after: Option<String>,
    output: &mut Output,
    mut show: impl FnMut(&Frame, &mut Output) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut attempts = Attempts::default();
    let mut frames = match connect(path, after.as_deref()) {
        Ok(frames) => frames,
        // It was there a moment ago, or it is busy.
        Err(none) if none.may_pass => {
            output.say(&format!("loopgate: {}; trying again", none.failure.what()));
            match again(ends, path, after.as_deref(), &mut attempts, none.failure)? {
                Some(frames) => frames,
                None => return Ok(Exit::Ok.into()),
            }
        }
        Err(none) => return Err(none.failure),
    };
    let mut since = Instant::now();
    loop {
        let error = match frames.hear() {
            Ok(Told::Frame(frame)) => {
                attempts = Attempts::default();
                match frame.event.as_str() {
                    "gap" => output.say(&gap(&frame)),
                    "end" => return Err(ended(&frame, on.zip(after.as_deref()))),
                    _ => show(&frame, output)?,
                }
                after = frame.id.or(after);
                continue;
            }
            Ok(Told::Nothing) => match ends.wait(Some(&frames), frames.silent_from()) {
                Waited::On => continue,
                Waited::Over => return Ok(Exit::Ok.into()),
            },
            Ok(Told::Ended) => ClientError::Broken("it ended without a word".to_owned()),
            Err(error) => error,
        };
        output.say(&format!("loopgate: {error}; trying again"));
        if since.elapsed() >= STEADY {
            attempts = Attempts::default();
        }
        match again(ends, path, after.as_deref(), &mut attempts, client_failure(&error))? {
            Some(other) => (frames, since) = (other, Instant::now()),
            None => return Ok(Exit::Ok.into()),
        }
    }
}

/// Connects again, as often as there are attempts; `None` where somebody wishes the end.
fn again(
    ends: &Ends,
    path: &str,
    after: Option<&str>,
    attempts: &mut Attempts,
    broken: Failure,
) -> Result<Option<Box<Frames>>, Failure> {
    let mut last = broken;
    while let Some(pause) = attempts.next() {
        let until = Instant::now() + pause;
        loop {
            if ends.wait(None, until) == Waited::Over {
                return Ok(None);
            }
            if Instant::now() >= until {
                break;
            }
        }
        match connect(path, after) {
            Ok(frames) => return Ok(Some(frames)),
            Err(none) if none.may_pass => last = none.failure,
            Err(none) => return Err(none.failure),
        }
    }
    Err(last)
}

/// Why there is no stream.
struct NoStream {
    failure: Failure,
    /// there may be one in a moment
    may_pass: bool,
}

impl NoStream {
    fn broken(failure: Failure) -> Self {
        let may_pass = matches!(failure.exit(), Exit::NotRunning | Exit::TryLater);
        Self { failure, may_pass }
    }
}

/// Looks for the instance anew each time: it may have been started again, elsewhere.
fn connect(path: &str, after: Option<&str>) -> Result<Box<Frames>, NoStream> {
    let client = swarm::operator().map_err(NoStream::broken)?;
    match client.stream(path, after) {
        Ok(Streamed::Frames(frames)) => Ok(frames),
        Ok(Streamed::Refused(answer)) => {
            let may_pass = matches!(answer.status, 429 | 500..=599);
            Err(NoStream { failure: swarm::refused(&answer), may_pass })
        }
        Err(error) => Err(NoStream::broken(client_failure(&error))),
    }
}

fn field<'a>(data: &'a Value, name: &str) -> &'a Value {
    data.get(name).unwrap_or(&Value::Null)
}

fn data(frame: &Frame) -> Value {
    serde_json::from_str(&frame.data).unwrap_or(Value::Null)
}

fn gap(frame: &Frame) -> String {
    match field(&data(frame), "missed").as_u64() {
        Some(missed) => format!("loopgate: gap: {missed} were missed here, at most"),
        None => "loopgate: gap: some were missed here".to_owned(),
    }
}

/// The instance's own word that it is over, and with which flag another one goes on.
fn ended(frame: &Frame, on: Option<(&str, &str)>) -> Failure {
    let on = on.map_or_else(String::new, |(flag, after)| format!("; `{flag} {after}` goes on from here"));
    match field(&data(frame), "code").as_str() {
        Some("stopping") => Failure::new(Exit::NotRunning, "the instance has ended")
            .next(format!("start one with `loopgate serve`{on}")),
        Some("swarm_gone") => {
            Failure::new(Exit::Negative, "the swarm was removed, and its logs with it").next(swarm::LIST)
        }
        code => {
            let why = code.unwrap_or("it does not say why");
            Failure::new(Exit::TryLater, format!("the instance ended the stream: {why}"))
                .next(format!("try again{on}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_cut_off_at_once_comes_back_with_pauses_and_not_for_ever() {
        let mut attempts = Attempts::default();
        assert_eq!(
            attempts.next(),
            Some(Duration::ZERO),
            "a connection that breaks off is made anew at once"
        );
        // Whatever connects in between, and is heard nothing of.
        for _ in 1..ATTEMPTS {
            assert_eq!(attempts.next(), Some(PAUSE));
        }
        assert_eq!((attempts.next(), attempts.next()), (None, None));
    }
}
