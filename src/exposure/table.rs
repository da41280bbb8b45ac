//! The report as a table for people, at most 120 columns wide.

use super::{Kind, Report, Row};

const HEAD: [&str; 6] = ["KIND", "PROCESS", "ADDRESS", "PURPOSE", "AUTH", "DEFAULT"];
/// Widest cell of each column; longer text goes on in the next line. With the mark and the gaps: 120.
const WIDEST: [usize; 6] = [8, 15, 31, 25, 20, 9];

/// The table. A row with a difference begins with `!` and says below what is wrong; the last line counts.
pub fn table(report: &Report) -> String {
    let cells: Vec<[String; 6]> = report.rows.iter().map(cells).collect();
    let mut widths = HEAD.map(str::len);
    for row in &cells {
        for ((width, cell), widest) in widths.iter_mut().zip(row).zip(WIDEST) {
            *width = (*width).max(cell.chars().count()).min(widest);
        }
    }
    let mut out = String::new();
    line(&mut out, ' ', &HEAD.map(str::to_owned), &widths);
    for (row, cells) in report.rows.iter().zip(&cells) {
        line(&mut out, if row.difference.is_some() { '!' } else { ' ' }, cells, &widths);
        if let Some(difference) = &row.difference {
            out.push_str(&format!("!          ^ {difference}\n"));
        }
    }
    out.push_str(&summary(report));
    out
}

fn cells(row: &Row) -> [String; 6] {
    let address = match row.count {
        1 => row.address.clone(),
        count => format!("{} x{count}", row.address),
    };
    [
        row.kind.word().into(),
        row.process.clone(),
        address,
        row.purpose.clone(),
        row.auth.clone(),
        row.default.clone(),
    ]
}

/// One row, over as many lines as its longest cell needs.
fn line(out: &mut String, mark: char, cells: &[String; 6], widths: &[usize; 6]) {
    let mut rest: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let mut mark = mark;
    while rest.iter().any(|lines| !lines.is_empty()) {
        let mut text = String::from(mark);
        for (lines, width) in rest.iter_mut().zip(widths) {
            let part = if lines.is_empty() { String::new() } else { lines.remove(0) };
            text.push_str(&format!(" {part:<width$} "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
        mark = if mark == '!' { '!' } else { ' ' };
    }
}

/// At spaces where possible, else in the middle of a word.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used.saturating_add(gap).saturating_add(word.len()) <= width {
                line.extend(std::iter::repeat_n(' ', gap));
                line.extend(&word);
                break;
            }
            if used == 0 {
                let rest = word.split_off(width.max(1).min(word.len()));
                line.extend(&word);
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}

fn summary(report: &Report) -> String {
    let count = |kind| {
        let rows = report.rows.iter().filter(|row: &&Row| row.kind == kind && row.observed);
        rows.fold(0u64, |sum, row| sum.saturating_add(row.count))
    };
    let counts: Vec<String> =
        Kind::ALL.into_iter().map(|kind| format!("{} {}", kind.word(), count(kind))).collect();
    let differences = match report.differences {
        0 => "no difference between declared and observed".to_owned(),
        1 => "1 difference between declared and observed, marked !".to_owned(),
        many => format!("{many} differences between declared and observed, marked !"),
    };
    format!("\n  {}; {differences}\n", counts.join(", "))
}
