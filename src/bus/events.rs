//! Events: told once, heard by every subscriber that asked for them, and kept for those who ask later.
//!
//! Defends the publishers against their audience: publishing moves memory under locks that nobody
//! holds for longer, never waits for a subscriber, and one that does not take what it asked for is
//! told so and gets nothing more. Each connection is a subscriber of its own, gone when dropped.
//! Terminal output does not come this way: whoever shows it holds an offset (agent/).

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value};

use crate::{limits, sys::poll::Wake};

/// Something that happened.
#[derive(Debug, Default)]
pub struct Event {
    /// what it is called
    pub event: String,
    /// what it is about, like `block:<id>`
    pub scopes: Vec<String>,
    /// who tells it, where that is known
    pub sender: Option<String>,
    /// how many of this name and scope are kept for [`Hub::history`]
    pub persist: usize,
    /// the rest
    pub data: Value,
    text: OnceLock<String>,
}

impl Event {
    /// An event that is not kept.
    pub fn new(event: impl Into<String>, scopes: Vec<String>, data: Value) -> Self {
        Self { event: event.into(), scopes, data, ..Self::default() }
    }

    /// The same, kept: the newest `persist` of its name and scope.
    #[must_use]
    pub fn kept(self, persist: usize) -> Self {
        Self { persist, ..self }
    }

    /// Its JSON (spec agentmux D.6), empty keys left out; written once for all who hear it.
    pub fn json(&self) -> &str {
        self.text.get_or_init(|| {
            let mut object = Map::new();
            object.insert("event".to_owned(), self.event.clone().into());
            if !self.scopes.is_empty() {
                object.insert("scopes".to_owned(), self.scopes.clone().into());
            }
            if let Some(sender) = &self.sender {
                object.insert("sender".to_owned(), sender.clone().into());
            }
            if self.persist > 0 {
                object.insert("persist".to_owned(), self.persist.into());
            }
            if !self.data.is_null() {
                object.insert("data".to_owned(), self.data.clone());
            }
            Value::Object(object).to_string()
        })
    }
}

/// Why a subscription was not made: which bound refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMuch {
    /// [`limits::EVENT_SUBSCRIPTIONS`]
    Subscriptions,
    /// [`limits::EVENT_SCOPES`]
    Scopes,
    /// [`limits::EVENT_TEXT`]
    Text,
}

impl TooMuch {
    /// A sentence that names the limit.
    pub fn sentence(self) -> String {
        match self {
            Self::Subscriptions => format!("more than {} events subscribed", limits::EVENT_SUBSCRIPTIONS),
            Self::Scopes => format!("more than {} scopes subscribed", limits::EVENT_SCOPES),
            Self::Text => {
                format!("an event's name or a scope is longer than {} bytes", limits::EVENT_TEXT)
            }
        }
    }
}

/// The scopes of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    all: bool,
    exact: HashSet<String>,
    patterns: Vec<String>,
}

impl Scopes {
    /// `all` is `allscopes`: also events without any scope.
    pub fn new(scopes: Vec<String>, all: bool) -> Result<Self, TooMuch> {
        if scopes.len() > limits::EVENT_SCOPES {
            return Err(TooMuch::Scopes);
        }
        if scopes.iter().any(|scope| scope.len() > limits::EVENT_TEXT) {
            return Err(TooMuch::Text);
        }
        let (patterns, exact): (Vec<_>, Vec<_>) =
            scopes.into_iter().partition(|scope| scope.split(':').any(|part| matches!(part, "*" | "**")));
        Ok(Self { all, exact: exact.into_iter().collect(), patterns })
    }

    /// Whether one scope is among them.
    pub fn matches(&self, scope: &str) -> bool {
        self.all
            || self.exact.contains(scope)
            || self.patterns.iter().any(|pattern| scope_matches(pattern, scope))
    }

    /// Those that are no patterns.
    pub fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }

    fn hear(&self, event: &Event) -> bool {
        self.all || event.scopes.iter().any(|scope| self.matches(scope))
    }

    fn count(&self) -> usize {
        self.exact.len() + self.patterns.len()
    }
}

/// Whether a scope fits a pattern: segment by segment between `:`, where `*` is any one segment and
/// `**`, as the last one, any number of them, none included.
pub fn scope_matches(pattern: &str, scope: &str) -> bool {
    let mut wanted = pattern.split(':').peekable();
    let mut there = scope.split(':');
    while let Some(part) = wanted.next() {
        if part == "**" {
            return wanted.peek().is_none();
        }
        match there.next() {
            Some(segment) if part == "*" || part == segment => {}
            Some(_) | None => return false,
        }
    }
    there.next().is_none()
}

/// All events of one instance.
#[derive(Debug, Default)]
pub struct Hub {
    /// locked before any ear is
    told: Mutex<Told>,
    ids: AtomicU64,
}

#[derive(Debug, Default)]
struct Told {
    ears: Vec<Arc<Ear>>,
    history: History,
}

/// One subscriber, as the hub sees it.
#[derive(Debug)]
struct Ear {
    id: u64,
    wake: Arc<Wake>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    wanted: HashMap<String, Scopes>,
    /// at most [`limits::EVENT_QUEUE`]; empty once overrun
    queue: VecDeque<Arc<Event>>,
    overrun: bool,
}

