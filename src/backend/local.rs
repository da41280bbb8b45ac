//! `local`: a process of this user, with nothing between it and whatever the user may do.
//!
//! What it has of us is its own token, its own directories and what its keeper sees to: a session of its
//! own, no descriptor of ours, an end that leaves nothing.

use std::{slice, sync::Arc, time::Duration};

use super::{Running, StartFault};
use crate::agent::{Agents, Controller, Full, Member, MemberSpec, Sink, protocol::Item};

struct Local {
    agents: Arc<Agents>,
    member: Arc<Member>,
    typed: bool,
}

pub(super) fn start(
    agents: &Arc<Agents>,
    spec: MemberSpec,
    sink: Arc<dyn Sink>,
) -> Result<Arc<dyn Running>, StartFault> {
    let typed = match spec.controller {
        Controller::Pipe => false,
        Controller::Pty { .. } => true,
    };
    let member = agents.start_member(spec, sink)?;
    Ok(Arc::new(Local { agents: agents.clone(), member, typed }))
}

impl Running for Local {
    fn say(&self, item: &Item) -> Result<(), Full> {
        self.member.say(if self.typed { item.typed().into_bytes() } else { item.line() })
    }

    fn raw(&self, line: Vec<u8>) -> Result<(), Full> {
        self.member.say(line)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.member.has_room(bytes)
    }

    fn begin_end(&self) {
        self.agents.begin_end(&self.member);
    }

    fn end(&self, within: Duration) -> bool {
        self.agents.end_members(slice::from_ref(&self.member), within)
    }

    fn freeze(&self) -> bool {
        self.member.freeze()
    }

    fn thaw(&self) -> bool {
        self.member.thaw()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.member.pid())
    }

    fn block_id(&self) -> Option<String> {
        self.member.block_id().map(str::to_owned)
    }
}
