//! Dates as text: of an answer, as IMF-fixdate (RFC 9110, 5.6.7); in a file, as RFC 3339.

/// Bytes of an IMF-fixdate.
pub const LENGTH: usize = 29;

/// `Sun, 06 Nov 1994 08:49:37 GMT` for seconds since 1970-01-01 UTC. What lies behind the year 9999
/// reads as its last second, so that the form never changes.
pub fn imf_fixdate(unix_s: u64) -> [u8; LENGTH] {
    const LAST: u64 = 253_402_300_799;
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let unix_s = unix_s.min(LAST);
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);

    // Howard Hinnant's civil_from_days: years that begin in March, so that the leap day is the last,
    // in eras of 400 years.
    let from_march_0000 = days + 719_468;
    let (era, day_of_era) = (from_march_0000 / 146_097, from_march_0000 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 2 } else { from_march - 10 };
    let year = era * 400 + year_of_era + u64::from(month < 2);

    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    text[8..11].copy_from_slice(MONTHS[(month % 12) as usize]);
    for (at, value) in [
        (5, day),
        (12, year / 100),
        (14, year % 100),
        (17, second / 3_600),
        (20, second / 60 % 60),
        (23, second % 60),
    ] {
        text[at] = b'0' + (value / 10 % 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    }
    text
}

/// `2026-11-22T00:00:00Z` for seconds since 1970-01-01 UTC, with the same last second.
pub fn rfc3339(unix_s: u64) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let text = imf_fixdate(unix_s);
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let part = |range| text.get(range).unwrap_or_default();
    let month = MONTHS.find(part(8..11)).unwrap_or_default() / 3 + 1;
    format!("{}-{month:02}-{}T{}Z", part(12..16), part(5..7), part(17..25))
}

/// `2026-11-22T00:00:00.123000Z` for milliseconds since 1970-01-01 UTC: genswarms shows microseconds.
pub fn rfc3339_us(unix_ms: u64) -> String {
    let whole = rfc3339(unix_ms / 1_000);
    format!("{}.{:03}000Z", whole.trim_end_matches('Z'), unix_ms % 1_000)
}

/// What [`rfc3339_us`] wrote, in that form alone, to the millisecond.
pub fn of_rfc3339_us(text: &str) -> Option<u64> {
    const FORM: &[u8] = b"0000-00-00T00:00:00.000000Z";
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if text.len() != FORM.len() || !text.as_bytes().iter().zip(FORM).all(fits) {
        return None;
    }
    let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<u64>().ok());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400
        + number(11..13)? * 3_600
        + number(14..16)? * 60
        + number(17..19)?;
    let unix_ms = seconds * 1_000 + number(20..23)?;
    // A day or an hour that there is not is written otherwise.
    (rfc3339_us(unix_ms) == text).then_some(unix_ms)
}

/// Days since 1970-01-01 of a date from then on, in years that begin in March, so that the leap day is the last
/// (Howard Hinnant's days_from_civil).
pub fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_ours_is_read_back_and_no_other_text_is() {
        for unix_ms in [0, 1, 999, 951_782_400_007, 1_795_305_599_007, 253_402_300_799_999] {
            assert_eq!(of_rfc3339_us(&rfc3339_us(unix_ms)), Some(unix_ms));
        }
        for days in 0..146_097_u64 {
            let unix_ms = days * 86_400_000 + days;
            assert_eq!(of_rfc3339_us(&rfc3339_us(unix_ms)), Some(unix_ms));
        }
        for bad in [
            "",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.000001Z",
            "1969-12-31T23:59:59.999000Z",
            "1970-13-01T00:00:00.000000Z",
            "1970-02-29T00:00:00.000000Z",
            "1970-01-01T24:00:00.000000Z",
            "1970-01-01T00:60:00.000000Z",
            "1970-01-00T00:00:00.000000Z",
            "+970-01-01T00:00:00.000000Z",
            "1970-01-01T00:00:00.00000\u{e4}",
        ] {
            assert_eq!(of_rfc3339_us(bad), None, "{bad}");
        }
    }

    #[test]
    fn events_carry_dates_of_microseconds() {
        assert_eq!(rfc3339_us(951_782_400_007), "2000-02-29T00:00:00.007000Z");
    }

    #[test]
    fn files_carry_dates_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_305_599), "2026-11-21T23:59:59Z");
        assert_eq!(rfc3339_us(1_795_305_599_007), "2026-11-21T23:59:59.007000Z");
    }

    /// Values of `date -u`; the first is RFC 9110's own.
    #[test]
    fn dates_are_imf_fixdates() {
        for (unix_s, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_795_305_600, "Sun, 22 Nov 2026 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&imf_fixdate(unix_s)), Ok(text));
        }
    }

    #[test]
    fn every_day_of_400_years_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097_u64 {
            let text = imf_fixdate(days * 86_400);
            let text = std::str::from_utf8(&text).unwrap();
            let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            assert_eq!(&text[5..16], format!("{day:02} {} {year}", names[month - 1]), "{days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = [31, 28 + i32::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
            (year, month, day) = match (month, day == last) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                (_, false) => (year, month, day + 1),
            };
        }
    }
}
