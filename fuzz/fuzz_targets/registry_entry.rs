//! An entry of the registry reads the same after it was written again, and its address is loopback.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::registry::fuzz_entry(data));
