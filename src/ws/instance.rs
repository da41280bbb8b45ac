//! What a session asks of the instance that it belongs to, so that tests can put another in its place.
//!
//! Nothing here waits: a session shares its thread with its socket. Output is asked for by offset, and a
//! watch wakes the session when there is more.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    agent::{BeyondEnd, InputError, Output, ResizeError, Watch},
    bus::{Bus, Terminals},
    sys::poll::Wake,
    wire::id::AgentId,
};

/// An instance. `None` in an answer about a block: there is none of that id.
pub trait Instance: Send + Sync {
    /// The program's version.
    fn version(&self) -> &str;
    /// Milliseconds since 1970.
    fn unix_ms(&self) -> u64;
    /// Messages, names, events.
    fn bus(&self) -> &Arc<Bus>;
    /// Where text can be typed.
    fn terminals(&self) -> &dyn Terminals;
    /// All blocks, of running and of ended agents.
    fn blocks(&self) -> Vec<String>;
    /// Raw keys.
    fn input(&self, block: &str, bytes: &[u8]) -> Option<Result<(), InputError>>;
    /// Changes the screen.
    fn resize(&self, block: &str, rows: u16, cols: u16) -> Option<Result<(), ResizeError>>;
    /// A piece of output; never waits.
    fn output(&self, block: &str, from: Option<u64>, most: usize) -> Option<Result<Output, BeyondEnd>>;
    /// Where the output ends now.
    fn output_end(&self, block: &str) -> Option<u64>;
    /// Wakes `wake` when there is more output.
    fn watch(&self, block: &str, wake: Arc<Wake>) -> Option<Watch>;
    /// Some of what waits for a name, taken for good once it is sent; `None` where nothing waits.
    fn take(&self, name: &AgentId, most: usize, bytes: usize) -> Option<Parcel>;
}

/// Messages on their way to a socket.
pub struct Parcel {
    /// as AgentMux clients see them (spec agentmux D.4), in order
    pub messages: Vec<Value>,
    /// called once the socket has all of them; dropped instead, they come again
    pub sent: Box<dyn FnOnce() + Send>,
}
