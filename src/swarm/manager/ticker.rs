//! The thread `swarms`: calls each running swarm when something of it is due.

/// The thread's handle. Dropped, it ends the thread and waits for its end.
#[derive(Debug, Default)]
pub struct Ticker {}
