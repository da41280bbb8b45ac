//! Who may send to whom: the directed edges of one swarm (spec genswarms J.1).
//!
//! An edge is the only permission between two nodes; the three system names are reachable from every node
//! without one. Whether a node of a name exists, and who a sender is, is known elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{limits, wire::node::NodeName};

/// The names that every node may send to.
pub const SYSTEM: [&str; 3] = ["metrics", "tick", "gateway"];

/// Whether every node may send to a node of this name.
pub fn is_system(name: &NodeName) -> bool {
    SYSTEM.contains(&name.as_str())
}

/// More edges than [`limits::IR_EDGES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyEdges;

/// The edges of one swarm. Invariants: no row is empty; `count` edges stand in `rows`, at most
/// [`limits::IR_EDGES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    rows: BTreeMap<NodeName, BTreeSet<NodeName>>,
    count: usize,
}

impl Topology {
    /// These edges, each from the first to the second.
    pub fn new(edges: impl IntoIterator<Item = (NodeName, NodeName)>) -> Result<Self, TooManyEdges> {
        let mut topology = Self::default();
        topology.add(edges)?;
        Ok(topology)
    }

    /// Whether `from` may send to `to`.
    pub fn allows(&self, from: &NodeName, to: &NodeName) -> bool {
        is_system(to) || self.has(from, to)
    }

    /// Whether there is this edge.
    pub fn has(&self, from: &NodeName, to: &NodeName) -> bool {
        self.rows.get(from).is_some_and(|row| row.contains(to))
    }

    /// Where the edges of `from` lead, by name: those whom its broadcasts reach.
    pub fn targets(&self, from: &NodeName) -> Vec<&NodeName> {
        self.rows.get(from).map(|row| row.iter().collect()).unwrap_or_default()
    }

    /// Whether a message from `agent` to `target` is one that asks for an answer: there is a way back, and
    /// the target is not one of the system.
    pub fn expects_reply(&self, agent: &NodeName, target: &NodeName) -> bool {
        !is_system(target) && self.has(target, agent)
    }

    /// Adds edges, those that are there already left alone; how many are new. All of them or, where they
    /// are too many, none.
    pub fn add(
        &mut self,
        edges: impl IntoIterator<Item = (NodeName, NodeName)>,
    ) -> Result<usize, TooManyEdges> {
        let mut new = BTreeSet::new();
        for (from, to) in edges {
            if !self.has(&from, &to) {
                new.insert((from, to));
            }
            if self.count + new.len() > limits::IR_EDGES {
                return Err(TooManyEdges);
            }
        }
        let added = new.len();
        self.count += added;
        for (from, to) in new {
            self.rows.entry(from).or_default().insert(to);
        }
        Ok(added)
    }

