//! What callers of this folder pass in and get back: plain data.
//!
//! A start as it was asked for, with its bounds checked by whoever read the request; why a start or a
//! stop failed, each with the words of the system where they help; a piece of output with the offset
//! that it begins at; the states that an agent can be in.

use std::{
    borrow::Cow,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
};

use super::{
    cage::{Boundary, Cage},
    latency::Took,
};
pub use crate::sys::process::Exit;
use crate::wire::id::AgentId;

/// How text that is typed into a terminal is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submit {
    /// As AgentMux does (spec agentmux E.6): CR, then text and CR, then CR after 200, 400 and
    /// 600 ms.
    Thrice,
    /// Text and one CR, for programs that take every CR as an answer.
    Once,
}

/// How text reaches an agent of a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Lines on its standard input; its output is read line by line.
    Pipe,
    /// Typed into a terminal, which can be looked at by its block.
    Pty {
        /// Lines of its screen.
        rows: u16,
        /// Columns of its screen.
        cols: u16,
        /// How text is submitted.
        submit: Submit,
    },
}

/// What is to be started.
#[derive(Debug, Clone)]
pub struct StartSpec {
    /// Its name.
    pub name: AgentId,
    /// The program, looked up in the agent's PATH where it has no slash, and its arguments.
    pub command: Vec<String>,
    /// Where it starts; absolute.
    pub cwd: PathBuf,
    /// Variables passed by name, beside what every agent gets (design section 10).
    pub env: Vec<(String, String)>,
    /// Lines of its screen.
    pub rows: u16,
    /// Columns of its screen.
    pub cols: u16,
    /// Who, beside the owner, may have text typed into its terminal.
    pub accept_typed_from: Vec<String>,
    /// Into which agents of other instances, which know typing only, its text may be typed.
    pub may_type_into: Vec<String>,
    /// How text is submitted where a delivery does not say.
    pub submit: Submit,
    /// What it is put into, where it is.
    pub cage: Option<Arc<dyn Cage>>,
}

/// Why an agent was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// An agent of this name runs.
    Exists,
    /// The name stands for a caller who is not an agent.
    Reserved,
    /// As many agents as there may be, ended ones included.
    Limit {
        /// how many
        most: usize,
    },
    /// The program cannot be run.
    NoSuchCommand {
        /// why: a sentence of ours, without the program's name
        reason: &'static str,
    },
    /// The directory cannot be entered.
    NoSuchDirectory,
    /// This field is outside its bounds, or not well formed.
    OutOfBounds(&'static str),
    /// The system refused; the code says which step.
    Failed(&'static str),
    /// What it was to be put into could not be built, or not entered.
    Sandbox {
        /// what is wrong, for programs
        code: &'static str,
        /// what is wrong and what to do: a sentence without a path of ours
        reason: Cow<'static, str>,
    },
}

/// Why an agent was not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopError {
    /// There is none of this name.
    NotFound,
    /// Something of its tree was still there after `STOP_MS`; the killing goes on.
    StillThere,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It runs, and has neither shown nor been typed anything for `QUIET_MS`: an assumption.
    WaitingInput,
    /// It has ended, and nothing of its tree is left.
    Done,
}

impl State {
    /// The name that callers know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::WaitingInput => "waiting_input",
            Self::Done => "done",
        }
    }
}

/// What became of text for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is written to the terminal.
    Delivered,
    /// Something is ahead of it; it will be written when that is done.
    Queued,
    /// It was not, and will not be, written: a sentence that AgentMux clients know.
    Failed(&'static str),
}

/// What became of a text that was offered to a terminal.
#[derive(Debug)]
pub enum Offer {
    /// It was written or not, and nothing more comes of it.
    Settled(Delivery),
    /// Something is ahead of it.
    Queued(Later),
}

/// What will have become of a text that waits to be written.
#[derive(Debug)]
pub struct Later(pub(super) Receiver<Delivery>);

impl Later {
    /// One that is told through the sender.
    pub fn new() -> (Sender<Delivery>, Self) {
        let (tell, told) = mpsc::channel();
        (tell, Self(told))
    }

    /// What became of it; `None` while it still waits.
    pub fn look(&self) -> Option<Delivery> {
        match self.0.try_recv() {
            Ok(delivery) => Some(delivery),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Delivery::Failed(NOT_RUNNING)),
        }
    }
}

/// What AgentMux clients are told of a terminal that has ended.
pub(super) const NOT_RUNNING: &str = "controller is not running";

/// Why keys were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputError {
    /// The agent has ended.
    Done,
    /// As much waits for this terminal as may.
    QueueFull,
}

/// Why a screen was not resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeError {
    /// The agent has ended.
    Done,
    /// This field is outside its bounds.
    OutOfBounds(&'static str),
}

/// A piece of an agent's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Absolute offset of the first byte.
    pub from: u64,
    /// Where to go on: `from` plus the number of bytes.
    pub next: u64,
    /// The bytes, as the program wrote them, agent tokens replaced.
    pub bytes: Vec<u8>,
    /// Bytes between what was asked for and `from` are no longer kept.
    pub gap: bool,
    /// The agent has ended, and `next` is the end of its output.
    pub done: bool,
}

/// The offset asked for has not been reached yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeyondEnd {
    /// Where the output ends now.
    pub end: u64,
}

/// What is known of an agent at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: AgentId,
    /// Its terminal, as AgentMux clients name one: a UUIDv4.
    pub block_id: String,
    /// What it is doing.
    pub state: State,
    /// The process of the command; after its end the number means nothing.
    pub pid: u32,
    /// The process that holds its tree.
    pub keeper_pid: u32,
    /// Milliseconds since 1970.
    pub started_at: u64,
    /// Lines of its screen.
    pub rows: u16,
    /// Columns of its screen.
    pub cols: u16,
    /// What was started.
    pub command: Vec<String>,
    /// Where.
    pub cwd: PathBuf,
    /// How the command ended; `None` while it runs, and when its keeper could not tell.
    pub exit: Option<Exit>,
    /// Offset of the oldest byte of output that is kept.
    pub output_start: u64,
    /// Offset of the next byte of output.
    pub output_end: u64,
    /// Who, beside the owner, may have text typed into its terminal.
    pub accept_typed_from: Vec<String>,
    /// Into which agents of other instances, which know typing only, its text may be typed.
    pub may_type_into: Vec<String>,
    /// What keeps it from the machine, where something does.
    pub boundary: Option<Boundary>,
}

/// How an agent does, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Its name.
    pub name: AgentId,
    /// What it is doing.
    pub state: State,
    /// The process of the command; after its end the number means nothing.
    pub pid: u32,
    /// Texts that were typed for it so far; keys are none.
    pub messages: u64,
    /// From a text that was typed until it was quiet.
    pub took: Took,
}
