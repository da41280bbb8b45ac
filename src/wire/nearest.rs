//! The known word that was probably meant: for errors that name an unknown key.
//!
//! Distance is counted in letters added, dropped, changed or swapped with their neighbour. Words from
//! outside are bounded first, so that a long one costs nothing.

/// Longest word that is compared, in bytes.
const LONGEST: usize = 64;

/// The first of the nearest of `known` words, if `word` is near enough to be a slip of it: as far as a third
/// of its letters, and at least one.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = known.into_iter().filter_map(|known| {
        let most = (known.len() / 3).max(1);
        let far = distance(word, known, most)?;
        (far <= most).then_some((far, known))
    });
    found.min_by_key(|(far, _)| *far).map(|(_, known)| known)
}

/// The word that this one is a slip of beyond doubt: one letter wrong, two in words of nine or more. Short
/// words have too many neighbours: they are not looked at.
pub fn slip<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut known = known.into_iter().filter(|known| known.len() >= 6);
    known.find(|known| {
        let most = if known.len() >= 9 { 2 } else { 1 };
        distance(word, known, most).is_some_and(|far| far <= most)
    })
}

/// How many slips lie between two words; case does not count, nor whether `-` or `_` stands there. None where
/// the lengths or the letters alone say that they are more than `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    if one.len() > LONGEST || other.len() > LONGEST {
        return None;
    }
    if one.chars().count().abs_diff(other.chars().count()) > most {
        return None;
    }
    // Each slip brings in or takes away one kind of letter at most. This is cheap, and the table below is not:
    // a document may have very many words that are like none.
    let (a, b) = (kinds(one), kinds(other));
    let apart = (a & !b).count_ones().max((b & !a).count_ones());
    if apart as usize > most {
        return None;
    }
    let letters = |word: &str| -> Vec<char> {
        word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (one, other) = (letters(one), letters(other));
    // Rows of the table of distances between beginnings: the one before last, the last, and this one.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&last, j) + usize::from(a != b);
            let mut least = changed.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied()
}

/// Which letters a word has, a bit for each; other characters share theirs.
fn kinds(word: &str) -> u64 {
    word.bytes().fold(0, |kinds, byte| {
        let kind = match byte.to_ascii_lowercase() {
            b'-' => b'_',
            // a letter of several bytes is one kind
            0x80.. => 0,
            byte => byte,
        };
        kinds | 1 << (kind % 64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["name", "agents", "objects", "topology", "max_turns", "network"];
        for (word, meant) in [
            ("nmae", Some("name")),
            ("agent", Some("agents")),
            ("Topology", Some("topology")),
            ("max-turns", Some("max_turns")),
            ("topolgy", Some("topology")),
            ("netwrok", Some("network")),
            ("color", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"n".repeat(1 << 20), known), None);
    }

    #[test]
    fn only_a_near_miss_is_a_slip_beyond_doubt() {
        let known = ["network", "workspace", "env", "store"];
        for (word, meant) in [
            ("netwrok", Some("network")),
            ("Network", Some("network")),
            ("n\u{435}twork", Some("network")),
            ("work-spcae", Some("workspace")),
            ("wrkspac", Some("workspace")),
            ("end", None),
            ("score", None),
            ("networks_of_mine", None),
        ] {
            assert_eq!(slip(word, known), meant, "{word}");
        }
    }

    #[test]
    fn letters_are_counted() {
        for (a, b, far) in
            [("", "", 0), ("ab", "ba", 1), ("abc", "", 3), ("abcd", "acbd", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(a, b, 9), distance(b, a, 9)), (Some(far), Some(far)), "{a} {b}");
        }
    }
}
