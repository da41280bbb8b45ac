//! What an endpoint says becomes one head with one framing, whatever it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::egress::forwarder::fuzz_response(data));
