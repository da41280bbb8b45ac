//! Ten thousand sequences of operations, always the same ones, against the promises and the model of the
//! fuzz target.

use super::super::fuzz;

#[test]
fn ten_thousand_sequences_of_operations_keep_every_promise() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..10_000 {
        let length = 40 + next() % 160;
        let mut bytes: Vec<u8> = (0..length).map(|_| (next() >> 32) as u8).collect();
        // `{` would be JSON.
        bytes[0] &= 0x3f;
        fuzz(&bytes);
    }
}
