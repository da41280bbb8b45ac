//! A head that we accept is read the same way by httparse, however it was cut into pieces; no bytes
//! make the parser panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::wire::head::fuzz(data));
