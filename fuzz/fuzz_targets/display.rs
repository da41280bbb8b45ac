//! What reaches the user's terminal holds only sequences on the list, however it was cut into pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::cli::display::fuzz(data));
