//! What another instance's answer to a letter means: status and bytes in, [`Forwarded`] out.
//!
//! The peer may lie or be something else. A letter is taken only where the answer says so in JSON, and of an
//! instance of this program only with its mark and our id: what is not understood may mean that it arrived.
//! What is repeated of an answer is bounded, its body by the client that read it.

use serde_json::Value;

use super::{
    letter::{self, VERSION},
    types::{Forwarded, Speaks, There, Unsure},
};
use crate::wire::json::{self, Fields};

/// Longest sentence that is handed on.
const SENTENCE: usize = 512;
/// Longest code that is handed on.
const CODE: usize = 64;
/// Longest block id that is handed on.
const BLOCK: usize = 256;

/// Codes of what will be refused again.
const LASTING: [&str; 13] = [
    "bad_agent_id",
    "bad_json",
    "body_too_large",
    "duplicate_field",
    "id_reused",
    "json_too_deep",
    "message_too_long",
    "missing_field",
    "not_an_object",
    "payload_too_large",
    "too_large_to_forward",
    "typing_not_allowed",
    "wrong_field",
];

/// Reads the answer to a letter of this id.
pub fn read(status: u16, body: &[u8], speaks: Speaks, id: &str) -> Forwarded {
    let body = json::parse(body).unwrap_or_default();
    match status {
        200..=299 => said(body, speaks, id),
        401 | 403 | 404 | 405 | 413 | 415 | 422 | 429 => turned_away(status, body),
        _ => Forwarded::Unsure(Unsure::Junk),
    }
}

/// What the bus of the other instance said.
fn said(body: Value, speaks: Speaks, id: &str) -> Forwarded {
    const JUNK: Forwarded = Forwarded::Unsure(Unsure::Junk);
    let Ok(fields) = Fields::of(&body) else { return JUNK };
    let is_ours = || {
        let mark = fields.whole("loopgate", VERSION..=VERSION);
        mark.is_ok() && fields.text("request_id") == Ok(id)
    };
    if speaks == Speaks::Loopgate && !is_ours() {
        return JUNK;
    }
    let word = text(fields, "outcome");
    match body.get("success").and_then(Value::as_bool) {
        Some(true) if word == Some("failed") => JUNK,
        Some(true) => {
            let there = There {
                outcome: word
                    .filter(|word| ["delivered", "queued", "waiting", "forwarded"].contains(word))
                    .map(str::to_owned),
                duplicate: is(fields, "duplicate"),
                truncated: is(fields, "truncated"),
                block_id: text(fields, "block_id").filter(|id| id.len() <= BLOCK).map(str::to_owned),
            };
            Forwarded::Taken { body, there }
        }
        // It has handed the letter on itself, and does not know.
        Some(false) if is(fields, "unsure") => Forwarded::Unsure(match text(fields, "code") {
            Some("peer_silent") => Unsure::Silent,
            Some("peer_broke_off") => Unsure::Broken,
            _ => Unsure::Junk,
        }),
        Some(false) => {
            let sentence = sentence(fields, "the other instance did not say why");
            let by_sentence = || match sentence.as_str() {
                text if text.starts_with("invalid agent ID") => "bad_agent_id",
                text if text.starts_with("agent not found") => "agent_not_found",
                "rate limit exceeded" => "rate_limited",
                _ => "peer_refused",
            };
            let code = code(fields).unwrap_or_else(|| by_sentence().to_owned());
            let lasting = LASTING.contains(&code.as_str());
            Forwarded::Refused { body, code, sentence, lasting }
        }
        None => JUNK,
    }
}

/// The other instance has not looked at the letter.
fn turned_away(status: u16, body: Value) -> Forwarded {
    let (plain, meaning, lasting) = match status {
        401 => ("peer_key_refused", "the other instance does not take its own entry's key", false),
        413 => ("too_large_to_forward", "the letter is larger than the other instance takes", true),
        415 | 422 => ("peer_malformed", "the other instance does not understand the letter", true),
        429 => ("rate_limited", "the other instance takes no more for now", false),
        _ => ("peer_forbidden", "the other instance takes no letters", false),
    };
    match Fields::of(&body) {
        Ok(fields) => {
            let code = code(fields).unwrap_or_else(|| plain.to_owned());
            let sentence = sentence(fields, meaning);
            Forwarded::Refused { body, code, sentence, lasting }
        }
        Err(_) => {
            let (code, sentence) = (plain.to_owned(), meaning.to_owned());
            Forwarded::Refused { body: Value::Null, code, sentence, lasting }
        }
    }
}

fn text<'a>(fields: Fields<'a>, name: &'static str) -> Option<&'a str> {
    fields.optional_text(name).ok().flatten()
}

fn is(fields: Fields<'_>, name: &'static str) -> bool {
    fields.flag(name, false) == Ok(true)
}

/// A word that programs may look at.
fn code(fields: Fields<'_>) -> Option<String> {
    let code = text(fields, "code")?;
    let clean = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    (clean && (1..=CODE).contains(&code.len())).then(|| code.to_owned())
}

/// The peer's sentence, on one line and at most [`SENTENCE`] bytes of it.
fn sentence(fields: Fields<'_>, instead: &str) -> String {
    let given = text(fields, "error").map(|text| letter::cut(text, SENTENCE)).filter(|text| !text.is_empty());
    given.unwrap_or(instead).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Fuzz entry: any answer of any status, for both kinds of peers.
#[cfg(any(fuzzing, test))]
pub fn fuzz(data: &[u8]) {
    const ID: &str = "id-1";
    let (first, body) = data.split_first().unwrap_or((&0, &[]));
    let speaks = if first & 1 == 0 { Speaks::Loopgate } else { Speaks::AgentMux };
    let statuses = [200, 201, 204, 299, 100, 302, 307, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, 999];
    let status = statuses.get(usize::from(first >> 1)).copied().unwrap_or(200);
    let parsed = json::parse(body).unwrap_or_default();
    match read(status, body, speaks, ID) {
        Forwarded::Taken { body, there } => {
            assert!((200..300).contains(&status) && body == parsed);
            assert_eq!(body.get("success"), Some(&Value::Bool(true)));
            let ours = body.get("loopgate") == Some(&1.into()) && body.get("request_id") == Some(&ID.into());
            assert!(ours || speaks == Speaks::AgentMux, "taken without its mark");
            assert!(there.block_id.is_none_or(|block| block.len() <= BLOCK));
        }
        Forwarded::Refused { body, code, sentence, .. } => {
            assert!(status < 500 && !(300..400).contains(&status));
            assert!(body.is_null() || body == parsed, "not the peer's own words");
            assert!((1..=CODE).contains(&code.len()) && code.is_ascii());
            assert!((1..=SENTENCE).contains(&sentence.len()) && !sentence.contains(char::is_control));
        }
        Forwarded::Unsure(_) => {}
        Forwarded::NotReached(_) => panic!("there was an answer"),
    }
}

#[cfg(test)]
#[path = "answer/tests.rs"]
mod tests;
