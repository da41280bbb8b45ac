//! `GET /ws`: the upgrade to AgentMux's WebSocket, and what its sessions ask of this instance.
//!
//! Admission came before, as for every route: a key by header or query, and no foreign Origin. Here
//! a place is taken, or 503; the connection then runs on the gate's thread until its end.

use std::sync::Arc;

use super::{
    App, VERSION,
    fleet::Fleet,
    request::{Fault, Request, Result},
};
use crate::{
    admit::Caller,
    agent::{BeyondEnd, InputError, Output, ResizeError, Watch},
    bus::{Bus, Terminals, bus_message, mail::Manner},
    gate::{Reply, Upgrade, Upgraded},
    limits,
    sys::poll::Wake,
    wire::{clock::Clock, id::AgentId},
    ws::{self, AgentMux, Instance, Parcel, Seat, upgrade},
};

/// `GET /ws`.
pub(super) fn socket(app: &App, caller: &Caller, request: &Request<'_>) -> Result {
    let response = match upgrade::accept(request.head) {
        Ok(response) => response,
        Err(error) => return Ok(Reply::Response(error.response())),
    };
    let seat = app.seat(caller)?;
    let clock = Arc::clone(&app.clock);
    let instance = Arc::new(ThisInstance {
        bus: Arc::clone(&app.bus),
        fleet: Arc::clone(&app.fleet),
        clock: Arc::clone(&clock),
    });
    let run = move |upgraded: Upgraded| {
        let mut session = AgentMux::new(instance, &seat);
        ws::run(upgraded, &mut session, &seat, ws::Settings::default(), &*clock);
    };
    Ok(Reply::Upgrade(Upgrade { response, run: Box::new(run) }))
}

impl App {
    /// A place among the WebSockets, which ends with the caller's key.
    pub(super) fn seat(&self, caller: &Caller) -> Result<Seat> {
        let full = || {
            let most = limits::WS_CONNECTIONS;
            let sentence = format!("there are {most} WebSockets and followers already, the most at once");
            Fault::new(503, "websockets_full", sentence)
        };
        self.sockets.enter_with(caller.generation()).ok().flatten().ok_or_else(full)
    }
}

/// What a session sees of the [`App`].
struct ThisInstance {
    bus: Arc<Bus>,
    fleet: Arc<dyn Fleet>,
    clock: Arc<dyn Clock>,
}

impl Instance for ThisInstance {
    fn version(&self) -> &str {
        VERSION
    }

    fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    fn terminals(&self) -> &dyn Terminals {
        &*self.fleet
    }

    fn blocks(&self) -> Vec<String> {
        self.fleet.records().into_iter().map(|record| record.block_id).collect()
    }

    fn input(&self, block: &str, bytes: &[u8]) -> Option<std::result::Result<(), InputError>> {
        self.fleet.input_to_block(block, bytes)
    }

    fn resize(&self, block: &str, rows: u16, cols: u16) -> Option<std::result::Result<(), ResizeError>> {
        self.fleet.resize_block(block, rows, cols)
    }

    fn output(
        &self,
        block: &str,
        from: Option<u64>,
        most: usize,
    ) -> Option<std::result::Result<Output, BeyondEnd>> {
        self.fleet.output_of_block(block, from, most)
    }

    fn output_end(&self, block: &str) -> Option<u64> {
        self.fleet.record_of_block(block).map(|record| record.output_end)
    }

    fn watch(&self, block: &str, wake: Arc<Wake>) -> Option<Watch> {
        self.fleet.watch(block, wake)
    }

    fn take(&self, name: &AgentId, most: usize, bytes: usize) -> Option<Parcel> {
        let handed = match self.bus.mail.take(name, Manner::Final, most, bytes) {
            Ok(handed) => handed,
            Err(error) => {
                // They wait on, and are asked for again at the next ping.
                log::warn!("mail cannot be pushed: {}", error.answer().2);
                return None;
            }
        };
        if handed.messages.is_empty() {
            return None;
        }
        let messages = handed.messages.iter().map(bus_message).collect();
        Some(Parcel { messages, sent: Box::new(move || handed.sent()) })
    }
}
