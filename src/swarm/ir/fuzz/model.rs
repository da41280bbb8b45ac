//! A second opinion on folds: the sentences of the specification over plain JSON, as slow as they read.
//! Shares no code with the fold; whoever changes one has to change the other.

use serde_json::{Map, Value, json};

use crate::{
    limits,
    swarm::ir::{overlay::Event, state::State},
    wire::node::NodeName,
};

#[derive(Debug, Clone)]
pub(super) struct Model {
    state: Value,
    /// Names of groups as a running swarm has them.
    running: bool,
}

type Outcome = Result<(), &'static str>;

impl Model {
    pub(super) fn of(state: &State) -> Self {
        Self { state: state.to_value(), running: false }
    }

    pub(super) fn running(mut self) -> Self {
        self.running = true;
        self
    }

    pub(super) fn value(&self) -> Value {
        let mut value = self.state.clone();
        value["topology"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        value
    }

    /// The state after all events, or the number of the one that stops it and why.
    pub(super) fn folded(
        mut self,
        events: &[Event],
        cap: Option<usize>,
    ) -> Result<Self, (u64, &'static str)> {
        for event in events {
            let (op, payload) = (event.op.name(), event.op.payload());
            let step = cap.map_or(Ok(()), |cap| self.may(op, &payload, cap));
            step.and_then(|()| self.step(op, &payload)).map_err(|code| (event.seq, code))?;
        }
        Ok(self)
    }

    fn list(&mut self, field: &str) -> &mut Vec<Value> {
        self.state[field].as_array_mut().unwrap()
    }

    fn names(&self, field: &str) -> Vec<String> {
        let nodes = self.state[field].as_array().unwrap();
        nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    }

    fn all_names(&self) -> Vec<String> {
        [self.names("agents"), self.names("objects")].concat()
    }

    fn is_member(&self, name: &str, base: &str) -> bool {
        let between = if self.running { "_" } else { "#" };
        let number = name.strip_prefix(&format!("{base}{between}"));
        name == base || number.is_some_and(|it| it.chars().all(|c| c.is_ascii_digit()) && !it.is_empty())
    }

    fn may(&self, op: &str, payload: &Value, cap: usize) -> Outcome {
        let now = self.all_names().len() as u128;
        let (after, settings) = match op {
            "add_agent" | "add_object" => {
                if self.running && NodeName::parse(payload["name"].as_str().unwrap()).is_err() {
                    return Err("invalid_name");
                }
                let model = &payload["model"];
                let slots =
                    [&payload["body"], model, &model["policy"], &payload["backend"], &payload["handler"]];
                let mut settings: Vec<Value> = slots.iter().map(|slot| slot["opts"].clone()).collect();
                settings.extend([payload["config"].clone(), payload.clone()]);
                (now + 1, settings)
            }
            "scale_agent_group" => {
                let base = payload["base_name"].as_str().unwrap();
                let members = self.names("agents").iter().filter(|name| self.is_member(name, base)).count();
                let others = if members == 0 { 0 } else { now - members as u128 };
                (others + u128::from(payload["target_count"].as_u64().unwrap()), vec![])
            }
            "update_config" => (0, vec![payload["config"].clone()]),
            _ => (0, vec![]),
        };
        if after > cap as u128 {
            return Err("agent_cap_exceeded");
        }
        let forbidden = ["subzeroclaw_path", "extra_ro_binds", "extra_rw_binds", "extra_path"];
        let escapes = |map: &Value| forbidden.iter().any(|key| map.get(key).is_some());
        if settings.iter().any(escapes) { Err("forbidden_config_keys") } else { Ok(()) }
    }

    fn step(&mut self, op: &str, payload: &Value) -> Outcome {
        let name = || payload["name"].as_str().unwrap();
        match op {
            "add_agent" => self.add("agents", payload, "agent_exists"),
            "add_object" => self.add("objects", payload, "object_exists"),
            "remove_agent" => self.remove("agents", name(), "agent_not_found"),
            "remove_object" => self.remove("objects", name(), "object_not_found"),
            "add_topology_edges" => self.add_edges(payload["edges"].as_array().unwrap()),
            "remove_topology_edges" => {
                let gone = payload["edges"].as_array().unwrap();
                self.list("topology").retain(|edge| !gone.contains(edge));
                Ok(())
            }
            "scale_agent_group" => {
                let base = payload["base_name"].as_str().unwrap();
                let count = payload["target_count"].as_u64().unwrap();
                if self.running { self.scale_running(base, count) } else { self.scale(base, count) }
            }
            "bump_package" => self.bump(payload),
            "set_options" => {
                merge(&mut self.state["options"], &payload["options"]);
                Ok(())
            }
            "update_config" => self.update(payload),
            _ => panic!("{op}"),
        }
    }

    fn add(&mut self, field: &str, node: &Value, taken: &'static str) -> Outcome {
        let names = self.all_names();
        if names.iter().any(|name| node["name"] == **name) {
            return Err(taken);
        }
        if names.len() == limits::IR_NODES {
            return Err("too_many");
        }
        self.list(field).push(node.clone());
        Ok(())
    }

    fn remove(&mut self, field: &str, name: &str, absent: &'static str) -> Outcome {
        if !self.names(field).iter().any(|has| has == name) {
            return Err(absent);
        }
        self.list(field).retain(|node| node["name"] != name);
        self.list("topology").retain(|edge| edge[0] != name && edge[1] != name);
        Ok(())
    }

    fn add_edges(&mut self, edges: &[Value]) -> Outcome {
        let names = self.all_names();
        let exists = |end: &Value| names.iter().any(|name| *end == **name);
        if !edges.iter().all(|edge| exists(&edge[0]) && exists(&edge[1])) {
            return Err("unknown_edge_endpoint");
        }
        edges.iter().for_each(|edge| self.put_edge(edge.clone()));
        self.few_edges()
    }

    fn put_edge(&mut self, edge: Value) {
        let topology = self.list("topology");
        if !topology.contains(&edge) {
            topology.push(edge);
        }
    }

    fn few_edges(&mut self) -> Outcome {
        if self.list("topology").len() > limits::IR_EDGES { Err("too_many") } else { Ok(()) }
    }

    fn node(&mut self, name: &str) -> Option<(&'static str, &mut Value)> {
        let field = ["agents", "objects"]
            .into_iter()
            .find(|field| self.names(field).iter().any(|has| has == name))?;
        let nodes = self.state[field].as_array_mut().unwrap();
        nodes.iter_mut().find(|node| node["name"] == name).map(|node| (field, node))
    }

    fn update(&mut self, payload: &Value) -> Outcome {
        let (_, node) = self.node(payload["target"].as_str().unwrap()).ok_or("target_not_found")?;
        if payload["config"].as_object().unwrap().is_empty() {
            return Ok(());
        }
        let map = node.as_object_mut().unwrap();
        merge(map.entry("config").or_insert_with(|| json!({})), &payload["config"]);
        Ok(())
    }

    fn bump(&mut self, payload: &Value) -> Outcome {
        let (kind, node) = self.node(payload["target"].as_str().unwrap()).ok_or("target_not_found")?;
        let field = payload["field"].as_str().unwrap();
        let own: &[&str] = if kind == "agents" { &["body", "backend", "model"] } else { &["handler"] };
        if !own.contains(&field) {
            return Err("invalid_bump_field");
        }
        let slot = &mut node[field];
        let it = if slot.get("policy").is_some() { &mut slot["policy"] } else { slot };
        if it.get("digest") != Some(&payload["from"]) {
            return Err("bump_digest_mismatch");
        }
        it["digest"] = payload["to"].clone();
        Ok(())
    }

    fn scale(&mut self, base: &str, count: u64) -> Outcome {
        let members: Vec<String> =
            self.names("agents").into_iter().filter(|name| self.is_member(name, base)).collect();
        let first = members.first().ok_or("scale_base_not_found")?;
        let template = if members.iter().any(|name| name == base) { base } else { first };
        let mut template = self.node(template).unwrap().1.clone();
        if u128::from(count) + (self.all_names().len() - members.len()) as u128 > limits::IR_NODES as u128 {
            return Err("too_many");
        }
        let names: Vec<String> = (1..=count).map(|number| format!("{base}#{number}")).collect();
        if names.iter().any(|name| name.len() > limits::IR_TEXT) {
            return Err("too_long");
        }
        if self.names("objects").iter().any(|name| names.contains(name)) {
            return Err("agent_exists");
        }
        let at = self.names("agents").iter().position(|name| members.contains(name)).unwrap();
        self.list("agents").retain(|agent| !members.iter().any(|name| agent["name"] == **name));
        for name in names.iter().rev() {
            template["name"] = json!(name);
            self.list("agents").insert(at, template.clone());
        }
        let within = |end: &Value| members.iter().any(|name| *end == **name);
        for edge in std::mem::take(self.list("topology")) {
            let (from, to) = (edge[0].clone(), edge[1].clone());
            if !within(&from) && !within(&to) {
                self.list("topology").push(edge);
                continue;
            }
            for name in &names {
                let end = |end: &Value| if within(end) { json!(name) } else { end.clone() };
                self.put_edge(json!([end(&from), end(&to)]));
            }
            self.few_edges()?;
        }
        self.few_edges()
    }

    fn scale_running(&mut self, base: &str, count: u64) -> Outcome {
        let is_name = |name: &String| NodeName::parse(name).is_ok();
        if !self.all_names().iter().all(is_name) || !is_name(&base.to_owned()) {
            return Err("invalid_name");
        }
        let mut members: Vec<String> =
            self.names("agents").into_iter().filter(|name| self.is_member(name, base)).collect();
        // <base>_1, base, then by number.
        members.sort_by_key(|name| {
            let number = name.strip_prefix(&format!("{base}_"));
            let value = number.map_or(0, |digits| digits.parse::<u128>().unwrap_or(u128::MAX));
            (number != Some("1"), name != base, value, name.clone())
        });
        let template = members.first().ok_or("no_template")?.clone();
        for number in 1..=count {
            let name = format!("{base}_{number}");
            if !is_name(&name) {
                return Err("invalid_name");
            }
            if self.names("objects").contains(&name) {
                return Err("agent_exists");
            }
        }
        let wanted: Vec<String> = (1..=count).map(|number| format!("{base}_{number}")).collect();
        let added: Vec<&String> = wanted.iter().filter(|name| !members.contains(name)).collect();
        let original = self.node(&template).unwrap().1.clone();
        let edges = self.state["topology"].clone();
        for new in added {
            let mut copy = original.clone();
            copy["name"] = json!(new);
            if copy["body"]["ref"] == format!("inline:{template}") {
                copy["body"]["ref"] = json!(format!("inline:{new}"));
            }
            if let Some(Value::String(workspace)) =
                copy.get("config").and_then(|config| config.get("workspace"))
            {
                let own = match workspace.strip_suffix(&format!("/{template}")) {
                    Some(rest) => format!("{rest}/{new}"),
                    None => format!("{workspace}/{new}"),
                };
                copy["config"]["workspace"] = json!(own);
            }
            self.list("agents").push(copy);
            for edge in edges
                .as_array()
                .unwrap()
                .iter()
                .filter(|edge| edge.as_array().unwrap().contains(&json!(template)))
            {
                let end = |end: &Value| if *end == template { json!(new) } else { end.clone() };
                self.put_edge(json!([end(&edge[0]), end(&edge[1])]));
            }
        }
        for gone in members.iter().filter(|name| !wanted.contains(name)) {
            self.remove("agents", gone, "")?;
        }
        self.few_edges()
    }
}

fn merge(into: &mut Value, changes: &Value) {
    let more: &Map<String, Value> = changes.as_object().unwrap();
    for (field, value) in more {
        into[field] = value.clone();
    }
}
