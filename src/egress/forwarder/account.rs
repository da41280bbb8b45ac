//! What went through one forwarder: counted, bounded, and told where it was refused.
//!
//! Everything is by the clock that is passed in. The codes of refusals are ours, so the table of them is
//! bounded by the program text.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::{Refusal, Rules};
use crate::{limits, wire::clock::Clock};

/// What a request costs of the allowance of a minute, in thousandths of a second times requests a minute.
const COST: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// A refusal to be told: the first of its kind, or the first for a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// stable
    pub code: &'static str,
    /// what the agent was told
    pub message: &'static str,
    /// what only the operator may know
    pub detail: Option<String>,
    /// refusals of this kind since the last that was told, this one among them
    pub count: u64,
}

/// Who is told of refusals. Called without a lock, on the thread of the connection.
pub type Listener = dyn Fn(&Told) + Send + Sync;

/// The account of one agent. It outlives a forwarder, so that a restart of the agent does not make it new.
pub struct Account {
    clock: Arc<dyn Clock>,
    listener: Box<Listener>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: u64,
    up: u64,
    down: u64,
    first: Option<u64>,
    last: Option<u64>,
    running: usize,
    /// what is left of the minute's allowance, and when that was reckoned (monotonic)
    allowance: Option<(u64, u64)>,
    /// the day that is counted, and its bytes
    day: (u64, u64),
    /// bytes that requests on their way have said they send, and have not sent yet
    owed: u64,
    refusals: BTreeMap<&'static str, Kind>,
}

#[derive(Default)]
struct Kind {
    count: u64,
    first: u64,
    last: u64,
    untold: u64,
    /// monotonic
    told: Option<u64>,
}

/// The account at one moment. Times in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// passed on
    pub requests: u64,
    /// of their bodies
    pub bytes_up: u64,
    /// of the bodies of answers
    pub bytes_down: u64,
    /// on their way now
    pub running: usize,
    /// of the first request or refusal
    pub first_ms: Option<u64>,
    /// of the last one
    pub last_ms: Option<u64>,
    /// by code
    pub refusals: Vec<Refused>,
}

/// Refusals of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// stable
    pub code: &'static str,
    /// how many
    pub count: u64,
    /// of the first
    pub first_ms: u64,
    /// of the last
    pub last_ms: u64,
}

impl Snapshot {
    /// As the API shows it.
    pub fn json(&self) -> Value {
        let refusals: Vec<Value> = self
            .refusals
            .iter()
            .map(|one| {
                json!({
                    "code": one.code, "count": one.count,
                    "first_ms": one.first_ms, "last_ms": one.last_ms,
                })
            })
            .collect();
        json!({
            "requests": self.requests, "bytes_up": self.bytes_up, "bytes_down": self.bytes_down,
            "running": self.running, "first_ms": self.first_ms, "last_ms": self.last_ms,
            "refusals": refusals,
        })
    }
}

impl Account {
    /// An empty account; `listener` is told of refusals.
    pub fn new(clock: Arc<dyn Clock>, listener: Box<Listener>) -> Self {
        Self { clock, listener, state: Mutex::default() }
    }

