//! What makes the audit tamper-evident: every line is sealed, and holds the hash of the one before.
//!
//! With HMAC-SHA256 and the key of the home's `audit/key`, in hexadecimal: `prev` is the hash of the
//! whole JSON of the line before (zeros on line 1), `mac` half the hash of this line's JSON up to the
//! comma in front of `mac`. Who does not have the key can neither change, insert, swap nor take out
//! a line unseen, the newest line included. What it does not prove: one uid is one principal, so
//! whatever runs as this user can read the key and write the log anew; and cutting off the newest
//! lines leaves a sound log, which only a count and hash noted elsewhere give away.

use hmac_sha256::HMAC;

use crate::wire::secret::Secret;

/// Digits of `prev`.
const LINK: usize = 64;
/// Digits of `mac`.
const MAC: usize = 32;
/// What stands before and behind the digits of `mac`, at the end of a line.
const MAC_OPENS: &[u8] = b",\"mac\":\"";
const MAC_ENDS: &[u8] = b"\"}";

/// The key of a home's audit.
pub struct ChainKey(Secret);

/// What the first line holds as `prev`.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl ChainKey {
    /// From the 32 bytes of the file.
    pub fn new(bytes: Secret) -> Self {
        Self(bytes)
    }

    /// What the line after this one holds as `prev`.
    pub fn link(&self, json: &[u8]) -> String {
        self.digits(json, LINK)
    }

    /// The fields that a line has between its number and its end: `prev`, what `fields` holds, and
    /// the seal over both.
    pub fn seal(&self, number: u64, prev: &str, fields: &str, out: &mut Vec<u8>) {
        let sealed = format!("\"prev\":\"{prev}\",{fields}");
        let mac = self.digits(format!("{{\"n\":{number},{sealed}").as_bytes(), MAC);
        out.extend_from_slice(sealed.as_bytes());
        out.extend_from_slice(MAC_OPENS);
        out.extend_from_slice(mac.as_bytes());
        out.push(b'"');
    }

    /// Whether a line's seal is that of its content.
    #[must_use]
    pub fn is_sealed(&self, json: &[u8]) -> bool {
        let Some(rest) = json.strip_suffix(MAC_ENDS) else { return false };
        let Some((rest, mac)) = rest.split_at_checked(rest.len().saturating_sub(MAC)) else { return false };
        let Some(content) = rest.strip_suffix(MAC_OPENS) else { return false };
        Secret::new(self.digits(content, MAC).into_bytes()).matches(mac)
    }

    fn digits(&self, bytes: &[u8], digits: usize) -> String {
        let mac = HMAC::mac(bytes, self.0.expose());
        let mut text: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> ChainKey {
        ChainKey::new(Secret::new(vec![byte; 32]))
    }

    fn line(key: &ChainKey, number: u64, fields: &str) -> Vec<u8> {
        let mut json = format!("{{\"n\":{number},").into_bytes();
        key.seal(number, START, fields, &mut json);
        json.push(b'}');
        json
    }

    #[test]
    fn a_seal_holds_for_its_line_and_key_and_for_no_other_byte() {
        let key = key(1);
        let json = line(&key, 7, "\"kind\":\"inject\"");
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok_and(|json| json["n"] == 7));
        assert!(key.is_sealed(&json) && !self::key(2).is_sealed(&json));
        for at in 0..json.len() {
            let mut changed = json.clone();
            changed[at] ^= 1;
            assert!(!key.is_sealed(&changed), "byte {at}");
            assert!(!key.is_sealed(&json[..at]), "cut at {at}");
        }
        assert_ne!(key.link(&json), key.link(&line(&key, 8, "\"kind\":\"inject\"")));
    }

    /// `printf '{"n":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101...01`
    #[test]
    fn links_are_what_other_tools_compute() {
        assert_eq!(
            key(1).link(b"{\"n\":1}"),
            "850eaa32cff34a74c64e620f1df10ddb344acfeed7e0e385efb03c1e00f96d0e"
        );
        assert_eq!(START.len(), LINK);
    }
}
