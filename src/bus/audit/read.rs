//! Reads the audit back: newest first, in pages, in memory that does not depend on its size.
//!
//! A page goes from the newest segment to older ones and keeps of each only the newest entries that
//! still fit. Two fields are looked for in the text itself, so that passing over an entry does not
//! cost parsing it: a quote inside a JSON string is escaped, so a name cannot pretend to be a field.

use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    limits,
    store::{Journal, JournalError},
};

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// none older than this, unix ms
    pub since: u64,
    /// only those with a number below
    pub before: Option<u64>,
    /// at most so many
    pub limit: usize,
}

/// A page of entries, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// as they are shown
    pub entries: Vec<Value>,
    /// where the next page begins: its [`Query::before`]
    pub next: Option<u64>,
}

/// One page of what is on the disk.
pub(super) fn page(journal: &Journal, query: Query) -> Result<Page, JournalError> {
    let limit = query.limit.min(limits::AUDIT_PAGE);
    let mut found: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let (mut bytes, mut more) = (0_usize, false);
    for segment in journal.segments().iter().rev() {
        if more || found.len() >= limit {
            more = true;
            break;
        }
        let mut here: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
        let (mut any, mut all_older) = (false, true);
        let read = journal.lines_of(segment.id, &mut |line| {
            any = true;
            let new_enough = timestamp(line.json).is_none_or(|at| at >= query.since);
            all_older &= !new_enough;
            if !new_enough || query.before.is_some_and(|before| line.number >= before) {
                return;
            }
            bytes = bytes.saturating_add(line.json.len());
            here.push_back((line.number, line.json.to_vec()));
            while found.len().saturating_add(here.len()) > limit || bytes > limits::AUDIT_PAGE_BYTES {
                let Some((_, oldest)) = here.pop_front() else { break };
                bytes = bytes.saturating_sub(oldest.len());
                more = true;
            }
        });
        match read {
            // it made room while this was read
            Err(JournalError::Gone) => break,
            other => other?,
        }
        here.extend(found);
        found = here;
        if any && all_older {
            more = false;
            break;
        }
    }
    let next = found.front().map(|(number, _)| *number).or(query.before).filter(|_| more);
    let entries = found.iter().rev().map(|(_, json)| shown(json)).collect();
    Ok(Page { entries, next })
}

/// An entry as it is shown: without what only `verify` needs.
pub(super) fn shown(json: &[u8]) -> Value {
    let mut value = serde_json::from_slice(json).unwrap_or(Value::Null);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("prev");
        fields.remove("mac");
    }
    value
}

/// The entry's time, unix ms.
fn timestamp(json: &[u8]) -> Option<u64> {
    let digits = after(json, b"\"timestamp\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Whether it is of this kind.
pub(super) fn is_of_kind(json: &[u8], kind: &str) -> bool {
    has(json, "kind", kind)
}

/// Whether this field has this value, which needs no escapes.
pub(super) fn has(json: &[u8], field: &str, value: &str) -> bool {
    after(json, format!("\"{field}\":\"{value}\"").as_bytes()).is_some()
}

fn after<'a>(json: &'a [u8], words: &[u8]) -> Option<&'a [u8]> {
    let at = json.windows(words.len()).position(|window| window == words)?;
    json.get(at.saturating_add(words.len())..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_the_text_and_a_name_that_looks_like_one_is_not() {
        let forged = serde_json::json!({"n": 1, "to": "\"kind\":\"inject\",\"timestamp\":9,", "kind": "message",
            "timestamp": 1_795_305_600_000_u64});
        let json = forged.to_string();
        assert_eq!(timestamp(json.as_bytes()), Some(1_795_305_600_000));
        assert!(is_of_kind(json.as_bytes(), "message") && !is_of_kind(json.as_bytes(), "inject"));
        for odd in
            ["", "{}", "{\"timestamp\":", "{\"timestamp\":x}", "{\"timestamp\":-1}", "{\"timestamp\":12"]
        {
            assert_eq!(timestamp(odd.as_bytes()), None, "{odd}");
        }
    }
}
