//! Objects that come, go and are replaced while the swarm runs.
//!
//! A replaced object begins anew with its new configuration and keeps its edges. The old one is there until the
//! new one runs: where that does not start, nothing has happened.

use super::{
    Live,
    ending::Was,
    nodes::not_started,
    pass::{Origin, Pass},
    table::{Body, Node, Phase, Run, Thing},
};
use crate::{
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
            let node = Node::Object(Box::new(Thing::new(config, body)));
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
        self.input(|pass| {
            pass.may_change()?;
            if pass.table.is_removed(name, |was| matches!(was, Was::Object(_))) {
                return Ok(());
            }
            pass.table.nodes.get(name).and_then(Node::object).ok_or(Fault::ObjectNotFound)?;
            pass.take_out(name);
            pass.tell(Draft::new(Name::ObjectRemoved, format!("object {name} removed")).agent(name));
            Ok(())
        })?;
        self.gone(name)
    }

    /// Puts an object in the place of the one that has its name, edges kept. Where it does not start, the old
    /// one goes on.
    pub fn replace_object(&self, config: ObjectConfig) -> Result<(), Fault> {
        let name = config.name.clone();
        let (mut body, actions) = body(&config).map_err(|why| refused(&name, &why))?;
        let number = self.input(|pass| {
            pass.may_change()?;
            pass.table.nodes.get(&name).and_then(Node::object).ok_or(Fault::ObjectNotFound)?;
            Ok(pass.table.begin_launch(&name))
        })?;
        let mut new = None;
        let mut failed = None;
        if let Body::Process { run, .. } = &mut body {
            match self.start_object(number, &config) {
                Ok(running) => {
                    new = Some(running.clone());
                    *run = Run::Here { number, running };
                }
                Err(why) => failed = Some(not_started(&name, why)),
            }
        }
        let running = new.clone();
        let result = self.input(|pass| {
            let ended = pass.table.launching.remove(&number).and_then(|one| one.ended);
            failed.map_or(Ok(()), Err)?;
            let stopped = pass.table.phase == Phase::Stopped;
            if stopped || pass.table.object_mut(&name).is_none() {
                if let Some(running) = new {
                    let was = Was::Object(Box::new(config));
                    pass.table.ends_later(&name, was, number, running);
                }
                return Err(Fault::NotRunning);
            }
            pass.table.part(&name);
            pass.table.nodes.insert(name.clone(), Node::Object(Box::new(Thing::new(config, body))));
            pass.act(&Origin { object: name.clone(), about: None, hops: 1 }, actions);
            let draft = Draft::new(Name::ObjectConfigUpdated, format!("object {name} was replaced"));
            pass.tell(draft.agent(&name));
            if let Some(exit) = ended {
                // It was over before it was in its place.
                pass.run();
                pass.ended(&name, number, exit);
            }
            Ok(pass.table.phase == Phase::Paused)
        });
        self.changed.notify_all();
        if let (Ok(true), Some(running)) = (&result, running) {
            self.settle(&*running);
        }
        // The old one, or the new one where it came too late. What of it is not gone in time is known, and ended later.
        self.end_of(&name, None);
        result.map(drop)
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
        self.table.nodes.insert(name.clone(), Node::Object(Box::new(Thing::new(config, body))));
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
