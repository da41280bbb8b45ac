//! Requests over split reads: what is read as a body is exactly as long as its head says, and never
//! becomes a second request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::gate::body::fuzz(data));
