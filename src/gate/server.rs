//! Starting and stopping: the threads of one gate and what they share.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Counters, Service, Settings, accept, budget::Budget, table::Table};
use crate::sys::socket;

/// A running gate: a listener and the connections that came through it. Dropping it ends both at
/// once.
pub struct Gate<S: Service> {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    shared: Arc<Shared<S>>,
    /// both threads, until they are joined
    threads: Vec<JoinHandle<()>>,
}

/// What all threads of one gate share.
pub(super) struct Shared<S> {
    pub(super) service: Arc<S>,
    pub(super) settings: Settings,
    pub(super) counters: Arc<Counters>,
    pub(super) table: Arc<Table>,
    pub(super) budget: Budget,
}

impl<S: Service> Gate<S> {
    /// Serves `listener` from now on. Starts the threads `accept` and `watchdog`, and one `conn`
    /// for each connection.
    pub fn start(listener: TcpListener, service: Arc<S>, settings: Settings) -> io::Result<Gate<S>> {
        let reserved = accept::reserve()?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared {
            table: Table::new(&settings, Arc::clone(&counters)),
            budget: Budget::new(settings.body_budget, Arc::clone(&counters)),
            service,
            settings,
            counters,
        });
        // From here on an error ends the threads that are there, through Drop.
        let mut gate = Gate {
            address: listener.local_addr()?,
            listener: Arc::new(listener),
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        gate.spawn("watchdog", move || while shared.table.watch(&shared.settings) {})?;
        let (listener, shared) = (Arc::clone(&gate.listener), Arc::clone(&gate.shared));
        gate.spawn("accept", move || accept::run(&listener, &shared, reserved))?;
        Ok(gate)
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts; the handle stays good after the gate's end.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Stops accepting, closes the connections that wait for their peer at once and the others when
    /// their answer is out, at the latest after `within`.
    pub fn stop(mut self, within: Duration) {
        self.end(within);
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(crate::limits::THREAD_STACK)
            .spawn(run)?;
        self.threads.push(thread);
        Ok(())
    }

    fn end(&mut self, within: Duration) {
        self.shared.table.close();
        let _ = socket::end_listening(&self.listener);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        self.shared.table.clear(within);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing more to do about it.
            let _ = thread.join();
        }
    }
}

impl<S: Service> Drop for Gate<S> {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.end(Duration::ZERO);
        }
    }
}
