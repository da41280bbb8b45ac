//! A swarm held still, let go on, and ended.
//!
//! Held still means: nothing is handed to an agent, and no process of one runs. What is said meanwhile waits in the
//! same queues as ever. The end is for good, and leaves no process.

use std::time::{Duration, Instant};

use super::{
    Live,
    table::{Body, Node, Phase},
};
use crate::{
    swarm::{
        Fault,
        events::{Draft, Name},
    },
    wire::node::NodeName,
};

impl Live {
    /// Holds it still; how many agents it has.
    pub fn pause(&self) -> Result<usize, Fault> {
        let (count, programs) = self.input(|pass| {
            pass.may_change()?;
            pass.table.phase = Phase::Paused;
            let now = pass.now;
            let mut count = 0_usize;
            for node in pass.table.nodes.values_mut() {
                if let Node::Agent(agent) = node {
                    agent.turn.pause(now);
                    count = count.saturating_add(1);
                }
            }
            pass.tell(Draft::new(Name::SwarmPaused, format!("swarm {} paused", self.name)));
            Ok((count, pass.table.programs()))
        })?;
        for program in &programs {
            // One that could not be seen to stop is told nothing all the same.
            let _ = program.freeze();
        }
        Ok(count)
    }

    /// Lets it go on; how many agents it has.
    pub fn resume(&self) -> Result<usize, Fault> {
        let programs = {
            let table = self.lock();
            if table.phase == Phase::Stopped {
                return Err(Fault::NotRunning);
            }
            table.programs()
        };
        // First the processes: what is handed to them is read at once.
        for program in &programs {
            let _ = program.thaw();
        }
        let (count, all) = self.input(|pass| {
            pass.may_change()?;
            pass.table.phase = Phase::Running;
            // The outboxes were not asked meanwhile.
            let now = pass.now.ms;
            pass.due(Some(now));
            let agents: Vec<NodeName> = pass.table.agents().map(|(name, _)| name.clone()).collect();
            for name in &agents {
                pass.turn(name, |turn, now| ((), turn.resume(now)));
            }
            pass.tell(Draft::new(Name::SwarmResumed, format!("swarm {} resumed", self.name)));
            Ok((agents.len(), pass.table.programs()))
        })?;
        // Also those that were started since then. One whose start was told during the pause may have been held
        // after it was let go on above.
        for program in &all {
            let _ = program.thaw();
        }
        Ok(count)
    }

    /// Whether it is over.
    pub fn is_stopped(&self) -> bool {
        self.lock().phase == Phase::Stopped
    }

    /// Whether it is held still.
    pub fn is_paused(&self) -> bool {
        self.lock().phase == Phase::Paused
    }

    /// Ends it, with all of its processes; whether all were gone in time. What still waits is dropped, and told. Where
    /// not all were, another call tries again.
    pub fn stop(&self, within: Duration) -> bool {
        let limit = Instant::now().checked_add(within).unwrap_or_else(Instant::now);
        let again = self.input(|pass| {
            let again = std::mem::replace(&mut pass.table.phase, Phase::Stopped) == Phase::Stopped;
            pass.table.starts.clear();
            let names: Vec<NodeName> = pass.table.nodes.keys().cloned().collect();
            for name in &names {
                pass.turn(name, |turn, now| ((), turn.stop(now)));
            }
            for name in &names {
                pass.table.part(name);
                // Its end is expected now, and no error.
                if let Some(thing) = pass.table.object_mut(name)
                    && let Body::Process { .. } = thing.body
                {
                    thing.body = Body::Broken("the swarm is stopped".to_owned());
                    pass.tell(Draft::new(Name::ObjectStopped, format!("object {name} stopped")).agent(name));
                }
            }
            again
        });
        // A program that is being started meanwhile is ended by whoever starts it.
        let all = self.end_all(limit);
        if !again {
            self.input(|pass| {
                pass.tell(Draft::new(Name::SwarmStopped, format!("swarm {} stopped", self.name)))
            });
        }
        all
    }
}
