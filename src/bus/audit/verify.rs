//! Reads the lines of an audit in order and says whether they are whole: sans-IO.
//!
//! Given the segments oldest first and what stands in them. Sound is a log whose every line is
//! sealed, bears the next number and the hash of the line before, and which begins with line 1 or
//! behind a segment that an entry of its own says was dropped. The first line that is not so is
//! named. What the log itself tells of gaps (entries that a failing disk lost, an instance that was
//! killed, shares that were used up) is no break: it is told.

use serde_json::Value;

use super::{
    chain::{ChainKey, START},
    entry::{DROPPED, INSTANCE, KILL},
};

/// A line whose hash was noted elsewhere, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// its number
    pub number: u64,
    /// its hash, as [`Report::head`] said then
    pub hash: String,
}

impl Noted {
    /// `<number>:<64 hexadecimal digits>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, hash) = text.split_once(':')?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let hex = hash.len() == START.len() && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let number = number.parse().ok().filter(|_| digits && hex)?;
        Some(Self { number, hash: hash.to_ascii_lowercase() })
    }
}

/// The first line that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// the file
    pub segment: String,
    /// the line in it, from 1
    pub line: u64,
    /// the entry's own time in unix ms, where it can be read; else that of the last sound one
    pub at: Option<u64>,
    /// what is wrong with it
    pub why: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// sound entries
    pub entries: u64,
    /// number and time (unix ms) of the first
    pub first: Option<(u64, u64)>,
    /// number and time (unix ms) of the last
    pub last: Option<(u64, u64)>,
    /// hash of the last: together with its number what is worth noting elsewhere
    pub head: Option<String>,
    /// entries that never reached the disk, as later ones tell
    pub lost: u64,
    /// entries that were counted and not written, because their callers' shares were used up
    pub unwritten: u64,
    /// when the instance was started again after it had been killed, unix ms: the newest of them
    pub killed: Vec<u64>,
    /// how often that was in all
    pub killed_in_all: u64,
    /// the last number that was dropped to make room
    pub dropped_through: u64,
    /// whether the newest line is not complete: it is being written, or whoever wrote it was killed
    pub torn: bool,
    /// what was noted elsewhere is older than what is kept
    pub noted_is_dropped: bool,
    /// `None`: sound
    pub broken: Option<Broken>,
}

/// Most times of a kind that a report holds.
const TIMES: usize = 16;

/// Reads an audit from its first line to its last.
pub struct Verifier {
    key: ChainKey,
    noted: Option<Noted>,
    report: Report,
    segment: String,
    /// in the segment, from 1
    line: u64,
    /// `prev` of the first line of all, where that is not line 1
    begins_behind: Option<(Broken, String)>,
    /// whether an entry says that what was before the first line was dropped
    beginning_told: bool,
    /// bytes that are no line: forgiven at the end of a segment if the next goes on without a gap
    suspect: Option<Broken>,
    noted_was_met: bool,
}

impl Verifier {
    /// Nothing was read yet.
    pub fn new(key: ChainKey, noted: Option<Noted>) -> Self {
        Self {
            key,
            noted,
            report: Report::default(),
            segment: String::new(),
            line: 0,
            begins_behind: None,
            beginning_told: false,
            suspect: None,
            noted_was_met: false,
        }
    }

    /// The next segment begins.
    pub fn segment(&mut self, name: &str) {
        name.clone_into(&mut self.segment);
        self.line = 0;
        self.report.torn = false;
    }

    /// Whether there is no need to read on.
    pub fn is_decided(&self) -> bool {
        self.report.broken.is_some() && (self.begins_behind.is_none() || self.beginning_told)
    }

    /// The next line whose checksum holds, without checksum and newline.
    pub fn line(&mut self, json: &[u8]) {
        self.line = self.line.saturating_add(1);
        if self.report.broken.is_some() {
            // what comes first is named: only whether the beginning is right is still open
            if let Some(entry) = Entry::read(json).filter(|_| self.key.is_sealed(json)) {
                self.tell_of_beginning(&entry);
            }
            return;
        }
        if let Err(why) = self.check(json) {
            let at = Entry::read(json).map(|entry| entry.timestamp);
            let here = self.here(at, why);
            self.report.broken = Some(self.suspect.take().unwrap_or(here));
        }
    }

    /// The next line, whose checksum does not hold or which is no line at all.
    pub fn bad(&mut self, why: &str) {
        self.line = self.line.saturating_add(1);
        if self.suspect.is_none() && self.report.broken.is_none() {
            self.suspect = Some(self.here(None, why.to_owned()));
        }
    }

    /// The segment ends within a line.
    pub fn torn(&mut self) {
        self.report.torn = true;
    }

