//! From a sample to lines of text, for a window of any size: no I/O and no clock.
//!
//! At 80 columns all of it is there; in a wider window the names get what is left over, in a narrower one the lines
//! are cut at its edge. No line is wider than the window, colours not counted: the sequences that paint are put in
//! behind the measuring.

use super::sample::{Order, Row, Sample};
use crate::cli::colour::{Paint, Tone};

/// Width of all columns but the name, with the space before each.
const REST: usize = 63;
/// The names have no less.
const NAME_LEAST: usize = 8;
/// Columns of a window, where all of it is shown.
pub const WIDTH: usize = 80;

const HEADINGS: [&str; 7] = ["MSG/S", "LAST", "P50", "P99", "WAIT", "MEMORY", "PID"];
const WIDTHS: [usize; 7] = [6, 6, 6, 6, 5, 6, 7];
const STATE: usize = 13;

/// What is to be shown.
pub struct View<'a> {
    /// in its order
    pub sample: &'a Sample,
    pub order: Order,
    /// what the user is to know
    pub note: Option<&'a str>,
    /// whether there are keys to press
    pub keys: bool,
}

/// The lines for a window of so many columns and, where it is one, so many rows.
pub fn lines(view: &View<'_>, width: usize, height: Option<usize>, paint: Paint) -> Vec<String> {
    let name = name_width(view.sample, width);
    let mut lines = vec![cut(&head(view.sample), width).to_owned()];
    if let Some(note) = view.note {
        lines.push(paint.tone(Tone::Warn, cut(note, width)));
    } else if view.keys {
        let word = view.order.word();
        let keys = format!("by {word}; q ends, n s r l m: by name, state, rate, latency, memory");
        lines.push(paint.tone(Tone::Dim, cut(&keys, width)));
    }
    lines.push(paint.tone(Tone::Dim, cut(&heading(name), width)));
    let room = height.map_or(usize::MAX, |height| height.saturating_sub(lines.len()));
    let all = view.sample.agents.len();
    // A last line says how many more there are.
    let shown = if all > room { room.saturating_sub(1) } else { all };
    lines.extend(view.sample.agents.iter().take(shown).map(|row| line(row, name, width, paint)));
    if shown < all {
        let more = all.saturating_sub(shown);
        let text = format!("{more} more: a taller window, another order or --swarm shows them");
        lines.push(paint.tone(Tone::Dim, cut(&text, width)));
    }
    lines.truncate(height.unwrap_or(usize::MAX));
    lines
}

/// As wide as a table with these names wants to be.
pub fn natural_width(sample: &Sample) -> usize {
    let longest = sample.agents.iter().map(|row| row.name.len()).max().unwrap_or(0);
    longest.saturating_add(REST).max(WIDTH)
}

fn name_width(sample: &Sample, width: usize) -> usize {
    natural_width(sample).min(width).saturating_sub(REST).max(NAME_LEAST)
}

fn head(sample: &Sample) -> String {
    let some = |number: Option<u64>, show: fn(u64) -> String| number.map_or_else(|| "-".to_owned(), show);
    let rate = sample.event_rate.map_or_else(|| "-".to_owned(), per_second);
    format!(
        "up {}, agents {}, swarms {} of {}, connections {}, memory {}, events/s {rate}",
        time(sample.uptime_ms),
        sample.agents.len(),
        sample.swarms_running,
        sample.swarms,
        some(sample.connections, |number| number.to_string()),
        some(sample.memory, bytes),
    )
}

fn heading(name: usize) -> String {
    let mut text = format!("{:<name$} {:<STATE$}", "NAME", "STATE");
    for (heading, width) in HEADINGS.iter().zip(WIDTHS) {
        text.push_str(&format!(" {heading:>width$}"));
    }
    text
}

fn line(row: &Row, name: usize, width: usize, paint: Paint) -> String {
    let none = || "-".to_owned();
    let ms = |number: Option<u64>| number.map_or_else(none, time);
    let cells = [
        row.rate.map_or_else(none, per_second),
        ms(row.last),
        ms(row.p50),
        ms(row.p99),
        row.waiting.to_string(),
        row.memory.map_or_else(none, bytes),
        row.pid.map_or_else(none, |pid| pid.to_string()),
    ];
    let state = format!("{:<STATE$}", shortened(&row.state, STATE));
    let mut text = format!("{:<name$} {state}", shortened(&row.name, name));
    for (cell, width) in cells.iter().zip(WIDTHS) {
        text.push_str(&format!(" {:>width$}", shortened(cell, width)));
    }
    let text = cut(&text, width);
    // Painted last, where it is whole in the window.
    let begins = name.saturating_add(1);
    match (text.get(..begins), text.get(begins..begins.saturating_add(STATE))) {
        (Some(before), Some(state)) => {
            let behind = text.get(begins.saturating_add(STATE)..).unwrap_or_default();
            format!("{before}{}{behind}", paint.state(state))
        }
        _ => text.to_owned(),
    }
}

/// The beginning of a line; all of it is ASCII.
fn cut(text: &str, width: usize) -> &str {
    text.get(..width).unwrap_or(text)
}

/// A name without its middle, where it is too long: its end tells agents of one swarm from each other.
fn shortened(text: &str, width: usize) -> String {
    if text.len() <= width {
        return text.to_owned();
    }
    let end = width.saturating_sub(1).div_ceil(2);
    let begin = width.saturating_sub(1).saturating_sub(end);
    let (before, behind) = (text.get(..begin), text.get(text.len().saturating_sub(end)..));
    format!("{}~{}", before.unwrap_or_default(), behind.unwrap_or_default())
}

/// At most six columns: `12ms`, `1.23s`, `4m03s`, `5h07m`, `12d`.
fn time(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=9 => format!("{seconds}.{:02}s", ms % 1_000 / 10),
        10..=59 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..=3_599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..=359_999 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// At most five columns: `512B`, `3.2K`, `45.1M`, `120M`.
fn bytes(number: u64) -> String {
    if number < 1024 {
        return format!("{number}B");
    }
    let mut value = number as f64;
    for unit in ["K", "M", "G", "T", "P"] {
        value /= 1024.0;
        if value < 99.95 {
            return format!("{value:.1}{unit}");
        }
        if value < 1023.5 {
            return format!("{value:.0}{unit}");
        }
    }
    format!("{:.0}E", value / 1024.0)
}

/// At most five columns.
fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}"),
        rate if rate < 9_999.5 => format!("{rate:.0}"),
        rate if rate < 999_500.0 => format!("{:.0}k", rate / 1_000.0),
        rate => format!("{:.0}M", (rate / 1_000_000.0).min(999.0)),
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
