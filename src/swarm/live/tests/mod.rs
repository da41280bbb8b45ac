//! A running swarm over programs that are only notes of what was said to them.

mod agents;
mod borders;
mod ends;
mod flow;
mod held;
mod late;
mod letters;
mod life;
mod model;
mod objects;
pub mod rig;
mod routes;
mod typed;
