//! The journal beside bare write and fdatasync calls.
//!
//! As many threads, as large lines, the same directory, in turn. The bare ones have a file each, so that
//! nothing but the disk is between them.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use loopgate::store::{
    Home, Journal, RealDisk,
    journal::{Settings, Ticket},
};

use crate::report::{Goal, Report, median};

/// Bytes of a line's text; with the rest of the line about 200 in all.
const TEXT: usize = 160;

/// Lines a second with 1 and 16 writers over the same number of bare calls, and the time to open.
pub fn measure(rounds: usize, round: Duration, lines: usize, report: &mut Report) -> io::Result<()> {
    let directory = Scratch::new()?;
    for writers in [1, 16] {
        let (mut ratios, mut rates, mut bare_rates) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..rounds {
            let mut run = |ours: bool| {
                let name = format!("{writers}-{at}");
                let rate = if ours { &mut rates } else { &mut bare_rates };
                rate.push(match ours {
                    true => journal(&directory.0, &name, writers, round)?,
                    false => bare(&directory.0, &name, writers, round)?,
                });
                io::Result::Ok(())
            };
            // another one begins in each round
            run(at % 2 == 0)?;
            run(at % 2 == 1)?;
            if let (Some(ours), Some(bare)) = (rates.last(), bare_rates.last()) {
                ratios.push(ours / bare);
            }
        }
        report.figure(
            &format!("journal: lines/s, {writers} writers"),
            median(&mut rates).round(),
            "/s",
            Goal::None,
        );
        report.figure(
            &format!("bare write+fdatasync/s, {writers} threads"),
            median(&mut bare_rates).round(),
            "/s",
            Goal::None,
        );
        report.figure(
            &format!("journal / bare write+fdatasync, {writers}"),
            median(&mut ratios),
            "x",
            Goal::AtLeast(0.8),
        );
    }
    let seconds = open(&directory.0, lines)?;
    report.figure(&format!("journal: opening {lines} lines"), seconds, "s", Goal::Below(1.0));
    Ok(())
}

/// Accepted lines a second.
fn journal(directory: &Path, name: &str, writers: usize, time: Duration) -> io::Result<f64> {
    let journal = &start(directory, name)?;
    let one = |at: usize| -> io::Result<()> {
        let ticket = append(journal, at)?;
        journal.wait(&ticket).map(drop).map_err(io::Error::other)
    };
    rate(writers, time, |_| Ok(one))
}

/// The same number of threads, each with its own file.
fn bare(directory: &Path, name: &str, writers: usize, time: Duration) -> io::Result<f64> {
    let line = vec![b'x'; TEXT + 40];
    let line = &line;
    rate(writers, time, |writer| {
        let path = directory.join(format!("bare-{name}-{writer}"));
        let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(move |_| {
            file.write_all(line)?;
            file.sync_data()
        })
    })
}

/// How often a second `writers` threads do what `each` gives them.
fn rate<F: FnMut(usize) -> io::Result<()>>(
    writers: usize,
    time: Duration,
    each: impl Fn(usize) -> io::Result<F> + Sync,
) -> io::Result<f64> {
    let since = Instant::now();
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                let each = &each;
                scope.spawn(move || {
                    let mut run = each(writer)?;
                    let mut done = 0_usize;
                    while since.elapsed() < time {
                        run(done)?;
                        done += 1;
                    }
                    io::Result::Ok(done)
                })
            })
            .collect();
        threads.into_iter().try_fold(0, |sum, thread| {
            let done = thread.join().map_err(|_| io::Error::other("a writer panicked"))??;
            io::Result::Ok(sum + done)
        })
    })?;
    Ok(done as f64 / since.elapsed().as_secs_f64())
}

/// Seconds to open a journal of so many lines.
fn open(directory: &Path, lines: usize) -> io::Result<f64> {
    let journal = start(directory, "many")?;
    for at in 0..lines {
        let _ticket = append(&journal, at)?;
        if at % 10_000 == 0 {
            journal.flush().map_err(io::Error::other)?;
        }
    }
    journal.flush().map_err(io::Error::other)?;
    drop(journal);
    let since = Instant::now();
    let opened = start(directory, "many")?;
    let seconds = since.elapsed().as_secs_f64();
    drop(opened);
    Ok(seconds)
}

fn append(journal: &Journal, at: usize) -> io::Result<Ticket> {
    let fields = |_, out: &mut Vec<u8>| {
        let _ = write!(out, "\"at\":{at},\"text\":\"{:x>1$}\"", "", TEXT);
    };
    journal.append(fields).map_err(io::Error::other)
}

fn start(directory: &Path, name: &str) -> io::Result<Journal> {
    let home = Home::create(directory).map_err(io::Error::other)?;
    let disk = RealDisk::open(&home, name).map_err(io::Error::other)?;
    let (journal, _) =
        Journal::open(Box::new(disk), Settings::default(), &mut |_| {}).map_err(io::Error::other)?;
    Ok(journal)
}

/// A directory on the disk of this checkout (a temporary one may be in memory), removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let path = target.join(format!("journal-{}", std::process::id()));
        Home::create(&path).map_err(io::Error::other)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
