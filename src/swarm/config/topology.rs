//! Edges: arrays of two names or objects with `from` and `to`; every one that is wrong is told of (spec
//! genswarms H.2).

use std::collections::HashSet;

use serde_json::Value;

use super::Edge;
use crate::{
    limits,
    wire::{
        document::{Wrong, quoted},
        node::NodeName,
    },
};

const CODE: &str = "invalid_topology";
/// How many wrong edges an error names.
const NAMED: usize = 10;

/// Reads the edges; both ends of each are `nodes`. One that stands there twice counts once.
pub fn edges(value: Option<&Value>, nodes: &HashSet<&NodeName>) -> Result<Vec<Edge>, Wrong> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list =
        value.as_array().ok_or_else(|| Wrong::new(CODE, "must be an array of edges").under("topology"))?;
    if list.len() > limits::CONFIG_EDGES {
        let why = format!("has more than {} edges", limits::CONFIG_EDGES);
        return Err(Wrong::new(CODE, why).under("topology"));
    }
    let (mut edges, mut seen, mut wrong) = (Vec::new(), HashSet::new(), Vec::new());
    for (at, item) in list.iter().enumerate() {
        let Some((from, to)) = ends(item) else {
            wrong.push((at, format!("invalid_edge_format at {at}")));
            continue;
        };
        let known = |name| NodeName::parse(name).ok().filter(|name| nodes.contains(name));
        match (known(from), known(to)) {
            (Some(from), Some(to)) => {
                let edge = Edge { from, to };
                if seen.insert(edge.clone()) {
                    edges.push(edge);
                }
            }
            (from_known, to_known) => {
                let strangers =
                    [(from_known, from), (to_known, to)].into_iter().filter(|(name, _)| name.is_none());
                wrong.extend(strangers.map(|(_, name)| (at, format!("unknown_agent {}", quoted(name)))));
            }
        }
    }
    let Some((first, _)) = wrong.first() else { return Ok(edges) };
    let mut texts: Vec<&str> = wrong.iter().take(NAMED).map(|(_, text)| text.as_str()).collect();
    let more = wrong.len().saturating_sub(NAMED);
    let more = format!("and {more} more");
    if wrong.len() > NAMED {
        texts.push(&more);
    }
    Err(Wrong::new(CODE, texts.join(", "))
        .next("an edge is [\"from\", \"to\"], and both are agents or objects of this config")
        .within(*first)
        .under("topology"))
}

/// The two names of an edge.
fn ends(item: &Value) -> Option<(&str, &str)> {
    let (from, to) = match item {
        Value::Array(ends) => match ends.as_slice() {
            [from, to] => (from, to),
            _ => return None,
        },
        Value::Object(map) if map.len() == 2 => (map.get("from")?, map.get("to")?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
    };
    Some((from.as_str()?, to.as_str()?))
}
