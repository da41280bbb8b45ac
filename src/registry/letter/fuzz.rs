//! Fuzz entry: any body as a letter.

use super::{Carry, Far, Letter, Origin, Received};
use crate::{
    limits,
    registry::Speaks,
    wire::{address::Address, json},
};

/// What is accepted keeps its bounds, and means the same when it is handed on.
pub fn fuzz(data: &[u8]) {
    let Ok(body) = json::parse(data) else { return };
    let Ok(Some(letter)) = Received::read(&body) else { return };
    assert!(!letter.id.is_empty() && letter.text.len() <= limits::MESSAGE_TEXT);
    assert!(letter.carry == Carry::Inject || letter.id.len() <= limits::MESSAGE_ID);
    assert!(letter.from.as_ref().is_none_or(|from| from.len() <= limits::MESSAGE_FROM));
    assert!(letter.ttl_ms <= limits::TTL_MOST_MS && letter.hops <= 255 && !letter.path.is_empty());
    let shown = letter.shown();
    assert!(shown.ends_with(letter.home.as_str()) && shown.is_ascii() && !shown.contains(' '));
    let Ok(to) = Address::parse(&letter.target) else { return };
    let (last, before) = letter.path.split_last().map_or(("", &[][..]), |(last, rest)| (last, rest));
    let caller = match &letter.far {
        Far::Owner => "owner".to_owned(),
        Far::Api => "api".to_owned(),
        Far::Peer => "peer".to_owned(),
        Far::Agent(name) => format!("agent {name}"),
    };
    let again = Letter {
        origin: Origin { caller: &caller, home: &letter.home },
        at: to.home.as_ref(),
        carry: letter.carry,
        text: &letter.text,
        id: &letter.id,
        from: letter.from.as_deref(),
        priority: letter.priority,
        ttl_ms: letter.ttl_ms,
        correlation_id: letter.correlation_id.as_deref(),
        in_reply_to: letter.in_reply_to.as_deref(),
        redelivered: letter.redelivered,
        submit: letter.submit,
        path: before,
        hops: letter.hops.saturating_sub(1),
    };
    let body = again.body(&to.name, Speaks::Loopgate, last);
    let Ok(body) = json::parse(&body) else { panic!("what was written is not JSON") };
    let Ok(Some(read)) = Received::read(&body) else { panic!("what was written is not read") };
    assert_eq!(read, Received { hops: letter.hops.max(1), ..letter });
}
