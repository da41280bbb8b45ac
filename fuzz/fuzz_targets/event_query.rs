//! Any query string about events: what is taken is printed and taken again, what is refused is named, and the
//! filter lets through what a judge of texts does.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::api::fuzz_event_query(data));
