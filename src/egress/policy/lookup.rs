//! Looking names up, bounded in time and in threads.
//!
//! getaddrinfo cannot be ended, so it runs in a thread that nobody waits for longer than agreed. A resolver
//! that hangs holds a few threads and no more: after that look-ups fail at once.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{limits, sys::socket};

/// What the policy asks the system. A parameter, so that a test needs no network.
pub trait System: Send + Sync + 'static {
    /// The addresses of a name; may take long.
    fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
    /// Whether an address is one of this machine's.
    fn is_local(&self, ip: IpAddr) -> io::Result<bool>;
}

/// This system.
pub struct Here;

impl System for Here {
    fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (name, port).to_socket_addrs().map(Iterator::collect)
    }

    fn is_local(&self, ip: IpAddr) -> io::Result<bool> {
        socket::is_local(ip)
    }
}

/// A name has no address: there is none, or nobody said so in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unresolved;

/// Looks names up.
pub(super) struct Lookup {
    pub system: Arc<dyn System>,
    /// look-ups that have not come back
    out: Arc<AtomicUsize>,
}

/// One look-up under way.
struct Out(Arc<AtomicUsize>);

impl Out {
    /// One more, if there is room.
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |now: usize| now.checked_add(1).filter(|next| *next <= limits::LOOKUPS);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lookup {
    pub fn new(system: Arc<dyn System>) -> Self {
        Self { system, out: Arc::default() }
    }

    /// The addresses of a name, within the time.
    pub fn within(&self, name: &str, port: u16, time: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
        let out = Out::take(&self.out).ok_or(Unresolved)?;
        let (system, name) = (Arc::clone(&self.system), name.to_owned());
        let (tell, told) = mpsc::sync_channel(1);
        let work = move || {
            let found = system.look_up(&name, port);
            // Who asked may have gone.
            drop(out);
            let _ = tell.send(found);
        };
        let thread = thread::Builder::new().name("look-up".to_owned()).stack_size(STACK);
        thread.spawn(work).map_err(|_| Unresolved)?;
        let found = told.recv_timeout(time).map_err(|_| Unresolved)?;
        found.ok().filter(|found| !found.is_empty()).ok_or(Unresolved)
    }
}

/// The system's resolver loads modules of others, which are used to a main thread's stack.
const STACK: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex, PoisonError};

    use super::*;

    /// Answers when it is let.
    struct Hanging {
        reached: Barrier,
        gate: Mutex<()>,
    }

    impl System for Hanging {
        fn look_up(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            self.reached.wait();
            drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(vec![([8, 8, 8, 8], port).into()])
        }

        fn is_local(&self, _: IpAddr) -> io::Result<bool> {
            Ok(false)
        }
    }

    #[test]
    fn a_resolver_that_hangs_holds_a_few_threads_and_no_caller() {
        let hanging = Arc::new(Hanging { reached: Barrier::new(limits::LOOKUPS + 1), gate: Mutex::new(()) });
        let lookup = Lookup::new(Arc::clone(&hanging) as _);
        let held = hanging.gate.lock().expect("the gate");
        for _ in 0..limits::LOOKUPS {
            assert_eq!(lookup.within("h", 1, Duration::ZERO), Err(Unresolved));
        }
        hanging.reached.wait();
        // Where no more are let out, nobody waits.
        assert_eq!(lookup.within("h", 1, Duration::from_secs(3_600)), Err(Unresolved));
        drop(held);
    }
}
