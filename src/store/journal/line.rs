//! One line of a journal: `<crc32, 8 hex digits> {"n":<number>,<fields>}` and a newline.
//!
//! The sum covers the JSON text, the number included. Everything has exactly one spelling, so that a
//! line that was changed and still checks is a line that somebody wrote. The JSON is not parsed
//! here: its owner does that.

use std::io::Write;

use crate::wire::crc32;

/// The largest number of a line: 2^53 - 1, the last whole number that every JSON reader keeps. It is
/// read but never given out, so that there is always one above the last.
pub(super) const LARGEST: u64 = (1 << 53) - 1;

/// Bytes of the shortest line, its newline included.
pub(super) const SHORTEST: u64 = "00000000 {\"n\":1}\n".len() as u64;

const NO_SUM: &[u8; 9] = b"00000000 ";
const BEGINNING: &[u8] = b"{\"n\":";

/// A line with its newline. `fields` writes the fields of the object without braces. `None` where it
/// wrote a newline, which would make two lines of one.
pub(super) fn write(number: u64, fields: impl FnOnce(u64, &mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut json = Vec::with_capacity(256);
    json.extend_from_slice(NO_SUM);
    json.extend_from_slice(BEGINNING);
    // writing to a Vec cannot fail
    let _ = write!(json, "{number}");
    let before = json.len();
    json.push(b',');
    fields(number, &mut json);
    if json.len() == before.saturating_add(1) {
        json.truncate(before);
    }
    json.push(b'}');
    let mut line = json;
    let (sum, json) = line.split_at_mut_checked(NO_SUM.len())?;
    if json.contains(&b'\n') {
        return None;
    }
    let mut sum = &mut *sum;
    let _ = write!(sum, "{:08x}", crc32::sum(json));
    line.push(b'\n');
    Some(line)
}

/// The number and the JSON text of a line without its newline, or what is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<(u64, &[u8]), &'static str> {
    let (sum, rest) = line.split_first_chunk::<8>().ok_or("too short")?;
    let json = rest.strip_prefix(b" ").ok_or("no sum")?;
    let sum = hex(sum).ok_or("no sum")?;
    if crc32::sum(json) != sum {
        return Err("its sum does not check");
    }
    number(json).map(|number| (number, json)).ok_or("no number")
}

/// Eight lower-case digits.
fn hex(digits: &[u8; 8]) -> Option<u32> {
    let mut value = 0_u32;
    for digit in digits {
        let four = match digit {
            b'0'..=b'9' => digit.checked_sub(b'0')?,
            b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10)?,
            _ => return None,
        };
        value = (value << 4) | u32::from(four);
    }
    Some(value)
}

/// The number that the text begins with: from 1 to [`LARGEST`], without leading zeros.
fn number(json: &[u8]) -> Option<u64> {
    let rest = json.strip_prefix(BEGINNING)?;
    json.strip_suffix(b"}")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(digits)?;
    if digits.first() == Some(&b'0') || !matches!(after.first(), Some(b',' | b'}')) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= LARGEST).then_some(number)
}
