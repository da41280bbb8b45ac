//! What is written of an event is read back equal; of any other bytes nothing panics, and what is read is clean.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::swarm::events::fuzz_event_line(data));
