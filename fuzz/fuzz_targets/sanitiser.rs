//! Text that is typed into a terminal holds no control byte and no invisible character, and is within
//! its limit, whatever came in.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::bus::sanitise::fuzz(data));
