//! The nodes of a swarm: agents, objects, and what fills their slots (spec genswarms I.2).
//!
//! A slot takes refs of its own sort only: a body is data, a handler is code, and nothing runs in, or thinks
//! with, a package. Fields that have no meaning here are kept: a node that differs in any is another node.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    fields::{self, Held},
    refs::{Kind, PACKAGE, Ref},
    shown::Shown,
};

/// What answers an agent's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// a service; never a package
    Service(Ref),
    /// data that says which service when
    Policy(Ref),
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// not blank
    pub name: String,
    /// kind data
    pub body: Ref,
    /// what it thinks with
    pub model: Model,
    /// where it runs; never a package
    pub backend: Ref,
    /// its own settings
    pub config: Held,
    /// its other fields
    pub rest: Held,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// not blank
    pub name: String,
    /// kind code
    pub handler: Ref,
    /// where it runs, if it is a program; never a package
    pub backend: Option<Ref>,
    /// its own settings
    pub config: Held,
    /// its other fields
    pub rest: Held,
}

impl Model {
    fn parse(value: &Value) -> Result<Self, Error> {
        let invalid = || Error::InvalidModelSlot(Shown::of(Some(value)));
        let map = value.as_object().ok_or_else(invalid)?;
        match (fields::get(map, "ref"), fields::get(map, "policy")) {
            (None, Some(policy)) => Ok(Model::Policy(of_kind(Ref::parse(policy)?, "model", Kind::Data)?)),
            (Some(_), None) => Ok(Model::Service(no_package(Ref::parse(value)?, "model", "a service")?)),
            (Some(_), Some(_)) | (None, None) => Err(invalid()),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Model::Service(service) => service.to_value(),
            Model::Policy(policy) => json!({ "policy": policy.to_value() }),
        }
    }

    pub(super) fn its_ref(&self) -> &Ref {
        match self {
            Model::Service(it) | Model::Policy(it) => it,
        }
    }

    pub(super) fn its_ref_mut(&mut self) -> &mut Ref {
        match self {
            Model::Service(it) | Model::Policy(it) => it,
        }
    }
}

impl Agent {
    /// Reads an agent's document.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = value.as_object().ok_or(Error::InvalidAgent)?;
        let name = fields::name(map, "name", Error::Missing("name"))?;
        let body = of_kind(Ref::parse(slot(map, "body")?)?, "body", Kind::Data)?;
        let model = Model::parse(slot(map, "model")?)?;
        let backend = no_package(Ref::parse(slot(map, "backend")?)?, "backend", "no package")?;
        let config = fields::held(map, "config", Error::Invalid("config"))?;
        let rest = rest(map, &["name", "body", "model", "backend", "config"])?;
        Ok(Self { name, body, model, backend, config, rest })
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        let mut map = Map::clone(&self.rest);
        map.insert("name".to_owned(), json!(self.name));
        map.insert("body".to_owned(), self.body.to_value());
        map.insert("model".to_owned(), self.model.to_value());
        map.insert("backend".to_owned(), self.backend.to_value());
        put_config(&mut map, &self.config);
        Value::Object(map)
    }
}

impl Object {
    /// Reads an object's document.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let map = value.as_object().ok_or(Error::InvalidObject)?;
        let name = fields::name(map, "name", Error::Missing("name"))?;
        let handler = of_kind(Ref::parse(slot(map, "handler")?)?, "handler", Kind::Code)?;
        let backend = match fields::get(map, "backend") {
            None => None,
            Some(backend) => Some(no_package(Ref::parse(backend)?, "backend", "no package")?),
        };
        let config = fields::held(map, "config", Error::Invalid("config"))?;
        let rest = rest(map, &["name", "handler", "backend", "config"])?;
        Ok(Self { name, handler, backend, config, rest })
    }

    /// As [`Self::parse`] reads it.
    pub fn to_value(&self) -> Value {
        let mut map = Map::clone(&self.rest);
        map.insert("name".to_owned(), json!(self.name));
        map.insert("handler".to_owned(), self.handler.to_value());
        if let Some(backend) = &self.backend {
            map.insert("backend".to_owned(), backend.to_value());
        }
        put_config(&mut map, &self.config);
        Value::Object(map)
    }
}

fn put_config(map: &mut Map<String, Value>, config: &Held) {
    if !config.is_empty() {
        map.insert("config".to_owned(), Value::Object(Map::clone(config)));
    }
}

fn slot<'a>(map: &'a Map<String, Value>, slot: &'static str) -> Result<&'a Value, Error> {
    fields::get(map, slot).ok_or(Error::MissingSlot(slot))
}

fn of_kind(it: Ref, slot: &'static str, kind: Kind) -> Result<Ref, Error> {
    let right = it.kind == Some(kind);
    if right { Ok(it) } else { Err(Error::SlotTypeMismatch { slot, wanted: kind.as_str() }) }
}

fn no_package(it: Ref, slot: &'static str, wanted: &'static str) -> Result<Ref, Error> {
    if it.scheme() == PACKAGE { Err(Error::SlotTypeMismatch { slot, wanted }) } else { Ok(it) }
}

/// The fields that are not among `known`.
fn rest(map: &Map<String, Value>, known: &[&str]) -> Result<Held, Error> {
    let others = map.iter().filter(|(field, _)| !known.contains(&field.as_str()));
    let others: Map<String, Value> = others.map(|(field, value)| (field.clone(), value.clone())).collect();
    fields::shallow("node", &others)?;
    Ok(Arc::new(others))
}
