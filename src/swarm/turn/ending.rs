//! How an agent ends: its program fails or exits, it has had its turns, it is stopped or restarted.

use serde_json::{Map, Value};

use super::{Effect, Now, State, Turn, retry::Retry};
use crate::{
    agent::Exit,
    swarm::{
        config::Restart,
        events::{Draft, Level, Name},
        history::Role,
    },
};

impl Turn {
    /// Its program could not be started. The first start is not tried again: what is wrong is wrong in the
    /// configuration, and is to be seen.
    pub fn failed(&mut self, why: &str, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.state == State::Initializing {
            let again = self.retry.is_again();
            self.down(again, &format!("could not be started: {why}"), Map::new(), now, &mut out);
        }
        out
    }

    /// Nothing is left of its program.
    pub fn ended(&mut self, exit: Option<Exit>, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if matches!(self.state, State::Error | State::Stopped) {
            return out;
        }
        self.deliver(&mut out);
        let mut facts = Map::new();
        let (again, how) = match exit {
            Some(Exit::Code(code)) => {
                facts.insert("exit_status".to_owned(), code.into());
                (code != 0, format!("exited with status {code}"))
            }
            Some(Exit::Signal(signal)) => {
                facts.insert("signal".to_owned(), signal.into());
                (true, format!("was ended by signal {signal}"))
            }
            None => (true, "has ended".to_owned()),
        };
        facts.insert("last_output".to_owned(), self.tail.as_str().into());
        self.log.note(Role::System, &how);
        if again && self.rules.restart == Restart::OnFailure && !self.is_through() {
            self.down(true, &how, facts, now, &mut out);
        } else {
            let ended = Draft::new(Name::AgentStopped, format!("agent {} {how}", self.name.agent));
            self.over(State::Stopped, Draft { metadata: facts, ..ended.level(Level::Warning) }, &mut out);
        }
        out
    }

    /// It is stopped by order: nothing more comes of it.
    pub fn stop(&mut self, _now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        if !matches!(self.state, State::Error | State::Stopped) {
            self.deliver(&mut out);
            let told = Draft::new(Name::AgentStopped, format!("agent {} stopped", self.name.agent));
            self.over(State::Stopped, told, &mut out);
        }
        self.turn_to(State::Stopped, &mut out);
        out
    }

    /// Its program is ended and started again by order: whoever calls this does both. What waits for the agent
    /// still waits; the turn under way is lost.
    pub fn restarted(&mut self, _now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        self.deliver(&mut out);
        self.rest();
        self.turn_to(State::Initializing, &mut out);
        self.retry = Retry::default();
        self.ended = 0;
        self.log.note(Role::System, "restarted");
        out
    }

    /// Its program failed: it is started again after a pause, or given up.
    pub(super) fn down(
        &mut self,
        again: bool,
        how: &str,
        facts: Map<String, Value>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let at = if again { self.retry.failed(now.ms) } else { None };
        let Some(at) = at else {
            let told = Draft::new(Name::AgentError, format!("agent {} {how}", self.name.agent));
            return self.over(State::Error, Draft { metadata: facts, ..told }, out);
        };
        self.rest();
        self.restart = Some(at);
        let told = Draft::new(Name::AgentRestarting, format!("agent {} {how}", self.name.agent));
        let told = Draft { metadata: facts, ..told.level(Level::Warning) };
        self.tell(out, told.with("after_ms", at.saturating_sub(now.ms)));
        self.turn_to(State::Initializing, out);
    }

    /// Nothing more comes of it.
    pub(super) fn over(&mut self, state: State, told: Draft, out: &mut Vec<Effect>) {
        self.rest();
        self.tell(out, told);
        self.turn_to(state, out);
        let dropped = self.inbox.clear();
        if dropped > 0 {
            let lost = Draft::new(Name::InboxDropped, format!("agent {}: inbox dropped", self.name.agent));
            self.tell(out, lost.level(Level::Warning).with("count", dropped));
        }
    }

    /// No turn is under way and nothing is waited for.
    pub(super) fn rest(&mut self) {
        (self.current, self.pending) = (None, None);
        (self.awaiting, self.again, self.restart) = (None, None, None);
    }
}
