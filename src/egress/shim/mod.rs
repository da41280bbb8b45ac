//! What lets a program into a sandbox: our own code inside it, which makes the one way out and then becomes
//! the program, and the instance's side of that.
//!
//! Inside stands [`run`], the hidden verb `sandbox-shim`: it makes the loopback listener there, confines itself
//! for good, passes the listener out and waits. Outside stands [`let_in`]: it sends the order, has the forwarder
//! accept on what came, and only then says go. Until that byte has come no instruction of the program runs;
//! whatever fails before, on either side, ends the shim instead.

mod confine;
mod inside;
mod line;
mod order;
mod outside;
mod word;

pub use inside::run;
#[cfg(any(test, fuzzing))]
pub use order::fuzz as fuzz_order;
pub use order::{Limits, Order, Place};
pub use outside::{NotIn, let_in};
pub use word::{Layers, Step};

/// The port on the sandbox's own loopback that leads to the endpoint.
pub const PORT: u16 = 4141;
