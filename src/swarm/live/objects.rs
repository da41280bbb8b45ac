//! Objects that come, go and are replaced while the swarm runs.
//!
//! A replaced object begins anew with its new configuration and keeps its edges. The old one is there until the
//! new one runs: where that does not start, nothing has happened.

use super::{
    Live,
    nodes::{end, not_started},
    pass::{Origin, Pass},
    programs::{GONE, NotLaunched},
    table::{Body, Node, Phase, Run, Thing},
};
use crate::{
    backend::form::Form,
    swarm::{
        Fault,
        config::{Handler, ObjectConfig},
        events::{Draft, Name},
        objects::{self, Action, ObjectError},
    },
    wire::node::NodeName,
};

impl Live {
    /// Adds an object with edges to `connections` and from `incoming`; returns when its process runs.
    pub fn add_object(
        &self,
        config: ObjectConfig,
        connections: &[NodeName],
        incoming: &[NodeName],
    ) -> Result<(), Fault> {
        let name = config.name.clone();
        let (body, actions) = body(&config).map_err(|why| refused(&name, &why))?;
        self.input(|pass| {
            let node = Node::Object(Box::new(Thing { config, body }));
            pass.insert(&name, node, connections, incoming)?;
            pass.act(&Origin { object: name.clone(), about: None, hops: 1 }, actions);
            Ok(())
        })?;
        if let Err(why) = self.launch_object(&name) {
            self.input(|pass| pass.take_out(&name));
            return Err(not_started(&name, why));
        }
        self.input(|pass| {
            pass.tell(Draft::new(Name::ObjectAdded, format!("object {name} added")).agent(&name))
        });
        Ok(())
    }

    /// Removes an object, its edges and its process.
    pub fn remove_object(&self, name: &NodeName) -> Result<(), Fault> {
        let gone = self.input(|pass| {
            pass.may_change()?;
            pass.table.nodes.get(name).and_then(Node::object).ok_or(Fault::ObjectNotFound)?;
            let gone = pass.take_out(name);
            pass.tell(Draft::new(Name::ObjectRemoved, format!("object {name} removed")).agent(name));
            Ok(gone)
        })?;
        end(gone)
    }

    /// Puts an object in the place of the one that has its name, edges kept. Where it does not start, the old
    /// one goes on.
    pub fn replace_object(&self, config: ObjectConfig) -> Result<(), Fault> {
        let name = config.name.clone();
        let number = self.input(|pass| {
            pass.may_change()?;
            pass.table.nodes.get(&name).and_then(Node::object).ok_or(Fault::ObjectNotFound)?;
            Ok(pass.table.next_run())
        })?;
        let (mut body, actions) = body(&config).map_err(|why| refused(&name, &why))?;
        if let (Handler::Process { command }, Body::Process { run, .. }) = (&config.handler, &mut body) {
            let form = config.backend.clone().unwrap_or(Form::Local);
            let started = self.start_object(&name, number, &form, command);
            let running = started.map_err(|reason| not_started(&name, NotLaunched::Failed(reason)))?;
            *run = Run::Here { number, running };
        }
        let old = self.input(|pass| {
            let stopped = pass.table.phase == Phase::Stopped;
            let Some(thing) = pass.table.object_mut(&name).filter(|_| !stopped) else {
                return Err(body);
            };
            let old = std::mem::replace(thing, Thing { config, body });
            pass.act(&Origin { object: name.clone(), about: None, hops: 1 }, actions);
            let draft = Draft::new(Name::ObjectConfigUpdated, format!("object {name} was replaced"));
            pass.tell(draft.agent(&name));
            Ok(old)
        });
        let (result, unused) = match old {
            Ok(old) => (Ok(()), Some(old.body)),
            Err(new) => (Err(Fault::NotRunning), Some(new)),
        };
        if let Some(Body::Process { run, .. }) = unused
            && let Some(running) = run.running()
        {
            running.end(GONE);
        }
        result
    }
}

impl Pass<'_> {
    /// A node for an object at the start of its swarm; what it wants done first. A configuration that its
    /// handler does not take leaves it in state `error`.
    pub fn place_object(&mut self, config: ObjectConfig) -> (Origin, Vec<Action>) {
        let name = config.name.clone();
        let (body, actions) = body(&config).unwrap_or_else(|why| {
            self.tell(Draft::new(Name::ObjectError, format!("object {name}: {why}")).agent(&name));
            (Body::Broken(why), Vec::new())
        });
        if let Body::BuiltIn(_) = body {
            self.tell(Draft::new(Name::ObjectStarted, format!("object {name} started")).agent(&name));
        }
        self.table.nodes.insert(name.clone(), Node::Object(Box::new(Thing { config, body })));
        (Origin { object: name, about: None, hops: 1 }, actions)
    }
}

/// What an object is made of, as its configuration says.
fn body(config: &ObjectConfig) -> Result<(Body, Vec<Action>), String> {
    match &config.handler {
        Handler::Process { .. } => Ok((Body::Process { run: Run::None, last: None }, Vec::new())),
        Handler::BuiltIn(handler) => match objects::build(handler, &config.config) {
            Ok((object, actions)) => Ok((Body::BuiltIn(object), actions)),
            Err(ObjectError::UnknownHandler) => Err("its handler is not built in".to_owned()),
            Err(ObjectError::Config(error)) => Err(error.to_string()),
        },
    }
}

fn refused(name: &NodeName, why: &str) -> Fault {
    Fault::NotStarted { name: name.to_string(), reason: why.to_owned() }
}
