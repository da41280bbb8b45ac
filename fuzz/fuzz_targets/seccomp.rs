//! Any system call: the filters of both architectures answer what the rule says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::sys::seccomp::fuzz(data));
