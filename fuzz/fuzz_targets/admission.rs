//! No head becomes a `Caller` unless it carries a right credential from a place that may use it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::admit::fuzz(data));
