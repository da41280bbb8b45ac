//! Measures a real instance beside axum and tiny_http hello worlds, in one run, alternating.
//!
//! Servers are child processes, so that their memory and CPU time are their own. The instance is the
//! release binary with every check on, started as a user would start it. All traffic stays on
//! loopback, every loop is bounded, and every child is ended.

mod channel;
mod child;
mod egress;
mod events;
mod forward;
mod http;
mod instance;
mod journal;
mod live;
mod load;
mod mail;
mod measure;
mod peers;
mod report;
mod sandbox;
mod swarm;

use std::{path::PathBuf, process::ExitCode};

const USAGE: &str = "\
usage: loopgate-bench [--quick] [--only TEXT] [--json FILE] [--loopgate PATH]

  --quick          fewer and shorter rounds: a look, not a figure to print
  --only TEXT      only the measurements whose name has it
  --json FILE      write all figures there
  --loopgate PATH  the binary to measure (default: built from this checkout)
";

/// What the command line asked for.
pub struct Options {
    quick: bool,
    only: String,
    json: Option<PathBuf>,
    loopgate: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut options = Options { quick: false, only: String::new(), json: None, loopgate: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            // The roles that this program gives to its own children.
            "peer" => return peers::serve(&value()),
            "agent" => return peers::agent(&value()),
            "hop" => {
                let socket = value();
                return swarm::hop(&socket, &value());
            }
            "shout" => return live::shout(),
            "tell" => return channel::tell(),
            "loop" => return channel::bare(&value()),
            "--quick" => options.quick = true,
            "--only" => options.only = value(),
            "--json" => options.json = Some(value().into()),
            "--loopgate" => options.loopgate = Some(value().into()),
            _ => {
                eprint!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match measure::all(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
