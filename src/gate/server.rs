//! Starting and stopping: the threads of one gate.

use std::{
    io,
    marker::PhantomData,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use super::{Counters, Service, Settings};

/// A running gate: a listener and the connections that came through it.
pub struct Gate<S: Service> {
    address: SocketAddr,
    counters: Arc<Counters>,
    service: PhantomData<S>,
}

impl<S: Service> Gate<S> {
    /// Serves `listener` from now on. Starts the threads `accept` and `watchdog`, and one `conn`
    /// for each connection.
    pub fn start(listener: TcpListener, service: Arc<S>, settings: Settings) -> io::Result<Gate<S>> {
        let _ = (listener, service, settings);
        todo!()
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts; the handle stays good after the gate's end.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Stops accepting, closes the connections that wait for their peer at once and the others when
    /// their answer is out, at the latest after `within`.
    pub fn stop(self, within: Duration) {
        let _ = within;
        todo!()
    }
}