    /// No more is to be read.
    pub fn finish(mut self) -> Report {
        if self.report.broken.is_none() {
            self.report.broken = self.suspect.take();
        }
        if let Some((first, _)) = self.begins_behind.take()
            && !self.beginning_told
        {
            self.report.broken = Some(first);
        }
        if let Some(noted) = self.noted.take()
            && !self.noted_was_met
            && self.report.broken.is_none()
        {
            let first = self.report.first.map_or(0, |(number, _)| number);
            if noted.number < first {
                self.report.noted_is_dropped = true;
            } else {
                let why =
                    format!("the log ends here, and entry {} was there when it was noted", noted.number);
                self.report.broken = Some(self.here(None, why));
            }
        }
        self.report
    }

    fn check(&mut self, json: &[u8]) -> Result<(), String> {
        let entry = Entry::read(json).ok_or("it is no entry of an audit")?;
        if !self.key.is_sealed(json) {
            return Err("it was changed: its seal does not fit".to_owned());
        }
        let hash = self.key.link(json);
        if self.suspect.as_ref().is_some_and(|suspect| suspect.segment == self.segment) {
            return Err("something stands before it that is no entry".to_owned());
        }
        let Some((last, _)) = self.report.last else {
            self.begin(&entry)?;
            return self.take(&entry, hash);
        };
        if entry.number <= last {
            let belongs = last.saturating_add(1);
            return Err(format!("entry {} stands where {belongs} belongs", entry.number));
        }
        // A number may be passed over: after a torn tail none that may have been in it is given out
        // again. What counts is that this entry was written behind that one.
        if self.report.head.as_deref() != Some(&entry.prev) {
            let (from, to) = (last.saturating_add(1), entry.number.saturating_sub(1));
            return Err(match from <= to {
                true => format!("entries {from} to {to} are missing before it"),
                false => "it does not follow the entry before it".to_owned(),
            });
        }
        self.take(&entry, hash)
    }

    fn begin(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.number == 1 {
            return if entry.prev == START { Ok(()) } else { Err("it is not the beginning".to_owned()) };
        }
        let why = format!(
            "entries 1 to {} are missing, and no entry says that they were dropped",
            entry.number.saturating_sub(1)
        );
        self.begins_behind = Some((self.here(Some(entry.timestamp), why), entry.prev.clone()));
        Ok(())
    }

    /// A sound entry.
    fn take(&mut self, entry: &Entry, hash: String) -> Result<(), String> {
        self.suspect = None;
        if let Some(noted) = &self.noted
            && noted.number == entry.number
        {
            self.noted_was_met = true;
            if noted.hash != hash {
                return Err(
                    "it is not the entry that was noted: the log was cut before it and goes on differently"
                        .to_owned(),
                );
            }
        }
        let report = &mut self.report;
        report.entries = report.entries.saturating_add(1);
        report.first.get_or_insert((entry.number, entry.timestamp));
        report.last = Some((entry.number, entry.timestamp));
        report.lost = report.lost.saturating_add(entry.lost_before);
        report.unwritten = report.unwritten.saturating_add(entry.unwritten_before);
        match &entry.tells {
            Tells::Nothing => {}
            Tells::Killed => {
                report.killed_in_all = report.killed_in_all.saturating_add(1);
                if report.killed.len() >= TIMES {
                    report.killed.remove(0);
                }
                report.killed.push(entry.timestamp);
            }
            Tells::Dropped { through, .. } => {
                report.dropped_through = report.dropped_through.max(*through);
            }
        }
        self.tell_of_beginning(entry);
        self.report.head = Some(hash);
        Ok(())
    }

    fn tell_of_beginning(&mut self, entry: &Entry) {
        let Tells::Dropped { through, hash } = &entry.tells else { return };
        let first = self.report.first.map_or(0, |(number, _)| number);
        let here = self.begins_behind.as_ref().is_some_and(|(_, prev)| prev == hash);
        self.beginning_told |= here && *through < first;
    }

    fn here(&self, at: Option<u64>, why: String) -> Broken {
        let at = at.or(self.report.last.map(|(_, at)| at));
        Broken { segment: self.segment.clone(), line: self.line, at, why }
    }
}

/// What the chain needs of an entry.
struct Entry {
    number: u64,
    prev: String,
    timestamp: u64,
    lost_before: u64,
    unwritten_before: u64,
    tells: Tells,
}

enum Tells {
    Nothing,
    /// the instance began after another had been killed
    Killed,
    /// a segment was dropped: its last number and that line's hash
    Dropped {
        through: u64,
        hash: String,
    },
}

impl Entry {
    fn read(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let tells = match text("kind")? {
            INSTANCE if text("after") == Some(KILL) => Tells::Killed,
            DROPPED => Tells::Dropped { through: number("through")?, hash: text("hash")?.to_owned() },
            _ => Tells::Nothing,
        };
        Some(Self {
            number: number("n")?,
            prev: text("prev")?.to_owned(),
            timestamp: number("timestamp")?,
            lost_before: number("lost_before").unwrap_or(0),
            unwritten_before: number("unwritten_before").unwrap_or(0),
            tells,
        })
    }
}

#[cfg(test)]
#[path = "verify/tests.rs"]
mod tests;
