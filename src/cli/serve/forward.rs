//! The thread that hands over what is held for other instances.
//!
//! One letter may take seconds; the end of an instance does not wait for it. What was on its way then is
//! on disk as that, and goes out again, marked, after the next start.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::api::App;

/// Its stack.
const STACK: usize = 256 * 1024;

/// The thread that hands over what is held.
pub(super) struct Forwarder {
    app: Arc<App>,
    thread: JoinHandle<()>,
    /// closed when the thread is over
    over: Receiver<()>,
}

impl Forwarder {
    /// Starts it.
    pub fn start(app: Arc<App>) -> io::Result<Self> {
        let (running, over) = channel();
        let its = Arc::clone(&app);
        let thread =
            thread::Builder::new().name("forward".to_owned()).stack_size(STACK).spawn(move || {
                let _running = running;
                while its.pause_forwarding(its.forward_held()) {}
            })?;
        Ok(Self { app, thread, over })
    }

    /// Ends it, and waits that long at most for a letter that is on its way.
    pub fn end(self, within: Duration) {
        self.app.end_forwarding();
        if self.over.recv_timeout(within) == Err(RecvTimeoutError::Disconnected) {
            let _ = self.thread.join();
        }
    }
}
