//! A swarm's life: created, started, stopped, restarted, paused, forgotten.
//!
//! What is asked for is refused as a whole before anything of it runs, or it runs and is kept. A swarm that is new
//! and does not start leaves nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Swarms,
    seat::{Busy, Facts, Phase, Running},
    shape::{Misfit, Shape},
    table::Claimed,
};
use crate::{
    limits,
    swarm::{
        Fault,
        config::Config,
        events::{Draft, Level, Name},
        kept::ShelfError,
        live::Live,
    },
    wire::node::NodeName,
};

/// What became of swarms that were to be forgotten.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// of these nothing is kept any more
    pub removed: Vec<NodeName>,
    /// these are still there, and why
    pub failed: Vec<(NodeName, Fault)>,
}

const STOP: Duration = Duration::from_millis(limits::STOP_MS);

impl Swarms {
    /// Creates a swarm and starts it. One of its name that is kept and does not run gets the new configuration and
    /// keeps its overlay; one that runs is `already_exists`.
    pub fn create(&self, config: Config) -> Result<NodeName, Fault> {
        if self.is_ending() {
            return Err(Fault::Stopping);
        }
        let name = config.name.clone();
        let seed = Shape::of(config, self.settings.cap)?;
        self.fits(&seed.config)?;
        match self.table.claim(&seed, self.patience)? {
            Claimed::New(busy) => self.create_new(&busy, &seed)?,
            Claimed::Kept(busy) => self.create_again(&busy, &seed)?,
        }
        Ok(name)
    }

