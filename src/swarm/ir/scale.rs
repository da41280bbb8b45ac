//! Groups of agents that are like one another: `coder` to `coder#1`..`coder#3` in a document (spec genswarms
//! I.4), to `coder_1`..`coder_3` in a swarm that runs (I.7, M.6).
//!
//! The two differ in more than names. A document's group is made anew from its template, and every edge that
//! touches the group goes to each member. At run time the members that stay are left alone, since they run;
//! new ones get what their template has.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    error::Error,
    fold::Naming,
    nodes::Agent,
    shown::Shown,
    state::{Edge, State, TOO_MANY_EDGES, TOO_MANY_NODES},
};
use crate::{limits, wire::node::NodeName};

/// Whether an agent belongs to the group: it is `base` itself, or `base`, the separator and a number.
pub(super) fn is_member(name: &str, base: &str, separator: char) -> bool {
    name == base || number(name, base, separator).is_some()
}

/// The digits behind `base` and the separator.
fn number<'a>(name: &'a str, base: &str, separator: char) -> Option<&'a str> {
    let digits = name.strip_prefix(base)?.strip_prefix(separator)?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// Scales a group of a document.
pub(super) fn document(state: &mut State, base: &str, count: u64) -> Result<(), Error> {
    let is_inside = |agent: &Agent| is_member(&agent.name, base, Naming::Document.separator());
    let at = state.agents.iter().position(is_inside).unwrap_or_default();
    let (members, others): (Vec<Agent>, Vec<Agent>) = state.agents.drain(..).partition(is_inside);
    let first = members.iter().find(|agent| agent.name == base).or(members.first());
    let template = first.ok_or_else(|| Error::ScaleBaseNotFound(Shown::name(base)))?;
    let nodes = others.len().saturating_add(state.objects.len()) as u64;
    if count.saturating_add(nodes) > limits::IR_NODES as u64 {
        return Err(TOO_MANY_NODES);
    }
    let names: Vec<String> =
        (1..=count).map(|number| format!("{base}{}{number}", Naming::Document.separator())).collect();
    if names.iter().any(|name| name.len() > limits::IR_TEXT) {
        return Err(Error::TooLong("base_name"));
    }
    if let Some(taken) = names.iter().find(|name| state.objects.iter().any(|object| object.name == **name)) {
        return Err(Error::AgentExists(Shown::name(taken)));
    }
    state.agents = others;
    let copies = names.iter().map(|name| Agent { name: name.clone(), ..template.clone() });
    state.agents.splice(at..at, copies);
    // Not by the name alone: an object may be called like a member.
    let inside: HashSet<&str> = members.iter().map(|agent| agent.name.as_str()).collect();
    let mut edges = BTreeSet::new();
    for (from, to) in &state.topology {
        let grown: Vec<Edge> = match (inside.contains(from.as_str()), inside.contains(to.as_str())) {
            (false, false) => vec![(from.clone(), to.clone())],
            (true, false) => names.iter().map(|name| (name.clone(), to.clone())).collect(),
            (false, true) => names.iter().map(|name| (from.clone(), name.clone())).collect(),
            (true, true) => names.iter().map(|name| (name.clone(), name.clone())).collect(),
        };
        edges.extend(grown);
        if edges.len() > limits::IR_EDGES {
            return Err(TOO_MANY_EDGES);
        }
    }
    state.topology = edges;
    Ok(())
}

/// The nodes of a running swarm.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// its agents
    pub agents: &'a [NodeName],
    /// its objects
    pub objects: &'a [NodeName],
}

/// What scaling a group of a running swarm comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    /// the agent whose copies the new ones are; it may itself be among `removed`
    pub template: NodeName,
    /// agents to start, copies of `template`
    pub added: Vec<NodeName>,
    /// agents to stop, in the order in which they were named
    pub removed: Vec<NodeName>,
    /// all edges of the swarm afterwards: those that were there and still have both ends, then the new ones
    pub edges: Vec<(NodeName, NodeName)>,
}

/// Scales the group `base` of a running swarm to `count` agents, called `<base>_1` to `<base>_<count>`.
///
/// The template is `<base>_1`, else `base`, else the member with the lowest number; new members get copies of
/// its edges. Nothing of the group is left by a count of 0, so that a later scale has no template.
/// Refused: a group without member (`no_template`), a name that is no name or is an object's, and more nodes
/// in the whole swarm than `cap`.
pub fn runtime_scale(
    names: Names<'_>,
    edges: &[(NodeName, NodeName)],
    base: &NodeName,
    count: u64,
    cap: usize,
) -> Result<Scaled, Error> {
    let separator = Naming::Runtime.separator();
    let (cap, nodes) = (cap as u64, names.agents.len().saturating_add(names.objects.len()) as u64);
    let over = |count| Error::AgentCapExceeded { count, cap };
    // Before any name is made: the count is a caller's.
    if count > cap {
        return Err(over(count));
    }
    let members: Vec<&NodeName> =
        names.agents.iter().filter(|name| is_member(name.as_str(), base.as_str(), separator)).collect();
    let after = nodes.saturating_sub(members.len() as u64).saturating_add(count);
    let template = template(&members, base).ok_or_else(|| Error::NoTemplate(Shown::name(base.as_str())))?;
    if after > cap {
        return Err(over(after));
    }
    let wanted = (1..=count).map(|number| {
        let name = format!("{base}{separator}{number}");
        let name = NodeName::parse(&name).map_err(|_| Error::InvalidName(Shown::name(&name)))?;
        let taken = names.objects.contains(&name);
        if taken { Err(Error::AgentExists(Shown::name(name.as_str()))) } else { Ok(name) }
    });
    let wanted: Vec<NodeName> = wanted.collect::<Result<_, _>>()?;
    let (stay, had): (HashSet<&NodeName>, HashSet<&NodeName>) =
        (wanted.iter().collect(), members.iter().copied().collect());
    let removed: Vec<NodeName> =
        members.iter().filter(|name| !stay.contains(*name)).map(|name| (*name).clone()).collect();
    let added: Vec<NodeName> = wanted.iter().filter(|name| !had.contains(*name)).cloned().collect();
    let gone: HashSet<&NodeName> = removed.iter().collect();
    let edges = grown(edges, template, &added, &gone)?;
    Ok(Scaled { template: template.clone(), added, removed, edges })
}

