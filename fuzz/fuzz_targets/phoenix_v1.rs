//! Frames of the first version of the channel, one a line, while things happen: what is read means the same when it
//! is written again, each frame has one answer or none, and only what is joined is pushed, once and in order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::ws::phoenix::fuzz_v1(data));