    /// Starts a kept swarm.
    pub fn start(&self, swarm: &str) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        self.start_entered(&busy)?;
        Ok(busy.name().clone())
    }

    /// Starts a kept swarm with the instance, unless its owner has stopped it since then.
    pub(super) fn start_by_itself(&self, swarm: &str) -> Result<(), Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        if busy.facts().halted { Ok(()) } else { self.start_entered(&busy) }
    }

    /// Ends a swarm's processes, also while they are being started. It stays kept, or with `purge` nothing of it
    /// does.
    pub fn stop(&self, swarm: &str, purge: bool) -> Result<(), Fault> {
        if self.is_ending() {
            return Err(Fault::Stopping);
        }
        let busy = match self.table.find(swarm) {
            Some(seat) => seat.enter_to_stop(self.patience.saturating_add(STOP), STOP)?,
            None if purge => return self.purge_aside(swarm),
            None => return Err(Fault::SwarmNotFound),
        };
        busy.note(|facts| facts.halted = true);
        if purge { self.purge(&busy) } else { self.end(&busy) }
    }

    /// Stops the swarm, if it runs, and starts it; with `delete` its agents begin with empty directories.
    pub fn restart(&self, swarm: &str, delete: bool) -> Result<(), Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        // Before anything ends: what cannot start again is left running.
        let kept = self.replayed(&busy.facts())?;
        self.fits(&kept.config)?;
        if busy.running().is_ok() {
            // It says so already. A disk that does not take it now would not take it at the start either.
            let autostart = kept.config.autostart;
            self.shelf.set_status(busy.name(), "running", autostart).map_err(Fault::of_shelf)?;
        }
        self.end(&busy)?;
        if delete {
            self.logs.wipe(busy.name());
            // They begin with empty directories, wherever the rest of the old ones is.
            self.removed(busy.name(), self.shelf.wipe_agents(busy.name()))?;
        }
        self.start_kept(&busy)
    }

    /// Hands nothing more to the agents and freezes their processes; how many agents.
    pub fn pause(&self, swarm: &str) -> Result<usize, Fault> {
        self.enter(swarm, Fault::SwarmNotFound).and_then(|busy| busy.running()?.live.pause())
    }

    /// Ends a pause; of how many agents.
    pub fn resume(&self, swarm: &str) -> Result<usize, Fault> {
        self.enter(swarm, Fault::SwarmNotFound).and_then(|busy| busy.running()?.live.resume())
    }

    /// Forgets swarms that do not run, with all that they have: those of these names, or else each that somebody
    /// has not begun to work on. With `all` the events too, before anything else.
    pub fn clean(&self, names: Option<&BTreeSet<NodeName>>, all: bool) -> Result<Cleaned, Fault> {
        if self.is_ending() {
            return Err(Fault::Stopping);
        }
        if all {
            self.hub.clear().map_err(|error| Fault::of_shelf(error.into()))?;
        }
        let mut cleaned = Cleaned::default();
        let mut note = |name: &NodeName, done: Result<(), Fault>| match done {
            Ok(()) => cleaned.removed.push(name.clone()),
            Err(fault) => cleaned.failed.push((name.clone(), fault)),
        };
        match names {
            Some(names) => names.iter().for_each(|name| note(name, self.clean_one(name))),
            None => {
                for seat in self.table.all().iter().filter(|seat| !seat.is_up()) {
                    match self.clean_one(seat.name()) {
                        // It is about to run, or to go.
                        Err(Fault::Busy | Fault::Runs | Fault::SwarmNotFound) => {}
                        done => note(seat.name(), done),
                    }
                }
            }
        }
        Ok(cleaned)
    }

    /// Forgets a swarm, unless it runs or somebody works on it.
    fn clean_one(&self, name: &NodeName) -> Result<(), Fault> {
        let seat = self.table.find(name.as_str()).ok_or(Fault::SwarmNotFound)?;
        let busy = seat.enter(Duration::ZERO)?;
        if seat.is_up() {
            return Err(Fault::Runs);
        }
        // One that the instance's end has stopped was not meant.
        if self.is_ending() { Err(Fault::Stopping) } else { self.purge(&busy) }
    }

    /// Waits for the turn to change a swarm; `unknown` where there is none.
    pub(super) fn enter(&self, swarm: &str, unknown: Fault) -> Result<Busy, Fault> {
        if self.is_ending() {
            return Err(Fault::Stopping);
        }
        let Some(seat) = self.table.find(swarm) else { return Err(unknown) };
        seat.enter(self.patience).map_err(|fault| match fault {
            Fault::SwarmNotFound => unknown,
            other => other,
        })
    }

    fn create_new(&self, busy: &Busy, seed: &Arc<Shape>) -> Result<(), Fault> {
        let kept = self.shelf.put_seed(busy.name(), &seed.config.to_value()).map_err(Fault::of_shelf);
        // What was set aside is not ours: it waits for somebody who looks at it.
        let is_ours = kept != Err(Fault::Unreadable);
        kept.and_then(|()| self.launch(busy, seed)).inspect_err(|fault| {
            if *fault == Fault::NotRunning || busy.facts().live().is_some() {
                // It was created, and stopped meanwhile; or processes of it are still there.
                return;
            }
            if is_ours {
                self.logs.forget(busy.name());
                // Nothing of it has run. What cannot be removed now is off the shelf, and is removed later.
                let _ = self.shelf.purge(busy.name());
            }
            self.table.remove(busy);
        })
    }

    fn create_again(&self, busy: &Busy, seed: &Arc<Shape>) -> Result<(), Fault> {
        let before = busy.facts();
        let kept = self.replayed(&Facts { seed: seed.clone(), ..before.clone() })?;
        self.fits(&kept.config)?;
        self.shelf.put_seed(busy.name(), &seed.config.to_value()).map_err(Fault::of_shelf)?;
        busy.note(|facts| facts.seed = seed.clone());
        self.launch(busy, &kept).inspect_err(|fault| {
            // The swarm is what it was, if the disk lets it; else the new one is, and does not run. So is one that
            // was stopped meanwhile.
            let stays = *fault == Fault::NotRunning;
            if !stays && self.shelf.put_seed(busy.name(), &before.seed.config.to_value()).is_ok() {
                busy.note(|facts| (facts.seed, facts.kept) = (before.seed, before.kept));
            }
        })
    }

    fn start_entered(&self, busy: &Busy) -> Result<(), Fault> {
        if busy.running().is_ok() {
            return Err(Fault::AlreadyExists);
        }
        self.start_kept(busy)
    }

    /// Starts a swarm from what is kept of it. Its failure is shown with it from now on.
    fn start_kept(&self, busy: &Busy) -> Result<(), Fault> {
        let started = self.replayed(&busy.facts()).and_then(|kept| self.launch(busy, &kept));
        started.inspect_err(|fault| {
            // One that was stopped meanwhile has not failed; one with processes is shown with them.
            if *fault != Fault::NotRunning && busy.facts().live().is_none() {
                self.table.give_back(busy, Phase::Failed(fault.to_string()));
            }
        })
    }

    /// The seed with the overlay, each change of which passes the gate again.
    fn replayed(&self, facts: &Facts) -> Result<Arc<Shape>, Fault> {
        // The seed too: the cap may have been lowered since.
        let seed = Shape::of(facts.seed.config.clone(), self.settings.cap)?;
        let swarm = seed.config.name.clone();
        let lines = self.shelf.read(&swarm).map_err(Fault::of_shelf)?;
        seed.replay(&lines, self.settings.cap).map_err(|Misfit { seq, reason }| Fault::OverlayDoesNotFit {
            swarm,
            seq,
            reason,
        })
    }

    fn launch(&self, busy: &Busy, kept: &Arc<Shape>) -> Result<(), Fault> {
        self.fits(&kept.config)?;
        // What an earlier run has left goes first.
        self.end(busy)?;
        self.table.hold(busy, kept.nodes(), self.agents.list().len())?;
        busy.note(|facts| facts.phase = Phase::Starting(None));
        self.begin(busy, kept)
    }

    fn begin(&self, busy: &Busy, kept: &Arc<Shape>) -> Result<(), Fault> {
        let live = Live::prepare(self.live.clone(), &kept.config)
            .inspect_err(|_| self.table.give_back(busy, Phase::Stopped))?;
        let running = Running { live: live.clone(), present: kept.clone(), started_at: self.clock.unix_ms() };
        // Before its programs run: what one of them says first is heard.
        busy.note(|facts| {
            facts.kept = kept.clone();
            facts.phase = Phase::Starting(Some(running.clone()));
        });
        self.bell().ring();
        if !busy.is_to_stop() {
            live.begin();
        }
        if let Err(fault) = self.note_running(busy, &live, kept) {
            self.end(busy)?;
            return Err(fault);
        }
        busy.note(|facts| facts.phase = Phase::Running(running));
        live.tell_started();
        Ok(())
    }

    /// Writes down that a swarm runs, unless it is to be stopped at once.
    fn note_running(&self, busy: &Busy, live: &Live, kept: &Shape) -> Result<(), Fault> {
        if busy.is_to_stop() || live.is_stopped() {
            return Err(Fault::NotRunning);
        }
        self.shelf.set_status(busy.name(), "running", kept.config.autostart).map_err(Fault::of_shelf)?;
        if self.is_ending() { Err(Fault::Stopping) } else { Ok(()) }
    }

    /// Ends the processes of a swarm, if it has any. Those that are not gone in time stay known, so that the next
    /// call tries again.
    fn end(&self, busy: &Busy) -> Result<(), Fault> {
        let facts = busy.facts();
        let Some(running) = facts.live() else { return Ok(()) };
        if !running.live.stop(STOP) {
            busy.note(|facts| facts.phase = Phase::Ending(running.clone()));
            return Err(Fault::StillThere);
        }
        self.table.give_back(busy, Phase::Stopped);
        self.logs.of(busy.name()).rest();
        // The next start lists it as stopped, whatever stands there: a disk that fails now changes nothing.
        let _ = self.shelf.set_status(busy.name(), "stopped", facts.seed.config.autostart);
        Ok(())
    }

    fn purge(&self, busy: &Busy) -> Result<(), Fault> {
        self.end(busy)?;
        self.logs.forget(busy.name());
        self.removed(busy.name(), self.shelf.purge(busy.name()))?;
        self.table.remove(busy);
        self.log().forget(busy.name().as_str());
        Ok(())
    }

    /// Forgets what is kept under a name and could not be read.
    fn purge_aside(&self, swarm: &str) -> Result<(), Fault> {
        let name = NodeName::parse(swarm).map_err(|_| Fault::SwarmNotFound)?;
        self.removed(&name, self.shelf.purge_aside(&name))
    }

    /// What is off the shelf is removed. Where some of it is still on the disk, that is told: somebody may rely on it.
    fn removed(&self, name: &NodeName, done: Result<(), ShelfError>) -> Result<(), Fault> {
        match done {
            Err(ShelfError::Left) => {
                let text = format!(
                    "not all that {name} had could be removed from the disk: below `swarms` in the server's home \
                     something is mounted or may not be removed; the next start of the server tries again"
                );
                self.hub.publish(Draft::new(Name::SwarmError, text).swarm(name).level(Level::Warning));
                Ok(())
            }
            done => done.map_err(Fault::of_shelf),
        }
    }
}
