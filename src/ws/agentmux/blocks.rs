//! Terminal output for one connection (spec agentmux D.6): an offset for each block that is watched.
//!
//! Nothing is queued: a piece is read from the ring when the connection has room, block after
//! block, so that a flooding agent neither fills the outbox nor keeps the others' output back. What
//! the ring no longer has is told as a `gap`. The end of a block that is watched is told behind all
//! of its output: who has seen it can close the view.

use std::{
    collections::{BTreeMap, HashSet},
    mem::take,
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    agent::Watch,
    bus::events::{Event, Scopes, Subscriber, TooMuch},
    sys::poll::Wake,
    wire::base64,
    ws::Instance,
};

/// Bytes of output in one event.
const PIECE: usize = 16 * 1024;

/// Tells of the start and of the end of a block's program.
const STATUS: &str = "controllerstatus";

/// Begins the scope of a block.
const SCOPE: &str = "block:";

/// The event's name.
pub(super) const BLOCKFILE: &str = "blockfile";

/// What a connection watches.
#[derive(Default)]
pub(super) struct Blocks {
    watched: BTreeMap<String, Watched>,
    /// what was subscribed to
    scopes: Option<Scopes>,
    /// hears of agents that start, where a scope is a pattern or all are wanted
    starts: Option<Subscriber>,
    /// the block whose turn was last
    last: String,
    /// ends that are told once all output of their block was sent; no more than blocks were watched
    ends: BTreeMap<String, Arc<Event>>,
}

struct Watched {
    /// of the next byte to send
    offset: u64,
    /// tell of a gap with the next piece
    gap: bool,
    /// there may be more than was sent
    due: bool,
    /// all of an ended agent's output was sent
    over: bool,
    /// until all of an ended agent's output was sent: it keeps the output
    watch: Option<Watch>,
}

impl Blocks {
    /// Watches the blocks of these scopes, and no others. One that is watched already goes on where
    /// it is, unless `from` says where; a new one begins with what comes from now on.
    pub(super) fn subscribe(
        &mut self,
        instance: &dyn Instance,
        wake: &Arc<Wake>,
        (scopes, open): (Scopes, bool),
        from: Option<u64>,
    ) -> Result<(), TooMuch> {
        self.starts = None;
        if open {
            // Before the list is read, so that none that starts meanwhile is missed.
            let starts = instance.bus().events.subscribe(Arc::clone(wake));
            starts.set(STATUS, Scopes::new(Vec::new(), true)?)?;
            self.starts = Some(starts);
        }
        let mut blocks = self.forget_removed(instance);
        // Terminals of swarms are in no list: only who knows the name of one watches it.
        let named = scopes.exact().filter_map(|scope| scope.strip_prefix(SCOPE));
        blocks.extend(named.filter(|block| instance.output_end(block).is_some()).map(str::to_owned));
        self.watched.retain(|block, _| scopes.matches(&scope_of(block)));
        self.scopes = Some(scopes);
        for block in blocks {
            if !self.wants(&block) {
                continue;
            }
            match self.watched.get_mut(&block) {
                Some(watched) => {
                    if let Some(from) = from {
                        (watched.offset, watched.due, watched.over) = (from, true, false);
                    }
                }
                None => {
                    let from = from.or_else(|| instance.output_end(&block)).unwrap_or(0);
                    self.watch(instance, wake, block, from);
                }
            }
        }
        Ok(())
    }

    /// Watches nothing any more.
    pub(super) fn unsubscribe(&mut self) {
        *self = Self { ends: take(&mut self.ends), ..Self::default() };
    }

    /// The connection was woken: there may be more of any block, and new ones.
    pub(super) fn woken(&mut self, instance: &dyn Instance, wake: &Arc<Wake>) {
        for watched in self.watched.values_mut() {
            watched.due = !watched.over;
        }
        let started = self.starts.as_ref().is_some_and(|starts| {
            // What it heard does not matter, so that an overrun does not either.
            !starts.take(usize::MAX).is_empty() || starts.overrun()
        });
        if started {
            for block in self.forget_removed(instance) {
                if self.wants(&block) && !self.watched.contains_key(&block) {
                    self.watch(instance, wake, block, 0);
                }
            }
        }
    }

