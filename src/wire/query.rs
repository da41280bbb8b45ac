//! The query string: pairs between `&`, looked up by their name as sent.
//!
//! A name is compared as it stands and never decoded, so that there is one spelling of each
//! parameter that carries a credential. A value is given raw; [`decode`] removes one layer of
//! percent-encoding and nothing else (`+` stays `+`).

/// The raw values of all pairs named exactly `name`, in order. A pair without `=` has the value "".
pub fn values<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = &'a str> {
    query
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter_map(move |(found, value)| (found == name && !found.is_empty()).then_some(value))
}

/// The raw value of the first pair named exactly `name`.
pub fn first<'a>(query: Option<&'a str>, name: &'a str) -> Option<&'a str> {
    values(query, name).next()
}

/// Removes one layer of percent-encoding. `None`: a `%` without two hex digits behind it.
pub fn decode(raw: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        out.push(high << 4 | low);
    }
    Some(out)
}

/// As [`decode`], where the result is UTF-8.
pub fn decode_text(raw: &str) -> Option<String> {
    String::from_utf8(decode(raw)?).ok()
}

/// The value of one hex digit, 0 to 15.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_of_exactly_that_name_counts() {
        let of = |query| first(Some(query), "authkey");
        assert_eq!(of("authkey=a&authkey=b"), Some("a"));
        assert_eq!(of("x=1&authkey=a=b"), Some("a=b"));
        assert_eq!(of("authkey"), Some(""));
        assert_eq!(of("authkey=k%2D1"), Some("k%2D1"));
        for other in ["", "&", "=", "Authkey=a", "authkeyx=a", "xauthkey=a", "%61uthkey=a", " authkey=a"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(first(None, "authkey"), None);
        assert_eq!(first(Some("=v"), ""), None);
        assert_eq!(values(Some("token=a&x&token=b"), "token").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn one_layer_of_percent_encoding_is_removed() {
        assert_eq!(decode_text("a%20b%2Bc+d").as_deref(), Some("a b+c+d"));
        assert_eq!(decode_text("%2541").as_deref(), Some("%41"));
        for bad in ["%", "%4", "%zz", "a%g0", "%+1", "%%41"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("%ff"), Some(vec![0xff]));
        assert_eq!(decode_text("%ff"), None);
    }
}
