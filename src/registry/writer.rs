//! The thread that writes our files, and how others ask it to.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Registry,
    own::{Files, Outcome, Work},
    trouble,
    types::{Published, Trouble},
};
use crate::{
    limits,
    wire::{id::AgentId, secret::Secret},
};

/// Stack of the thread.
const STACK: usize = 256 * 1024;
/// Time until what was held up is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for its end: the lock, and the removal of every file.
const END: Duration = Duration::from_secs(5);

/// What the thread and those who ask share.
pub(super) struct State {
    key: (Arc<Secret>, u64),
    /// how often something was asked for, and how much of that is done
    asked: u64,
    done: u64,
    gone: Vec<PathBuf>,
    outcome: Outcome,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// no thread
    Idle,
    Runs,
    /// it is to end
    Ends,
    Ended,
}

impl State {
    pub fn new(key: Secret) -> Self {
        let outcome = Outcome { status: Default::default(), names: Vec::new(), newest_key: true };
        Self { key: (Arc::new(key), 0), asked: 0, done: 0, gone: Vec::new(), outcome, phase: Phase::Idle }
    }
}

/// The thread; [`Writer::end`] removes our files.
pub struct Writer {
    registry: Arc<Registry>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Removes our files and ends the thread; bounded.
    pub fn end(self) {
        let mut state = self.registry.state();
        state.phase = Phase::Ends;
        self.registry.turn.notify_all();
        let over = |state: &mut State| state.phase != Phase::Ended;
        let waited = self.registry.turn.wait_timeout_while(state, END, over);
        let ended = waited.unwrap_or_else(PoisonError::into_inner);
        let ended = ended.0.phase == Phase::Ended;
        if ended {
            let _ = self.thread.join();
        }
    }
}

impl Registry {
    /// Starts the thread; `snapshot` tells who is registered here, with the block of each.
    pub fn start(
        self: &Arc<Self>,
        snapshot: impl Fn() -> Vec<(AgentId, String)> + Send + 'static,
    ) -> io::Result<Writer> {
        let registry = Arc::clone(self);
        self.state().phase = Phase::Runs;
        let body = move || registry.keep(&snapshot);
        match thread::Builder::new().name("registry".to_owned()).stack_size(STACK).spawn(body) {
            Ok(thread) => Ok(Writer { registry: Arc::clone(self), thread }),
            Err(error) => {
                self.state().phase = Phase::Idle;
                Err(error)
            }
        }
    }

    fn keep(self: Arc<Self>, snapshot: &dyn Fn() -> Vec<(AgentId, String)>) {
        let mut files = Files::new(Arc::clone(&self));
        let mut swept = self.sweep();
        let mut all = true;
        let mut begun = self.clock.monotonic_ms();
        loop {
            if all {
                begun = self.clock.monotonic_ms();
                swept = swept || self.sweep();
            }
            let (work, asked) = self.work(all);
            let outcome = files.round(snapshot(), &work);
            // What was held up is tried again soon.
            let held_up = outcome.status.values().any(|status| *status == Published::Pending);
            let mut state = self.state();
            state.done = asked;
            state.outcome = outcome;
            self.turn.notify_all();
            let idle = |state: &mut State| {
                state.phase == Phase::Runs && state.asked == state.done && state.gone.is_empty()
            };
            let within = if held_up { AGAIN } else { self.until_reconciled(begun) };
            let waited = self.turn.wait_timeout_while(state, within, idle);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            all = self.until_reconciled(begun).is_zero();
            if state.phase != Phase::Runs {
                break;
            }
        }
        files.end();
        let mut state = self.state();
        state.phase = Phase::Ended;
        state.outcome.names.clear();
        self.turn.notify_all();
    }

    /// Time until every file is compared again, the last time having been at `begun`.
    fn until_reconciled(&self, begun: u64) -> Duration {
        let since = self.clock.monotonic_ms().saturating_sub(begun);
        Duration::from_millis(limits::REGISTRY_RECONCILE_MS.saturating_sub(since))
    }

    /// What there is to do, and the number that is done with it.
    pub(super) fn work(&self, all: bool) -> (Work, u64) {
        let mut state = self.state();
        let gone = std::mem::take(&mut state.gone);
        (Work { key: (Arc::clone(&state.key.0), state.key.1), all, gone }, state.asked)
    }

    /// The names that have a file of ours.
    pub(super) fn own_names(&self) -> Vec<AgentId> {
        self.state().outcome.names.clone()
    }

    /// What keeps others from finding agents of ours.
    pub(super) fn own_troubles(&self) -> Vec<Trouble> {
        let state = self.state();
        let troubles = state.outcome.status.iter().filter_map(|(agent, published)| {
            let file = self.layout.own(agent, &self.us.home).path();
            trouble::own(published, &self.directory, file, agent)
        });
        troubles.take(limits::REGISTRY_TROUBLES).collect()
    }

    /// An entry whose instance seems to have ended: the thread looks again, and removes it.
    pub(super) fn note_gone(&self, path: PathBuf) {
        let mut state = self.state();
        // One that finds no room is found again.
        if state.gone.len() < limits::REGISTRY_GONE && !state.gone.contains(&path) {
            state.gone.push(path);
            self.turn.notify_all();
        }
    }

    /// Has the files follow what is registered; `None` where that takes longer than `within`.
    fn follow<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        within: Duration,
    ) -> Option<MutexGuard<'a, State>> {
        state.asked = state.asked.saturating_add(1);
        let mine = state.asked;
        self.turn.notify_all();
        let open = |state: &mut State| state.phase == Phase::Runs && state.done < mine;
        let waited = self.turn.wait_timeout_while(state, within, open);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.done >= mine).then_some(state)
    }

    pub(super) fn publish_now(&self, name: &AgentId, within: Duration) -> Published {
        match self.follow(self.state(), within) {
            Some(state) => state.outcome.status.get(name).cloned().unwrap_or(Published::Done),
            None => Published::Pending,
        }
    }

    pub(super) fn change_key(&self, key: Secret, within: Duration) -> bool {
        let mut state = self.state();
        state.key = (Arc::new(key), state.key.1.saturating_add(1));
        self.follow(state, within).is_some_and(|state| state.outcome.newest_key)
    }

    pub(super) fn ask(&self) {
        let mut state = self.state();
        state.asked = state.asked.saturating_add(1);
        self.turn.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