fn template<'a>(members: &[&'a NodeName], base: &NodeName) -> Option<&'a NodeName> {
    let rank = |name: &NodeName| match number(name.as_str(), base.as_str(), Naming::Runtime.separator()) {
        Some("1") => (0, 0, String::new()),
        None => (1, 0, String::new()),
        // By value: the longer number is the greater one, once it does not begin with zeros.
        Some(digits) => {
            let digits = digits.trim_start_matches('0');
            (2, digits.len(), digits.to_owned())
        }
    };
    members.iter().copied().min_by_key(|name| (rank(name), (*name).clone()))
}

fn grown(
    edges: &[(NodeName, NodeName)],
    template: &NodeName,
    added: &[NodeName],
    gone: &HashSet<&NodeName>,
) -> Result<Vec<(NodeName, NodeName)>, Error> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut put = |from: &NodeName, to: &NodeName| {
        let edge = (from.clone(), to.clone());
        if !gone.contains(from) && !gone.contains(to) && seen.insert(edge.clone()) {
            all.push(edge);
        }
        if all.len() > limits::IR_EDGES { Err(TOO_MANY_EDGES) } else { Ok(()) }
    };
    edges.iter().try_for_each(|(from, to)| put(from, to))?;
    for (from, to) in edges.iter().filter(|(from, to)| from == template || to == template) {
        for new in added {
            // An edge to itself stays one: members do not get to know each other by a scale.
            let end = |end| if end == template { new } else { end };
            put(end(from), end(to))?;
        }
    }
    Ok(all)
}

/// The same on a state: copies of the template under their own names, each with a workspace of its own.
pub(super) fn runtime(state: &mut State, base: &str, count: u64, cap: usize) -> Result<(), Error> {
    let name = |name: &str| NodeName::parse(name).map_err(|_| Error::InvalidName(Shown::name(name)));
    let agents: Vec<NodeName> =
        state.agents.iter().map(|agent| name(&agent.name)).collect::<Result<_, _>>()?;
    let objects: Vec<NodeName> =
        state.objects.iter().map(|object| name(&object.name)).collect::<Result<_, _>>()?;
    let edge = |(from, to): &Edge| Ok((name(from)?, name(to)?));
    let edges: Vec<_> = state.topology.iter().map(edge).collect::<Result<_, Error>>()?;
    let names = Names { agents: &agents, objects: &objects };
    let scaled = runtime_scale(names, &edges, &name(base)?, count, cap)?;
    let template = state.agents.iter().find(|agent| agent.name == scaled.template.as_str()).cloned();
    let template = template.ok_or_else(|| Error::NoTemplate(Shown::name(base)))?;
    state.agents.retain(|agent| !scaled.removed.iter().any(|name| name.as_str() == agent.name));
    state.agents.extend(scaled.added.iter().map(|name| copy(&template, name.as_str())));
    let text = |(from, to): &(NodeName, NodeName)| (from.as_str().to_owned(), to.as_str().to_owned());
    state.topology = scaled.edges.iter().map(text).collect();
    Ok(())
}

/// A copy of an agent: its body, where that is only its name, and its workspace are its own.
fn copy(template: &Agent, name: &str) -> Agent {
    let mut agent = Agent { name: name.to_owned(), ..template.clone() };
    if template.body.text == inline(&template.name) {
        agent.body.text = inline(name);
    }
    if let Some(workspace) = template.config.get("workspace").and_then(Value::as_str) {
        let workspace = workspace_of_copy(workspace, &template.name, name);
        Arc::make_mut(&mut agent.config).insert("workspace".to_owned(), json!(workspace));
    }
    agent
}

/// The ref of a body that is the agent itself.
pub(super) fn inline(name: &str) -> String {
    format!("inline:{name}")
}

/// Where a copy works: a directory called like its template gives way to one called like itself, any other
/// gets one called so within (spec genswarms I.7).
pub fn workspace_of_copy(workspace: &str, template: &str, copy: &str) -> String {
    match workspace.strip_suffix(template).and_then(|rest| rest.strip_suffix('/')) {
        Some(rest) => format!("{rest}/{copy}"),
        None => format!("{workspace}/{copy}"),
    }
}
