//! Whatever stands in the segments: only lines that check are shown, and they stay shown.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::store::journal::fuzz_segment(data));
