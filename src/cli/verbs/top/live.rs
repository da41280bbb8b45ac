//! The table that goes on: keys, signals, answers and the clock, one after the other.
//!
//! Nothing here waits for anything else than these. The window's size is asked for with each picture, so that a
//! change of it is seen with the next one, and SIGWINCH brings that at once.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Asked, INTERVAL,
    ask::{Asker, Asking, Told},
    sample::{Order, Rates, Sample},
    screen::Screen,
    table::{self, View},
    window,
};
use crate::{
    cli::{
        colour::Paint,
        display,
        outcome::{Exit, Failure},
        output::Output,
    },
    sys::{
        poll::{Entry, Wake, poll},
        signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH, SignalFd},
        tty::RawMode,
    },
};

/// Ctrl-C and Ctrl-D, which in raw mode are keys.
const ENDS: [u8; 4] = [b'q', b'Q', 0x03, 0x04];

/// Shows the table until the user has seen enough or there is no instance any more.
pub(super) fn run(asked: &Asked<'_>, asker: Asker, output: &mut Output) -> Result<ExitCode, Failure> {
    // Before anything is taken of the terminal: what is wrong at once is told in its usual state.
    let first = asker.ask()?;
    // Before any thread starts, so that none of them takes the signals.
    let signals = SignalFd::new(&[SIGWINCH, SIGTERM, SIGHUP, SIGINT]).map_err(failed)?;
    let wake = Arc::new(Wake::new().map_err(failed)?);
    let asking = asker.start(Arc::clone(&wake))?;
    let stdin = io::stdin();
    let raw = stdin.is_terminal().then(|| RawMode::enter(stdin.as_fd())).transpose().map_err(failed)?;
    let mut live = Live {
        swarm: asked.swarm.map(str::to_owned),
        order: asked.order,
        interval: asked.interval.unwrap_or(INTERVAL),
        paint: output.paint(),
        has_keys: raw.is_some(),
        asking,
        rates: Rates::default(),
        sample: Sample::default(),
        trouble: None,
        due: Instant::now(),
        screen: Screen::start(Arc::clone(&wake))?,
    };
    live.take(&first);
    let result = live.watch(&signals, &wake, &stdin);
    let given_back = live.screen.leave();
    drop(raw);
    match result {
        Ok(()) if !given_back => Err(Failure::output_gone()),
        result => result.map(|()| Exit::Ok.into()),
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("the terminal cannot be used: {error}"))
}

struct Live {
    swarm: Option<String>,
    order: Order,
    interval: Duration,
    paint: Paint,
    /// stdin is a terminal too
    has_keys: bool,
    asking: Asking,
    rates: Rates,
    sample: Sample,
    /// since when there is no answer, and why
    trouble: Option<(Instant, String)>,
    /// when to ask again
    due: Instant,
    screen: Screen,
}

impl Live {
    /// Until the user leaves.
    fn watch(&mut self, signals: &SignalFd, wake: &Wake, stdin: &io::Stdin) -> Result<(), Failure> {
        let mut keyboard = File::from(stdin.as_fd().try_clone_to_owned().map_err(failed)?);
        loop {
            match self.asking.told() {
                Some(Told::Answer(answer)) => self.take(&answer),
                Some(Told::NotNow(why)) => {
                    let since = self.trouble.take().map_or_else(Instant::now, |(since, _)| since);
                    self.trouble = Some((since, why));
                }
                Some(Told::Over(failure)) => return Err(failure),
                None => {}
            }
            if self.screen.is_gone() {
                return Err(Failure::output_gone());
            }
            self.draw();
            let now = Instant::now();
            if now >= self.due {
                self.asking.ask();
                self.due = now.checked_add(self.interval).unwrap_or(now);
            }
            let mut entries = [
                Entry::new(signals.as_fd(), true, false),
                Entry::new(wake.as_fd(), true, false),
                Entry::new(stdin.as_fd(), true, false),
            ];
            let watched = if self.has_keys { 3 } else { 2 };
            let (watched, _) = entries.split_at_mut(watched);
            poll(watched, Some(self.due.saturating_duration_since(now))).map_err(failed)?;
            let [signalled, _, typed] = entries.map(|entry| entry.readable());
            wake.clear();
            if signalled && signals.take().map_err(failed)?.is_some_and(|signal| signal != SIGWINCH) {
                return Ok(());
            }
            if typed && self.has_keys && self.typed(&mut keyboard)? {
                return Ok(());
            }
        }
    }

    fn take(&mut self, answer: &serde_json::Value) {
        self.sample = Sample::of(answer, self.swarm.as_deref());
        self.rates.rate(&mut self.sample);
        self.sample.sort(self.order);
        self.trouble = None;
    }

    /// Whether a key ends it.
    fn typed(&mut self, keyboard: &mut File) -> Result<bool, Failure> {
        let mut buffer = [0; 64];
        let read = keyboard.read(&mut buffer).map_err(failed)?;
        let keys = buffer.get(..read).unwrap_or_default();
        let plain = letters(keys);
        for letter in plain.iter().copied().map(char::from) {
            if let Some(order) = Order::find(|word| word.starts_with(letter)) {
                self.order = order;
                self.sample.sort(order);
            }
        }
        Ok(read == 0 || plain.iter().any(|key| ENDS.contains(key)))
    }

    fn draw(&self) {
        let (width, height) = window();
        let note = self.trouble.as_ref().map(|(since, why)| {
            let why = display::line(why);
            let ascii: String = why.chars().filter(char::is_ascii).collect();
            format!("no answer for {}s: {ascii}", since.elapsed().as_secs())
        });
        let note = note.or_else(|| self.nobody());
        let view =
            View { sample: &self.sample, order: self.order, note: note.as_deref(), keys: self.has_keys };
        self.screen.draw(&table::lines(&view, width, Some(height), self.paint));
    }

    /// What to say where there is nobody to be shown.
    fn nobody(&self) -> Option<String> {
        match &self.swarm {
            _ if !self.sample.agents.is_empty() => None,
            Some(swarm) => Some(format!("no agents of a swarm {swarm} that runs; q ends")),
            None => Some("no agents: `loopgate run` starts one, `loopgate start` a swarm; q ends".to_owned()),
        }
    }
}

/// What was typed without the keys that send a sequence (ECMA-48, and SS3 of keypads): their letters mean nothing.
fn letters(keys: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut keys = keys.iter().copied();
    while let Some(key) = keys.next() {
        match key {
            0x1b => match keys.next() {
                Some(b'[') => drop(keys.find(|byte| (0x40..=0x7e).contains(byte))),
                Some(b'O') => drop(keys.next()),
                Some(_) | None => {}
            },
            key => plain.push(key),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_and_other_keys_that_send_sequences_are_no_letters() {
        for (keys, plain) in [
            (&b"q"[..], "q"),
            (b"\x1b[Dq", "q"),
            (b"\x1b[5~r\x1bOq\x1bqn", "rn"),
            (b"\x1b", ""),
            (b"\x1b[", ""),
            (b"\x1b[1;5", ""),
            (b"", ""),
        ] {
            assert_eq!(letters(keys), plain.as_bytes(), "{keys:?}");
        }
    }
}
