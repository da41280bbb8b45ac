//! Time as the machine sees it: what it waits for, and that none passes while it is held still.

use super::{Effect, Now, Turn};
use crate::swarm::events::{Draft, Level, Name};

impl Turn {
    /// It is held still: nothing is said, and no time passes for it.
    pub fn pause(&mut self, now: Now) {
        self.paused.get_or_insert(now.ms);
    }

    /// It goes on.
    pub fn resume(&mut self, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if let Some(since) = self.paused.take() {
            let held = now.ms.saturating_sub(since);
            for at in self.times() {
                *at = at.saturating_add(held);
            }
            self.next(now, &mut out);
        }
        out
    }

    /// When [`Turn::tick`] has something to do, if nothing happens before.
    pub fn deadline(&self) -> Option<u64> {
        if self.paused.is_some() {
            return None;
        }
        let expires = self.current.as_ref().filter(|current| !current.expired).and_then(|now| now.expires);
        let pending = self.pending.as_ref().map(|pending| pending.at);
        let awaiting = self.awaiting.filter(|_| self.inbox.len() > 0);
        [expires, pending, awaiting, self.again, self.restart].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.paused.is_some() {
            return out;
        }
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now.ms);
        if due(self.restart) {
            self.restart = None;
            out.push(Effect::Restart);
        }
        if let Some(current) =
            self.current.as_mut().filter(|current| !current.expired && due(current.expires))
        {
            current.expired = true;
            let late = Draft::new(Name::TurnTimeout, format!("agent {} took too long", self.name.agent));
            self.tell(&mut out, late.level(Level::Warning).with("timeout_ms", self.rules.turn_timeout_ms));
        }
        for at in [&mut self.again, &mut self.awaiting] {
            at.take_if(|at| *at <= now.ms);
        }
        if due(self.pending.as_ref().map(|pending| pending.at)) {
            self.deliver(&mut out);
        }
        self.next(now, &mut out);
        out
    }

    /// All times that are waited for.
    pub(super) fn times(&mut self) -> impl Iterator<Item = &mut u64> {
        let current = self.current.as_mut();
        let (began, expires) =
            current.map_or((None, None), |now| (Some(&mut now.began), now.expires.as_mut()));
        let pending = self.pending.as_mut().map(|pending| &mut pending.at);
        let rest = [self.awaiting.as_mut(), self.again.as_mut(), self.restart.as_mut()];
        [began, expires, pending].into_iter().chain(rest).flatten()
    }
}
