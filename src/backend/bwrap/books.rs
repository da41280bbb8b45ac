//! The accounts of all isolated agents of an instance, by name, and who is told of them.
//!
//! An account outlives its agent's program, so that a restart does not make it new. Refusals are told as the
//! forwarder bounds them; when a way out is taken down, what went through it is told once.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use crate::{
    egress::{
        endpoint::Endpoint,
        forwarder::{Account, Refused, Snapshot, Told},
        way::Upstream,
    },
    limits,
    sys::clock::SystemClock,
};

/// What is told of an agent's way out.
pub enum News<'a> {
    /// it was refused something
    Refused(&'a Told),
    /// its program has ended; this went through since that began
    Summary(&'a Snapshot),
}

/// Who is told, with the agent's name. Called without a lock, on threads that must not wait.
pub type Listener = dyn Fn(&str, News<'_>) + Send + Sync;

/// The way out of one agent, to be shown: never with a key or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// scheme, host and port of where it leads
    pub endpoint: Option<String>,
    /// what went through
    pub account: Snapshot,
}

/// An endpoint that is connected to now, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// where it was, or will be, dialled
    pub address: SocketAddr,
    /// its scheme, host and port
    pub endpoint: String,
}

#[derive(Default)]
pub(super) struct Books {
    pages: Mutex<BTreeMap<String, Page>>,
    listener: Arc<OnceLock<Box<Listener>>>,
}

struct Page {
    account: Arc<Account>,
    endpoint: String,
    upstream: Weak<Upstream>,
}

/// A way out that stands. Dropped when it is taken down.
pub(super) struct Standing {
    account: Arc<Account>,
    before: Snapshot,
    name: String,
    listener: Arc<OnceLock<Box<Listener>>>,
}

/// Where an endpoint is, without its path.
pub fn place(endpoint: &Endpoint) -> String {
    format!("{}://{}:{}", endpoint.scheme().as_str(), endpoint.host(), endpoint.port())
}

impl Books {
    /// Whom to tell from now on. The first call counts.
    pub fn listen(&self, listener: Box<Listener>) {
        let _ = self.listener.set(listener);
    }

    /// The account of the agent of this name, where it has had a way out.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.pages().get(name).map(|page| Arc::clone(&page.account))
    }

    /// The same with where it leads.
    pub fn egress(&self, name: &str) -> Option<Egress> {
        let (endpoint, account) = {
            let pages = self.pages();
            let page = pages.get(name)?;
            (page.endpoint.clone(), Arc::clone(&page.account))
        };
        Some(Egress { endpoint: Some(endpoint), account: account.snapshot() })
    }

    /// The account of an agent that is about to have a way to `endpoint`: the same after a restart.
    pub fn open(&self, name: &str, endpoint: &Endpoint) -> Arc<Account> {
        let mut pages = self.pages();
        if pages.len() >= limits::AGENTS && !pages.contains_key(name) {
            // Of those whose agents do not run.
            pages.retain(|_, page| Arc::strong_count(&page.account) > 1);
        }
        let page = pages.entry(name.to_owned()).or_insert_with(|| {
            let (agent, listener) = (name.to_owned(), Arc::clone(&self.listener));
            let told = move |told: &Told| {
                if let Some(listener) = listener.get() {
                    listener(&agent, News::Refused(told));
                }
            };
            let account = Arc::new(Account::new(Arc::new(SystemClock), Box::new(told)));
            Page { account, endpoint: String::new(), upstream: Weak::new() }
        });
        page.endpoint = place(endpoint);
        Arc::clone(&page.account)
    }

    /// The way stands; it is told of once what this gives is dropped.
    pub fn stands(&self, name: &str, account: &Arc<Account>, upstream: &Arc<Upstream>) -> Standing {
        if let Some(page) = self.pages().get_mut(name) {
            page.upstream = Arc::downgrade(upstream);
        }
        Standing {
            account: Arc::clone(account),
            before: account.snapshot(),
            name: name.to_owned(),
            listener: Arc::clone(&self.listener),
        }
    }

    /// The endpoints of all ways that stand now, and how many these are.
    pub fn destinations(&self) -> (usize, Vec<Destination>) {
        let standing: Vec<_> = {
            let pages = self.pages();
            let way = |page: &Page| Some((page.upstream.upgrade()?, page.endpoint.clone()));
            pages.values().filter_map(way).collect()
        };
        let mut found: Vec<Destination> = Vec::new();
        for (upstream, endpoint) in &standing {
            for address in upstream.addresses() {
                let one = Destination { address, endpoint: endpoint.clone() };
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        (standing.len(), found)
    }

    fn pages(&self) -> MutexGuard<'_, BTreeMap<String, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            let since = since(&self.before, self.account.snapshot());
            listener(&self.name, News::Summary(&since));
        }
    }
}

/// What `after` has more than `before`.
fn since(before: &Snapshot, after: Snapshot) -> Snapshot {
    let count = |code: &str| before.refusals.iter().find(|one| one.code == code).map_or(0, |one| one.count);
    let fresh = |one: &Refused| Refused { count: one.count.saturating_sub(count(one.code)), ..one.clone() };
    Snapshot {
        requests: after.requests.saturating_sub(before.requests),
        bytes_up: after.bytes_up.saturating_sub(before.bytes_up),
        bytes_down: after.bytes_down.saturating_sub(before.bytes_down),
        refusals: after.refusals.iter().map(fresh).filter(|one| one.count > 0).collect(),
        ..after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_what_came_since_the_start() {
        let refused = |code, count| Refused { code, count, first_ms: 1, last_ms: 2 };
        let before = Snapshot {
            requests: 3,
            bytes_up: 10,
            bytes_down: 20,
            refusals: vec![refused("a", 1), refused("b", 2)],
            ..Snapshot::default()
        };
        let after = Snapshot {
            requests: 5,
            bytes_up: 15,
            bytes_down: 120,
            refusals: vec![refused("a", 4), refused("b", 2), refused("c", 1)],
            ..Snapshot::default()
        };
        let more = since(&before, after);
        assert_eq!((more.requests, more.bytes_up, more.bytes_down), (2, 5, 100));
        assert_eq!(more.refusals, [refused("a", 3), refused("c", 1)]);
    }

    #[test]
    fn an_account_is_the_agents_own_and_outlives_its_program() {
        let books = Books::default();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let own = Arc::clone(&told);
        books.listen(Box::new(move |name, news| {
            let what = match news {
                News::Refused(told) => told.code.to_owned(),
                News::Summary(all) => format!("{} requests", all.requests),
            };
            own.lock().expect("no panic").push(format!("{name}: {what}"));
        }));
        let endpoint = Endpoint::parse("https://api.example/v1/messages").expect("an endpoint");
        let account = books.open("s/a", &endpoint);
        assert!(Arc::ptr_eq(&account, &books.open("s/a", &endpoint)));
        assert!(!Arc::ptr_eq(&account, &books.open("s/b", &endpoint)));
        let shown = books.egress("s/a").expect("it had a way out");
        assert_eq!(shown.endpoint.as_deref(), Some("https://api.example:443"));
        assert_eq!(books.egress("s/c"), None);
        let standing = Standing {
            account: Arc::clone(&account),
            before: account.snapshot(),
            name: "s/a".to_owned(),
            listener: Arc::clone(&books.listener),
        };
        drop(standing);
        assert_eq!(*told.lock().expect("no panic"), ["s/a: 0 requests"]);
        assert_eq!(books.destinations(), (0, Vec::new()));
    }
}
