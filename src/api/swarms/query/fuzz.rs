//! What must hold for any query string, asserted; driven by cargo-fuzz and by the replayed corpus.
//!
//! One that is taken, printed in its own order and read again is the same. One that is refused names a
//! parameter that is there. What the filter lets through is what a judge lets through that compares texts:
//! it reads the query string itself, and of an event what its readers see.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{EventQuery, PARAMETERS, shown};
use crate::{
    api::request::Fault,
    swarm::events::{Category, Draft, Hub, Level, Name, Query},
    wire::{clock::ManualClock, query},
};

/// The property.
pub fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match EventQuery::read(Some(text)) {
        Ok(asked) => {
            let printed = printed(&asked);
            let again = EventQuery::read(Some(&printed)).expect("what was printed is taken");
            assert_eq!(again, asked, "{printed}");
            judge(text, &asked);
        }
        Err(Fault::Plain { status, code, sentence, field, .. }) => {
            assert_eq!((status, code), (400, "bad_query"));
            let field = field.expect("the parameter to blame");
            let mut names = names(text);
            let quoted = |name: &str| sentence.contains(&format!("'{}'", shown(name)));
            assert!(
                names.any(|name| quoted(name) && (name == field || !PARAMETERS.contains(&name))),
                "{sentence}"
            );
        }
        Err(Fault::Json(_)) => panic!("a query is no JSON"),
    }
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

fn printed(asked: &EventQuery) -> String {
    let encoded = |value: &str| -> String { value.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let pairs = asked.parameters().into_iter().map(|(name, value)| format!("{name}={}", encoded(&value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Compares with what the hub finds.
fn judge(text: &str, asked: &EventQuery) {
    let (hub, now) = hub();
    let all = hub.page(&Query { most: usize::MAX, ..Query::default() }).expect("memory");
    let found =
        hub.page(&Query { filter: asked.filter.clone(), since: None, most: usize::MAX }).expect("memory");
    let ids: Vec<u64> = found.events.iter().map(|event| event.id).collect();
    let parameter = |name: &str| query::first(Some(text), name).and_then(query::decode_text);
    let wanted = all.events.iter().filter(|event| {
        let seen: Value = serde_json::from_str(event.json()).expect("JSON");
        let one_of = |name: &str| {
            let word = seen[name].as_str().unwrap_or("\0");
            parameter(name).is_none_or(|list| list.split(',').any(|one| one == word))
        };
        let is = |name: &str| parameter(name).is_none_or(|word| seen[name].as_str() == Some(&word));
        let minutes = parameter("minutes").and_then(|minutes| minutes.parse::<u128>().ok());
        let young = minutes.is_none_or(|most| u128::from(now - event.unix_ms) <= most * 60_000);
        one_of("level") && one_of("category") && is("swarm") && is("agent") && is("event_type") && young
    });
    assert_eq!(ids, wanted.map(|event| event.id).collect::<Vec<_>>(), "{text}");
}

/// Some of everything, a minute apart; and when it is.
fn hub() -> (&'static Hub, u64) {
    static HUB: OnceLock<(Hub, u64)> = OnceLock::new();
    let (hub, now) = HUB.get_or_init(|| {
        let clock = ManualClock::at(1_700_000_000_000);
        let hub = Hub::new(Arc::clone(&clock) as _);
        for (at, name) in Name::ALL.iter().enumerate() {
            clock.advance(60_000);
            let mut draft = Draft::new(*name, "m").level(Level::ALL[at % 4]);
            draft.category = Category::ALL[at % 6];
            for (place, names) in [(&mut draft.swarm, ["s", "t", ""]), (&mut draft.agent, ["a", "", "b"])] {
                let name = names[at % 3];
                *place = (!name.is_empty()).then(|| name.to_owned());
            }
            hub.publish(draft);
        }
        (hub, crate::wire::clock::Clock::unix_ms(&*clock))
    });
    (hub, *now)
}
