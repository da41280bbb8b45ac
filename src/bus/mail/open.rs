//! Opening the mailbox: every line of its journal, taken into the table one after the other.
//!
//! A message that was on its way when the instance ended waits again, marked, for nobody knows whether
//! its reader had it. A line that checks and is no record is skipped, counted and told in the log; what
//! the journal itself cut or skipped is told beside it. Words stay on the disk.

use std::sync::{Arc, Condvar, Mutex};

use super::{
    Inner, Mail, Shared,
    compact::Compaction,
    read,
    readers::Readers,
    table::{Bounds, Table},
};
use crate::{
    store::{
        disk::Disk,
        journal::{Journal, JournalError, Opened, Settings},
    },
    wire::clock::Clock,
};

/// Lines that are no records and are told one by one; beyond that they are counted.
const SHOWN: usize = 8;

/// What opening found, to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// what the journal found
    pub journal: Opened,
    /// the numbers of the first few lines that check and are no records of a mailbox: skipped
    pub unknown: Vec<u64>,
    /// how many there are
    pub unknown_in_all: u64,
    /// messages that wait
    pub waiting: usize,
}

impl Mail {
    /// Opens the mailbox whose journal is in this directory.
    pub fn open(
        disk: Box<dyn Disk>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Loaded), JournalError> {
        Self::open_with(disk, settings, Bounds::default(), clock)
    }

    pub(super) fn open_with(
        disk: Box<dyn Disk>,
        settings: Settings,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Loaded), JournalError> {
        let mut table = Table::new(bounds);
        let (mut unknown, mut unknown_in_all) = (Vec::new(), 0_u64);
        let (journal, opened) = Journal::open(disk, settings, &mut |line| match read::record(line.json) {
            Some(record) => table.load(line.number, line.place, &record),
            None => {
                unknown_in_all += 1;
                if unknown.len() < SHOWN {
                    unknown.push(line.number);
                }
            }
        })?;
        table.loaded();
        let waiting = table.waiting_in_all().0;
        let inner = Inner {
            table,
            readers: Readers::default(),
            last_holder: 0,
            compaction: Compaction::new(settings.segment_bytes),
            lazy: false,
            ending: false,
        };
        let shared = Shared {
            journal,
            clock,
            inner: Mutex::new(inner),
            settled: Condvar::new(),
            work: Condvar::new(),
        };
        let loaded = Loaded { journal: opened, unknown, unknown_in_all, waiting };
        Ok((Self { shared: Arc::new(shared) }, loaded))
    }

    /// An empty mailbox on a disk in memory.
    #[cfg(any(test, fuzzing))]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Arc<Self> {
        let disk = crate::store::disk::testing::Model::new().disk();
        let opened = Self::open(disk, Settings::default(), clock);
        Arc::new(opened.expect("a disk in memory does not fail").0)
    }
}
