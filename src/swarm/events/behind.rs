//! What waits for the disk, under the lock of the ring: lines of text, bounded, and nothing else.
//!
//! Who tells of an event puts its line here and goes on, whatever the disk does. What finds no room is lost on the disk
//! only, and counted.

use std::{sync::Arc, time::Instant};

use super::{line, writer::Cleaning};
use crate::{limits, store::JournalError, wire::date};

/// What waits, and how writing goes.
#[derive(Default)]
pub(super) struct Behind {
    /// there is a disk
    pub on: bool,
    /// lines of events, each with a newline
    pub text: Vec<u8>,
    /// most bytes of them
    pub most: usize,
    /// the writer sleeps until it is woken
    pub asleep: bool,
    /// somebody waits for what is here
    pub hurry: bool,
    /// nothing comes any more
    pub closed: bool,
    pub stopping: bool,
    /// the writer runs, and is over
    pub started: bool,
    pub ended: bool,
    /// the newest event that is on the disk, or lost
    pub settled: u64,
    /// since when the disk is asked for something
    pub since: Option<Instant>,
    /// events that never reached the disk, in this launch
    pub lost: u64,
    /// how many of them were not told of yet
    pub untold: u64,
    /// why the newest events are not on the disk
    pub failing: Option<String>,
    /// the last such reason, until it was told that all is well again
    pub trouble: Option<String>,
    /// all is to be forgotten; who asks meanwhile shares the answer
    pub clean: Option<Arc<Cleaning>>,
    pub stamp: Stamp,
}

/// The last time that was written, as text.
#[derive(Default)]
pub(super) struct Stamp {
    unix_ms: u64,
    text: String,
}

impl Behind {
    /// One more event; whether the writer is to be woken.
    pub fn put(&mut self, id: u64, unix_ms: u64, fields: &str) -> bool {
        if !self.on {
            return false;
        }
        // Longer than number, time and quotes ever are.
        const BESIDE: usize = 96;
        if self.text.len().saturating_add(fields.len()).saturating_add(BESIDE) > self.most {
            self.lose(1);
            return false;
        }
        if self.stamp.text.is_empty() || self.stamp.unix_ms != unix_ms {
            self.stamp = Stamp { unix_ms, text: date::rfc3339_us(unix_ms) };
        }
        line::put(&mut self.text, id, &self.stamp.text, fields);
        self.text.push(b'\n');
        if self.text.len() > limits::EVENTS_BATCH && !self.hurry {
            self.hurry = true;
            return true;
        }
        std::mem::take(&mut self.asleep)
    }

    /// So many are not on the disk, and will not be.
    pub fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
        self.untold = self.untold.saturating_add(count);
    }

    /// What is to be told now that the disk works again: why it did not, and how many events are not on it. Nothing
    /// while it fails, or while what tells of it would find no room itself.
    pub fn recovered(&mut self) -> Option<(String, u64)> {
        if let Some(why) = &self.failing {
            self.trouble = Some(why.clone());
            return None;
        }
        let has_room = self.text.len() < self.most / 2;
        if !has_room || (self.trouble.is_none() && self.untold == 0) {
            return None;
        }
        let why = self.trouble.take().unwrap_or_else(|| JournalError::Slow.to_string());
        Some((why, std::mem::take(&mut self.untold)))
    }
}
