//! What an agent prints ends a turn only with a line of its own, sends only what it says so, and comes to no more
//! than went in.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::agent::protocol::fuzz(data));
