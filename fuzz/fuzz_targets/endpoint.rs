//! An endpoint that we accept is read the same way by the url crate, and is the same one when it is written and
//! read again; no bytes make the parser panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::egress::endpoint::fuzz(data));
