//! Any answer of another instance: a letter is taken only where it says so, and what is repeated is bounded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::registry::fuzz_answer(data));
