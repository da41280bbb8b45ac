//! All swarms of the instance: which are kept, which run, and who may change one now.
//!
//! A call that changes a swarm holds the swarm's busy mark while it works, and no lock: starting a hundred
//! programs or waiting for the disk holds up nobody who only looks. What a call would make of the swarm passes the
//! gate of the IR whole, then it is done, then it is written down, then it is answered. Who may call was decided
//! before (admit/); what a running swarm does is [`live`](super::live)'s.

mod change;
mod compact;
mod egress;
mod fits;
mod life;
mod logs;
mod look;
mod nodes;
mod objects;
mod say;
mod seat;
mod shape;
mod table;
mod ticker;

#[cfg(test)]
mod tests;

pub use life::Cleaned;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Fault,
    config::Config,
    events::{Draft, Hub, Name},
    history::MessageLog,
    kept::Shelf,
    live::{Live, LiveParts},
    logs::Logs,
    skills::Skills,
};
use crate::{
    agent::Agents,
    backend::{Backends, Policy},
    limits,
    store::Home,
    wire::clock::Clock,
};
use shape::Shape;
use table::Table;
use ticker::Bell;

pub use ticker::Ticker;

/// Where the skills are that agents may be given, in the home.
const SKILLS: &str = "skills";

/// How long the end waits for logs that are not on the disk yet.
const LOGS_END: Duration = Duration::from_secs(1);

/// What the swarms need of the instance.
pub struct Parts {
    /// where they are kept
    pub home: Arc<Home>,
    /// who starts their processes
    pub agents: Arc<Agents>,
    /// the time
    pub clock: Arc<dyn Clock>,
    /// where events are told
    pub events: Arc<Hub>,
    /// which endpoints agents may be led to
    pub policy: Policy,
    /// what the operator has set
    pub settings: Settings,
}

/// What the operator has set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// agents and objects of one swarm
    pub cap: usize,
    /// the address at which agents reach the instance
    pub url: String,
}

/// All swarms of the instance.
pub struct Swarms {
    shelf: Arc<Shelf>,
    table: Table,
    agents: Arc<Agents>,
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
    log: Arc<Mutex<MessageLog>>,
    logs: Arc<Logs>,
    live: LiveParts,
    backends: Arc<Backends>,
    settings: Settings,
    /// how long a call waits for its turn
    patience: Duration,
    bell: Arc<Bell>,
    /// the instance ends: nothing is started from now on
    ending: AtomicBool,
}

impl Swarms {
    /// The swarms that are kept in the home, all stopped; and what of them could not be read, for the log.
    pub fn open(parts: Parts) -> io::Result<(Arc<Self>, Vec<String>)> {
        let Parts { home, agents, clock, events: hub, policy, settings } = parts;
        let (shelf, kept, mut troubles) = Shelf::open(&home).map_err(io::Error::other)?;
        let shelf = Arc::new(shelf.with_agent_user(agents.user()));
        let log: Arc<Mutex<MessageLog>> = Arc::default();
        let logs = Logs::new(clock.clone(), Some(shelf.clone()));
        let bell: Arc<Bell> = Arc::default();
        let backends = Arc::new(Backends::new(agents.clone(), policy).with_sandboxes(&home));
        egress::tell(&backends, &hub);
        let wake = bell.clone();
        let live = LiveParts {
            launch: backends.clone(),
            clock: clock.clone(),
            hub: hub.clone(),
            log: log.clone(),
            logs: logs.clone(),
            shelf: shelf.clone(),
            skills: Arc::new(Skills::at(home.path().join(SKILLS))),
            wake: Arc::new(move || wake.ring()),
        };
        let swarms = Self {
            shelf,
            table: Table::default(),
            agents,
            clock,
            hub,
            log,
            logs,
            live,
            backends,
            settings,
            patience: Duration::from_millis(limits::SWARM_BUSY_MS),
            bell,
            ending: AtomicBool::new(false),
        };
        for kept in kept {
            if let Err(fault) = swarms.take_in(&kept.seed) {
                // Nothing is written over it, and its name stays taken.
                swarms.shelf.set_aside(&kept.name);
                troubles.push(format!("the swarm {} is set aside: its seed is refused: {fault}", kept.name));
            }
        }
        Ok((Arc::new(swarms), troubles))
    }

    /// Starts the thread `swarms`, which does what is due, and those swarms that start by themselves.
    pub fn run(self: &Arc<Self>) -> io::Result<Ticker> {
        Ticker::start(self)
    }

    /// Ends every swarm's processes within that time, and starts none from now on. They stay kept.
    pub fn stop_all(&self, within: Duration) {
        self.ending.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let seats = self.table.all();
        thread::scope(|scope| {
            for seat in seats.iter().filter(|seat| seat.is_up() || seat.facts().live().is_some()) {
                let end = move || {
                    // One that is just being started is stopped before it has come to its end.
                    if let Ok(busy) = seat.enter_to_stop(within, within)
                        && let Some(running) = busy.facts().live()
                    {
                        running.live.stop(within.saturating_sub(begin.elapsed()));
                    }
                };
                let thread = thread::Builder::new().name(format!("stop-{}", seat.name()));
                let thread = thread.stack_size(limits::THREAD_STACK);
                if thread.spawn_scoped(scope, end).is_err() {
                    end();
                }
            }
        });
        // The last words too; a disk that does not answer holds up no end.
        self.logs.end(LOGS_END);
    }

    /// What runs their agents: for those that belong to no swarm, too.
    pub fn backends(&self) -> &Backends {
        &self.backends
    }

    /// What happened in all swarms.
    pub fn events(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// A kept swarm takes its seat.
    fn take_in(&self, seed: &serde_json::Value) -> Result<(), Fault> {
        // The cap counts when it starts: one that was lowered meanwhile hides no swarm from its owner.
        let seed = Shape::of(Config::of(seed).map_err(Fault::of_config)?, usize::MAX)?;
        let lines = self.shelf.read(&seed.config.name).map_err(Fault::of_shelf)?;
        // An overlay that does not fit is told at the start, too; until then the seed is what is shown.
        let kept = seed.replay(&lines, usize::MAX).unwrap_or_else(|_| seed.clone());
        self.table.add(seat::Seat::new(seed, kept));
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Lets each running swarm do what is due; how long nothing more is.
    fn tick(&self) -> Option<Duration> {
        let now = self.clock.monotonic_ms();
        let next = self.running().iter().filter_map(|live| live.tick(now)).min()?;
        Some(Duration::from_millis(next.saturating_sub(self.clock.monotonic_ms())))
    }

    fn running(&self) -> Vec<Arc<Live>> {
        let live = |seat: &Arc<seat::Seat>| Some(seat.facts().live()?.live.clone());
        self.table.all().iter().filter_map(live).collect()
    }

    /// Starts those swarms that start by themselves. One that fails holds up no other.
    fn autostart(&self) {
        for seat in self.table.all() {
            if self.is_ending() || self.bell.has_ended() {
                return;
            }
            if !seat.facts().seed.config.autostart {
                continue;
            }
            match self.start_by_itself(seat.name().as_str()) {
                // Somebody else starts it, or stops it.
                Ok(())
                | Err(Fault::AlreadyExists | Fault::SwarmNotFound | Fault::Stopping | Fault::NotRunning) => {}
                Err(fault) => {
                    let text = format!("swarm {} did not start by itself: {fault}", seat.name());
                    let draft =
                        Draft::new(Name::SwarmError, text).swarm(seat.name()).with("code", fault.code());
                    self.hub.publish(draft);
                }
            }
        }
    }
}
