//! Any bytes as lines of an agent's log: what is a record is bounded, and what is written is read back equal.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::swarm::logs::fuzz(data));
