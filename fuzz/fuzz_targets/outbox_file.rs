//! Any bytes as a file of an outbox: what is taken for a letter means the same when it is written again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::agent::outbox::fuzz(data));
