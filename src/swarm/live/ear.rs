//! Who hears of one run of a program: of an agent, or of an object that is a process.
//!
//! Lines are read here, in the program's own thread and without the swarm's lock; what they say is the word of
//! the node whose program it is, whatever they claim. What stands in the outbox when a turn or the
//! program ends was written before that, and is taken before it.

use std::sync::{Arc, Mutex, Weak};

use super::{Live, lock, place::Place};
use crate::{
    agent::{
        Exit, Sink, Stream,
        protocol::{Listener, Spoken},
    },
    wire::node::NodeName,
};

/// Hears an agent's program.
pub(super) struct AgentEar {
    pub live: Weak<Live>,
    pub name: NodeName,
    pub run: u64,
    /// none where it has no process, and so no directories
    pub place: Option<Arc<Place>>,
    pub listener: Mutex<Listener>,
}

/// Hears an object's process.
pub(super) struct ObjectEar {
    pub live: Weak<Live>,
    pub name: NodeName,
    pub run: u64,
}

impl AgentEar {
    /// Sends the letters that were written before now.
    fn letters(&self, live: &Live) {
        if let Some(taken) = self.place.as_ref().and_then(|place| place.wait_and_look()) {
            live.letters(&self.name, self.run, taken);
        }
    }
}

impl Sink for AgentEar {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        let Some(live) = self.live.upgrade() else { return };
        let spoken = {
            let mut listener = lock(&self.listener);
            match stream {
                Stream::Out => listener.out(line, cut),
                Stream::Err => vec![listener.err(line)],
            }
        };
        if spoken.contains(&Spoken::TurnComplete) {
            self.letters(&live);
        }
        if !spoken.is_empty() {
            live.input(|pass| pass.spoken(&self.name, self.run, spoken));
        }
    }

    fn quiet(&self) {
        let Some(live) = self.live.upgrade() else { return };
        self.letters(&live);
        live.input(|pass| pass.quiet(&self.name, self.run));
    }

    fn ended(&self, exit: Option<Exit>) {
        let Some(live) = self.live.upgrade() else { return };
        if let Some(place) = &self.place {
            live.last_letters(&self.name, self.run, place);
        }
        live.input(|pass| pass.ended(&self.name, self.run, exit));
        live.changed.notify_all();
    }
}

impl Sink for ObjectEar {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        let Some(live) = self.live.upgrade() else { return };
        match stream {
            Stream::Out if !cut => live.input(|pass| pass.object_said(&self.name, self.run, line)),
            // What is cut is no line of JSON, and is told as that.
            Stream::Out => live.input(|pass| pass.object_said(&self.name, self.run, b"")),
            Stream::Err => live.input(|pass| pass.object_logged(&self.name, self.run, line)),
        }
    }

    fn quiet(&self) {}

    fn ended(&self, exit: Option<Exit>) {
        let Some(live) = self.live.upgrade() else { return };
        live.input(|pass| pass.ended(&self.name, self.run, exit));
        live.changed.notify_all();
    }
}
