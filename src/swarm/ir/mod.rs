//! The IR of a swarm: its state, what is done to it, and whether that may be (spec genswarms I).
//!
//! Pure: documents and configurations go in, states and errors come out. Nothing here runs, writes or looks
//! at a clock, so that what the gate decides can be tested whole, and is the same at a start, at a live
//! operation and at a replay. Whoever runs a swarm does what was decided here and nothing else. The exact
//! names of errors are the specification's.

mod error;
mod fields;
mod fold;
#[cfg(any(fuzzing, test))]
mod fuzz;
pub mod gate;
mod nodes;
mod op;
mod overlay;
pub mod policy;
mod reconcile;
mod refs;
mod scale;
mod shown;
mod state;
mod translate;

pub use error::{Error, Stopped};
pub use fields::Held;
pub use fold::{compact, fold};
#[cfg(any(fuzzing, test))]
pub use fuzz::fuzz;
pub use nodes::{Agent, Model, Object};
pub use op::{InFlight, Migration, Op, Slot};
pub use overlay::{Apply, Event, Overlay};
pub use reconcile::{Action, reconcile};
pub use refs::{Kind, Ref, is_digest};
pub use scale::{Names, Scaled, runtime_scale, workspace_of_copy};
pub use shown::Shown;
pub use state::{Edge, Phase, State};
pub use translate::{translate, untranslate};

#[cfg(test)]
mod tests;
