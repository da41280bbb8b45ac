//! Lengths of time and points in time, as a person types them.
//!
//! `90s`, `10m`, `2h`, `1d`; RFC 3339 with its time; unix milliseconds. Anything else is refused, an
//! overflow too: a limit in time that was misread would show too much or too little.

use crate::wire::date::{days_since_1970, rfc3339};

const SECOND: u64 = 1_000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

/// What is meant by `90s`, `10m`, `2h` or `1d`, in milliseconds.
pub fn length(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 60 * 60 * SECOND,
        "d" => DAY,
        _ => return None,
    };
    whole(digits)?.checked_mul(unit)
}

/// What is meant by a length before `now`, an RFC 3339 date with its time, or milliseconds since
/// 1970; in the last.
pub fn point(text: &str, now: u64) -> Option<u64> {
    if let Some(length) = length(text) {
        return Some(now.saturating_sub(length));
    }
    whole(text).or_else(|| date(text))
}

/// Unix ms as RFC 3339, with the milliseconds.
pub fn shown(unix_ms: u64) -> String {
    let seconds = rfc3339(unix_ms / SECOND);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), unix_ms % SECOND)
}

fn whole(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}

/// RFC 3339, 5.6.
fn date(text: &str) -> Option<u64> {
    let (day, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > days || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ms = format!("{:0<3.3}", Some(fraction).filter(|fraction| whole(fraction).is_some())?);
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    let local = (minutes * 60 + second) * SECOND + whole(&ms)?;
    match zone.split_at_checked(1)? {
        ("Z" | "z", "") => Some(local),
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            let offset = (hours * 60 + minutes) * 60 * SECOND;
            if sign == "+" { local.checked_sub(offset) } else { local.checked_add(offset) }
        }
    }
}

/// Exactly these numbers of digits, between separators.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for (found, digits) in found.iter_mut().zip(digits) {
        *found = parts.next().filter(|part| part.len() == digits).and_then(whole)?;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_unit() {
        let read = ["90s", "10m", "2h", "3d", "0s"].map(length);
        assert_eq!(read, [Some(90_000), Some(600_000), Some(7_200_000), Some(259_200_000), Some(0)]);
        for bad in [
            "",
            "s",
            "90",
            "-1s",
            "+1s",
            "1.5h",
            "1w",
            "1 s",
            "ä",
            "99999999999999999999d",
            "200000000000000000d",
        ] {
            assert_eq!(length(bad), None, "{bad}");
        }
    }

    #[test]
    fn points_are_a_length_ago_a_date_or_milliseconds() {
        const NOW: u64 = 1_795_305_600_000; // 2026-11-22T00:00:00Z
        for (text, at) in [
            ("10m", NOW - 600_000),
            ("99999d", 0),
            ("1795305600123", NOW + 123),
            ("2026-11-22T00:00:00Z", NOW),
            ("2026-11-22t00:00:00.5z", NOW + 500),
            ("2026-11-22 01:30:00.123456+01:30", NOW + 123),
            ("2026-11-21T22:30:00-01:30", NOW),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(point(text, NOW), Some(at), "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-22",
            "2026-11-22T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-22T00:00Z",
            "2026-11-22T00:00:00.Z",
            "2026-11-22T00:00:00+1:00",
            "2026-11-22T00:00:00ZZ",
            "26-11-22T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "2026-1é-22T00:00:00Z",
        ] {
            assert_eq!(point(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn every_date_that_is_written_reads_the_same() {
        for day in (0..100_000).step_by(13) {
            let at = day * DAY + day * 7 % DAY;
            assert_eq!(point(&shown(at), 0), Some(at), "{}", shown(at));
        }
    }
}
