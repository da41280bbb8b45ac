//! Events for the tests of others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Draft, Hub, Settings};
use crate::{
    store::disk::testing::{Fault, Model},
    wire::clock::ManualClock,
};

/// A hub with these events, none of which is in memory; who reads the disk does not wait for his turn.
pub(crate) fn on_disk(drafts: impl IntoIterator<Item = Draft>) -> Arc<Hub> {
    on_disk_that_breaks(drafts).0
}

/// The same, and what breaks the disk.
pub(crate) fn on_disk_that_breaks(drafts: impl IntoIterator<Item = Draft>) -> (Arc<Hub>, impl Fn()) {
    let model = Model::new();
    let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
    let open = || Hub::open(model.disk(), settings, ManualClock::at(1_000_000)).expect("events").0;
    let hub = open();
    hub.start().expect("a thread");
    drafts.into_iter().for_each(|draft| _ = hub.publish(draft));
    hub.stop(Instant::now() + Duration::from_secs(60));
    let hub = open();
    (hub, move || model.fail(model.operations() + 1, Fault::Io, true))
}

/// Reads the disk until it is dropped.
pub(crate) fn hold(hub: &Hub) -> impl Drop + '_ {
    hub.disk.as_ref().expect("a disk").desk.enter(Duration::ZERO).expect("nobody reads")
}
