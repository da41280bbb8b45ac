//! Swarms in memory and a connection to them, for tests and fuzzing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // never in the program

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Phoenix, Stage, Version};
use crate::{
    swarm::events::{Draft, Hub, Name, Push},
    wire::{clock::ManualClock, node::NodeName},
    ws::{Seat, Settings, Sockets, machine::Machine, testing},
};

/// The swarms `s`, `t` and all that begin with `n-`; of `kept` the status cannot be said.
pub(super) struct World {
    pub hub: Arc<Hub>,
    /// swarm, agent and task
    pub tasks: Mutex<Vec<(String, String, Value)>>,
}

impl World {
    pub fn new() -> Arc<Self> {
        Self::of(Arc::new(Hub::new(ManualClock::at(1_000))))
    }

    pub fn of(hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self { hub, tasks: Mutex::default() })
    }

    /// A task was sent to an agent; the event's number.
    pub fn happen(&self, swarm: &str, agent: &str) -> u64 {
        self.hub.publish(Draft::new(Name::TaskSent, "a task sent").swarm(swarm).agent(agent))
    }

    /// An agent's state, which is no event.
    pub fn tell(&self, swarm: &str, agent: &str, state: &'static str) {
        let name = |text| NodeName::parse(text).unwrap();
        self.hub.tell(&name(swarm), &name(agent), Push::State { state });
    }
}

impl Stage for World {
    fn joins(&self, swarm: &str) -> bool {
        ["s", "t", "kept"].contains(&swarm) || swarm.starts_with("n-")
    }

    fn status(&self, swarm: &str) -> Result<Value, &'static str> {
        if swarm == "kept" { Err("not_found") } else { Ok(json!({ "name": swarm })) }
    }

    fn task(&self, swarm: &str, agent: &str, task: &Value) -> Result<(), &'static str> {
        if agent == "full" {
            return Err("inbox_full");
        }
        self.tasks.lock().unwrap().push((swarm.to_owned(), agent.to_owned(), task.clone()));
        Ok(())
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

/// One connection and its client, who reads as much as he likes.
pub(super) struct Rig {
    pub world: Arc<World>,
    pub machine: Machine,
    pub session: Phoenix,
    #[cfg_attr(not(test), allow(dead_code))] // fuzzing looks at answers alone
    pub seat: Seat,
    pub now: u64,
    /// bytes that the client takes at each turn
    pub takes: usize,
    /// the code of the close that came
    pub closed: Option<u16>,
    bytes: Vec<u8>,
}

impl Rig {
    pub fn new(version: Version) -> Self {
        Self::of(World::new(), version)
    }

    pub fn of(world: Arc<World>, version: Version) -> Self {
        let seat = Sockets::new(1).enter().unwrap().unwrap();
        let mut session = Phoenix::new(Arc::clone(&world) as _, version, &seat);
        let machine = Machine::new(Settings::channel(), &mut session, 0);
        Self { world, machine, session, seat, now: 0, takes: usize::MAX, closed: None, bytes: Vec::new() }
    }

    /// A text frame, and the frames that come.
    #[cfg(test)]
    pub fn say(&mut self, frame: &Value) -> Vec<Value> {
        self.send(0x81, frame.to_string().as_bytes())
    }

    /// A frame with this first byte, and the text frames that come.
    pub fn send(&mut self, first: u8, payload: &[u8]) -> Vec<Value> {
        self.machine.receive(&testing::frame(first, payload), self.now);
        self.turn()
    }

    /// Joins a topic whose join ref is `join_ref`.
    #[cfg(test)]
    pub fn join(&mut self, join_ref: &str, topic: &str) -> Vec<Value> {
        self.say(&json!([join_ref, join_ref, topic, "phx_join", {}]))
    }

    /// Turns until nothing more is to be done or the client takes no more.
    pub fn turn(&mut self) -> Vec<Value> {
        let mut left = self.takes;
        loop {
            self.machine.turn(&mut self.session, self.now);
            while self.machine.wants_output() && left > 0 {
                let slices: Vec<u8> = self.machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = slices.len().min(left);
                left = left.saturating_sub(taken);
                self.bytes.extend_from_slice(&slices[..taken]);
                self.machine.wrote(taken, self.now);
            }
            self.machine.settle(&mut self.session);
            if !self.machine.is_ready() && (left == 0 || !self.machine.wants_output()) {
                return self.frames();
            }
        }
    }

    /// The whole frames so far; pongs and the close are left out.
    fn frames(&mut self) -> Vec<Value> {
        let frames = testing::frames(&self.bytes);
        let whole: usize = frames.iter().map(|(_, payload)| testing::size(payload.len())).sum();
        self.bytes.drain(..whole);
        if let Some((_, close)) = frames.iter().find(|(first, _)| *first == 0x88) {
            self.closed = close.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
        let texts = frames.iter().filter(|(first, _)| *first == 0x81);
        texts.map(|(_, payload)| serde_json::from_slice(payload).unwrap()).collect()
    }
}