    /// What is counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let refusals = state.refusals.iter().map(|(code, kind)| Refused {
            code,
            count: kind.count,
            first_ms: kind.first,
            last_ms: kind.last,
        });
        Snapshot {
            requests: state.requests,
            bytes_up: state.up,
            bytes_down: state.down,
            running: state.running,
            first_ms: state.first,
            last_ms: state.last,
            refusals: refusals.collect(),
        }
    }

    /// Counts a request that is about to be passed on, with a body of `length` bytes, unless that is too much.
    pub(super) fn begin(&self, rules: &Rules, length: u64) -> Result<Pass<'_>, Refusal> {
        let (now, unix) = (self.clock.monotonic_ms(), self.clock.unix_ms());
        let mut state = self.state();
        if state.running >= rules.concurrent {
            return Err(Refusal::new(
                429,
                "too_many_at_once",
                "Too many requests are on their way at once; wait until one of them is answered.",
            ));
        }
        if !state.within_day(rules, unix, length) {
            return Err(Refusal::new(429, "bytes_per_day", "No more bytes may be sent or fetched today."));
        }
        let left = state.allowance(rules, now);
        let Some(rest) = left.checked_sub(COST) else {
            let rate = u64::from(rules.requests_per_minute).max(1);
            let wait = COST.saturating_sub(left).div_ceil(rate).div_ceil(1000);
            return Err(Refusal {
                retry_after: Some(wait.max(1)),
                ..Refusal::new(429, "requests_per_minute", "Too many requests in a minute; try again later.")
            });
        };
        state.allowance = Some((rest, now));
        state.requests = state.requests.saturating_add(1);
        state.running = state.running.saturating_add(1);
        state.owed = state.owed.saturating_add(length);
        state.seen(unix);
        Ok(Pass { account: self, owed: Cell::new(length) })
    }

    /// Whether the minute's allowance is used up.
    pub(super) fn is_spent(&self, rules: &Rules) -> bool {
        self.state().allowance(rules, self.clock.monotonic_ms()) < COST
    }

    /// Counts bytes of an answer's body; whether more may come today.
    pub(super) fn down(&self, rules: &Rules, bytes: u64) -> bool {
        let unix = self.clock.unix_ms();
        let mut state = self.state();
        state.down = state.down.saturating_add(bytes);
        state.add_to_day(unix, bytes);
        state.within_day(rules, unix, 0)
    }

    /// Counts a refusal, and tells of it where it is time to. What is the agent's own doing is a request of the
    /// minute too, but not that there were too many: who waits as he is told finds his allowance grown.
    pub(super) fn refuse(&self, rules: &Rules, refusal: &Refusal) {
        let (now, unix) = (self.clock.monotonic_ms(), self.clock.unix_ms());
        let count = {
            let mut state = self.state();
            state.seen(unix);
            if (400..500).contains(&refusal.status) && refusal.status != 429 {
                let left = state.allowance(rules, now);
                state.allowance = Some((left.saturating_sub(COST), now));
            }
            let kind =
                state.refusals.entry(refusal.code).or_insert_with(|| Kind { first: unix, ..Kind::default() });
            kind.count = kind.count.saturating_add(1);
            kind.last = unix;
            kind.untold = kind.untold.saturating_add(1);
            if kind.told.is_some_and(|told| now.saturating_sub(told) < limits::EGRESS_TOLD_PAUSE_MS) {
                return;
            }
            kind.told = Some(now);
            std::mem::take(&mut kind.untold)
        };
        (self.listener)(&Told {
            code: refusal.code,
            message: refusal.message,
            detail: refusal.detail.clone(),
            count,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seen(&mut self, unix: u64) {
        self.first.get_or_insert(unix);
        self.last = Some(unix);
    }

    fn add_to_day(&mut self, unix: u64, bytes: u64) {
        let day = unix / DAY_MS;
        if self.day.0 != day {
            self.day = (day, 0);
        }
        self.day.1 = self.day.1.saturating_add(bytes);
    }

    /// What is left of the minute's allowance.
    fn allowance(&self, rules: &Rules, now: u64) -> u64 {
        let rate = u64::from(rules.requests_per_minute);
        let whole = rate.saturating_mul(COST);
        let (left, since) = self.allowance.unwrap_or((whole, now));
        left.saturating_add(now.saturating_sub(since).saturating_mul(rate)).min(whole)
    }

    fn within_day(&self, rules: &Rules, unix: u64, more: u64) -> bool {
        let used = if self.day.0 == unix / DAY_MS { self.day.1 } else { 0 };
        let used = used.saturating_add(self.owed);
        rules.bytes_per_day.is_none_or(|most| used.saturating_add(more) <= most)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.snapshot()).finish()
    }
}

/// One request on its way.
pub(super) struct Pass<'a> {
    account: &'a Account,
    /// bytes of its body that have not come yet
    owed: Cell<u64>,
}

