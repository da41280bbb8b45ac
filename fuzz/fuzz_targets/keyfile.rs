//! A key file is read the same way after it was written again, and no bytes make the reader panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::store::keyfile::fuzz(data));
