//! Documents of the IR, and sequences of operations: folds are deterministic and agree with a model, an
//! overlay may be compacted anywhere, nothing gets past the cap, and a plan leads where it says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopgate::swarm::ir::fuzz(data));
