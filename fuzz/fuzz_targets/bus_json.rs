//! Bodies of the routes of messages: nothing is accepted but from strict JSON, with its own words and
//! under the caller's own name, and every refusal says why.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::api::fuzz(data));
