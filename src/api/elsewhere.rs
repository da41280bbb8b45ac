//! The agents of other instances, as this one's callers see them: the whole registry for the owner,
//! names and addresses for an agent; and whether an agent of ours can be found there.
//!
//! Files are written and looked at by registry/, never while the bus is locked. Agents may ask as often
//! as they like: what they are told is looked up once a second, for all of them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{
    App,
    app::Places,
    request::{Fault, Request, Result, ok},
};
use crate::{
    admit::Caller,
    limits,
    registry::{Listing, PeerInstance, Published, Speaks, Trouble},
    wire::{
        address::{Address, HomeId},
        id::AgentId,
    },
};

/// `GET /api/v1/peers`: looked at now, not remembered.
pub(super) fn peers(app: &App, _: &Caller, _: &Request<'_>) -> Result {
    ok(&listing_json(&app.bus.elsewhere.listing(), app.bus.elsewhere.home()))
}

fn listing_json(listing: &Listing, home: &HomeId) -> Value {
    let directory = listing.directory.as_ref().map(|path| {
        json!({
            "path": path.to_string_lossy(),
            "mode": listing.mode.map(|mode| format!("{:04o}", mode & 0o7777)),
            "shared": listing.shared,
            "health": health(&listing.troubles),
        })
    });
    let own: Vec<String> = listing.own.iter().map(|name| at(name, home)).collect();
    json!({
        "directory": directory,
        "home": home.as_str(),
        "instances": listing.instances.iter().map(instance_json).collect::<Vec<_>>(),
        "own": own,
        "troubles": listing.troubles.iter().map(trouble_json).collect::<Vec<_>>(),
        "more": listing.more,
    })
}

/// `ok`, or the code of what is wrong with the directory itself.
fn health(troubles: &[Trouble]) -> &'static str {
    troubles.iter().find(|trouble| trouble.file.as_os_str().is_empty()).map_or("ok", |trouble| trouble.code)
}

fn instance_json(instance: &PeerInstance) -> Value {
    let agents: Vec<Value> = instance
        .agents
        .iter()
        .map(|agent| {
            json!({
                "name": agent.name.as_str(),
                "address": at(&agent.name, &instance.home),
                "block_id": agent.block_id,
                "updated_at": agent.updated_at,
            })
        })
        .collect();
    json!({
        "home": instance.home.as_str(),
        "instance": instance.instance,
        "address": instance.at.to_string(),
        "pid": instance.pid,
        "speaks": match instance.speaks {
            Speaks::AgentMux => "agentmux",
            Speaks::Loopgate => "loopgate",
        },
        "channel": instance.channel,
        "agents": agents,
    })
}

fn trouble_json(trouble: &Trouble) -> Value {
    json!({
        "file": trouble.file.to_string_lossy(),
        "agent": trouble.agent,
        "code": trouble.code,
        "error": trouble.sentence,
        "next": trouble.next,
    })
}

/// An agent's address.
fn at(name: &AgentId, home: &HomeId) -> String {
    Address { name: name.clone(), home: Some(home.clone()) }.to_string()
}

/// The agents of other instances, as agents are shown them.
pub(super) struct FarAgents {
    /// when it was looked up, in monotonic ms, and what was found; locked for a moment only
    last: Mutex<Option<(u64, Rows)>>,
    looks: Places,
}

/// Name and address of each.
type Rows = Arc<Vec<(AgentId, String)>>;

impl FarAgents {
    pub(super) fn new() -> Self {
        Self { last: Mutex::default(), looks: Places::new(1) }
    }
}

impl App {
    /// Name and address of the agents of other instances, at most a second old; a little more where
    /// somebody else looks right now.
    pub(super) fn far_agents(&self) -> Result<Rows> {
        if !self.bus.elsewhere.is_on() {
            return Ok(Arc::default());
        }
        let now = self.clock.monotonic_ms();
        let last = self.far.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, rows)) = &last
            && now.saturating_sub(*at) < LOOK_EACH_MS
        {
            return Ok(Arc::clone(rows));
        }
        let Some(_look) = self.far.looks.enter() else {
            let busy = || Fault::new(503, "busy", "the registry is being looked at; try again");
            return last.map(|(_, rows)| rows).ok_or_else(busy);
        };
        let listing = self.bus.elsewhere.listing();
        let of = |instance: &PeerInstance| {
            let row = |name: &AgentId| (name.clone(), at(name, &instance.home));
            instance.agents.iter().map(|agent| row(&agent.name)).collect::<Vec<_>>()
        };
        let rows: Rows = Arc::new(listing.instances.iter().flat_map(of).collect());
        *self.far.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&rows)));
        Ok(rows)
    }

    /// Lets other instances find an agent, or find it no more; waits for its file a bounded time. Never
    /// called while the bus is locked.
    pub(super) fn publish(&self, name: &AgentId) -> Published {
        self.bus.elsewhere.publish(name, Duration::from_millis(limits::PUBLISH_MS))
    }

    /// An agent's address.
    pub(super) fn address_of(&self, name: &AgentId) -> String {
        at(name, self.bus.elsewhere.home())
    }
}

/// How long what agents were shown is shown again.
const LOOK_EACH_MS: u64 = 1_000;

/// Says where an agent's file is not there that is to be there.
pub(super) fn say(published: Published, answer: &mut Value) {
    let (word, code) = match published {
        Published::Off | Published::Done => return,
        Published::Taken => ("taken", None),
        Published::Pending => ("pending", None),
        Published::Failed(code) => ("failed", Some(code)),
    };
    put(answer, word, code);
}

/// Says where an agent's file is still there. Another instance's of the same name is not ours to remove.
pub(super) fn say_removed(published: Published, answer: &mut Value) {
    match published {
        Published::Off | Published::Done | Published::Taken => {}
        Published::Pending | Published::Failed(_) => say(published, answer),
    }
}

fn put(answer: &mut Value, word: &str, code: Option<&str>) {
    let Some(fields): Option<&mut Map<String, Value>> = answer.as_object_mut() else { return };
    fields.insert("registry".to_owned(), json!(word));
    if let Some(code) = code {
        fields.insert("registry_code".to_owned(), json!(code));
    }
}
