//! Standard base64 (RFC 4648, section 4), strictly: padding is required, and nothing but the
//! alphabet is taken, so that every byte string has exactly one form.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of `bytes`, padded.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let sextet = (bits >> (18 - 6 * n) & 0x3f) as usize;
            let digit = ALPHABET.get(sextet).copied().unwrap_or(b'=');
            text.push(if n > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

/// The bytes of `text`; `None` for anything that [`encode`] would not have written.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let last = (text.len() / 4).saturating_sub(1);
    for (index, group) in text.chunks(4).enumerate() {
        let (digits, keep) = match group {
            [a, b, b'=', b'='] if index == last => ([*a, *b, b'A', b'A'], 1),
            [a, b, c, b'='] if index == last => ([*a, *b, *c, b'A'], 2),
            [a, b, c, d] => ([*a, *b, *c, *d], 3),
            _ => return None,
        };
        let mut bits = 0u32;
        for digit in digits {
            bits = bits << 6 | value(digit)?;
        }
        let [_, a, b, c] = bits.to_be_bytes();
        let (kept, dropped) = match keep {
            1 => (&[a][..], u32::from(b) << 8 | u32::from(c)),
            2 => (&[a, b][..], u32::from(c)),
            _ => (&[a, b, c][..], 0),
        };
        if dropped != 0 {
            return None; // bits behind the last byte: a second form of the same bytes
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let (value, from) = match digit {
        b'A'..=b'Z' => (0, b'A'),
        b'a'..=b'z' => (26, b'a'),
        b'0'..=b'9' => (52, b'0'),
        b'+' => return Some(62),
        b'/' => return Some(63),
        _ => return None,
    };
    Some(value + u32::from(digit - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold_both_ways() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn every_byte_survives_the_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        for from in 0..4 {
            assert_eq!(decode(&encode(&all[from..])).as_deref(), Some(&all[from..]));
        }
    }

    #[test]
    fn a_second_form_of_the_same_bytes_is_refused() {
        for text in [
            "Zg", "Zg=", "Zg==\n", " Zg==", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm-v", "Zm_v",
            "Zm9v=", "é==",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
