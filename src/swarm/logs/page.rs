//! A page of logs: what is in memory, and before that what is on the disk.
//!
//! A page holds the newest records, or the first after a number; it is bounded in records and bytes, and so is what is
//! read of files for it. One reader at a time reads files: the others stand in a row, and not for ever, or come back
//! for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Kinds, Row, SETTLE,
    of_swarm::SwarmLog,
    sheet::{Sheet, Source},
};
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
    /// others read for too long, or for now
    Busy,
}

/// A page that is being made.
pub struct Look {
    log: Arc<SwarmLog>,
    agents: Vec<NodeName>,
    query: Query,
    /// what was logged up to here is on the disk, or this long was waited for it
    written: (u64, Instant),
    /// what is in memory was taken: up to this number
    taken: Option<(u64, Sheet, Vec<Source>)>,
}

impl SwarmLog {
    /// A look at the logs of these agents.
    pub fn look(self: &Arc<Self>, agents: Vec<NodeName>, query: &Query) -> Look {
        let written = Look::mark(self);
        Look { log: Arc::clone(self), agents, query: *query, written, taken: None }
    }

    /// A page of the logs of these agents.
    #[cfg(test)]
    pub fn page(self: &Arc<Self>, agents: &[NodeName], query: &Query) -> Result<Page, Unread> {
        self.look(agents.to_vec(), query).page()
    }
}

impl Look {
    /// The page. Waits for who reads files, and for what is not written yet; not for ever.
    pub fn page(mut self) -> Result<Page, Unread> {
        self.go_on(true)
    }

    /// The same for one who cannot wait: [`Unread::Busy`] where that is to be done, and to be asked again. One call
    /// reads of files what a page may, and no more.
    pub fn page_at_once(&mut self) -> Result<Page, Unread> {
        self.go_on(false)
    }

    fn mark(log: &SwarmLog) -> (u64, Instant) {
        let now = Instant::now();
        (log.shared.writer.mark(), now.checked_add(SETTLE).unwrap_or(now))
    }

    /// Where it is not, a disk that does not answer holds up nobody for longer than is waited.
    fn is_written(&self, waits: bool) -> bool {
        let (mark, limit) = self.written;
        self.log.shared.writer.is_done(mark, waits.then_some(limit)) || limit <= Instant::now()
    }

    fn go_on(&mut self, waits: bool) -> Result<Page, Unread> {
        let (upto, mut sheet, mut sources) = match self.taken.take() {
            Some(taken) => taken,
            None => {
                // What is on the disk of them is looked at for the first time; what agents of these names left there
                // may not be written yet.
                let new = |agent: &&NodeName| !self.log.is_open(agent);
                let new: Vec<NodeName> = self.agents.iter().filter(new).cloned().collect();
                if !new.is_empty() && !self.is_written(waits) {
                    return Err(Unread::Busy);
                }
                new.iter().for_each(|agent| drop(self.log.open(agent)));
                // Who was told of something finds here what was said before it.
                self.log.catch_up(&self.agents);
                let taken = self.take();
                self.written = Self::mark(&self.log);
                taken
            }
        };
        if sources.iter().any(|source| source.reads) {
            let patience = if waits { PATIENCE } else { Duration::ZERO };
            let log = Arc::clone(&self.log);
            let turn = self.is_written(waits).then(|| log.shared.reading.enter(patience));
            let Some(Ok(turn)) = turn else {
                self.taken = Some((upto, sheet, sources));
                return Err(Unread::Busy);
            };
            let budget = limits::LOG_READ.checked_div(sources.len()).unwrap_or_default();
            for (at, source) in sources.iter_mut().enumerate().filter(|(_, source)| source.reads) {
                sheet.read(at, source, budget);
            }
            drop(turn);
        }
        Ok(sheet.page(upto, &mut sources))
    }

    /// What is in memory, and up to which number.
    fn take(&self) -> (u64, Sheet, Vec<Source>) {
        let mut sheet = Sheet::new(self.query);
        let mut state = self.log.lock();
        let upto = state.place(self.log.now());
        let held = self.agents.iter().filter_map(|agent| Some((agent, state.agents.get(agent)?)));
        let sources = held.enumerate().map(|(at, (agent, held))| sheet.held(at, agent, held)).collect();
        (upto, sheet, sources)
    }
}
