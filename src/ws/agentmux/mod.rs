//! AgentMux's session on `/ws` (spec agentmux D): its frames, RPC, message bus and events.
//!
//! Each connection has subscriptions and names of its own, which end with it. A frame that is not
//! understood is counted and ignored, and the connection stays. What is pushed without being asked
//! for is pulled while there is room: mail, then events, then terminal output.

mod blocks;
mod bus;
pub mod envelope;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod rpc;
#[cfg(any(test, fuzzing))]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;

use self::{blocks::Blocks, envelope::Command};
use super::{Instance, Out, Parcel, Seat, Session, Sockets};
use crate::{bus::events::Subscriber, limits, sys::poll::Wake, wire::id::AgentId};

/// The first frame (spec agentmux D.3).
const CONFIG: &str = r#"{"eventtype":"rpc","data":{"command":"eventrecv","data":{"event":"config","data":{"fullconfig":{"settings":{}}}}}}"#;

/// Events that are sent in one go.
const EVENTS: usize = 8;

/// One connection's session.
pub struct AgentMux {
    instance: Arc<dyn Instance>,
    wake: Arc<Wake>,
    /// its number on the message bus
    socket: u64,
    /// the names that it is pushed the messages of, when it was last looked
    names: Vec<AgentId>,
    events: Subscriber,
    blocks: Blocks,
    /// when the next ping goes out
    ping_at: u64,
    /// mail may wait
    mail_due: bool,
    /// the name whose mail was pushed last
    pushed: Option<AgentId>,
    /// messages whose frames are not all sent, with the number of the last
    handed: Vec<(u64, Parcel)>,
    /// counts the frames that were not understood
    sockets: Arc<Sockets>,
}

impl AgentMux {
    /// A session of `instance` on the connection that `seat` is of.
    pub fn new(instance: Arc<dyn Instance>, seat: &Seat) -> Self {
        let wake = Arc::clone(seat.wake());
        let socket = instance.bus().presence.new_socket();
        let events = instance.bus().events.subscribe(Arc::clone(&wake));
        Self {
            instance,
            wake,
            socket,
            names: Vec::new(),
            events,
            blocks: Blocks::default(),
            ping_at: 0,
            mail_due: false,
            pushed: None,
            handed: Vec::new(),
            sockets: Arc::clone(seat.sockets()),
        }
    }

    fn ping(&mut self, kind: &str, out: &mut Out<'_>) {
        out.text(&format!(r#"{{"type":"{kind}","stime":{}}}"#, self.instance.unix_ms()));
    }
}

impl Session for AgentMux {
    fn opened(&mut self, out: &mut Out<'_>) {
        out.text(CONFIG);
        self.ping("ping", out);
        self.ping_at = out.now().saturating_add(limits::WS_PING_MS);
    }

    fn text(&mut self, text: &str, out: &mut Out<'_>) {
        let command = match envelope::parse(text) {
            Ok(command) => command,
            Err(_) => {
                self.sockets.count_ignored();
                return;
            }
        };
        match command {
            Command::Ping => self.ping("pong", out),
            Command::Pong => {}
            Command::Register { agent_id } => self.register(&agent_id, out),
            Command::Send { from, to, payload, priority } => self.send(&from, &to, &payload, priority, out),
            Command::Inject { from, target, message, priority } => {
                self.inject(&from, &target, &message, priority, out);
            }
            Command::Broadcast { from, payload, priority } => self.broadcast(&from, &payload, priority, out),
            Command::Rpc(rpc) => self.rpc(&rpc, out),
            Command::Input { block, keys } => {
                if let Err(why) = self.keys(&block, &keys) {
                    log::debug!("blockinput: {why}");
                }
            }
            Command::Size { block, size } => {
                if let Err(why) = self.resize(&block, size) {
                    log::debug!("setblocktermsize: {why}");
                }
            }
        }
    }

    /// No client sends any (spec agentmux D.2).
    fn binary(&mut self, _: &[u8], _: &mut Out<'_>) {
        self.sockets.count_ignored();
    }

    fn tick(&mut self, out: &mut Out<'_>) -> Option<u64> {
        if self.events.overrun() {
            out.close(1013, "events were not taken in time");
        }
        if out.now() >= self.ping_at {
            self.ping("ping", out);
            out.ping();
            // Where the disk failed, nobody wakes the connection once it works again.
            self.mail_due = true;
            self.ping_at = out.now().saturating_add(limits::WS_PING_MS);
        }
        Some(self.ping_at)
    }

    fn woken(&mut self) {
        self.mail_due = true;
        self.blocks.woken(&*self.instance, &self.wake);
    }

    fn pull(&mut self, out: &mut Out<'_>) {
        self.push_mail(out);
        let mut told = 0_usize;
        while told < EVENTS
            && let Some(event) = self.events.take(1).pop()
        {
            if !self.blocks.holds_back(&*self.instance, &self.wake, &event) {
                out.text(&received(event.json()));
                told = told.saturating_add(1);
            }
        }
        if let Some(event) = self.blocks.next(&*self.instance) {
            out.text(&received(&event.to_string()));
        }
        for event in self.blocks.ended(EVENTS) {
            out.text(&received(event.json()));
        }
    }

    fn sent(&mut self, through: u64) {
        for (_, parcel) in self.handed.extract_if(.., |(last, _)| *last <= through) {
            (parcel.sent)();
        }
    }
}

impl Drop for AgentMux {
    fn drop(&mut self) {
        self.instance.bus().socket_closed(self.socket);
    }
}

/// An event as a client gets it (spec agentmux D.6).
fn received(event: &str) -> String {
    format!(r#"{{"eventtype":"rpc","data":{{"command":"eventrecv","data":{event}}}}}"#)
}
