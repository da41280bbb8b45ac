//! Any text as a frame of AgentMux's protocol: what is accepted means the same when it is written again,
//! and no frame gets more than one answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::ws::agentmux::fuzz(data));
