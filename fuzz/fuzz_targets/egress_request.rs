//! What an agent sends becomes a request of the rules or none, whatever it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::egress::forwarder::fuzz_request(data));
