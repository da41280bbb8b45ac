//! Changes of the edges while the swarm runs: all of them or none.

use super::{Live, too_many_edges};
use crate::swarm::{
    Fault,
    config::Edge,
    events::{Draft, Name},
};

impl Live {
    /// Adds edges, then takes some away; how many are new, and how many are gone. The ends of those that are
    /// added have to be there.
    pub fn change_edges(&self, add: &[Edge], remove: &[Edge]) -> Result<(usize, usize), Fault> {
        self.input(|pass| {
            pass.may_change()?;
            let ends = add.iter().flat_map(|edge| [&edge.from, &edge.to]);
            if let Some(unknown) = ends.into_iter().find(|end| !pass.table.nodes.contains_key(*end)) {
                return Err(Fault::UnknownEndpoint { name: unknown.to_string() });
            }
            let new = add.iter().map(|edge| (edge.from.clone(), edge.to.clone()));
            let added = pass.table.topology.add(new).map_err(too_many_edges)?;
            let removed = pass.table.topology.remove(remove.iter().map(|edge| (&edge.from, &edge.to)));
            Ok((added, removed))
        })
    }

    /// Tells that a change of its nodes or edges, or of what an object is told, was made: once for each, behind what
    /// the change itself told.
    pub fn tell_changed(&self) {
        let draft = Draft::new(Name::TopologyChanged, format!("topology of {} changed", self.name));
        self.input(|pass| pass.tell(draft));
    }
}
