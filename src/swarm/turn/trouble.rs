//! Output that reads as if an agent's model refused it (spec genswarms E.4): a guess, told as an event.
//!
//! The words are the seed's. An agent can print them whenever it likes, so nothing follows from them but a
//! line for its owner, one of each kind a minute.

use crate::swarm::events::Name;

/// Pause between two events of one kind.
const PAUSE_MS: u64 = 60_000;

/// When each kind was told last.
#[derive(Debug, Default)]
pub(super) struct Troubles([Option<u64>; KINDS.len()]);

const KINDS: [Name; 4] = [Name::ApiKeyInvalid, Name::ApiKeyMissing, Name::RateLimit, Name::QuotaExceeded];

impl Troubles {
    /// What of a piece of output is to be told now.
    pub fn look(&mut self, text: &str, now: u64) -> Vec<Name> {
        let mut found = Vec::new();
        for (kind, last) in KINDS.into_iter().zip(&mut self.0) {
            let quiet = last.is_some_and(|last| now.saturating_sub(last) < PAUSE_MS);
            if !quiet && reads_as(kind, text) {
                *last = Some(now);
                found.push(kind);
            }
        }
        found
    }
}

fn reads_as(kind: Name, text: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match kind {
        Name::ApiKeyInvalid => {
            any(&["invalid_api_key", "Invalid API Key"])
                || (number(text, "401") && text.contains("Unauthorized"))
        }
        Name::ApiKeyMissing => any(&["api_key_missing", "API key is missing", "No API key"]),
        Name::RateLimit => any(&["rate_limit", "Rate limit"]) || number(text, "429"),
        Name::QuotaExceeded => any(&["quota_exceeded", "insufficient_quota", "exceeded your current quota"]),
        _ => false,
    }
}

/// Whether a number stands in the text by itself, not in a longer one.
fn number(text: &str, digits: &str) -> bool {
    text.match_indices(digits).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + digits.len()..).and_then(|text| text.chars().next());
        ![before, after].into_iter().flatten().any(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_refusing_model_are_told_once_a_minute_each() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.look("HTTP 401 Unauthorized", 0), [Name::ApiKeyInvalid]);
        assert_eq!(troubles.look("HTTP 401 Unauthorized, HTTP 429", 1), [Name::RateLimit]);
        assert!(troubles.look("invalid_api_key rate_limit", PAUSE_MS - 1).is_empty());
        assert_eq!(troubles.look("Invalid API Key", PAUSE_MS), [Name::ApiKeyInvalid]);
        assert_eq!(troubles.look("you exceeded your current quota", 0), [Name::QuotaExceeded]);
        assert_eq!(troubles.look("No API key", 0), [Name::ApiKeyMissing]);
    }

    #[test]
    fn other_numbers_and_words_are_no_trouble() {
        let mut troubles = Troubles::default();
        for text in ["4290", "x429", "1429 bytes", "401", "Unauthorized", "\u{e4}429", ""] {
            assert!(troubles.look(text, 0).is_empty(), "{text}");
        }
    }
}
