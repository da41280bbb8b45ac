//! The records of a page while it is made, out of memory and files, and how many are missing there.
//!
//! What came after a number and is kept no more is counted by the count that each record has of its agent's: what
//! this instance counted itself, and of what was there before no more than files could hold, for there an agent may
//! have written what it likes. What it has written there is its own log, and nobody else's.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use super::{
    Page, Query, Row,
    file::File,
    held::{Began, Held},
    record::Record,
};
use crate::{limits, wire::node::NodeName};

/// Of the records of earlier instances, how many are counted as missed of one agent: about as many as its files hold.
const EARLIER: u64 = 100_000;

/// What is known of one agent's log at one moment, and what is found of it.
pub(super) struct Source {
    agent: NodeName,
    file: Arc<File>,
    /// of each kind, the number from which on all records are in memory
    from: [u64; 2],
    /// there is something on the disk that may be asked for
    pub reads: bool,
    began: Began,
    /// the count of its last record
    counted: u64,
    /// number and count of each record behind the number asked for
    seen: Vec<(u64, u64)>,
    /// the count of the last one up to that number, where it was found
    before: Option<u64>,
}

/// The records of a page while it is made.
pub(super) struct Sheet {
    query: Query,
    rows: BTreeMap<(u64, usize), Arc<Record>>,
    bytes: usize,
    /// some had no room
    full: bool,
}

impl Sheet {
    pub fn new(query: Query) -> Self {
        Self { query, rows: BTreeMap::new(), bytes: 0, full: false }
    }

    /// The page; `upto` is the number up to which it may lead.
    pub fn page(self, upto: u64, sources: &mut [Source]) -> Page {
        let since = self.query.since;
        let last = self.rows.last_key_value().map(|((n, _), _)| *n);
        let next = last.filter(|_| self.full && since.is_some()).unwrap_or(upto);
        let missed = since.map_or(0, |since| {
            sources.iter_mut().fold(0_u64, |sum, source| sum.saturating_add(source.missed(since, next)))
        });
        let row = |((_, at), record): ((u64, usize), Arc<Record>)| {
            Some(Row { agent: sources.get(at)?.agent.clone(), record })
        };
        Page { rows: self.rows.into_iter().filter_map(row).collect(), next, missed }
    }

    /// Takes what is in memory of a log.
    pub fn held(&mut self, at: usize, agent: &NodeName, held: &Held) -> Source {
        let from = held.lanes.each_ref().map(|lane| lane.from);
        let mut source = Source {
            agent: agent.clone(),
            file: Arc::clone(&held.file),
            from,
            reads: false,
            began: held.began,
            counted: held.seq,
            seen: Vec::new(),
            before: None,
        };
        for (kind, lane) in held.lanes.iter().enumerate() {
            let asked = self.query.kinds.has_lane(kind);
            // Where nothing was ever dropped, nor is older than this process, there is nothing on the disk alone.
            let more = held.had_disk || lane.first() > 0;
            source.reads |= asked
                && more
                && match self.query.since {
                    Some(since) => since.saturating_add(1) < lane.from,
                    None => lane.len() < self.query.most,
                };
            // Those of the other kind are only counted.
            let counts = asked || self.query.since.is_some();
            for record in lane.newest().take_while(|_| counts) {
                if self.take(at, &mut source, record).is_break() {
                    break;
                }
            }
        }
        source
    }

    /// Takes what is on the disk of it.
    pub fn read(&mut self, at: usize, source: &mut Source, budget: usize) {
        let (file, from) = (Arc::clone(&source.file), source.from);
        file.newest_first(budget, |record| {
            // What is in memory counts; a number beyond that is none of ours.
            if from.get(record.voice.lane()).is_none_or(|from| record.n >= *from) {
                return ControlFlow::Continue(());
            }
            self.take(at, source, &Arc::new(record))
        });
    }

    /// Takes a record, where it belongs here; breaks off where no older one does.
    fn take(&mut self, at: usize, source: &mut Source, record: &Arc<Record>) -> ControlFlow<()> {
        if let Some(since) = self.query.since {
            let believed = source.believes(record);
            if record.n <= since {
                source.before = source.before.max(Some(record.seq).filter(|_| believed));
                return ControlFlow::Break(());
            }
            if believed {
                source.seen.push((record.n, record.seq));
            }
        }
        if !self.query.kinds.has(record.voice) {
            return ControlFlow::Continue(());
        }
        if let Some(other) = self.rows.insert((record.n, at), Arc::clone(record)) {
            self.bytes = self.bytes.saturating_sub(other.size());
        }
        self.bytes = self.bytes.saturating_add(record.size());
        while self.rows.len() > 1
            && (self.rows.len() > self.query.most || self.bytes > limits::LOG_PAGE_BYTES)
        {
            let goes = if self.query.since.is_some() { self.rows.pop_last() } else { self.rows.pop_first() };
            let Some((goes, lost)) = goes else { break };
            self.bytes = self.bytes.saturating_sub(lost.size());
            self.full = true;
            if self.query.since.is_none() && goes == (record.n, at) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Source {
    /// Whether a record's number and count may be ours: those of this instance are, and those from before are not
    /// beyond them.
    fn believes(&self, record: &Record) -> bool {
        (record.n >= self.began.n) == (record.seq > self.began.seq) && record.seq <= self.counted
    }

    /// How many records came after `since`, up to `next`, and were not found.
    fn missed(&mut self, since: u64, next: u64) -> u64 {
        if !self.reads {
            return 0;
        }
        self.seen.sort_unstable();
        // Where the log does not reach back so far, at most as many are gone as there are numbers between.
        let first = self.seen.first().map_or(0, |(n, seq)| {
            let numbers = if since == 0 { u64::MAX } else { n.saturating_sub(since).saturating_sub(1) };
            seq.saturating_sub(1).saturating_sub(numbers)
        });
        let mut last = self.before.unwrap_or(first);
        let (mut own, mut earlier) = (0_u64, 0_u64);
        let began = self.began.seq;
        for (_, seq) in self.seen.iter().take_while(|(n, _)| *n <= next) {
            let behind = seq.saturating_sub(1);
            own = own.saturating_add(behind.saturating_sub(last.max(began)));
            earlier = earlier.saturating_add(behind.min(began).saturating_sub(last));
            last = last.max(*seq);
        }
        own.saturating_add(earlier.min(EARLIER))
    }
}
