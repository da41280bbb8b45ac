//! Agent tokens: 256 random bits each, of which only the hash is kept.

use std::{fmt::Write, io};

use hmac_sha256::Hash;

use crate::{sys::random, wire::secret::Secret};

/// What every agent token begins with; not secret.
pub(super) const PREFIX: &str = "lga_";
/// Hexadecimal digits after the prefix.
pub(super) const DIGITS: usize = 64;

/// The SHA-256 of a token. The tokens have 256 random bits, so that neither a salt nor a
/// comparison in constant time adds anything: who can find a hash cannot find its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of whatever was presented.
    pub fn of(token: &[u8]) -> Self {
        Self(Hash::hash(token))
    }
}

/// A fresh token.
pub(super) fn fresh() -> io::Result<Secret> {
    let mut text = String::with_capacity(PREFIX.len() + DIGITS);
    text.push_str(PREFIX);
    for byte in random::bytes::<{ DIGITS / 2 }>()? {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Secret::new(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_form_and_differ() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        let digits = one.expose_str().strip_prefix("lga_").unwrap();
        assert_eq!(digits.len(), DIGITS);
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert!(!one.matches(two.expose()));
        assert!(TokenHash::of(one.expose()) != TokenHash::of(two.expose()));
    }
}