    /// Takes edges away, those that are not there left alone; how many were there.
    pub fn remove<'a>(&mut self, edges: impl IntoIterator<Item = (&'a NodeName, &'a NodeName)>) -> usize {
        let before = self.count;
        for (from, to) in edges {
            let Some(row) = self.rows.get_mut(from) else { continue };
            self.count -= usize::from(row.remove(to));
            if row.is_empty() {
                self.rows.remove(from);
            }
        }
        before - self.count
    }

    /// Takes a node's edges away, in both directions; how many there were.
    pub fn remove_node(&mut self, name: &NodeName) -> usize {
        let before = self.count;
        self.count -= self.rows.remove(name).map_or(0, |row| row.len());
        for row in self.rows.values_mut() {
            self.count -= usize::from(row.remove(name));
        }
        self.rows.retain(|_, row| !row.is_empty());
        before - self.count
    }

    /// All edges.
    pub fn edges(&self) -> impl Iterator<Item = (&NodeName, &NodeName)> {
        self.rows.iter().flat_map(|(from, row)| row.iter().map(move |to| (from, to)))
    }

    /// How many edges there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As clients know it: `[{"from","targets"}]`.
    pub fn rows(&self) -> Value {
        let row = |(from, targets): (&NodeName, &BTreeSet<NodeName>)| {
            let targets: Vec<&str> = targets.iter().map(NodeName::as_str).collect();
            json!({"from": from.as_str(), "targets": targets})
        };
        self.rows.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).unwrap()
    }

    fn edge(text: &str) -> (NodeName, NodeName) {
        let (from, to) = text.split_once('>').unwrap();
        (name(from), name(to))
    }

    fn topology(edges: &str) -> Topology {
        Topology::new(edges.split_whitespace().map(edge)).unwrap()
    }

    fn shown(topology: &Topology) -> String {
        let edges: Vec<_> = topology.edges().map(|(from, to)| format!("{from}>{to}")).collect();
        assert_eq!(edges.len(), topology.len());
        assert!(topology.rows.values().all(|row| !row.is_empty()));
        edges.join(" ")
    }

    /// Spec genswarms M.11.
    #[test]
    fn m11_a_message_needs_an_edge_and_system_objects_need_none() {
        let topology = topology("a>b b>c");
        assert!(topology.allows(&name("a"), &name("b")));
        assert!(!topology.allows(&name("b"), &name("a")));
        assert!(!topology.allows(&name("a"), &name("c")));
        for system in SYSTEM {
            assert!(topology.allows(&name("c"), &name(system)));
            assert!(!topology.has(&name("c"), &name(system)));
        }
        assert!(!topology.allows(&name("metrics"), &name("a")), "the names are targets, not senders");
    }

    /// Spec genswarms M.11: each neighbour once, and no system object.
    #[test]
    fn m11_a_broadcast_reaches_each_neighbour_once() {
        let mut topology = topology("a>b a>c a>b b>a");
        assert_eq!(topology.add([edge("a>c")]), Ok(0));
        assert_eq!(topology.targets(&name("a")), [&name("b"), &name("c")]);
        assert!(topology.targets(&name("c")).is_empty());
    }

    #[test]
    fn edges_come_and_go_and_empty_rows_go_with_them() {
        let mut topology = topology("a>b b>a a>a c>b");
        assert_eq!(topology.add([edge("a>c"), edge("a>c"), edge("a>b")]), Ok(1));
        let (gone, absent) = (edge("c>b"), edge("x>y"));
        assert_eq!(topology.remove([(&gone.0, &gone.1), (&gone.0, &gone.1), (&absent.0, &absent.1)]), 1);
        assert_eq!(shown(&topology), "a>a a>b a>c b>a");
        assert_eq!(topology.remove_node(&name("a")), 4);
        assert_eq!(shown(&topology), "");
        assert!(topology.is_empty() && topology.rows() == json!([]));
    }

    #[test]
    fn a_target_with_a_way_back_is_one_that_answers() {
        let topology = topology("a>b b>a a>c a>metrics metrics>a");
        assert!(topology.expects_reply(&name("a"), &name("b")));
        assert!(!topology.expects_reply(&name("a"), &name("c")));
        assert!(!topology.expects_reply(&name("a"), &name("metrics")));
    }

    #[test]
    fn the_view_has_a_row_for_each_sender() {
        let rows = topology("b>a a>c a>b").rows();
        assert_eq!(rows, json!([{"from": "a", "targets": ["b", "c"]}, {"from": "b", "targets": ["a"]}]));
    }

    #[test]
    fn edges_over_the_limit_are_refused_all_or_none() {
        let all = |count: usize| {
            (0..count).map(|at| (name(&format!("a{}", at / 100)), name(&format!("b{}", at % 100))))
        };
        let mut topology = Topology::new(all(limits::IR_EDGES)).unwrap();
        assert_eq!(topology.add(all(limits::IR_EDGES)), Ok(0), "none of them is new");
        let one = topology.edges().next().map(|(from, to)| (from.clone(), to.clone())).unwrap();
        assert_eq!(topology.remove([(&one.0, &one.1)]), 1);
        assert_eq!(topology.add([edge("x>y"), edge("y>x")]), Err(TooManyEdges));
        assert_eq!(topology.len(), limits::IR_EDGES - 1);
        assert_eq!(topology.add([edge("x>y")]), Ok(1));
        assert_eq!(Topology::new(all(limits::IR_EDGES + 1)), Err(TooManyEdges));
    }
}
