//! A secret that cannot be printed, copied or left behind by accident.
//!
//! No `Debug`, no `Display`, no `Clone`; compared in constant time; overwritten when dropped, as
//! far as safe code can: copies that the allocator or the kernel made are out of its reach.

use std::hint::black_box;

use constant_time_eq::constant_time_eq;

/// A key or token. Its length is not secret, its bytes are.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes ownership of the secret's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Whether `presented` is this secret, in time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        constant_time_eq(&self.0, presented)
    }

    /// The bytes, for the one place that must hand them on (a key file, a header). Every call is a
    /// line that a reviewer should look at.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text, where the secret is UTF-8 (all that loopgate makes are ASCII).
    pub fn expose_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        black_box(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_alone() {
        let secret = Secret::new(b"0123456789abcdef".to_vec());
        assert!(secret.matches(b"0123456789abcdef"));
        for wrong in [&b""[..], b"0123456789abcde", b"0123456789abcdeg", b"0123456789abcdef0"] {
            assert!(!secret.matches(wrong));
        }
    }
}
