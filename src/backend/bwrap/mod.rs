//! `bwrap`: a process in namespaces of its own, with a workspace, a read-only system and nothing else of the host.
//!
//! Each part is a value before it is a sandbox: the words that bubblewrap is told ([`words`]), what is shown of
//! the system ([`system`]), which other places may be shown ([`binds`]), what the host must not be made to run
//! ([`guard`]), what may be used ([`limits`]), and which bubblewrap is trusted with it ([`program`]).

pub mod binds;
pub mod guard;
pub mod limits;
pub mod program;
pub mod system;
pub mod words;

/// The home directory of the program inside, in memory.
pub const HOME: &str = "/home/agent";
/// Where it works.
pub const WORKSPACE: &str = "/workspace";
/// Where it puts its letters.
pub const OUTBOX: &str = "/run/loopgate/outbox";
/// Where it finds what was delivered.
pub const INBOX: &str = "/run/loopgate/inbox";
/// Where it finds its skills.
pub const SKILLS: &str = "/run/loopgate/skills";