impl Hub {
    /// Tells all who asked for it, in one order for everybody, and keeps it where it is to be kept.
    pub fn publish(&self, event: Event) {
        let event = Arc::new(event);
        let mut told = lock(&self.told);
        told.history.keep(&event);
        for ear in &told.ears {
            let mut heard = lock(&ear.heard);
            if heard.overrun || !heard.wanted.get(&event.event).is_some_and(|scopes| scopes.hear(&event)) {
                continue;
            }
            if heard.queue.len() >= limits::EVENT_QUEUE {
                heard.overrun = true;
                heard.queue = VecDeque::new();
            } else {
                heard.queue.push_back(Arc::clone(&event));
            }
            drop(heard);
            ear.wake.wake();
        }
    }

    /// A new subscriber, which hears nothing yet; `wake` is woken when there is something to take.
    pub fn subscribe(self: &Arc<Self>, wake: Arc<Wake>) -> Subscriber {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let ear = Arc::new(Ear { id, wake, heard: Mutex::default() });
        lock(&self.told).ears.push(Arc::clone(&ear));
        Subscriber { hub: Arc::downgrade(self), ear }
    }

    /// The newest events that are kept under a name and a scope, oldest first; the empty scope has
    /// those of every scope.
    pub fn history(&self, event: &str, scope: &str, most: usize) -> Vec<Arc<Event>> {
        lock(&self.told).history.read(event, scope, most)
    }
}

/// One connection's ear. Dropped, it hears nothing more, and nothing of it is kept.
#[derive(Debug)]
pub struct Subscriber {
    hub: Weak<Hub>,
    ear: Arc<Ear>,
}

impl Subscriber {
    /// Subscribes to an event; a second time replaces the first. Refused, it changes nothing.
    pub fn set(&self, event: &str, scopes: Scopes) -> Result<(), TooMuch> {
        if event.len() > limits::EVENT_TEXT {
            return Err(TooMuch::Text);
        }
        let mut heard = lock(&self.ear.heard);
        let others = || heard.wanted.iter().filter(|(name, _)| *name != event);
        if others().count() >= limits::EVENT_SUBSCRIPTIONS {
            return Err(TooMuch::Subscriptions);
        }
        let held: usize = others().map(|(_, scopes)| scopes.count()).sum();
        if held + scopes.count() > limits::EVENT_SCOPES {
            return Err(TooMuch::Scopes);
        }
        heard.wanted.insert(event.to_owned(), scopes);
        Ok(())
    }

    /// Ends one subscription.
    pub fn unset(&self, event: &str) {
        lock(&self.ear.heard).wanted.remove(event);
    }

    /// Ends all.
    pub fn unset_all(&self) {
        lock(&self.ear.heard).wanted.clear();
    }

    /// The oldest events that wait, at most `most`.
    pub fn take(&self, most: usize) -> Vec<Arc<Event>> {
        let mut heard = lock(&self.ear.heard);
        let count = most.min(heard.queue.len());
        heard.queue.drain(..count).collect()
    }

    /// Whether more waited than may: from then on nothing is heard any more.
    pub fn overrun(&self) -> bool {
        lock(&self.ear.heard).overrun
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            lock(&hub.told).ears.retain(|ear| ear.id != self.ear.id);
        }
    }
}

/// What is kept. Invariant: `order` names the events of `kept` by their numbers, each with the key
/// it stands under; no list in `kept` is empty, and within each the numbers rise.
#[derive(Debug, Default)]
struct History {
    kept: HashMap<Key, VecDeque<(u64, Arc<Event>)>>,
    order: BTreeMap<u64, Key>,
    next: u64,
}

/// Event and scope.
type Key = (String, String);

impl History {
    fn keep(&mut self, event: &Arc<Event>) {
        if event.persist == 0 {
            return;
        }
        // All scopes together are kept under the empty one, as AgentMux does.
        let mut scopes: Vec<&str> = event.scopes.iter().map(String::as_str).collect();
        scopes.push("");
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes {
            let key = (event.event.clone(), scope.to_owned());
            let number = self.next;
            self.next = number.saturating_add(1);
            self.order.insert(number, key.clone());
            let list = self.kept.entry(key).or_default();
            list.push_back((number, Arc::clone(event)));
            while list.len() > event.persist.min(limits::EVENT_HISTORY_SCOPE) {
                if let Some((old, _)) = list.pop_front() {
                    self.order.remove(&old);
                }
            }
        }
        while self.order.len() > limits::EVENT_HISTORY {
            let Some((_, key)) = self.order.pop_first() else { return };
            if let Some(list) = self.kept.get_mut(&key) {
                list.pop_front();
                if list.is_empty() {
                    self.kept.remove(&key);
                }
            }
        }
    }

    fn read(&self, event: &str, scope: &str, most: usize) -> Vec<Arc<Event>> {
        let Some(list) = self.kept.get(&(event.to_owned(), scope.to_owned())) else { return Vec::new() };
        let skip = list.len().saturating_sub(most);
        list.iter().skip(skip).map(|(_, event)| Arc::clone(event)).collect()
    }
}

/// Locks; nothing here is half changed when another holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
