//! Random bytes from the kernel.

use std::io;

use crate::wire::uuid;

/// `N` random bytes.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A fresh UUIDv4.
pub fn uuid() -> io::Result<String> {
    bytes().map(uuid::v4)
}
