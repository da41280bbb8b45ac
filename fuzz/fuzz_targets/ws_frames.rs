//! Any bytes as what a WebSocket client sends: the same messages however they are cut, and an end in
//! one direction.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::ws::fuzz(data));
