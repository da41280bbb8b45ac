//! `top`: all agents at one glance, once or as long as one looks.
//!
//! What is shown is made without I/O: an answer becomes a [`sample`], two of them make rates, and a [`table`] of it
//! fits any window. Asking ([`ask`]) and drawing ([`screen`]) are done by threads of their own, so that keys and
//! signals are heard at once, whatever the instance or the terminal does.

mod ask;
mod live;
mod sample;
mod screen;
mod table;

use std::{
    io::{self, IsTerminal},
    os::fd::AsFd,
    process::ExitCode,
    thread,
    time::Duration,
};

use serde_json::Value;

use self::{
    ask::Asker,
    sample::{Rates, Sample},
    table::View,
};
use crate::{
    cli::{
        display,
        outcome::{Exit, Failure},
        output::Output,
        parse::{Arguments, usage},
        verbs::swarm::name,
    },
    sys::tty,
};

pub use sample::Order;

/// Between two looks, where nothing else is said.
const INTERVAL: Duration = Duration::from_secs(1);
/// The instance does not look more often, and nobody waits longer.
const SHORTEST: f64 = 0.25;
const LONGEST: f64 = 3_600.0;

/// What was asked for on the command line.
struct Asked<'a> {
    swarm: Option<&'a str>,
    order: Order,
    interval: Option<Duration>,
}

/// `loopgate top`.
pub fn top(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let asked = Asked {
        swarm: arguments.text("--swarm")?.map(name).transpose()?,
        order: match arguments.text("--sort")? {
            // Another word does not pass the parser.
            Some(word) => Order::find(|found| found == word).unwrap_or(Order::Name),
            None => Order::Name,
        },
        interval: arguments.text("--interval")?.map(seconds).transpose()?,
    };
    let asker = Asker::find()?;
    if let Some(swarm) = asked.swarm {
        asker.knows(swarm)?;
    }
    if arguments.has("--json") {
        let (mut answer, sample) = looked(&asked, &asker)?;
        sample.arrange(&mut answer);
        output.json(&answer)?;
        return Ok(Exit::Ok.into());
    }
    if arguments.has("--once") || !io::stdout().is_terminal() {
        return once(&asked, &asker, output);
    }
    live::run(&asked, asker, output)
}

/// One look, and before it another one where an interval lies between them: the answer, and what it says, in order.
fn looked(asked: &Asked<'_>, asker: &Asker) -> Result<(Value, Sample), Failure> {
    let mut rates = Rates::default();
    if let Some(interval) = asked.interval {
        rates.rate(&mut Sample::of(&asker.ask()?, asked.swarm));
        thread::sleep(interval);
    }
    let answer = asker.ask()?;
    let mut sample = Sample::of(&answer, asked.swarm);
    rates.rate(&mut sample);
    sample.sort(asked.order);
    Ok((answer, sample))
}

fn once(asked: &Asked<'_>, asker: &Asker, output: &mut Output) -> Result<ExitCode, Failure> {
    let (_, sample) = looked(asked, asker)?;
    let width = match io::stdout().is_terminal() {
        true => window().0,
        false => table::natural_width(&sample),
    };
    let view = View { sample: &sample, order: asked.order, note: None, keys: false };
    let lines = table::lines(&view, width, None, output.paint());
    lines.iter().try_for_each(|line| output.data(line.trim_end()))?;
    Ok(Exit::Ok.into())
}

/// Columns and rows of the window.
fn window() -> (usize, usize) {
    let stdout = io::stdout();
    match tty::size(stdout.as_fd()) {
        Ok(size) if size.rows > 0 && size.cols > 0 => (size.cols.into(), size.rows.into()),
        // A terminal that does not know is as large as most were.
        Ok(_) | Err(_) => (table::WIDTH, 24),
    }
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: Option<f64> = text.parse().ok();
    match seconds.filter(|seconds| digits && (SHORTEST..=LONGEST).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err(usage(format!(
            "--interval takes seconds from {SHORTEST} to {LONGEST} and not `{}`",
            display::line(text)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_plain_number_of_seconds_within_its_bounds() {
        for (text, ms) in [("1", 1_000), ("0.25", 250), ("2.5", 2_500), ("3600", 3_600_000), ("1.", 1_000)] {
            assert_eq!(seconds(text).ok(), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "0", "0.24", "3600.1", "-1", "1e3", "inf", "nan", "1s", "+1", "1.2.3", "."] {
            assert_eq!(seconds(text).err().map(|failure| failure.exit()), Some(Exit::Usage), "{text}");
        }
    }
}