    /// The next piece of output as an event, of the block whose turn it is; `None` where there is none.
    pub(super) fn next(&mut self, instance: &dyn Instance) -> Option<Value> {
        for _ in 0..self.watched.len() {
            let after = (std::ops::Bound::Excluded(self.last.clone()), std::ops::Bound::Unbounded);
            let next = self.watched.range::<String, _>(after).next().or_else(|| self.watched.iter().next());
            let block = next.map(|(block, _)| block.clone())?;
            self.last.clone_from(&block);
            let Some(watched) = self.watched.get_mut(&block).filter(|watched| watched.due) else { continue };
            let output = match instance.output(&block, Some(watched.offset), PIECE) {
                Some(Ok(output)) => output,
                Some(Err(beyond)) => {
                    (watched.offset, watched.gap) = (beyond.end, true);
                    continue;
                }
                None => {
                    self.watched.remove(&block);
                    continue;
                }
            };
            watched.offset = output.next;
            watched.over = output.done;
            if watched.over {
                watched.watch = None;
            }
            watched.due = !output.bytes.is_empty() && !output.done;
            if output.bytes.is_empty() {
                continue;
            }
            let gap = take(&mut watched.gap) || output.gap;
            return Some(event(&block, output.from, &output.bytes, gap));
        }
        None
    }

    /// Whether this event is the end of a block of which not all output was sent. It is kept then, and
    /// told by [`Blocks::ended`].
    pub(super) fn holds_back(
        &mut self,
        instance: &dyn Instance,
        wake: &Arc<Wake>,
        event: &Arc<Event>,
    ) -> bool {
        let field = |name| event.data.get(name).and_then(Value::as_str);
        if event.event != STATUS || field("shellprocstatus") != Some("done") {
            return false;
        }
        let Some(block) = field("blockid") else { return false };
        // It may have ended before its start was looked at.
        if self.starts.is_some() && self.wants(block) && !self.watched.contains_key(block) {
            self.watch(instance, wake, block.to_owned(), 0);
        }
        let waits = self.watched.get(block).is_some_and(|watched| !watched.over);
        if waits {
            self.ends.insert(block.to_owned(), Arc::clone(event));
        }
        waits
    }

    /// Ends that were kept and can be told now, at most `most`.
    pub(super) fn ended(&mut self, most: usize) -> Vec<Arc<Event>> {
        let over = |block: &String| self.watched.get(block).is_none_or(|watched| watched.over);
        let told: Vec<String> = self.ends.keys().filter(|block| over(block)).take(most).cloned().collect();
        told.iter().filter_map(|block| self.ends.remove(block)).collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Forgets blocks of agents that were removed, once all of their output was sent; those that are
    /// there.
    fn forget_removed(&mut self, instance: &dyn Instance) -> HashSet<String> {
        let blocks: HashSet<String> = instance.blocks().into_iter().collect();
        self.watched.retain(|block, watched| !watched.over || blocks.contains(block));
        blocks
    }

    fn wants(&self, block: &str) -> bool {
        self.scopes.as_ref().is_some_and(|scopes| scopes.matches(&scope_of(block)))
    }

    fn watch(&mut self, instance: &dyn Instance, wake: &Arc<Wake>, block: String, offset: u64) {
        if let Some(watch) = instance.watch(&block, Arc::clone(wake)) {
            let watched = Watched { offset, gap: false, due: true, over: false, watch: Some(watch) };
            self.watched.insert(block, watched);
        }
    }
}

fn scope_of(block: &str) -> String {
    format!("{SCOPE}{block}")
}

fn event(block: &str, offset: u64, bytes: &[u8], gap: bool) -> Value {
    let mut data = json!({
        "zoneid": block,
        "filename": "term",
        "fileop": "append",
        "data64": base64::encode(bytes),
        "offset": offset,
    });
    if let (true, Some(data)) = (gap, data.as_object_mut()) {
        data.insert("gap".to_owned(), json!(true));
    }
    json!({ "event": BLOCKFILE, "scopes": [scope_of(block)], "data": data })
}
