//! Any bytes as the order of a shim: none, or one that is written as exactly these bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::egress::shim::fuzz_order(data));
