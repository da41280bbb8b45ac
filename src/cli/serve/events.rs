//! The events of an instance: opened before anything can happen, written by one thread, and ended in order.
//!
//! What cannot be opened as it is refuses the start: numbers would be given out twice, and what was kept would be
//! written over. What opening cut or skipped is said in the log.

use std::{sync::Arc, time::Duration};

use crate::{
    cli::{Exit, Failure},
    store::{Home, RealDisk, journal::Opened},
    swarm::events::{DIRECTORY, Hub, Settings},
    wire::clock::Clock,
};

/// How long the disk may take for the last events.
pub(super) const STOP: Duration = Duration::from_secs(1);

/// Opens the events of the home.
pub(super) fn open(home: &Home, clock: &Arc<dyn Clock>) -> Result<Arc<Hub>, Failure> {
    let path = home.path().join(DIRECTORY);
    let failure = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::CannotCreate, format!("the events in {} cannot be opened: {why}", path.display()))
            .next("put right what it says; or move the directory away, and with it the events")
    };
    let disk = RealDisk::open(home, DIRECTORY).map_err(|error| failure(&error))?;
    let opened = Hub::open(Box::new(disk), Settings::default(), Arc::clone(clock));
    let (hub, opened) = opened.map_err(|error| failure(&error))?;
    tell(&opened);
    Ok(hub)
}

fn tell(opened: &Opened) {
    if let Some(torn) = opened.torn {
        log::warn!(
            "events: {} bytes at the end of segment {} were no whole line and are cut off",
            torn.bytes,
            torn.segment
        );
    }
    for bad in &opened.bad {
        log::warn!("events: skipped a line of segment {} at byte {}: {}", bad.segment, bad.offset, bad.why);
    }
    for name in &opened.foreign {
        log::warn!("events: {name} is no segment of the journal and is left alone");
    }
}
