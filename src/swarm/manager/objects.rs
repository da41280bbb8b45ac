//! Changes of a running swarm's objects.

use serde_json::{Map, Value};

use super::Swarms;
use crate::{
    swarm::{
        Fault,
        config::{self, Handler},
        ir::gate,
        objects, patch,
    },
    wire::node::NodeName,
};

impl Swarms {
    /// Adds an object; its name.
    pub fn add_object(&self, swarm: &str, given: &Value) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::NoSuchSwarm)?;
        let (object, to, from) =
            config::object_of_call(given, &busy.facts().seed.config).map_err(Fault::of_config)?;
        let (name, value) = (object.name.clone(), object.to_value());
        let texts = |names: &[NodeName]| -> Vec<String> { names.iter().map(NodeName::to_string).collect() };
        let (to_texts, from_texts) = (texts(&to), texts(&from));
        let step = self.step(&busy, |state| {
            let to: Vec<&str> = to_texts.iter().map(String::as_str).collect();
            let from: Vec<&str> = from_texts.iter().map(String::as_str).collect();
            gate::add_object(state, &value, &to, &from, self.settings.cap)
        })?;
        self.fits(&step.present.config)?;
        let object = step.present.object(name.as_str())?.clone();
        self.make(
            &busy,
            &step,
            |live| live.add_object(object, &to, &from),
            |live| live.remove_object(&name),
        )?;
        Ok(name)
    }

    /// Removes an object with its edges, never an agent.
    pub fn remove_object(&self, swarm: &str, object: &str) -> Result<NodeName, Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        let name = NodeName::parse(object).map_err(|_| Fault::ObjectNotFound)?;
        let running = busy.running()?;
        if running.present.object(object).is_err() {
            // One that was removed, and whose processes did not end then.
            return running.live.remove_object(&name).map(|()| name);
        }
        let step = self.step(&busy, |state| gate::remove_object(state, object, self.settings.cap))?;
        self.make_for_good(&busy, &step, |live| live.remove_object(&name))?;
        Ok(name)
    }

    /// Changes keys of an object's configuration that may change, and restarts it with them; the keys, sorted.
    pub fn patch_object(
        &self,
        swarm: &str,
        object: &str,
        keys: &Map<String, Value>,
    ) -> Result<Vec<String>, Fault> {
        let busy = self.enter(swarm, Fault::SwarmNotFound)?;
        let before = busy.running()?.present.object(object)?.clone();
        let schema = match &before.handler {
            Handler::BuiltIn(name) => objects::config_schema(name),
            Handler::Process { .. } => None,
        };
        patch::check(schema.as_ref(), &before.config, keys).map_err(Fault::of_patch)?;
        let mut names: Vec<String> = keys.keys().cloned().collect();
        names.sort();
        if names.is_empty() {
            return Ok(names);
        }
        let step = self.step(&busy, |state| gate::update_config(state, object, keys, self.settings.cap))?;
        let after = step.present.object(object)?.clone();
        self.make(&busy, &step, |live| live.replace_object(after), |live| live.replace_object(before))?;
        Ok(names)
    }
}
