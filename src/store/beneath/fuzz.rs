//! Fuzz entry: any text as a path.
/// stub
pub fn fuzz(_data: &[u8]) {}
