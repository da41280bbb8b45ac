//! A line is written in one way, and with any bit changed it is none; any fields come back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::store::journal::fuzz_line(data));
