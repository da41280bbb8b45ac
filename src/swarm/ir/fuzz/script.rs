//! Documents and calls made from bytes. Few names and few digests, so that they collide.

use serde_json::{Map, Value, json};

use super::Call;

/// Names of nodes: groups of both namings among them, and an object's that looks like a member's.
const NAMES: [&str; 12] = ["a", "b", "c", "o", "p", "a#1", "a#2", "b#7", "a_1", "a_2", "a_3", "b_04"];
const DIGESTS: [&str; 2] = ["sha256:aa", "sha256:bb"];
/// Most operations of one script.
const MOST: usize = 16;

pub(super) struct Script<'a> {
    bytes: &'a [u8],
    calls: usize,
}

impl<'a> Script<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, calls: 0 }
    }

    /// A number below `most`; 0 once the bytes are used up.
    pub(super) fn below(&mut self, most: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first) % most.max(1)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn name(&mut self) -> String {
        self.one(&NAMES).to_owned()
    }

    /// Mostly small; seldom far too many.
    fn count(&mut self) -> u64 {
        [0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 9, u64::MAX][self.below(12)]
    }

    fn distinct(&mut self, most: usize) -> Vec<String> {
        let mut names: Vec<String> = (0..self.below(most + 1)).map(|_| self.name()).collect();
        names.sort();
        names.dedup();
        // Which comes first is chance too.
        let turn = self.below(names.len());
        names.rotate_left(turn);
        names
    }

    fn edges(&mut self, ends: &[String]) -> Vec<(String, String)> {
        if ends.is_empty() {
            return Vec::new();
        }
        (0..self.below(7)).map(|_| (self.one(ends), self.one(ends))).collect()
    }

    fn settings(&mut self) -> Map<String, Value> {
        let fields = ["x", "y", "workspace", "extra_path", "extra_ro_binds"];
        let mut map = Map::new();
        for _ in 0..self.below(3) {
            // What may not be is rarer than what may.
            let field = fields[self.below(16).min(18) % 9 % 5];
            let value = self.one(&[json!(1), json!(null), json!({"d": [1]}), json!("w/a"), json!("w")]);
            map.insert(field.to_owned(), value);
        }
        map
    }

    fn agent(&mut self, name: &str) -> Value {
        let body = self.one(&[
            json!({"ref": format!("inline:{name}"), "kind": "data"}),
            json!({"ref": "swarmidx:p", "kind": "data", "digest": DIGESTS[0]}),
            json!({"ref": "oci:p", "kind": "data"}),
        ]);
        let model = self.one(&[
            json!({"ref": "openrouter:default", "attested": true}),
            json!({"policy": {"ref": "swarmidx:m", "kind": "data", "digest": DIGESTS[1]}}),
        ]);
        let backend = self.one(&[
            json!({"ref": "local"}),
            json!({"ref": "ssh", "host": "h"}),
            json!({"ref": "bwrap", "opts": {"network": "open"}}),
            json!({"ref": "bwrap", "opts": {"extra_rw_binds": 1}}),
        ]);
        let mut agent = json!({"name": name, "body": body, "model": model, "backend": backend});
        agent["config"] = Value::Object(self.settings());
        if self.below(4) == 0 {
            agent["skills"] = json!(["s.md"]);
        }
        agent
    }

    fn object(&mut self, name: &str) -> Value {
        let mut object = json!({"name": name, "handler": self.one(&[
            json!({"ref": "module:counter", "kind": "code"}),
            json!({"ref": "swarmidx:h", "kind": "code", "digest": DIGESTS[0]}),
        ])});
        object["config"] = Value::Object(self.settings());
        if self.below(4) == 0 {
            object["backend"] = json!({"ref": "local"});
        }
        object
    }

    /// A state's document, which is right.
    pub(super) fn state(&mut self) -> Value {
        let names = self.distinct(6);
        let (agents, objects) = names.split_at(self.below(names.len() + 1));
        let topology = self.edges(&names);
        let agents: Vec<Value> = agents.iter().map(|name| self.agent(name)).collect();
        let objects: Vec<Value> = objects.iter().map(|name| self.object(name)).collect();
        json!({"v": 1, "kind": "swarm.state", "name": "s", "phase": self.one(&["desired", "observed"]),
               "agents": agents, "objects": objects, "topology": topology})
    }

    /// An overlay's document, which is right; whether it can be applied is another thing.
    pub(super) fn overlay(&mut self) -> Value {
        let mut seq = 0;
        let mut events = Vec::new();
        for _ in 0..self.below(MOST) {
            seq += 1 + self.below(3);
            let (op, payload) = self.op();
            events.push(json!({"seq": seq, "op": op, "payload": payload}));
        }
        json!({"v": 1, "kind": "swarm.overlay", "swarm": "s", "events": events})
    }

    fn op(&mut self) -> (&'static str, Value) {
        let name = self.name();
        match self.below(12) {
            0 | 1 => ("add_agent", self.agent(&name)),
            2 => ("add_object", self.object(&name)),
            3 => ("remove_agent", json!({"name": name, "on_inflight": self.one(&["drain", "kill"])})),
            4 => ("remove_object", json!({ "name": name })),
            5 | 6 => {
                let ends = self.distinct(3);
                ("add_topology_edges", json!({"edges": self.edges(&ends)}))
            }
            7 => ("remove_topology_edges", json!({"edges": self.edges(&NAMES.map(str::to_owned))})),
            8 | 9 => ("scale_agent_group", json!({"base_name": name, "target_count": self.count()})),
            10 if self.below(2) == 0 => {
                let field = self.one(&["body", "model", "backend", "handler"]);
                let (from, to) = (self.one(&DIGESTS), self.one(&DIGESTS));
                ("bump_package", json!({"target": name, "field": field, "from": from, "to": to}))
            }
            10 => ("set_options", json!({"options": self.settings()})),
            _ => ("update_config", json!({"target": name, "config": self.settings()})),
        }
    }

    /// A node of a configuration.
    fn configured(&mut self, name: &str) -> Value {
        let backend = self.one(&[
            json!("local"),
            json!("mock"),
            json!({"type": "docker", "image": "i:1", "opts": {"network": "isolated"}}),
            json!({"type": "ssh", "host": "h"}),
            json!({"type": "apple_container", "image": "i"}),
        ]);
        let mut agent = json!({"name": name, "backend": backend, "config": self.settings()});
        if self.below(3) == 0 {
            agent["model"] = self.one(&[json!("m/x"), json!("default")]);
            agent["skills"] = json!(["s.md"]);
        }
        agent
    }

    fn configured_object(&mut self, name: &str) -> Value {
        self.one(&[
            json!({"name": name, "handler": "counter"}),
            json!({"name": name, "handler": "log", "config": {"x": 1}}),
            json!({"name": name, "backend": "local", "handler": {"command": ["sh"]}}),
            json!({"name": name, "backend": "local"}),
        ])
    }

    /// A canonical configuration; it may be refused.
    pub(super) fn config(&mut self) -> Value {
        let names = self.distinct(5);
        let (agents, objects) = names.split_at(self.below(names.len() + 1));
        let topology = self.edges(&names);
        let clean = |name: &String| name.replace('#', "_");
        let agents: Vec<Value> = agents.iter().map(|name| self.configured(&clean(name))).collect();
        let objects: Vec<Value> = objects.iter().map(|name| self.configured_object(&clean(name))).collect();
        let topology: Vec<_> = topology.iter().map(|(from, to)| [clean(from), clean(to)]).collect();
        json!({"name": "s", "agents": agents, "objects": objects, "topology": topology})
    }

    /// The next call on a running swarm; `None` when there are no bytes left, or enough of it.
    pub(super) fn call(&mut self) -> Option<Call> {
        self.calls += 1;
        if self.bytes.is_empty() || self.calls > MOST {
            return None;
        }
        // A name of documents only seldom comes this far.
        let name = self.name();
        let name = if self.below(8) == 0 { name } else { name.replace('#', "_") };
        Some(match self.below(8) {
            0 | 1 => {
                let (agent, to, from) = (self.configured(&name), self.distinct(2), self.distinct(1));
                Call::AddAgent { agent, to, from }
            }
            2 => {
                let (object, to, from) = (self.configured_object(&name), self.distinct(1), self.distinct(2));
                Call::AddObject { object, to, from }
            }
            3 => Call::RemoveAgent(name),
            4 => Call::RemoveObject(name),
            5 => Call::Scale(name, self.count()),
            6 => {
                let ends = self.distinct(3);
                Call::Topology(self.edges(&ends), self.edges(&ends))
            }
            _ => Call::UpdateConfig(name, self.settings()),
        })
    }
}
