//! A client's frames, and a server's taken apart, for tests and fuzzing.

use serde_json::Value;

/// A masked frame whose first byte is `first`.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => bytes.push(0x80 | short),
        (_, Ok(middle)) => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The frames in a server's bytes: first byte and payload. What is left over at the end is no frame.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match (length, rest) {
            (126, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            (127, rest) => {
                let (digits, rest) = rest.split_at_checked(8).unwrap_or_default();
                (digits.iter().fold(0, |all, digit| all << 8 | usize::from(*digit)), rest)
            }
            (short, rest) => (usize::from(*short), rest),
        };
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        found.push((*first, payload.to_vec()));
        bytes = rest;
    }
    found
}

/// Bytes of a server's frame with a payload of this size.
pub(super) fn size(payload: usize) -> usize {
    payload
        + match payload {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        }
}

/// Replaces fractions, of which the parser may be off by the last bit.
pub(super) fn drop_fractions(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => *value = Value::Null,
        Value::Array(values) => values.iter_mut().for_each(drop_fractions),
        Value::Object(fields) => fields.values_mut().for_each(drop_fractions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
