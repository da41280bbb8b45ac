//! Any text as a path: whatever it leads to lies inside, also while somebody renames what it leads through.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::store::beneath::fuzz(data));
