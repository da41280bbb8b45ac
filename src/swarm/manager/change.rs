//! How a running swarm is changed: gate, places, deed, journal, answer.
//!
//! The gate and the places come first and change nothing. Then the deed is done, then written down and synced,
//! then the caller is told. A deed that fails leaves nothing in the journal; a journal that fails undoes the deed.
//! What ends something that cannot be put back as it was is written down before it is done.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Swarms, compact,
    seat::{Busy, Running},
    shape::Shape,
};
use crate::swarm::{
    Fault,
    ir::{self, State, gate::Passed},
    kept::ShelfError,
    live::Live,
};

/// A change that has passed the gate.
pub(super) struct Step {
    /// the swarm before
    pub running: Running,
    /// what it becomes
    pub present: Arc<Shape>,
    /// how it starts again, and the line that leads there; nothing where that does not change
    kept: Option<(Arc<Shape>, Value)>,
}

impl Step {
    /// The nodes that run.
    pub fn live(&self) -> &Live {
        &self.running.live
    }

    /// What the swarm is before.
    pub fn before(&self) -> &Shape {
        &self.running.present
    }
}

impl Swarms {
    /// Lets a change pass the gate.
    pub(super) fn step(
        &self,
        busy: &Busy,
        op: impl Fn(&State) -> Result<Passed, ir::Error>,
    ) -> Result<Step, Fault> {
        let facts = busy.facts();
        let running = busy.running()?;
        let after = running.present.after(&op)?;
        let kept = if Arc::ptr_eq(&running.present, &facts.kept) {
            Some((after.shape.clone(), after.line))
        } else {
            self.of_kept(&facts.kept, op)?
        };
        Ok(Step { running, present: after.shape, kept })
    }

    /// The same change of what is kept, where that is not what runs: after the overlay was cleared.
    fn of_kept(
        &self,
        kept: &Shape,
        op: impl Fn(&State) -> Result<Passed, ir::Error>,
    ) -> Result<Option<(Arc<Shape>, Value)>, Fault> {
        match kept.after(op) {
            Ok(after) => Ok(Some((after.shape, after.line))),
            // It goes now, and would not have come again.
            Err(Fault::AgentNotFound | Fault::ObjectNotFound) => Ok(None),
            Err(_) => Err(Fault::OverlayCleared),
        }
    }

    /// Takes places for the nodes that there are while the change is made and after it.
    pub(super) fn hold(&self, busy: &Busy, step: &Step) -> Result<(), Fault> {
        let most = step.before().nodes().max(step.present.nodes());
        self.table.hold(busy, most, self.agents.list().len())
    }

    /// The change is not made.
    pub(super) fn leave(&self, busy: &Busy, step: &Step) {
        busy.note(|facts| facts.places = step.before().nodes());
    }

    /// Makes a change that can be undone: `deed`, then the journal, then the facts.
    pub(super) fn make(
        &self,
        busy: &Busy,
        step: &Step,
        deed: impl FnOnce(&Live) -> Result<(), Fault>,
        undo: impl FnOnce(&Live) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.hold(busy, step)?;
        deed(step.live()).inspect_err(|_| self.leave(busy, step))?;
        let Err(fault) = self.write(busy, step) else {
            self.done(busy, step);
            step.live().tell_changed();
            return Ok(());
        };
        match undo(step.live()) {
            Ok(()) => self.leave(busy, step),
            // It is taken back; that something of it still ends is what the caller can do something about.
            Err(Fault::StillThere) => {
                self.leave(busy, step);
                return Err(Fault::StillThere);
            }
            Err(_) => {
                self.holds(busy, step);
                step.live().tell_changed();
                return Err(Fault::HoldsUntilStop);
            }
        }
        Err(fault)
    }

    /// Makes a change that cannot be undone: the journal first, then `deed`.
    pub(super) fn make_for_good(
        &self,
        busy: &Busy,
        step: &Step,
        deed: impl FnOnce(&Live) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.write(busy, step)?;
        let made = deed(step.live());
        self.done(busy, step);
        // Whether processes of what was removed are still there or not.
        if matches!(made, Ok(()) | Err(Fault::StillThere)) {
            step.live().tell_changed();
        }
        made
    }

    /// Writes the change down.
    pub(super) fn write(&self, busy: &Busy, step: &Step) -> Result<(), Fault> {
        let Some((_, line)) = &step.kept else { return Ok(()) };
        match self.shelf.append(busy.name(), line) {
            Ok(_) => Ok(()),
            Err(ShelfError::OverlayFull) => {
                self.shorten(busy)?;
                self.shelf.append(busy.name(), line).map_err(Fault::of_shelf)?;
                Ok(())
            }
            Err(error) => Err(Fault::of_shelf(error)),
        }
    }

    /// Keeps fewer changes that lead to the same swarm.
    fn shorten(&self, busy: &Busy) -> Result<(), Fault> {
        let facts = busy.facts();
        let lines = compact::lines(&facts.seed.state, &facts.kept.state).ok_or(Fault::OverlayFull)?;
        self.shelf.rewrite(busy.name(), &lines).map_err(Fault::of_shelf)
    }

    /// The change is made and written down.
    pub(super) fn done(&self, busy: &Busy, step: &Step) {
        self.holds(busy, step);
        if let Some((kept, _)) = &step.kept {
            busy.note(|facts| facts.kept = kept.clone());
        }
    }

    /// The change is made.
    fn holds(&self, busy: &Busy, step: &Step) {
        busy.note(|facts| {
            facts.places = step.present.nodes();
            facts.run_as(step.present.clone());
        });
    }
}
