//! A page of logs: what is in memory, and before that what is on the disk.
//!
//! A page holds the newest records, or the first after a number; it is bounded in records and bytes, and so is what is
//! read of files for it. One reader at a time reads files: the others wait their turn, and not for ever. What came
//! after a number and is kept no more is counted by the agent's own count of its records.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::{Kinds, Row, file::File, held::Held, lock, of_swarm::SwarmLog, record::Record};
use crate::{limits, wire::node::NodeName};

/// How long a reader waits for his turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked of logs.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// which records
    pub kinds: Kinds,
    /// those after this number, the oldest first to go in; otherwise the newest
    pub since: Option<u64>,
    /// at most so many
    pub most: usize,
}

/// Records, oldest first.
#[derive(Debug, Default)]
pub struct Page {
    /// the records
    pub rows: Vec<Row>,
    /// the number to go on from
    pub next: u64,
    /// how many records of the agents asked for came after the number that was given and before the last one here,
    /// and are kept no more; of every kind
    pub missed: u64,
}

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// others read for too long
    Busy,
}

/// The turn to read files.
#[derive(Default)]
pub(super) struct Desk {
    taken: Mutex<bool>,
    free: Condvar,
}

/// The turn; dropped, it is the next one's.
pub(super) struct Turn<'a>(&'a Desk);

impl Desk {
    pub fn enter(&self, within: Duration) -> Result<Turn<'_>, Unread> {
        let waited = self.free.wait_timeout_while(lock(&self.taken), within, |taken| *taken);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        if std::mem::replace(&mut *taken, true) { Err(Unread::Busy) } else { Ok(Turn(self)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = false;
        self.0.free.notify_one();
    }
}

/// What is known of one agent's log at one moment, and what is found of it.
struct Source {
    agent: NodeName,
    file: Arc<File>,
    /// of each kind, the number from which on all records are in memory
    from: [u64; 2],
    /// there is something on the disk that may be asked for
    reads: bool,
    /// number and count of each record behind the number asked for
    seen: Vec<(u64, u64)>,
    /// the count of the last one up to that number, where it was found
    before: Option<u64>,
}

/// The records of a page while it is made.
struct Sheet {
    query: Query,
    rows: BTreeMap<(u64, usize), Arc<Record>>,
    bytes: usize,
    /// some had no room
    full: bool,
}

impl SwarmLog {
    /// A page of the logs of these agents.
    pub fn page(self: &Arc<Self>, agents: &[NodeName], query: &Query) -> Result<Page, Unread> {
        // What is on the disk of them is looked at for the first time.
        agents.iter().for_each(|agent| drop(self.agent(agent)));
        let mut sheet = Sheet { query: *query, rows: BTreeMap::new(), bytes: 0, full: false };
        let (upto, mut sources) = {
            let mut state = self.lock();
            let upto = state.place(self.now());
            let held = agents.iter().filter_map(|agent| Some((agent, state.agents.get(agent)?)));
            let sources: Vec<Source> =
                held.enumerate().map(|(at, (agent, held))| sheet.held(at, agent, held)).collect();
            (upto, sources)
        };
        if sources.iter().any(|source| source.reads) {
            let turn = self.shared.reading.enter(PATIENCE)?;
            self.shared.writer.settle(super::SETTLE);
            let budget = limits::LOG_READ.checked_div(sources.len()).unwrap_or_default();
            for (at, source) in sources.iter_mut().enumerate().filter(|(_, source)| source.reads) {
                sheet.read(at, source, budget);
            }
            drop(turn);
        }
        let last = sheet.rows.last_key_value().map(|((n, _), _)| *n);
        let next = last.filter(|_| sheet.full && query.since.is_some()).unwrap_or(upto);
        let missed = query.since.map_or(0, |since| {
            sources.iter_mut().fold(0_u64, |sum, source| sum.saturating_add(source.missed(since, next)))
        });
        let row = |((_, at), record): ((u64, usize), Arc<Record>)| {
            Some(Row { agent: sources.get(at)?.agent.clone(), record })
        };
        Ok(Page { rows: sheet.rows.into_iter().filter_map(row).collect(), next, missed })
    }
}

impl Sheet {
    /// Takes what is in memory of a log.
    fn held(&mut self, at: usize, agent: &NodeName, held: &Held) -> Source {
        let from = held.lanes.each_ref().map(|lane| lane.from);
        let mut source = Source {
            agent: agent.clone(),
            file: Arc::clone(&held.file),
            from,
            reads: false,
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
    fn read(&mut self, at: usize, source: &mut Source, budget: usize) {
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
            if record.n <= since {
                source.before = source.before.max(Some(record.seq));
                return ControlFlow::Break(());
            }
            source.seen.push((record.n, record.seq));
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
        let mut missed = 0_u64;
        for (_, seq) in self.seen.iter().take_while(|(n, _)| *n <= next) {
            missed = missed.saturating_add(seq.saturating_sub(last).saturating_sub(1));
            last = last.max(*seq);
        }
        missed
    }
}
