//! Any body as a letter: what is accepted keeps its bounds and means the same when it is handed on.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::registry::fuzz_letter(data));
