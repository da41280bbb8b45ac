//! Who hears of one run of a program: of an agent, or of an object that is a process.
//!
//! Lines are read here, in the program's own thread and without the swarm's lock; what they say is the word of
//! the node whose program it is, whatever they claim. What stands in the outbox when a turn or the
//! program ends was written before that, and is taken before it.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{Live, lock, place::Place};
use crate::{
    agent::{
        Exit, Sink, Stream,
        protocol::{Listener, Spoken},
    },
    swarm::logs::{Log, Screen},
    wire::node::NodeName,
};

/// Time for a process that speaks to be put where it is to be.
const PLACED: Duration = Duration::from_secs(10);

/// Hears an agent's program.
pub(super) struct AgentEar {
    pub live: Weak<Live>,
    pub name: NodeName,
    pub run: u64,
    /// none where it has no process, and so no directories
    pub place: Option<Arc<Place>>,
    /// where what it prints is kept
    pub log: Log,
    /// its terminal, where it has one
    pub screen: Mutex<Screen>,
    pub listener: Mutex<Listener>,
}

/// Hears an object's process.
pub(super) struct ObjectEar {
    pub live: Weak<Live>,
    pub name: NodeName,
    pub run: u64,
}

impl AgentEar {
    /// What stands in its terminal's last line will not be continued now.
    fn at_rest(&self) {
        lock(&self.screen).rest(|line, cut| self.log.printed(Stream::Out, line, cut));
    }

    /// Sends the letters that were written before now.
    fn letters(&self, live: &Live) {
        if let Some(taken) = self.place.as_ref().and_then(|place| place.wait_and_look()) {
            live.letters(&self.name, self.run, taken);
        }
    }
}

impl ObjectEar {
    /// Waits until a process that takes the place of another one has it: what it says before that would be
    /// nobody's word.
    fn wait_for_place(&self, live: &Live) {
        let limit = Instant::now().checked_add(PLACED).unwrap_or_else(Instant::now);
        let mut table = live.lock();
        while table.launching.contains_key(&self.run) && !table.is_run(&self.name, self.run) {
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            table = live.changed.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Sink for AgentEar {
    fn line(&self, stream: Stream, line: &[u8], cut: bool) {
        let Some(live) = self.live.upgrade() else { return };
        self.log.printed(stream, line, cut);
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

    fn shown(&self, output: &[u8]) {
        lock(&self.screen).push(output, |line, cut| self.log.printed(Stream::Out, line, cut));
    }

    fn quiet(&self) {
        self.at_rest();
        let Some(live) = self.live.upgrade() else { return };
        self.letters(&live);
        live.input(|pass| pass.quiet(&self.name, self.run));
    }

    fn ended(&self, exit: Option<Exit>) {
        self.at_rest();
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
        self.wait_for_place(&live);
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
