//! What begins or is replaced while a swarm is held still.

use std::{sync::atomic::Ordering, thread};

use serde_json::json;

use super::{
    ends::{Gate, made},
    rig::{Rig, mock, mocks},
};
use crate::swarm::config::Config;

/// Its start is told during the pause, and it is held when the pause is just about to end: after it was let go on, and
/// while another one is.
#[test]
fn a_program_that_is_held_while_the_others_go_on_is_not_left_standing() {
    let rig = Rig::new(&mocks("a c", ""));
    rig.live.pause().unwrap();
    let [begins, goes_on, held] = [(); 3].map(|()| Gate::default());
    let (told, waits) = (begins.clone(), goes_on.clone());
    rig.fakes.meanwhile.then(|| {});
    rig.fakes.meanwhile.then(move || {
        told.open();
        waits.wait();
    });
    let (live, done) = (rig.live.clone(), held.clone());
    let adds = thread::spawn(move || {
        live.add_agent(made(mock("b")), &[], &[]).unwrap();
        done.open();
    });
    begins.wait();
    // Of `a` and of `b`; then of `c`.
    rig.fakes.meanwhile.then(|| {});
    rig.fakes.meanwhile.then(|| {});
    rig.fakes.meanwhile.then(move || {
        goes_on.open();
        held.wait();
    });
    rig.live.resume().unwrap();
    adds.join().unwrap();
    assert!(!rig.program("b").frozen.load(Ordering::SeqCst));
}

#[test]
fn a_process_that_takes_an_objects_place_in_a_pause_is_held_still() {
    let objects = json!([{"name": "p", "handler": {"command": ["/bin/cat"]}}]);
    let config = json!({"name": "s", "agents": [mock("a")], "objects": objects});
    let rig = Rig::new(&config);
    rig.live.pause().unwrap();
    rig.live.replace_object(Config::of(&config).unwrap().objects.remove(0)).unwrap();
    assert!(rig.starts("p") == 2 && rig.program("p").frozen.load(Ordering::SeqCst));
    rig.live.resume().unwrap();
    assert!(!rig.program("p").frozen.load(Ordering::SeqCst));
}
