//! Any bytes as the config of a swarm: what is accepted keeps every rule, is written in one form and shows no
//! secret; what is refused is told with its place.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::swarm::config::fuzz(data));