impl Pass<'_> {
    /// Counts bytes of its body.
    pub(super) fn up(&self, bytes: u64) {
        let unix = self.account.clock.unix_ms();
        let paid = bytes.min(self.owed.get());
        self.owed.set(self.owed.get().saturating_sub(paid));
        let mut state = self.account.state();
        state.up = state.up.saturating_add(bytes);
        state.owed = state.owed.saturating_sub(paid);
        state.add_to_day(unix, bytes);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.account.state();
        state.running = state.running.saturating_sub(1);
        state.owed = state.owed.saturating_sub(self.owed.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::clock::ManualClock;

    fn account(clock: &Arc<ManualClock>) -> (Account, Arc<Mutex<Vec<Told>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let own = told.clone();
        let listener = move |one: &Told| own.lock().expect("no panic").push(one.clone());
        (Account::new(clock.clone(), Box::new(listener)), told)
    }

    fn code(result: Result<Pass<'_>, Refusal>) -> &'static str {
        result.map_or_else(|refusal| refusal.code, |_| "passed")
    }

    #[test]
    fn requests_a_minute_are_bounded() {
        let clock = ManualClock::at(1_000);
        let (account, _) = account(&clock);
        let rules = Rules { requests_per_minute: 3, ..Rules::new(Vec::new()) };
        for _ in 0..3 {
            assert_eq!(code(account.begin(&rules, 0)), "passed");
        }
        let refused = account.begin(&rules, 0).err().expect("refused");
        assert_eq!((refused.code, refused.retry_after), ("requests_per_minute", Some(20)));
        clock.advance(19_999);
        assert_eq!(code(account.begin(&rules, 0)), "requests_per_minute");
        clock.advance(1);
        assert_eq!(code(account.begin(&rules, 0)), "passed");
        assert_eq!(code(account.begin(&rules, 0)), "requests_per_minute");
        clock.advance(3_600_000);
        for _ in 0..3 {
            assert_eq!(code(account.begin(&rules, 0)), "passed", "no more is saved up than a minute's");
        }
        assert_eq!(code(account.begin(&rules, 0)), "requests_per_minute");
        assert_eq!(Rules::new(Vec::new()).requests_per_minute, limits::EGRESS_REQUESTS_PER_MINUTE);
    }

    #[test]
    fn requests_at_once_are_bounded() {
        let (account, _) = account(&ManualClock::at(0));
        let rules = Rules::new(Vec::new());
        let running: Vec<_> = (0..limits::EGRESS_CONCURRENT).map(|_| account.begin(&rules, 0)).collect();
        assert!(running.iter().all(Result::is_ok));
        assert_eq!(code(account.begin(&rules, 0)), "too_many_at_once");
        drop(running);
        assert_eq!(code(account.begin(&rules, 0)), "passed");
        assert_eq!(account.snapshot().running, 0);
    }

    #[test]
    fn bytes_a_day_are_bounded_both_ways() {
        let clock = ManualClock::at(DAY_MS * 3);
        let (account, _) = account(&clock);
        let rules = Rules { bytes_per_day: Some(100), ..Rules::new(Vec::new()) };
        assert_eq!(code(account.begin(&rules, 101)), "bytes_per_day");
        let pass = account.begin(&rules, 100).expect("passed");
        pass.up(60);
        drop(pass);
        assert!(account.down(&rules, 40));
        assert!(!account.down(&rules, 1));
        assert_eq!(code(account.begin(&rules, 0)), "bytes_per_day");
        clock.advance(DAY_MS);
        assert_eq!(code(account.begin(&rules, 100)), "passed");
    }

    #[test]
    fn requests_at_once_do_not_share_the_same_bytes() {
        let (account, _) = account(&ManualClock::at(0));
        let rules = Rules { bytes_per_day: Some(100), ..Rules::new(Vec::new()) };
        let first = account.begin(&rules, 70).expect("passed");
        assert_eq!(code(account.begin(&rules, 40)), "bytes_per_day", "they are spoken for");
        first.up(20);
        assert_eq!(code(account.begin(&rules, 31)), "bytes_per_day");
        assert_eq!(code(account.begin(&rules, 30)), "passed");
        drop(first);
        assert_eq!(code(account.begin(&rules, 80)), "passed", "what was never sent is given back");
        assert_eq!(code(account.begin(&rules, 81)), "bytes_per_day");
    }

    #[test]
    fn what_is_refused_counts_as_a_request_of_the_minute() {
        let clock = ManualClock::at(1_000);
        let (account, _) = account(&clock);
        let rules = Rules { requests_per_minute: 3, ..Rules::new(Vec::new()) };
        account.refuse(&rules, &Refusal::new(502, "ours", "not its doing"));
        for _ in 0..5 {
            assert!(!account.is_spent(&rules));
            account.refuse(&rules, &Refusal::new(429, "many", "to be tried again"));
        }
        for _ in 0..3 {
            account.refuse(&rules, &Refusal::new(403, "no", "no"));
        }
        assert!(account.is_spent(&rules));
        assert_eq!(code(account.begin(&rules, 0)), "requests_per_minute");
        clock.advance(20_000);
        assert!(!account.is_spent(&rules));
        assert_eq!(code(account.begin(&rules, 0)), "passed");
    }

    #[test]
    fn refusals_are_told_at_once_and_then_once_a_minute() {
        let clock = ManualClock::at(5);
        let (account, told) = account(&clock);
        let rules = Rules::new(Vec::new());
        let of = |code| Refusal::new(403, code, "no");
        for _ in 0..3 {
            account.refuse(&rules, &of("a"));
        }
        account.refuse(&rules, &of("b"));
        let counts = || told.lock().expect("no panic").iter().map(|t| (t.code, t.count)).collect::<Vec<_>>();
        assert_eq!(counts(), [("a", 1), ("b", 1)]);
        clock.advance(limits::EGRESS_TOLD_PAUSE_MS - 1);
        account.refuse(&rules, &of("a"));
        assert_eq!(counts().len(), 2);
        clock.advance(1);
        account.refuse(&rules, &of("a"));
        assert_eq!(counts(), [("a", 1), ("b", 1), ("a", 4)]);
        let all = account.snapshot();
        assert_eq!((all.first_ms, all.last_ms), (Some(5), Some(60_005)));
        assert_eq!(
            all.refusals,
            [
                Refused { code: "a", count: 5, first_ms: 5, last_ms: 60_005 },
                Refused { code: "b", count: 1, first_ms: 5, last_ms: 5 }
            ]
        );
        assert_eq!(all.json()["refusals"][0]["count"], 5);
    }
}
