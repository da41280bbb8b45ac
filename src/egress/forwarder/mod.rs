//! The forwarder: what stands behind the one port of an isolated agent.
//!
//! Accepts on the listener that the shim made inside the sandbox, from the outside. Speaks strict HTTP/1.1 with
//! the agent, passes on what [`Rules`] allow, adds the key, and streams the answer back. The agent is the
//! enemy here: it may send anything, and so may whoever wrote the endpoint's answers. One thread accepts and
//! keeps the deadlines, one serves each connection; [`Forwarder`]'s drop ends them all at once.

mod account;
mod connection;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod refusal;
mod request;
mod response;
mod rules;
mod slot;
mod upload;
mod watch;

use std::{
    fmt, io,
    net::TcpListener,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    client::upstream::Upstream,
    limits,
    sys::{poll::Wake, socket},
    wire::clock::Clock,
};

pub use account::{Account, Listener, Refused, Snapshot, Told};
#[cfg(any(test, fuzzing))]
pub use fuzz::{fuzz_request, fuzz_response};
pub use refusal::Refusal;
pub use request::{may_be_added, request};
pub use response::{Framing, framing, response};
pub use rules::Rules;

use slot::Slot;

/// The deadlines and the bound of one forwarder. The default is [`crate::limits`]; tests pass smaller ones.
#[derive(Clone)]
pub struct Settings {
    /// connections at once
    pub connections: usize,
    /// from accept, or from a request's first byte, to the end of its head
    pub head: Duration,
    /// for a whole body
    pub body: Duration,
    /// for the agent to take the next piece of an answer
    pub write: Duration,
    /// between two requests
    pub idle: Duration,
    /// how often the deadlines are looked at; they are kept this late at most
    pub tick: Duration,
    /// what deadlines are measured with
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: limits::EGRESS_CONNECTIONS,
            head: Duration::from_millis(limits::EGRESS_HEAD_MS),
            body: Duration::from_millis(limits::EGRESS_BODY_MS),
            write: Duration::from_millis(limits::EGRESS_WRITE_MS),
            idle: Duration::from_millis(limits::EGRESS_IDLE_MS),
            tick: Duration::from_millis(250),
            clock: Arc::new(crate::sys::clock::SystemClock),
        }
    }
}

/// The way out of one agent, for as long as this lives.
pub struct Forwarder {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the threads of one forwarder share.
struct Shared {
    listener: TcpListener,
    /// the listener's port
    port: u16,
    upstream: Arc<Upstream>,
    rules: Rules,
    account: Arc<Account>,
    settings: Settings,
    wake: Wake,
    ended: AtomicBool,
    slots: Mutex<Vec<Arc<Slot>>>,
}

impl Forwarder {
    /// Accepts on `listener` when it returns. `name` is the agent's, for the name of the threads.
    pub fn start(
        listener: TcpListener,
        upstream: Arc<Upstream>,
        rules: Rules,
        account: Arc<Account>,
        name: &str,
    ) -> io::Result<Self> {
        Self::start_with(listener, upstream, rules, account, name, Settings::default())
    }

    /// The same with these settings.
    pub fn start_with(
        listener: TcpListener,
        upstream: Arc<Upstream>,
        rules: Rules,
        account: Arc<Account>,
        name: &str,
        settings: Settings,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            port: listener.local_addr()?.port(),
            listener,
            upstream,
            rules,
            account,
            settings,
            wake: Wake::new()?,
            ended: AtomicBool::new(false),
            slots: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name(format!("egress-{name}"))
            .stack_size(limits::THREAD_STACK)
            .spawn(move || watch::run(&own))?;
        Ok(Self { shared, acceptor: Some(acceptor) })
    }
}

/// From here on the agent reaches nothing: no connection is accepted, and those that stand are cut.
impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A copy of the descriptor elsewhere would listen on.
        let _ = socket::end_listening(&self.shared.listener);
        self.shared.wake.wake();
        for slot in self.shared.slots().iter() {
            slot.end();
        }
        if let Some(acceptor) = self.acceptor.take() {
            // It waits for nothing but the wake; a panic of its has been reported by the hook.
            let _ = acceptor.join();
        }
        // What it accepted meanwhile.
        for slot in self.shared.slots().iter() {
            slot.end();
        }
        self.shared.upstream.close();
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").field("port", &self.shared.port).finish_non_exhaustive()
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn now(&self) -> u64 {
        self.settings.clock.monotonic_ms()
    }
}
