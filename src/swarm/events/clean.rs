//! What of an event may be seen: secrets by the name of their key, agent tokens anywhere, bounded texts.

use serde_json::{Map, Value};

use super::{Draft, hub::EACH};
use crate::{agent, limits, swarm::config::is_secret};

/// What stands in a secret's place.
pub(super) const REDACTED: &str = "[REDACTED]";

/// The first [`limits::PREVIEW`] characters of a text, without agent tokens.
pub fn preview(text: &str) -> String {
    let clean = agent::redacted(beginning(text, limits::PREVIEW * AHEAD));
    beginning(&clean, limits::PREVIEW).to_owned()
}

/// The last [`limits::LAST_OUTPUT`] characters of a text, or as many of them as a text of an event holds, without
/// agent tokens.
pub(in crate::swarm) fn last(text: &str) -> String {
    let clean = agent::redacted(end(text, limits::LAST_OUTPUT * AHEAD, usize::MAX));
    end(&clean, limits::LAST_OUTPUT, limits::SWARM_EVENT_TEXT).to_owned()
}

/// The last characters: at most so many, and so many bytes.
fn end(text: &str, most: usize, bytes: usize) -> &str {
    let fits = |at: &usize| text.len().saturating_sub(*at) <= bytes;
    let begin = text.char_indices().rev().map(|(at, _)| at).take(most).take_while(fits).last();
    begin.and_then(|begin| text.get(begin..)).unwrap_or_default()
}

/// How much more of a text is read than is shown of it. A token shrinks to a fifth when it is replaced, and
/// one that is read in part only is not known as one: it must lie behind all that is shown.
const AHEAD: usize = 6;

/// The first `most` characters.
fn beginning(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map(|(at, _)| at);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The longest beginning of `text` of at most `most` bytes.
pub(in crate::swarm) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

/// The draft as it is kept, and what it takes of memory: who and where stand in their fields and not in the
/// metadata, everything is clean and of bounded size.
pub(super) fn cleaned(draft: Draft) -> (Draft, usize) {
    within(draft, limits::SWARM_EVENT_METADATA)
}

/// The same of one that was cleaned before: what it says itself of what was left out has room too.
pub(super) fn cleaned_again(draft: Draft) -> (Draft, usize) {
    within(draft, limits::SWARM_EVENT_METADATA + ROOM_AGAIN)
}

/// What a cleaned draft may say of what was left out of it, at each depth once.
const ROOM_AGAIN: usize = 4_096;

fn within(mut draft: Draft, most: usize) -> (Draft, usize) {
    lift(&mut draft.metadata, "swarm", &mut draft.swarm);
    lift(&mut draft.metadata, "agent", &mut draft.agent);
    lift(&mut draft.metadata, "object", &mut draft.agent);
    draft.message = text(draft.message);
    let mut bytes = draft.message.len();
    for name in [&mut draft.swarm, &mut draft.agent] {
        *name = name.take().map(text);
        bytes = bytes.saturating_add(name.as_ref().map_or(0, String::len));
    }
    let mut room = most;
    draft.metadata = object(draft.metadata, &mut room);
    let facts = most.saturating_sub(room);
    // As fields and as JSON, twice; a tree takes a few times what its text does.
    let size = EACH.saturating_add(bytes.saturating_mul(3)).saturating_add(facts.saturating_mul(5));
    (draft, size)
}

/// Takes a name out of the metadata, into its field where that is empty.
fn lift(metadata: &mut Map<String, Value>, key: &str, field: &mut Option<String>) {
    match metadata.remove(key) {
        Some(Value::String(name)) if field.is_none() => *field = Some(name),
        Some(_) | None => {}
    }
}

fn text(text: String) -> String {
    if text.len() <= limits::SWARM_EVENT_TEXT && !agent::may_hold_token(&text) {
        return text;
    }
    let clean = agent::redacted(cut(&text, limits::SWARM_EVENT_TEXT * AHEAD));
    cut(&clean, limits::SWARM_EVENT_TEXT).to_owned()
}

/// An object, as far as there is room; what has none is left out and said to be.
fn object(map: Map<String, Value>, room: &mut usize) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in map {
        let secret = is_secret(&key);
        let key = text(key);
        let secret = (secret || is_secret(&key)) && !value.is_null();
        let value = if secret { Some(REDACTED.into()) } else { self::value(value, room) };
        match value {
            Some(value) if take(room, key.len()) => {
                kept.insert(key, value);
            }
            Some(_) | None => {
                kept.insert("truncated".to_owned(), true.into());
                break;
            }
        }
    }
    kept
}

/// A value, as far as there is room. As deep as the value: those who make events build them flat, and what a
/// caller sent was bounded in depth by wire/json.
fn value(value: Value, room: &mut usize) -> Option<Value> {
    match value {
        // A fraction is a text: another reader of JSON may round it otherwise.
        Value::Number(number) if number.is_f64() => take(room, 32).then(|| number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Number(_) => take(room, 8).then_some(value),
        Value::String(word) => {
            let word = text(word);
            take(room, word.len()).then(|| word.into())
        }
        Value::Array(items) => {
            take(room, 8).then(|| items.into_iter().map_while(|item| self::value(item, room)).collect())
        }
        Value::Object(map) => take(room, 8).then(|| Value::Object(object(map, room))),
    }
}

fn take(room: &mut usize, bytes: usize) -> bool {
    match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            true
        }
        None => false,
    }
}
