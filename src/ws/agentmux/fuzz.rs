//! Fuzz entry: any text as a client's frame.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)] // never in the program

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    AgentMux,
    envelope::{Command, Rpc, Size, parse},
    testing::World,
};
use crate::{
    wire::base64,
    ws::{Session, Settings, Sockets, machine::Machine, testing},
};

/// What is accepted means the same when it is written again, no frame gets more than one answer, and
/// none ends the connection.
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = parse(text);
    if let Ok(command) = &parsed {
        let again = parse(&written(command).to_string());
        let again = again.expect("what was read can be written").without_fractions();
        assert_eq!(again, command.clone().without_fractions(), "what was read is not what was written");
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(value["stime"].as_f64().is_none() || !value["stime"].is_f64(), "a float is no time");
    }
    let world = World::new();
    world.start("b1");
    world.print("b1", b"output");
    let seat = Sockets::new(1).enter().unwrap().unwrap();
    let mut session = AgentMux::new(Arc::clone(&world) as _, &seat);
    let mut machine = Machine::new(Settings::default(), &mut session, 0);
    turn(&mut machine, &mut session);
    machine.receive(&testing::frame(0x81, data), 0);
    let answers = turn(&mut machine, &mut session);
    // Output of a block that was subscribed to is not an answer.
    let answers = answers.iter().filter(|(_, frame)| !String::from_utf8_lossy(frame).contains("eventrecv"));
    let answers = answers.count();
    assert!(answers <= 1 && machine.end().is_none(), "{answers} answers");
    assert!(parsed.is_ok() || answers == 0, "what is not understood is not answered");
}

impl Command {
    /// The parser may be off by the last bit of a fraction. None means anything in a frame, but an RPC's
    /// data may hold some.
    fn without_fractions(mut self) -> Self {
        if let Command::Rpc(rpc) = &mut self {
            testing::drop_fractions(&mut rpc.data);
        }
        self
    }
}

fn turn(machine: &mut Machine, session: &mut AgentMux) -> Vec<(u8, Vec<u8>)> {
    let mut out = Vec::new();
    session.woken();
    machine.turn(session, 0);
    while machine.wants_output() {
        let bytes: Vec<u8> = machine.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        machine.wrote(bytes.len(), 0);
        out.extend(bytes);
    }
    testing::frames(&out)
}

/// A command as a client would write it.
fn written(command: &Command) -> Value {
    match command {
        Command::Ping => json!({ "type": "ping" }),
        Command::Pong => json!({ "type": "pong" }),
        Command::Register { agent_id } => json!({ "type": "bus:register", "agent_id": agent_id }),
        Command::Send { from, to, payload, priority } => json!({
            "type": "bus:send", "from": from, "to": to, "payload": payload, "priority": priority.as_str(),
        }),
        Command::Inject { from, target, message, priority } => json!({
            "type": "bus:inject", "from": from, "target": target, "bus_message": message,
            "priority": priority.as_str(),
        }),
        Command::Broadcast { from, payload, priority } => json!({
            "type": "bus:broadcast", "from": from, "payload": payload, "priority": priority.as_str(),
        }),
        Command::Rpc(rpc) => {
            let Rpc { command, reqid, cancel, data } = &**rpc;
            let message = json!({ "command": command, "reqid": reqid, "cancel": cancel, "data": data });
            json!({ "wscommand": "rpc", "message": message })
        }
        Command::Input { block, keys } => json!({
            "wscommand": "blockinput", "blockid": block, "inputdata64": base64::encode(keys),
        }),
        Command::Size { block, size: Size { rows, cols } } => json!({
            "wscommand": "setblocktermsize", "blockid": block, "termsize": { "rows": rows, "cols": cols },
        }),
    }
}
